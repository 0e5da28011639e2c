// cargo run --release --example forwarder -- --count 1000 --publishers 2 --subscribers 3
//! Publishers and subscribers that know one address each: XSUB and XPUB between them.
//!
//! ```text
//!  PUB ─┐                            ┌─► SUB "0"
//!  PUB ─┼─► XSUB forwarder XPUB ─────┼─► SUB "1"
//!  PUB ─┘        ◄─ subscriptions ── └─► SUB "2"
//! ```
//!
//! Subscriptions travel the other way, to the publishers, so that what nobody wants is not even sent to the forwarder.

mod flags;

use std::{error::Error, thread, time::Duration};

use ringway::{
    Context, Pub, Sub, XPub, XSub,
    proxy::{ProxyControl, ProxyOptions, proxy},
};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> Outcome<()> {
    let flags = flags::Flags::parse(&[
        ("--count", "1000"),
        ("--publishers", "2"),
        ("--subscribers", "3"),
        ("--frontend", "inproc://publish-here"),
        ("--backend", "inproc://subscribe-here"),
    ])?;
    let (count, publishers) = (flags.number("--count")?, flags.positive("--publishers")?);
    let subscribers = flags.positive("--subscribers")?;
    let context = Context::new();
    let (mut frontend, mut backend) = (XSub::new(&context)?, XPub::builder().no_drop().build(&context)?);
    frontend.bind(flags.text("--frontend"))?;
    backend.bind(flags.text("--backend"))?;
    let control = ProxyControl::new();
    let handle = control.clone();
    let forwarding = thread::spawn(move || proxy(&mut frontend, &mut backend, ProxyOptions::new().handle(&handle)));

    let subscribed = (0..subscribers)
        .map(|topic| {
            let mut subscriber = Sub::builder().subscribe(format!("{topic} ")).build(&context)?;
            subscriber.connect(flags.text("--backend"))?;
            Ok(thread::spawn(move || collect(subscriber, count * publishers)))
        })
        .collect::<Outcome<Vec<_>>>()?;
    let publishing = (0..publishers)
        .map(|_| {
            let mut publisher = Pub::builder().no_drop().build(&context)?;
            publisher.connect(flags.text("--frontend"))?;
            Ok(thread::spawn(move || publish(publisher, count, subscribers)))
        })
        .collect::<Outcome<Vec<_>>>()?;

    let mut unwanted = 0;
    for publisher in publishing {
        unwanted += publisher.join().expect("a publisher does not panic")?;
    }
    for (topic, subscriber) in subscribed.into_iter().enumerate() {
        println!("subscriber {topic}: {} messages", subscriber.join().expect("a subscriber does not panic")?);
    }
    control.terminate();
    let report = forwarding.join().expect("the forwarder does not panic")?;
    println!("{} messages forwarded, {unwanted} that nobody wants stayed", report.statistics.backend.messages_out);
    Ok(())
}

/// Publishes `count` messages to each topic once all are wanted, and as many to one nobody wants. Returns how many of
/// those stayed here.
fn publish(mut publisher: Pub, count: u32, topics: u32) -> Outcome<u64> {
    // The forwarder is the one subscriber; its topics are those of all behind it.
    publisher.wait_for_topics(topics as usize, PATIENCE)?;
    for number in 0..count {
        (0..topics).try_for_each(|topic| publisher.send(format!("{topic} {number}")))?;
        publisher.send(format!("nobody {number}"))?;
    }
    let counters = publisher.counters();
    Ok(counters.messages_sent - counters.deliveries)
}

/// Receives `expected` messages.
fn collect(mut subscriber: Sub, expected: u32) -> Outcome<u32> {
    for _ in 0..expected {
        subscriber.recv_timeout(PATIENCE)?;
    }
    Ok(expected)
}
