//! Programs for the model checkers, on whole sockets: who subscribes, who publishes and who sleeps meanwhile.
//! A socket that sleeps for ever shows as a deadlock, which both checkers report as a panic.

#![forbid(unsafe_code)]

use std::mem::ManuallyDrop;

use super::{Builder, Socket};
use crate::{
    Context, Pub, Sub, WaitPolicy, XPub,
    sync::{Arc, AtomicU32, Ordering, thread},
};

const NAME: &str = "inproc://model";

/// A model that failed unwinds past its sockets, and the checkers' parts must not be dropped then.
fn build<S: Socket>(builder: Builder<S>, context: &Context) -> ManuallyDrop<S> {
    ManuallyDrop::new(builder.wait(WaitPolicy::Park).build(context).unwrap())
}

fn context() -> ManuallyDrop<Context> {
    ManuallyDrop::new(Context::new())
}

/// Drops `what`, in a model that has not failed so far.
fn close<T>(what: ManuallyDrop<T>) {
    drop(ManuallyDrop::into_inner(what));
}

/// A publisher joins and publishes while its peer subscribes: what it publishes after that is delivered. With
/// `publishes_first` it has looked at the subscriptions before.
pub(super) fn subscribed_while_publishing(publishes_first: bool) {
    let context = context();
    let mut subscriber = build(Sub::builder(), &context);
    subscriber.bind(NAME).unwrap();
    let mut publisher = build(Pub::builder(), &context);
    let subscribed = ManuallyDrop::new(Arc::new(AtomicU32::new(0)));
    let is_subscribed = subscribed.clone();
    let publishing = thread::spawn(move || {
        publisher.connect(NAME).unwrap();
        if publishes_first {
            publisher.send("t0").unwrap();
        }
        let after = is_subscribed.load(Ordering::Acquire) == 1;
        publisher.send("t1").unwrap();
        (publisher, is_subscribed, after)
    });
    subscriber.subscribe("t");
    subscribed.store(1, Ordering::Release);
    let (publisher, is_subscribed, after) = publishing.join().unwrap();
    let mut received: Vec<_> = std::iter::from_fn(|| subscriber.try_recv().ok()).map(|message| message[0][1]).collect();
    if after {
        assert_eq!(received.pop(), Some(b'1'));
    }
    assert_eq!(publisher.counters().deliveries, subscriber.counters().messages_received);
    close(publisher);
    close(subscriber);
    drop((ManuallyDrop::into_inner(is_subscribed), ManuallyDrop::into_inner(subscribed)));
    close(context);
}

/// An XPUB sleeps until it is told of a subscription.
pub(super) fn told_while_sleeping() {
    let context = context();
    let (mut publisher, mut subscriber) = (build(XPub::builder(), &context), build(Sub::builder(), &context));
    publisher.bind(NAME).unwrap();
    subscriber.connect(NAME).unwrap();
    let subscribing = thread::spawn(move || {
        subscriber.subscribe("t");
        subscriber
    });
    assert_eq!(publisher.recv().unwrap()[0], "\u{1}t");
    close(subscribing.join().unwrap());
    close(publisher);
    close(context);
}

/// A publisher that may drop nothing waits for two that are full. They take, one after the other.
pub(super) fn waits_for_two() {
    let context = context();
    let builder = Pub::builder().no_drop().send_hwm(1);
    let mut publisher = build(builder, &context);
    publisher.bind(NAME).unwrap();
    let subscriber = || {
        let mut subscriber = build(Sub::builder().recv_hwm(1).subscribe(""), &context);
        subscriber.connect(NAME).unwrap();
        subscriber
    };
    let (mut first, mut second) = (subscriber(), subscriber());
    (0..2_u8).for_each(|number| publisher.try_send([number]).unwrap());
    let taking = thread::spawn(move || {
        first.try_recv().unwrap();
        second.try_recv().unwrap();
        (first, second)
    });
    publisher.send([2]).unwrap();
    let (first, second) = taking.join().unwrap();
    close(first);
    close(second);
    close(publisher);
    close(context);
}

/// The one it waits for leaves.
pub(super) fn waits_for_one_that_leaves() {
    let context = context();
    let mut publisher = build(Pub::builder().no_drop().send_hwm(1), &context);
    publisher.bind(NAME).unwrap();
    let mut subscriber = build(Sub::builder().recv_hwm(1).subscribe(""), &context);
    subscriber.connect(NAME).unwrap();
    (0..2_u8).for_each(|number| publisher.try_send([number]).unwrap());
    let leaving = thread::spawn(move || close(subscriber));
    publisher.send([2]).unwrap();
    leaving.join().unwrap();
    close(publisher);
    close(context);
}
