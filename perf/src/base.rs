//! What a road is measured against: within the process what the machine allows, between processes what the operating
//! system's bare sockets do, in the same run and on the same CPUs.

#![forbid(unsafe_code)]

use std::num::NonZeroU64;

use crate::{
    cli::{Setup, Transport, Wait},
    commands::effort,
    end::{Road, Terms},
    failure::Failure,
    floor::{self, SlotRing},
    party::{Library, Party},
    pins::Pins,
    report::median,
    work::{one_way::OneWay, ping_pong::PingPong},
};

/// The floor of one transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    /// A cache line there and back; a bare slot ring one way.
    Memory,
    /// A bare slot ring in memory that two processes share, and for sleepers a futex in it.
    Shared,
    /// A bare socket, spinning and blocking; one way, writes of 64 KiB.
    Socket(Transport),
}

/// Round trips of a floor, medians in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trips {
    pub(crate) floor_ns: u64,
    /// With both sides asleep between messages; between processes only.
    pub(crate) blocking_ns: Option<u64>,
}

impl Trips {
    /// Medians of them. Of at least one.
    pub(crate) fn median(all: &[Self]) -> Self {
        let of = |figure: &dyn Fn(&Self) -> Option<u64>| {
            let figures: Vec<f64> = all.iter().filter_map(figure).map(|ns| ns as f64).collect();
            (!figures.is_empty()).then(|| median(&figures) as u64)
        };
        Self { floor_ns: of(&|trips| Some(trips.floor_ns)).unwrap_or(0), blocking_ns: of(&|trips| trips.blocking_ns) }
    }
}

impl Base {
    /// Messages of ipc go through the kernel if it is `plain`.
    pub(crate) fn of(transport: Transport, plain: bool) -> Self {
        match transport {
            Transport::Inproc => Self::Memory,
            Transport::Ipc if cfg!(target_os = "linux") && !plain => Self::Shared,
            Transport::Tcp | Transport::Ipc => Self::Socket(transport),
        }
    }

    /// What a table of flows calls it.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Memory => Road::name(&SlotRing),
            Self::Shared => "bare slot ring in shared memory".to_owned(),
            Self::Socket(_) => "bare socket, 64 KiB a write".to_owned(),
        }
    }

    /// What a round trip of it is.
    pub(crate) fn trip(self) -> &'static str {
        match self {
            Self::Memory => "a cache line there and back",
            Self::Shared => "a bare slot ring in shared memory there and back",
            Self::Socket(_) => "a bare socket there and back, spinning",
        }
    }

    /// What a round trip with both sides asleep is.
    #[cfg(feature = "peers")]
    pub(crate) fn asleep(self) -> &'static str {
        match self {
            Self::Memory => "a futex there and back",
            Self::Shared => "a futex between two processes there and back",
            Self::Socket(_) => "a bare socket there and back, blocking",
        }
    }

    /// Both round trips; the blocking one at the load's rate, if it has one.
    pub(crate) fn trips(self, setup: &Setup, rate: Option<NonZeroU64>, pins: &Pins) -> Result<Trips, Failure> {
        let blocking_ns = match self {
            Self::Memory => None,
            Self::Shared | Self::Socket(_) => Some(self.blocking_ns(setup, rate, pins)?),
        };
        Ok(Trips { floor_ns: self.spinning_ns(setup, pins)?, blocking_ns })
    }

    /// A round trip between two that never sleep: of a line, or of messages of the load's size.
    pub(crate) fn spinning_ns(self, setup: &Setup, pins: &Pins) -> Result<u64, Failure> {
        match self {
            Self::Memory => Ok(floor::line(pins, effort(&setup.place))?.p50_ns),
            Self::Shared => bare_trip(slot_ring()?, setup, Wait::Spin, None, pins),
            Self::Socket(transport) => bare_trip(Party::raw(transport), setup, Wait::Spin, None, pins),
        }
    }

    /// A round trip with both sides asleep, by futex or between bare sockets. At the load's rate, if it has one: a machine that has
    /// time to fall asleep takes longer to wake.
    pub(crate) fn blocking_ns(self, setup: &Setup, rate: Option<NonZeroU64>, pins: &Pins) -> Result<u64, Failure> {
        match self {
            Self::Memory => self.spinning_ns(setup, pins),
            Self::Shared => bare_trip(slots()?, setup, Wait::Park, rate, pins),
            Self::Socket(transport) => bare_trip(Party::raw(transport), setup, Wait::Park, rate, pins),
        }
    }

    /// Messages a second, from one sender to one receiver.
    pub(crate) fn flow(self, plan: &OneWay, terms: &Terms) -> Result<f64, Failure> {
        match self {
            Self::Memory => Ok(plan.run(&SlotRing, terms)?.msgs_per_s),
            Self::Shared => Ok(slot_ring()?.subject(0)?.one_way(plan, terms)?.msgs_per_s),
            Self::Socket(transport) => {
                let terms = Terms { wait: Wait::Park, ..*terms };
                Ok(Party::raw(transport).subject(0)?.one_way(plan, &terms)?.msgs_per_s)
            }
        }
    }
}

#[cfg(target_os = "linux")]
fn slots() -> Result<Party, Failure> {
    Ok(Party::shared(Library::Slots))
}

#[cfg(target_os = "linux")]
fn slot_ring() -> Result<Party, Failure> {
    Ok(Party::shared(Library::SlotRing))
}

#[cfg(not(target_os = "linux"))]
fn slots() -> Result<Party, Failure> {
    Err(Failure::Asked("shared memory between processes is measured on Linux".to_owned()))
}

#[cfg(not(target_os = "linux"))]
fn slot_ring() -> Result<Party, Failure> {
    slots()
}

/// The median round trip of bare sockets, or slots.
fn bare_trip(party: Party, setup: &Setup, wait: Wait, rate: Option<NonZeroU64>, pins: &Pins) -> Result<u64, Failure> {
    let limit = effort(&setup.place).limit();
    let plan = PingPong { limit, count: u64::MAX, ..setup.ping_pong(rate, pins) };
    let terms = Terms { wait, ..setup.route.terms(pins) };
    Ok(party.subject(0)?.ping_pong(&plan, &terms)?.recorder.summary().p50_ns)
}
