//! What the workers and clients of one runtime share.

#![forbid(unsafe_code)]

use std::{fmt, sync::Arc as Counted};

use super::{
    address::ActorId,
    deadletter::DeadLetter,
    failure::Failure,
    lane::{Bell, Inlet, Lane, lane},
    names::Names,
};
use crate::{
    ring::CapacityError,
    sync::{AtomicU32, Ordering},
};

/// See the module.
pub(super) struct Shared {
    /// The number of the first worker, among all of the process.
    pub(super) base: u32,
    /// How the workers are reached, by their numbers.
    pub(super) bells: Vec<Counted<Bell>>,
    order: AtomicU32,
    /// The next client's number. The first are the workers'.
    next_client: AtomicU32,
    pub(super) names: Names,
    pub(super) on_dead_letter: Option<DeadLetterHook>,
    pub(super) on_failure: Option<FailureHook>,
}

pub(super) type DeadLetterHook = Box<dyn Fn(DeadLetter) + Send + Sync>;
pub(super) type FailureHook = Box<dyn Fn(ActorId, &Failure) + Send + Sync>;

/// What the workers are to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub(super) enum Order {
    /// Run on.
    Run,
    /// Start no actor any more, let those there are stop, and say when there is none.
    Drain,
    /// End.
    End,
}

impl Shared {
    pub(super) fn new(
        base: u32,
        workers: usize,
        on_dead_letter: Option<DeadLetterHook>,
        on_failure: Option<FailureHook>,
    ) -> Self {
        Self {
            base,
            bells: (0..workers).map(|_| Counted::default()).collect(),
            order: AtomicU32::new(Order::Run as u32),
            next_client: AtomicU32::new(workers as u32),
            names: Names::default(),
            on_dead_letter,
            on_failure,
        }
    }

    /// What is to be done now; it only ever becomes more urgent.
    #[inline]
    pub(super) fn order(&self) -> Order {
        // Acquire: what was done before it was given; pairs with AcqRel in `give`.
        match self.order.load(Ordering::Acquire) {
            0 => Order::Run,
            1 => Order::Drain,
            _ => Order::End,
        }
    }

    #[inline]
    pub(super) fn is_closing(&self) -> bool {
        self.order() != Order::Run
    }

    /// Gives an order, and wakes those who are to hear of it.
    pub(super) fn give(&self, order: Order) {
        self.order.fetch_max(order as u32, Ordering::AcqRel);
        self.bells.iter().for_each(|bell| bell.tell());
    }

    /// A number nobody had before. `None`: there are no more.
    pub(super) fn number_client(&self) -> Option<u32> {
        let next = |number: u32| number.checked_add(1).filter(|next| *next < u32::MAX - 1);
        self.next_client.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).ok()
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("base", &self.base).field("order", &self.order()).finish_non_exhaustive()
    }
}

pub(super) type Lanes = Vec<Vec<Option<Lane>>>;
pub(super) type Inlets = Vec<Vec<(u32, Inlet)>>;

/// A ring each way between any two workers: what each has to the others, and from them.
pub(super) fn rings(shared: &Shared) -> Result<(Lanes, Inlets), CapacityError> {
    let count = shared.bells.len();
    let mut inlets: Inlets = (0..count).map(|_| Vec::new()).collect();
    let mut lanes = Lanes::new();
    for from in 0..count {
        let mut of = Vec::new();
        for (to, bell) in shared.bells.iter().enumerate() {
            of.push(if from == to {
                None
            } else {
                let (lane, inlet) = lane(bell.clone())?;
                inlets[to].push((from as u32, inlet));
                Some(lane)
            });
        }
        lanes.push(of);
    }
    Ok((lanes, inlets))
}
