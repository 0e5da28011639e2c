//! Blocking typed channels: a ring and a wait.
//!
//! Threads signal each other without locks in three lines:
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (mut done, mut all_done) = ringway::channel::spsc(1)?;
//! std::thread::spawn(move || done.send("finished"));
//! assert_eq!(all_done.recv()?, "finished");
//! # Ok(())
//! # }
//! ```
//!
//! [`spsc`] connects one sender to one receiver over [`ring::spsc`](crate::ring::spsc); [`mpmc`] any number of each,
//! every item going to one receiver, over [`ring::mpmc`](crate::ring::mpmc). Both have the same operations:
//!
//! | | waits by the handle's [`WaitPolicy`] | waits so long | never waits |
//! |---|---|---|---|
//! | one item | [`send`](Sender::send), [`recv`](Receiver::recv) | `send_timeout`, `recv_timeout` | `try_send`, `try_recv` |
//! | batches | [`send_batch`](Sender::send_batch), [`recv_batch`](Receiver::recv_batch) | | `try_send_batch`, `try_recv_batch` |
//!
//! *Bounded.* A channel holds `capacity` items, exactly; a sender waits for room, and a failed send gives the item
//! back. *Closing.* A channel closes when the last handle of one side is dropped. Everything sent before the senders
//! went is received, then receiving says Closed; what receivers did not take when they went is dropped with the
//! channel. Handles that wait are woken. *Order.* Items of one sender are received in the order it sent them.
//!
//! An item that is sent and received while both sides are awake costs no lock and no system call. A handle is `Send`
//! and not shared: the waiting state in it belongs to one thread at a time.

#![forbid(unsafe_code)]

mod bell;
mod error;
mod kind;
#[cfg(all(test, loom))]
mod loom;
#[cfg(all(test, any(loom, shuttle)))]
mod models;
mod receiver;
mod sender;
#[cfg(all(test, shuttle))]
mod shuttle;

use std::sync::Arc;

pub use crate::ring::{CapacityError, PopError, PushError};
pub use crate::wait::{WaitCounters, WaitPolicy};
pub use error::{RecvError, RecvTimeoutError, SendError, SendTimeoutError};
pub use kind::{Kind, Mpmc, Spsc};
pub use receiver::{IntoIter, Iter, Receiver, TryIter};
pub use sender::Sender;

use crate::sync::{AtomicUsize, CachePadded, Ordering, full_fence, prepare_asymmetric_fences};
use bell::Bell;

/// The two halves of a new channel.
pub type Ends<T, K> = (Sender<T, K>, Receiver<T, K>);

/// Makes a channel from one sender to one receiver.
///
/// Allocates all it will ever need, but for what the first park of each handle takes.
///
/// # Errors
///
/// [`CapacityError`] when `capacity` is zero or cannot be allocated.
pub fn spsc<T>(capacity: usize) -> Result<Ends<T, Spsc>, CapacityError> {
    let (producer, consumer) = crate::ring::spsc::ring(capacity)?;
    Ok(connect(producer, consumer))
}

/// Makes a channel from any number of senders to any number of receivers: clone the handles. Each item goes to one
/// receiver.
///
/// Allocates all it will ever need, but for what the first park of each handle takes.
///
/// # Errors
///
/// [`CapacityError`] when `capacity` is zero or cannot be allocated.
///
/// # Examples
///
/// ```
/// use std::thread;
///
/// let (mut tasks, worker) = ringway::channel::mpmc::<u64>(64)?;
/// let workers: Vec<_> = (0..4)
///     .map(|_| {
///         let mut tasks = worker.clone();
///         thread::spawn(move || tasks.iter().map(|task| task * task).sum::<u64>())
///     })
///     .collect();
/// drop(worker);
/// tasks.send_batch(&mut (1..=100).collect()).unwrap();
/// drop(tasks);
/// assert_eq!(workers.into_iter().map(|worker| worker.join().unwrap()).sum::<u64>(), 338_350);
/// # Ok::<(), ringway::channel::CapacityError>(())
/// ```
pub fn mpmc<T>(capacity: usize) -> Result<Ends<T, Mpmc>, CapacityError> {
    let (producer, consumer) = crate::ring::mpmc::ring(capacity)?;
    Ok(connect(producer, consumer))
}

fn connect<T, K: Kind>(producer: K::Producer<T>, consumer: K::Consumer<T>) -> Ends<T, K> {
    prepare_asymmetric_fences();
    let shared = Arc::new(Shared {
        items: CachePadded::default(),
        room: CachePadded::default(),
        senders: AtomicUsize::new(1),
        receivers: AtomicUsize::new(1),
    });
    (Sender::new(producer, Arc::clone(&shared)), Receiver::new(consumer, shared))
}

/// What handles reach beside the ring: who sleeps, and who is left.
#[derive(Debug)]
struct Shared<B> {
    /// Receivers that wait for items. Senders look at it after every send; it changes only when somebody sleeps.
    items: CachePadded<B>,
    /// Senders that wait for room. Receivers look at it after every receive.
    room: CachePadded<B>,
    /// Handles left. The ring counts its own; these tell whose drop was the last, *after* the ring knows.
    senders: AtomicUsize,
    receivers: AtomicUsize,
}

/// A sender's share in the channel. Declared after the ring's handle, so that it is dropped when the ring has closed.
#[derive(Debug)]
struct SenderShare<B: Bell>(Arc<Shared<B>>);

/// A receiver's share in the channel.
#[derive(Debug)]
struct ReceiverShare<B: Bell>(Arc<Shared<B>>);

impl<B: Bell> Clone for SenderShare<B> {
    fn clone(&self) -> Self {
        // Relaxed: we hold one, so the count is not zero.
        self.0.senders.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(&self.0))
    }
}

impl<B: Bell> Clone for ReceiverShare<B> {
    fn clone(&self) -> Self {
        // Relaxed: as above.
        self.0.receivers.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(&self.0))
    }
}

impl<B: Bell> Drop for SenderShare<B> {
    fn drop(&mut self) {
        // AcqRel: the last to go has seen that all others left the ring; it is the one that wakes.
        if self.0.senders.fetch_sub(1, Ordering::AcqRel) == 1 && !crate::sync::planted("channel-sender-drop-silent") {
            // Full: the ring's closing against the look at sleepers; pairs with the receiver's before its last look.
            full_fence();
            self.0.items.ring_all();
        }
    }
}

impl<B: Bell> Drop for ReceiverShare<B> {
    fn drop(&mut self) {
        // AcqRel: as above.
        if self.0.receivers.fetch_sub(1, Ordering::AcqRel) == 1 && !crate::sync::planted("channel-receiver-drop-silent")
        {
            // Light would do against a sender's heavy fence; this is the last time, and full is simpler.
            full_fence();
            crate::sync::light_fence();
            self.0.room.ring_all();
        }
    }
}
