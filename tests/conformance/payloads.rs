//! Destructors of payloads: each runs once, whatever became of the message, and may call into other sockets.

#![expect(clippy::disallowed_types, reason = "a test is outside the library, and no model runs it")]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use ringway::{Context, Frame, Message, Pair, Pull, Push, socket::RecvError};

use crate::flavor::{Flavor, PATIENCE, Receiver, World, eventually, marked_pipeline, pairs, pipeline};

/// A payload that counts how often it is dropped.
struct Counted {
    bytes: [u8; 100],
    drops: Arc<AtomicU64>,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.drops.fetch_add(1, Ordering::Relaxed);
    }
}

/// Makes counted messages, and checks at the end that each was dropped once.
struct Mint {
    made: u64,
    drops: Arc<AtomicU64>,
}

impl Mint {
    fn new() -> Self {
        Self { made: 0, drops: Arc::default() }
    }

    /// A message of so many frames.
    fn message(&mut self, frames: u64) -> Message {
        self.made += frames;
        (0..frames).map(|_| Frame::from_owner(Counted { bytes: [7; 100], drops: self.drops.clone() })).collect()
    }

    fn all_dropped_once(self) {
        eventually("every payload is dropped", || self.drops.load(Ordering::Relaxed) >= self.made);
        assert_eq!(self.drops.load(Ordering::Relaxed), self.made, "and none twice");
    }
}

pub(crate) fn destructors_run_once_on_every_path(flavor: Flavor) {
    let mut mint = Mint::new();
    // One frame, several, and more than a record holds.
    for frames in [1, 3, 40] {
        let context = flavor.context();
        let (mut push, mut pull) = marked_pipeline(&context, "payloads", 3, 2);
        // Received.
        (0..5).for_each(|_| push.send(mint.message(frames)).unwrap());
        (0..5).for_each(|_| assert_eq!(pull.next().len() as u64, frames));
        // Refused, and back with the caller; reserved and not sent.
        (0..5).for_each(|_| push.send(mint.message(frames)).unwrap());
        if flavor.capacity(3, 2).is_exact() {
            assert_eq!(push.try_send(mint.message(frames)).unwrap_err().message.len() as u64, frames);
        }
        pull.next();
        drop(push.reserve().unwrap());
        // Unread when the receiver disconnects, refused by a permit whose peer has left.
        let permit = push.reserve().unwrap();
        drop(pull);
        assert!(permit.send(mint.message(frames)).is_err() || !flavor.tells_at_once());
        drop(push);
        // Queued for a name that is bound late, or never.
        let mut push = Push::builder().send_hwm(3).build(&context).unwrap();
        push.connect(context.endpoint("late")).unwrap();
        push.connect(context.endpoint("never")).unwrap();
        (0..6).for_each(|_| push.try_send(mint.message(frames)).unwrap());
        drop(push);
        let mut late = Pull::new(&context).unwrap();
        late.bind(context.endpoint("late")).unwrap();
        (0..3).for_each(|_| assert_eq!(late.next().len() as u64, frames));
        // In a queue for a seat.
        let (here, _there) = pairs(&context, "seat");
        let mut waiting = Pair::new(&context).unwrap();
        waiting.connect(context.endpoint("seat")).unwrap();
        (0..4).for_each(|_| waiting.try_send(mint.message(frames)).unwrap());
        drop(here);
        drop((late, _there, waiting));
        assert_eq!(context.shutdown(PATIENCE).sockets_left, 0);
        drop(context);
    }
    mint.all_dropped_once();
}

/// A payload whose destructor uses sockets of the same context in every way.
struct Busy {
    context: Context,
    port: Arc<Mutex<Pair>>,
    drops: Arc<AtomicU64>,
}

impl AsRef<[u8]> for Busy {
    fn as_ref(&self) -> &[u8] {
        b"busy"
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.drops.fetch_add(1, Ordering::Relaxed);
        // Fails once the context is shut down.
        let _ = self.port.lock().unwrap().try_send("dropped");
        let _ = self.context.sockets();
        let (Ok(mut push), Ok(mut pull)) = (Push::new(&self.context), Pull::new(&self.context)) else { return };
        let name = format!("inproc://busy-{:?}", thread::current().id());
        if pull.bind(&name).is_ok() {
            let _ = push.connect(&name);
            // The context may be shut down at any point of this.
            let _ = push.send("hello");
            match pull.recv_timeout(PATIENCE) {
                Ok(message) => assert_eq!(message[0], "hello"),
                Err(error) => assert_eq!(error, RecvError::ContextClosed),
            }
        }
        // Leaves something behind under a name nobody binds.
        push.set_linger(Duration::ZERO);
        let _ = push.connect("inproc://nowhere");
        let _ = push.try_send("lost");
    }
}

