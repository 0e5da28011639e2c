//! Bugs that were, each as the smallest program that showed it.

#![forbid(unsafe_code)]

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
    time::Duration,
};

use ringway::{
    Context, Frame, Message, Pub, Sub, XPub, XSub,
    socket::{NoSubscriber, RecvError, SendFailure},
};

const PATIENCE: Duration = Duration::from_secs(60);

/// A SUB of everything, bound to `name`.
fn bound_sub(context: &Context, name: &str) -> Sub {
    let mut subscriber = Sub::builder().subscribe("").build(context).unwrap();
    subscriber.bind(name).unwrap();
    subscriber
}

/// A pipe that came, went and left its key to another within one look of the publisher took that one's subscriptions
/// with it.
#[test]
fn a_key_used_again_has_its_new_peers_subscriptions() {
    let context = Context::new();
    let (mut first, mut second) = (bound_sub(&context, "inproc://first"), bound_sub(&context, "inproc://second"));
    let mut publisher = XPub::new(&context).unwrap();
    publisher.connect("inproc://first").unwrap();
    publisher.disconnect("inproc://first").unwrap();
    publisher.connect("inproc://second").unwrap();
    publisher.send("x").unwrap();
    assert_eq!(second.recv_timeout(PATIENCE).unwrap()[0], "x");
    assert_eq!(first.try_recv(), Err(RecvError::Empty));
    assert_eq!(publisher.try_recv().unwrap()[0], [1][..]);
    assert_eq!(publisher.try_recv(), Err(RecvError::Empty), "nobody has left that was told of");
}

/// What a batch found after its first message was forgotten.
#[test]
fn a_batch_leaves_misses_for_the_next_call() {
    let context = Context::new();
    let mut publisher = Pub::builder().send_hwm(1).build(&context).unwrap();
    let mut other = Pub::builder().send_hwm(1).build(&context).unwrap();
    let mut subscriber = Sub::builder().recv_hwm(1).subscribe("").report_missed().build(&context).unwrap();
    subscriber.bind("inproc://misses").unwrap();
    other.connect("inproc://misses").unwrap();
    publisher.connect("inproc://misses").unwrap();
    other.send("other").unwrap();
    (0..5_u8).for_each(|number| publisher.send([number]).unwrap());
    let mut messages = Vec::new();
    assert_eq!(subscriber.try_recv_batch(&mut messages, 10), Ok(1));
    assert_eq!(subscriber.try_recv_batch(&mut messages, 10), Err(RecvError::Missed));
    assert_eq!(subscriber.missed(), 3);
    assert_eq!(subscriber.try_recv_batch(&mut messages, 10), Ok(2));
    assert_eq!(messages.iter().map(|message| &message[0]).collect::<Vec<_>>(), ["other".as_bytes(), &[0], &[1]]);
}

/// A message of an XSUB that did not know yet whom it was talking to kept its pipe for ever in a PUB, which never
/// receives.
#[test]
fn a_publisher_is_rid_of_a_peer_that_sent_it_something() {
    let context = Context::new();
    let mut publisher = Pub::new(&context).unwrap();
    for _ in 0..3 {
        let mut peer = XSub::builder().subscribe("").build(&context).unwrap();
        peer.connect("inproc://rid").unwrap();
        peer.send("are you there?").unwrap();
        publisher.bind("inproc://rid").unwrap();
        assert_eq!(publisher.subscribers(), 1);
        drop(peer);
        assert_eq!((publisher.subscribers(), publisher.peers()), (0, 0));
        publisher.unbind("inproc://rid").unwrap();
    }
    assert_eq!((publisher.counters().discarded, publisher.counters().messages_received), (3, 0));
}

/// Whether a SUB got what it had not asked for depended on whether it had ever unsubscribed.
#[test]
fn a_subscriber_receives_what_it_subscribed_to_whatever_is_sent() {
    let context = Context::new();
    let mut manual = XPub::builder().manual().build(&context).unwrap();
    manual.bind("inproc://manual").unwrap();
    let mut subscriber = Sub::builder().subscribe("a").build(&context).unwrap();
    let mut transparent = XSub::builder().subscribe("a").build(&context).unwrap();
    for _ in 0..2 {
        match manual.peers() {
            0 => subscriber.connect("inproc://manual").unwrap(),
            _ => transparent.connect("inproc://manual").unwrap(),
        }
        assert_eq!(manual.recv().unwrap()[0], "\u{1}a");
        manual.subscribe("").unwrap();
    }
    manual.send("b").unwrap();
    manual.send("ab").unwrap();
    assert_eq!(subscriber.recv().unwrap()[0], "ab");
    assert_eq!(transparent.recv().unwrap()[0], "b", "an XSUB takes it as it comes");
    assert_eq!((subscriber.counters().filtered, subscriber.counters().messages_received), (1, 1));
    assert_eq!(subscriber.counters().bytes_received, 2);

    let mut inverted = Pub::builder().invert_matching().build(&context).unwrap();
    inverted.connect("inproc://plain").unwrap();
    let mut subscriber = Sub::builder().subscribe("a").build(&context).unwrap();
    subscriber.bind("inproc://plain").unwrap();
    inverted.send("b").unwrap();
    assert_eq!(subscriber.try_recv(), Err(RecvError::Empty));
}

