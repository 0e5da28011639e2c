//! Programs for the model checkers. loom runs them over all interleavings, shuttle with more items over sampled ones.
//! A handle that sleeps for ever shows as a deadlock, which both report as a panic.

use std::mem::ManuallyDrop;

use super::{Ends, Kind, Mpmc, PopError, Receiver, RecvError, Sender, mpmc, spsc};
use crate::sync::thread;

/// Runs `body` with `handle`, which is dropped after it, but not by the unwinding of a model that failed: loom's parts
/// cannot be dropped then.
fn with<H, R>(handle: H, body: impl FnOnce(&mut H) -> R) -> R {
    let mut handle = ManuallyDrop::new(handle);
    let result = body(&mut handle);
    drop(ManuallyDrop::into_inner(handle));
    result
}

fn send_all<K: Kind>(sender: Sender<u32, K>, items: std::ops::Range<u32>) {
    with(sender, |sender| {
        for item in items {
            assert_eq!(sender.send(item), Ok(()));
        }
    });
}

/// Everything sent before the sender went is received, in order, then Closed; both sides wait, and both are woken.
fn all_arrive<K: Kind>((sender, receiver): Ends<u32, K>, items: u32)
where
    Sender<u32, K>: Send + 'static,
{
    let sending = thread::spawn(move || send_all(sender, 0..items));
    with(receiver, |receiver| {
        for item in 0..items {
            assert_eq!(receiver.recv(), Ok(item));
        }
        assert_eq!(receiver.recv(), Err(RecvError));
        assert_eq!(receiver.try_recv(), Err(PopError::Closed));
    });
    sending.join().unwrap();
}

pub(super) fn spsc_all_arrive(items: u32) {
    all_arrive(spsc(1).unwrap(), items);
}

pub(super) fn mpmc_all_arrive(items: u32) {
    all_arrive(mpmc(1).unwrap(), items);
}

/// The receiver goes while the sender waits for room, or before: the item comes back.
fn item_comes_back<K: Kind>((sender, receiver): Ends<u32, K>)
where
    Receiver<u32, K>: Send + 'static,
{
    let going = thread::spawn(move || drop(receiver));
    with(sender, |sender| {
        // The first may find room; the second cannot.
        let _ = sender.send(1);
        assert_eq!(sender.send(2).unwrap_err().into_inner(), 2);
    });
    going.join().unwrap();
}

pub(super) fn spsc_item_comes_back() {
    item_comes_back(spsc(1).unwrap());
}

pub(super) fn mpmc_item_comes_back() {
    item_comes_back(mpmc(1).unwrap());
}

/// Receivers take an item each, then go: a wake spent on one that needs it no more must reach another.
pub(super) fn one_each(receivers: u32) {
    let (sender, receiver): Ends<u32, Mpmc> = mpmc(receivers as usize).unwrap();
    let receiving: Vec<_> = (1..receivers)
        .map(|_| {
            let receiver = receiver.clone();
            thread::spawn(move || with(receiver, |receiver| receiver.recv().unwrap()))
        })
        .collect();
    let sending = thread::spawn(move || send_all(sender, 0..receivers));
    let mut sum = with(receiver, |receiver| receiver.recv().unwrap());
    for thread in receiving {
        sum += thread.join().unwrap();
    }
    assert_eq!(sum, receivers * (receivers - 1) / 2);
    sending.join().unwrap();
}

/// Two senders wait for one place.
pub(super) fn two_senders() {
    let (sender, receiver): Ends<u32, Mpmc> = mpmc(1).unwrap();
    let other = sender.clone();
    let sending =
        [(sender, 1), (other, 2)].map(|(sender, item)| thread::spawn(move || send_all(sender, item..item + 1)));
    let sum = with(receiver, |receiver| receiver.recv().unwrap() + receiver.recv().unwrap());
    assert_eq!(sum, 3);
    for thread in sending {
        thread.join().unwrap();
    }
}

/// Two receivers sleep, or are about to, when the sender goes.
pub(super) fn two_receivers_learn_of_the_end() {
    let (sender, receiver): Ends<u32, Mpmc> = mpmc(1).unwrap();
    let other = receiver.clone();
    let receiving = thread::spawn(move || with(other, |receiver| assert_eq!(receiver.recv(), Err(RecvError))));
    let going = thread::spawn(move || drop(sender));
    with(receiver, |receiver| assert_eq!(receiver.recv(), Err(RecvError)));
    receiving.join().unwrap();
    going.join().unwrap();
}

/// Many of each, for sampled schedules.
#[cfg(shuttle)]
pub(super) fn crowd(handles: u32, items_each: u32) {
    let (sender, receiver): Ends<u32, Mpmc> = mpmc(2).unwrap();
    let sending: Vec<_> = (0..handles)
        .map(|index| {
            let sender = sender.clone();
            thread::spawn(move || send_all(sender, index * items_each..(index + 1) * items_each))
        })
        .collect();
    let receiving: Vec<_> = (0..handles)
        .map(|_| {
            let mut receiver = receiver.clone();
            thread::spawn(move || receiver.iter().map(u64::from).sum::<u64>())
        })
        .collect();
    drop((sender, receiver));
    sending.into_iter().for_each(|thread| thread.join().unwrap());
    let sum: u64 = receiving.into_iter().map(|thread| thread.join().unwrap()).sum();
    let count = u64::from(handles * items_each);
    assert_eq!(sum, count * (count - 1) / 2);
}
