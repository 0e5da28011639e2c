// cargo run --release --example hello_world -- --count 10 --endpoint inproc://hello
//! Hello world: REQ asks, REP answers, strictly in turn.
//!
//! ```text
//!  client REQ ── "Hello" ──► REP server
//!             ◄── "World" ──
//! ```

mod flags;
mod parts;

use parts::{Act, Outcome, Part, Stage};
use ringway::{Rep, Req};

fn main() -> Outcome<()> {
    let flags = parts::flags(&[("--count", "10"), ("--endpoint", "inproc://hello")])?;
    parts::play(&flags, &[Part::new("server", server), Part::new("client", client)])
}

/// Answers `--count` requests.
fn server(stage: &Stage) -> Outcome<Act> {
    let count = stage.flags.number("--count")?;
    let mut server = Rep::new(stage.context)?;
    server.bind(stage.flags.text("--endpoint"))?;
    Ok(Box::new(move || {
        let mut hellos = 0;
        for _ in 0..count {
            let request = server.recv()?;
            hellos += u32::from(request[0] == "Hello");
            server.send("World")?;
        }
        Ok(format!("server: {hellos} times Hello"))
    }))
}

/// Asks `--count` times.
fn client(stage: &Stage) -> Outcome<Act> {
    let count = stage.flags.number("--count")?;
    let mut client = Req::new(stage.context)?;
    client.connect(stage.flags.text("--endpoint"))?;
    Ok(Box::new(move || {
        let mut worlds = 0;
        for _ in 0..count {
            let reply = client.request("Hello")?;
            worlds += u32::from(reply[0] == "World");
        }
        Ok(format!("client: {worlds} times World"))
    }))
}
