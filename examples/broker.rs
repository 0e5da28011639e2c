// cargo run --release --example broker -- --count 1000 --clients 3 --workers 2
//! A request broker: any number of clients, any number of workers, and neither knows how many there are of the other.
//!
//! ```text
//!  client REQ ─┐                           ┌─► REP worker
//!  client REQ ─┼─► ROUTER proxy DEALER ────┼─► REP worker
//!  client REQ ─┘                           └─► REP worker
//! ```

mod flags;

use std::{error::Error, thread};

use ringway::{
    Context, Dealer, Rep, Req, Router,
    proxy::{ProxyControl, ProxyOptions, proxy},
    socket::RecvError,
};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let flags = flags::Flags::parse(&[
        ("--count", "1000"),
        ("--clients", "3"),
        ("--workers", "2"),
        ("--frontend", "inproc://frontend"),
        ("--backend", "inproc://backend"),
    ])?;
    let (count, clients) = (flags.number("--count")?, flags.positive("--clients")?);
    let workers = flags.positive("--workers")?;
    let (frontend_at, backend_at) = (flags.text("--frontend"), flags.text("--backend"));

    let context = Context::new();
    let (mut frontend, mut backend) = (Router::new(&context)?, Dealer::new(&context)?);
    frontend.bind(frontend_at)?;
    backend.bind(backend_at)?;
    let workers = (0..workers).map(|_| start_worker(&context, backend_at)).collect::<Outcome<Vec<_>>>()?;
    let control = ProxyControl::new();
    let handle = control.clone();
    let broker = thread::spawn(move || proxy(&mut frontend, &mut backend, ProxyOptions::new().handle(&handle)));

    let clients = (0..clients)
        .map(|number| {
            let mut client = Req::new(&context)?;
            client.connect(frontend_at)?;
            Ok(thread::spawn(move || ask(client, number, count)))
        })
        .collect::<Outcome<Vec<_>>>()?;
    let mut answered = 0;
    for client in clients {
        answered += client.join().expect("a client does not panic")?;
    }
    control.terminate();
    let report = broker.join().expect("the broker does not panic")?;
    context.shutdown(std::time::Duration::ZERO);
    for (number, worker) in workers.into_iter().enumerate() {
        println!("worker {number}: {} requests", worker.join().expect("a worker does not panic")?);
    }
    println!("{answered} requests answered, {} passed on", report.statistics.backend.messages_out);
    Ok(())
}

/// Sends `count` requests, and checks that each reply is to it. Returns how many came.
fn ask(mut client: Req, number: u32, count: u32) -> Outcome<u32> {
    for request in 0..count {
        let text = format!("client {number}, request {request}");
        let reply = client.request(text.as_str())?;
        if reply[0] != text.to_uppercase() {
            return Err(format!("{:?} is no reply to {text:?}", reply[0]).into());
        }
    }
    Ok(count)
}

/// A worker that shouts back until the context is shut down; gives the number of requests it served.
fn start_worker(context: &Context, backend_at: &str) -> Outcome<thread::JoinHandle<Outcome<u32>>> {
    let mut worker = Rep::new(context)?;
    worker.connect(backend_at)?;
    Ok(thread::spawn(move || {
        let mut served = 0;
        loop {
            let request = match worker.recv() {
                Ok(request) => request,
                Err(RecvError::ContextClosed) => return Ok(served),
                Err(error) => return Err(error.into()),
            };
            worker.send(request[0].as_str()?.to_uppercase())?;
            served += 1;
        }
    }))
}
