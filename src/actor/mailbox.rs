//! Messages that wait, in lists through one pool: an actor with none has no memory for any.

use std::mem::MaybeUninit;

use super::envelope::Envelope;

/// The messages of all actors of a worker. Invariant: *a node has an envelope if it is in the list of a mailbox, and none if it is in
/// that of the free*. What is in a mailbox when its pool is dropped is leaked: whoever has both empties it first.
#[derive(Debug)]
pub(super) struct Pool {
    nodes: Vec<Node>,
    /// The last to be freed comes first: it is in the cache.
    free: u32,
}

#[derive(Debug)]
struct Node {
    envelope: MaybeUninit<Envelope>,
    next: u32,
    origin: Origin,
}

const _: () = assert!(size_of::<Node>() == 64);

/// Whose credit it has: the number of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Origin(pub(super) u32);

impl Origin {
    /// It has none: it is of the worker itself.
    pub(super) const NONE: Self = Self(u32::MAX);
    /// Of an actor of the same worker.
    pub(super) const HERE: Self = Self(u32::MAX - 1);
}

const END: u32 = u32::MAX;

/// Of one actor: a list in a [`Pool`].
#[derive(Debug)]
pub(super) struct Mailbox {
    head: u32,
    tail: u32,
}

impl Mailbox {
    pub(super) const EMPTY: Self = Self { head: END, tail: END };

    #[inline(always)]
    pub(super) fn is_empty(&self) -> bool {
        self.head == END
    }

    /// The place of the oldest, which no other message has before it is taken. None is in the place of another mailbox's.
    #[inline(always)]
    pub(super) fn first(&self) -> u32 {
        self.head
    }

    /// Likewise of the newest.
    #[inline(always)]
    pub(super) fn last(&self) -> u32 {
        self.tail
    }
}

impl Pool {
    pub(super) fn new() -> Self {
        Self { nodes: Vec::new(), free: END }
    }

    /// How many wait, of all.
    #[cfg(all(test, not(any(loom, shuttle))))]
    fn len(&self) -> usize {
        let (mut free, mut index) = (0, self.free);
        while index != END {
            (free, index) = (free + 1, self.nodes[index as usize].next);
        }
        self.nodes.len() - free
    }

    /// Puts it behind those that wait.
    #[inline(always)]
    pub(super) fn push(&mut self, mailbox: &mut Mailbox, envelope: Envelope, origin: Origin) {
        // SAFETY: it is a place for one.
        self.push_with(mailbox, origin, |place| unsafe { place.write(envelope) });
    }

    /// Likewise the one that `write` writes to the place that it is given.
    #[inline(always)]
    pub(super) fn push_with(&mut self, mailbox: &mut Mailbox, origin: Origin, write: impl FnOnce(*mut Envelope)) {
        let index = self.free;
        let index = if index == END { self.grow() } else { index };
        let node = &mut self.nodes[index as usize];
        write(node.envelope.as_mut_ptr());
        self.free = node.next;
        (node.next, node.origin) = (END, origin);
        match mailbox.tail {
            END => mailbox.head = index,
            tail => self.nodes[tail as usize].next = index,
        }
        mailbox.tail = index;
    }

    /// Whose credit the oldest has.
    #[inline(always)]
    pub(super) fn origin(&self, mailbox: &Mailbox) -> Option<Origin> {
        if mailbox.head == END { None } else { Some(self.nodes[mailbox.head as usize].origin) }
    }

    /// Takes the oldest: it is the caller's from here on, and lies where it is told to until something is pushed.
    #[inline(always)]
    pub(super) fn pop_in_place(&mut self, mailbox: &mut Mailbox) -> Option<*mut Envelope> {
        let index = mailbox.head;
        if index == END {
            return None;
        }
        let node = &mut self.nodes[index as usize];
        mailbox.head = node.next;
        if mailbox.head == END {
            mailbox.tail = END;
        }
        node.next = self.free;
        self.free = index;
        Some(node.envelope.as_mut_ptr())
    }

    /// Takes the oldest.
    pub(super) fn pop(&mut self, mailbox: &mut Mailbox) -> Option<(Envelope, Origin)> {
        let origin = self.origin(mailbox)?;
        let place = self.pop_in_place(mailbox)?;
        // SAFETY: it was in a mailbox's list, so it has one; and nothing was pushed since.
        Some((unsafe { place.read() }, origin))
    }

    #[cold]
    fn grow(&mut self) -> u32 {
        let index = u32::try_from(self.nodes.len()).ok().filter(|index| *index < END);
        self.nodes.push(Node { envelope: MaybeUninit::uninit(), next: END, origin: Origin::NONE });
        // 256 GiB of them.
        index.expect("memory holds fewer messages than there are numbers")
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use crate::actor::{
        envelope::{Kind, Verb, drop_message, no_delivery},
        places::Place,
    };
    use proptest::prelude::*;
    use std::collections::VecDeque;

    static NUMBER: Verb =
        Verb { deliver: no_delivery, discard: drop_message::<u64>, message: || "u64", kind: Kind::Message };

    fn number(number: u64) -> Envelope {
        // SAFETY: the verb is of a `u64`.
        unsafe { Envelope::new(&NUMBER, Place { index: 0, generation: 0 }, number) }
    }

    proptest! {
        #[test]
        fn each_is_a_queue(steps in proptest::collection::vec((0_usize..3, any::<bool>()), 0..200)) {
            let mut pool = Pool::new();
            let mut boxes = [Mailbox::EMPTY, Mailbox::EMPTY, Mailbox::EMPTY];
            let mut models: [VecDeque<u64>; 3] = Default::default();
            for (step, (which, is_push)) in steps.into_iter().enumerate() {
                if is_push {
                    pool.push(&mut boxes[which], number(step as u64), Origin(which as u32));
                    models[which].push_back(step as u64);
                } else {
                    // SAFETY: all are of a `u64`.
                    let popped = pool.pop(&mut boxes[which]).map(|(envelope, origin)| (unsafe { envelope.into_message() }, origin));
                    prop_assert_eq!(popped, models[which].pop_front().map(|number| (number, Origin(which as u32))));
                }
                prop_assert_eq!(boxes[which].is_empty(), models[which].is_empty());
                prop_assert_eq!(pool.len(), models.iter().map(VecDeque::len).sum::<usize>());
            }
        }
    }
}