fn busy(context: &World) -> (impl Fn() -> Message, Pair, Arc<AtomicU64>) {
    // Within the process whatever road the payloads take: a thread that drops one may be the one that serves a road.
    let mut port = Pair::builder().send_hwm(0).build(context).unwrap();
    let mut heard = Pair::new(context).unwrap();
    port.bind("inproc://port").unwrap();
    heard.connect("inproc://port").unwrap();
    let (context, port, drops) = (Context::clone(context), Arc::new(Mutex::new(port)), Arc::new(AtomicU64::new(0)));
    let count = drops.clone();
    let make = move || {
        let busy = Busy { context: context.clone(), port: port.clone(), drops: drops.clone() };
        Message::from(Frame::from_owner(busy))
    };
    (make, heard, count)
}

pub(crate) fn destructors_may_use_other_sockets(flavor: Flavor) {
    let context = flavor.context();
    let (make, mut heard, drops) = busy(&context);
    // Received and dropped; unread at a disconnect; unread at a drop; undelivered; lingering until the end.
    let (mut push, mut pull) = pipeline(&context, "calls");
    (0..4).for_each(|_| push.try_send(make()).unwrap());
    drop(pull.next());
    pull.disconnect(context.endpoint("calls")).unwrap();
    drop((push, pull));
    let (mut here, mut there) = pairs(&context, "calls");
    (0..2).for_each(|_| here.try_send(make()).unwrap());
    (0..2).for_each(|_| there.try_send(make()).unwrap());
    drop(here);
    drop(there);
    // In a queue for a seat, dropped by the socket that has none.
    let (full, _first) = pairs(&context, "calls");
    let mut waiting = Pair::new(&context).unwrap();
    waiting.connect(context.endpoint("calls")).unwrap();
    (0..2).for_each(|_| waiting.try_send(make()).unwrap());
    drop(full);
    drop(waiting);
    for linger in [Duration::ZERO, Duration::from_secs(3600)] {
        let mut push = Push::builder().linger(linger).build(&context).unwrap();
        push.connect(context.endpoint("nobody")).unwrap();
        (0..2).for_each(|_| push.try_send(make()).unwrap());
    }
    let mut bind_late = Pull::new(&context).unwrap();
    bind_late.bind(context.endpoint("nobody")).unwrap();
    if !flavor.tells_at_once() {
        (0..2).for_each(|_| drop(bind_late.next()));
    }
    drop(bind_late);
    let mut push = Push::builder().linger(Duration::MAX).build(&context).unwrap();
    push.connect(context.endpoint("the-end")).unwrap();
    (0..2).for_each(|_| push.try_send(make()).unwrap());
    drop((push, _first));
    context.eventually("all but the last two are dropped", || drops.load(Ordering::Relaxed) == 14);
    (0..14).for_each(|_| assert_eq!(heard.next()[0], "dropped"));
    context.shutdown(Duration::ZERO);
    context
        .eventually("all are dropped", || drops.load(Ordering::Relaxed) == 16 || drops.load(Ordering::Relaxed) == 14);
    drop(make);
}

pub(crate) fn destructors_under_bind_and_connect_errors(flavor: Flavor) {
    // An expired linger is noticed by whoever comes to the registry next, also if its own call fails.
    for round in 0..3 {
        let context = flavor.context();
        let (make, _heard, drops) = busy(&context);
        let mut bound = Pull::new(&context).unwrap();
        bound.bind(context.endpoint("bound")).unwrap();
        let mut push = Push::builder().linger(Duration::from_millis(5)).build(&context).unwrap();
        push.connect(context.endpoint("expires")).unwrap();
        push.try_send(make()).unwrap();
        drop(push);
        thread::sleep(Duration::from_millis(10));
        match round {
            0 => assert!(Pull::new(&context).unwrap().bind(context.endpoint("bound")).is_err()),
            1 => {
                let refused = Pull::new(&context).unwrap().connect(context.endpoint("bound")).is_err();
                assert_eq!(refused, flavor.refuses_misfits_at_once());
            }
            _ => assert!(Pull::new(&context).unwrap().bind(context.endpoint("fresh")).is_ok()),
        }
        context.eventually("the expired payload is dropped", || drops.load(Ordering::Relaxed) == 1);
    }
}
