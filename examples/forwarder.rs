// cargo run --release --example forwarder -- --count 1000 --publishers 2 --subscribers 3
//! Publishers and subscribers that know one address each: XSUB and XPUB between them.
//!
//! ```text
//!  PUB ─┐                            ┌─► SUB "0 "
//!  PUB ─┼─► XSUB forwarder XPUB ─────┼─► SUB "1 "
//!  PUB ─┘        ◄─ subscriptions ── └─► SUB "2 "
//! ```
//!
//! Subscriptions travel the other way, to the publishers, so that what nobody wants is not even sent to the forwarder.

mod flags;
mod parts;

use parts::{Act, Outcome, Part, Stage};
use ringway::{
    Pub, Sub, XPub, XSub,
    proxy::{ProxyOptions, proxy},
};

fn main() -> Outcome<()> {
    let flags = parts::flags(&[
        ("--count", "1000"),
        ("--publishers", "2"),
        ("--subscribers", "3"),
        ("--frontend", "inproc://publish-here"),
        ("--backend", "inproc://subscribe-here"),
    ])?;
    let parts = [
        Part::serving("forwarder", forwarder),
        Part::new("subscriber", subscriber).copies(flags.positive("--subscribers")?),
        Part::new("publisher", publisher).copies(flags.positive("--publishers")?),
    ];
    parts::play(&flags, &parts)
}

/// Passes messages on one way and subscriptions the other.
fn forwarder(stage: &Stage) -> Outcome<Act> {
    let (mut frontend, mut backend) = (XSub::new(stage.context)?, XPub::builder().no_drop().build(stage.context)?);
    frontend.bind(stage.flags.text("--frontend"))?;
    backend.bind(stage.flags.text("--backend"))?;
    Ok(Box::new(move || {
        let passed = proxy(&mut frontend, &mut backend, ProxyOptions::new())?.statistics;
        Ok(format!("forwarder: {} messages passed on", passed.backend.messages_out))
    }))
}

/// Receives `--count` messages of each publisher, all of the topic it subscribed to.
fn subscriber(stage: &Stage) -> Outcome<Act> {
    let (number, topic) = (stage.number, format!("{} ", stage.number));
    let expected = u64::from(stage.flags.number("--count")?) * u64::from(stage.flags.number("--publishers")?);
    let mut subscriber = Sub::builder().subscribe(&topic).build(stage.context)?;
    subscriber.connect(stage.flags.text("--backend"))?;
    Ok(Box::new(move || {
        for _ in 0..expected {
            let message = subscriber.recv()?;
            if !message[0].starts_with(topic.as_bytes()) {
                return Err(format!("{:?} is not of topic {topic:?}", message[0]).into());
            }
        }
        Ok(format!("subscriber {number}: {expected} messages"))
    }))
}

/// Publishes `--count` messages to each topic once all are wanted, and as many to one that nobody wants.
fn publisher(stage: &Stage) -> Outcome<Act> {
    let (number, count) = (stage.number, stage.flags.number("--count")?);
    let (topics, patience) = (stage.flags.number("--subscribers")?, parts::patience(stage.flags)?);
    let mut publisher = Pub::builder().no_drop().linger(patience).build(stage.context)?;
    publisher.connect(stage.flags.text("--frontend"))?;
    Ok(Box::new(move || {
        // The forwarder is the one subscriber; its topics are those of all behind it.
        publisher.wait_for_topics(topics as usize, patience)?;
        for message in 0..count {
            for topic in 0..topics {
                publisher.send(format!("{topic} {message}"))?;
            }
            publisher.send(format!("nobody {message}"))?;
        }
        let counters = publisher.counters();
        let (forwarded, stayed) = (counters.deliveries, counters.messages_sent - counters.deliveries);
        Ok(format!("publisher {number}: {forwarded} messages wanted, {stayed} not sent"))
    }))
}
