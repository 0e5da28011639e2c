// cargo run --release --example broker -- --count 1000 --clients 3 --workers 2
//! A request broker: any number of clients, any number of workers, and neither knows how many there are of the other.
//!
//! ```text
//!  client REQ ─┐                           ┌─► REP worker
//!  client REQ ─┼─► ROUTER proxy DEALER ────┼─► REP worker
//!  client REQ ─┘                           └─► REP worker
//! ```

mod flags;
mod parts;

use parts::{Act, Outcome, Part, Stage};
use ringway::{
    Dealer, Rep, Req, Router,
    proxy::{ProxyOptions, proxy},
    socket::RecvError,
};

fn main() -> Outcome<()> {
    let flags = parts::flags(&[
        ("--count", "1000"),
        ("--clients", "3"),
        ("--workers", "2"),
        ("--frontend", "inproc://frontend"),
        ("--backend", "inproc://backend"),
    ])?;
    let parts = [
        Part::serving("broker", broker),
        Part::serving("worker", worker).copies(flags.positive("--workers")?),
        Part::new("client", client).copies(flags.positive("--clients")?),
    ];
    parts::play(&flags, &parts)
}

/// Passes requests on to the workers in turn, and replies back to who asked.
fn broker(stage: &Stage) -> Outcome<Act> {
    let (mut frontend, mut backend) = (Router::new(stage.context)?, Dealer::new(stage.context)?);
    frontend.bind(stage.flags.text("--frontend"))?;
    backend.bind(stage.flags.text("--backend"))?;
    Ok(Box::new(move || {
        let passed = proxy(&mut frontend, &mut backend, ProxyOptions::new())?.statistics;
        let (requests, replies) = (passed.backend.messages_out, passed.frontend.messages_out);
        Ok(format!("broker: {requests} requests and {replies} replies passed on"))
    }))
}

/// Shouts back.
fn worker(stage: &Stage) -> Outcome<Act> {
    let number = stage.number;
    let mut worker = Rep::new(stage.context)?;
    worker.connect(stage.flags.text("--backend"))?;
    Ok(Box::new(move || {
        let mut served = 0;
        loop {
            let request = match worker.recv() {
                Ok(request) => request,
                Err(RecvError::ContextClosed) => return Ok(format!("worker {number}: {served} requests")),
                Err(error) => return Err(error.into()),
            };
            worker.send(request[0].as_str()?.to_uppercase())?;
            served += 1;
        }
    }))
}

/// Asks `--count` times, and checks that each reply is to what it asked.
fn client(stage: &Stage) -> Outcome<Act> {
    let (number, count) = (stage.number, stage.flags.number("--count")?);
    let mut client = Req::new(stage.context)?;
    client.connect(stage.flags.text("--frontend"))?;
    Ok(Box::new(move || {
        for request in 0..count {
            let text = format!("client {number}, request {request}");
            let reply = client.request(text.as_str())?;
            if reply[0] != text.to_uppercase() {
                return Err(format!("{:?} is no reply to {text:?}", reply[0]).into());
            }
        }
        Ok(format!("client {number}: {count} replies"))
    }))
}