/// After the end of one peer's subscription had been received, the peer before it was meant.
#[test]
fn the_end_of_a_peer_is_nobodys_subscription() {
    let context = Context::new();
    let mut publisher = XPub::builder().manual().build(&context).unwrap();
    publisher.bind("inproc://end").unwrap();
    let subscriber = |topic: &str| {
        let mut subscriber = Sub::builder().subscribe(topic).build(&context).unwrap();
        subscriber.connect("inproc://end").unwrap();
        subscriber
    };
    let first = subscriber("a");
    assert_eq!(publisher.recv().unwrap()[0], "\u{1}a");
    let _second = subscriber("b");
    assert_eq!(publisher.recv().unwrap()[0], "\u{1}b");
    assert_eq!(publisher.subscribe("b"), Ok(()));
    drop(first);
    assert_eq!(publisher.recv().unwrap()[0], "\u{0}a");
    assert_eq!(publisher.unsubscribe("b"), Err(NoSubscriber));
    assert_eq!(publisher.topics(), 1);
}

/// Who is watched for room was chosen before the last look, which may find another one in the way.
#[test]
fn a_publisher_that_waits_for_one_is_woken_by_the_other() {
    const MESSAGES: u64 = 20_000;
    let context = Context::new();
    let mut publisher = Pub::builder().send_hwm(1).no_drop().wait(ringway::WaitPolicy::Park).build(&context).unwrap();
    publisher.bind("inproc://other").unwrap();
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let mut subscriber = Sub::builder().recv_hwm(1).subscribe("").build(&context).unwrap();
            subscriber.connect("inproc://other").unwrap();
            thread::spawn(move || {
                for number in 0..MESSAGES {
                    let message = subscriber.recv_timeout(PATIENCE).expect("the publisher sleeps for ever");
                    assert_eq!(message[0], number.to_le_bytes()[..]);
                }
            })
        })
        .collect();
    for number in 0..MESSAGES {
        publisher.send_timeout(number.to_le_bytes(), PATIENCE).expect("it is woken");
    }
    readers.into_iter().for_each(|reader| reader.join().unwrap());
    assert_eq!(publisher.counters().dropped, 0);
}

/// A publisher that arrived between two looks of one call was looked up among those that had come before: out of bounds,
/// or with the misses of the one that had its key before.
#[test]
fn misses_are_told_of_publishers_that_come_while_receiving() {
    const ROUNDS: usize = 300;
    let context = Context::new();
    let mut subscriber = Sub::builder().recv_hwm(1).subscribe("").report_missed().build(&context).unwrap();
    subscriber.bind("inproc://coming").unwrap();
    let publishing = thread::spawn({
        let context = context.clone();
        move || {
            let (mut dropped, mut old) = (0, Vec::new());
            for round in 0..ROUNDS {
                let mut publisher = Pub::builder().send_hwm(1).build(&context).unwrap();
                publisher.connect("inproc://coming").unwrap();
                (0..1 + round % 5).for_each(|_| publisher.send("x").unwrap());
                dropped += publisher.counters().dropped;
                if round % 3 == 0 {
                    old.push(publisher);
                }
            }
            dropped
        }
    });
    while !publishing.is_finished() {
        let _ = subscriber.try_recv();
    }
    while !matches!(subscriber.try_recv(), Err(RecvError::Empty)) {}
    assert!(subscriber.missed() <= publishing.join().unwrap());
}

/// A message was dropped before those who had got it were told, and before it was counted.
#[test]
fn a_payload_that_panics_when_dropped_is_sent_and_counted() {
    struct Bomb;
    impl AsRef<[u8]> for Bomb {
        fn as_ref(&self) -> &[u8] {
            b"bomb"
        }
    }
    impl Drop for Bomb {
        fn drop(&mut self) {
            if !thread::panicking() {
                panic!("dropped");
            }
        }
    }
    let context = Context::new();
    let mut publisher = Pub::new(&context).unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| publisher.send(Frame::from_owner(Bomb)))).is_err());
    assert_eq!(publisher.counters().messages_sent, 1);
    assert_eq!(publisher.try_send(Message::new()).unwrap_err().reason, SendFailure::NoFrames);
}

/// A welcome was received and never sent, as far as the counters knew.
#[test]
fn a_welcome_is_a_delivery() {
    let context = Context::new();
    let mut publisher = XPub::builder().welcome("hello").build(&context).unwrap();
    publisher.bind("inproc://hello").unwrap();
    let mut subscriber = Sub::builder().subscribe("").build(&context).unwrap();
    subscriber.connect("inproc://hello").unwrap();
    assert_eq!(subscriber.recv().unwrap()[0], "hello");
    assert_eq!((publisher.counters().deliveries, publisher.counters().messages_sent), (1, 0));
}
