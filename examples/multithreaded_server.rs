// cargo run --release --example multithreaded_server -- --count 1000 --threads 4
//! A server that answers with several threads: a ROUTER in front, a DEALER behind, workers over inproc.
//!
//! ```text
//!                    ┌──────────── server ─────────────┐
//!  client REQ ──────►│ ROUTER ── DEALER ─┬─► REP thread │
//!                    │                   ├─► REP thread │
//!                    │                   └─► REP thread │
//!                    └─────────────────────────────────┘
//! ```
//!
//! The proxy between the two is written out here, with a poller, to show what one is: take only what can be passed on.

mod flags;

use std::{error::Error, thread, time::Duration};

use ringway::{
    Context, Dealer, Poller, Rep, Req, Router,
    poll::{Events, Interest},
    socket::RecvError,
};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Which socket an event is of.
const FRONTEND: u64 = 0;
const BACKEND: u64 = 1;
/// Not to be chosen by the user: nobody outside connects there.
const WORKERS_AT: &str = "inproc://workers";

fn main() -> Outcome<()> {
    let flags = flags::Flags::parse(&[("--count", "1000"), ("--threads", "4"), ("--endpoint", "inproc://server")])?;
    let (count, threads) = (flags.number("--count")?, flags.positive("--threads")?);
    let context = Context::new();
    let (mut frontend, mut backend) = (Router::new(&context)?, Dealer::new(&context)?);
    frontend.bind(flags.text("--endpoint"))?;
    backend.bind(WORKERS_AT)?;
    let workers = (0..threads)
        .map(|_| {
            let mut worker = Rep::new(&context)?;
            worker.connect(WORKERS_AT)?;
            Ok(thread::spawn(move || work(worker)))
        })
        .collect::<Outcome<Vec<_>>>()?;
    let serving = thread::spawn(move || serve(frontend, backend));

    let mut client = Req::new(&context)?;
    client.connect(flags.text("--endpoint"))?;
    let mut sum = 0;
    for number in 1..=count {
        let reply = client.request(number.to_le_bytes())?;
        sum += u64::from_le_bytes(reply[0].as_bytes().try_into()?);
    }
    drop(client);
    context.shutdown(Duration::ZERO);
    serving.join().expect("the server does not panic")?;
    let mut busy = 0;
    for worker in workers {
        busy += u32::from(worker.join().expect("a worker does not panic")? > 0);
    }
    println!("the squares of 1 to {count} add up to {sum}");
    println!("{busy} of {threads} threads worked");
    Ok(())
}

/// Passes requests on to workers and replies back, until the context is shut down.
fn serve(mut frontend: Router, mut backend: Dealer) -> Outcome<()> {
    let mut poller = Poller::new();
    poller.add(&mut frontend, Interest::READABLE, FRONTEND)?;
    poller.add(&mut backend, Interest::READABLE, BACKEND)?;
    let mut events = Events::new();
    loop {
        poller.wait(&mut events, None)?;
        for event in events.iter() {
            let passed = match event.data {
                FRONTEND => frontend.try_recv().map(|request| backend.send(request)),
                _ => backend.try_recv().map(|reply| frontend.send(reply)),
            };
            match passed {
                Ok(sent) => sent?,
                Err(RecvError::Empty) => {}
                Err(RecvError::ContextClosed) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Squares numbers until the context is shut down. Returns how many.
fn work(mut worker: Rep) -> Outcome<u32> {
    let mut worked = 0;
    loop {
        let request = match worker.recv() {
            Ok(request) => request,
            Err(RecvError::ContextClosed) => return Ok(worked),
            Err(error) => return Err(error.into()),
        };
        let number = u64::from(u32::from_le_bytes(request[0].as_bytes().try_into()?));
        worker.send((number * number).to_le_bytes())?;
        worked += 1;
    }
}
