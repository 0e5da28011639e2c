// cargo run --release --example hello_world -- --count 10 --endpoint inproc://hello
//! Hello world: REQ asks, REP answers, strictly in turn.
//!
//! ```text
//!  client REQ ── "Hello" ──► REP server
//!             ◄── "World" ──
//! ```

mod flags;

use std::{error::Error, thread};

use ringway::{Context, Rep, Req};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let flags = flags::Flags::parse(&[("--count", "10"), ("--endpoint", "inproc://hello")])?;
    let count = flags.number("--count")?;
    let context = Context::new();
    let (mut client, mut server) = (Req::new(&context)?, Rep::new(&context)?);
    server.bind(flags.text("--endpoint"))?;
    client.connect(flags.text("--endpoint"))?;

    let serving = thread::spawn(move || serve(server, count));
    let mut worlds = 0;
    for _ in 0..count {
        let reply = client.request("Hello")?;
        worlds += u32::from(reply[0] == "World");
    }
    let hellos = serving.join().expect("the server does not panic")?;
    println!("{hellos} times Hello, {worlds} times World");
    Ok(())
}

/// Answers `count` requests. Returns how many of them said hello.
fn serve(mut server: Rep, count: u32) -> Outcome<u32> {
    let mut hellos = 0;
    for _ in 0..count {
        let request = server.recv()?;
        hellos += u32::from(request[0] == "Hello");
        server.send("World")?;
    }
    Ok(hellos)
}
