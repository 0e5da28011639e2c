// cargo run --release --example multithreaded_server -- --count 1000 --threads 4
//! A server that answers with several threads: a ROUTER in front, a DEALER behind, and the threads are inproc.
//!
//! ```text
//!                    ┌───────────── server ─────────────┐
//!  client REQ ──────►│ ROUTER ── DEALER ─┬─► REP thread │
//!                    │                   ├─► REP thread │
//!                    │                   └─► REP thread │
//!                    └──────────────────────────────────┘
//! ```

mod flags;
mod parts;

use std::thread;

use parts::{Act, Outcome, Part, Stage};
use ringway::{
    Dealer, Rep, Req, Router,
    proxy::{ProxyOptions, proxy},
    socket::RecvError,
};

/// Not to be chosen by the user: whatever road clients come by, the threads are in here.
const THREADS_AT: &str = "inproc://threads";

fn main() -> Outcome<()> {
    let flags = parts::flags(&[("--count", "1000"), ("--threads", "4"), ("--endpoint", "inproc://server")])?;
    parts::play(&flags, &[Part::serving("server", server), Part::new("client", client)])
}

/// One address, `--threads` threads.
fn server(stage: &Stage) -> Outcome<Act> {
    let (mut frontend, mut backend) = (Router::new(stage.context)?, Dealer::new(stage.context)?);
    frontend.bind(stage.flags.text("--endpoint"))?;
    backend.bind(THREADS_AT)?;
    let mut workers = Vec::new();
    for _ in 0..stage.flags.positive("--threads")? {
        let mut worker = Rep::new(stage.context)?;
        worker.connect(THREADS_AT)?;
        workers.push(worker);
    }
    Ok(Box::new(move || {
        let threads: Vec<_> = workers.into_iter().map(|worker| thread::spawn(move || square(worker))).collect();
        proxy(&mut frontend, &mut backend, ProxyOptions::new())?;
        let mut shares = Vec::new();
        for thread in threads {
            shares.push(thread.join().expect("a thread does not panic")?.to_string());
        }
        Ok(format!("server: requests by thread: {}", shares.join(" ")))
    }))
}

/// Squares numbers until the context is shut down. Returns how many.
fn square(mut worker: Rep) -> Outcome<u32> {
    let mut squared = 0;
    loop {
        let request = match worker.recv() {
            Ok(request) => request,
            Err(RecvError::ContextClosed) => return Ok(squared),
            Err(error) => return Err(error.into()),
        };
        let number = u64::from(u32::from_le_bytes(request[0].as_bytes().try_into()?));
        worker.send((number * number).to_le_bytes())?;
        squared += 1;
    }
}

/// Has 1 to `--count` squared, and adds the squares up.
fn client(stage: &Stage) -> Outcome<Act> {
    let count = stage.flags.number("--count")?;
    let mut client = Req::new(stage.context)?;
    client.connect(stage.flags.text("--endpoint"))?;
    Ok(Box::new(move || {
        let mut sum = 0;
        for number in 1..=count {
            let reply = client.request(number.to_le_bytes())?;
            sum += u128::from(u64::from_le_bytes(reply[0].as_bytes().try_into()?));
        }
        Ok(format!("client: the squares of 1 to {count} add up to {sum}"))
    }))
}
