//! Other libraries' roads, each used as its documentation says it is fastest, through the same loops as ours.
//!
//! - `parcel`: the typed values that in-process queues carry.
//! - `queue`: what queues of owned values have in common, and their ends.
//! - `array_queue`, `crossbeam_channel`, `kanal`, `rtrb`: those queues. `disruptor` lends its slots instead.
//! - `iceoryx`, `shmem_ipc`: through memory that two processes share.
//! - `broadcast`: Ringway's own ring for many readers, beside disruptor's.
//! - `malloc`: the heap they all allocate from.

mod array_queue;
mod broadcast;
mod crossbeam_channel;
mod disruptor;
#[cfg(target_os = "linux")]
mod iceoryx;
mod kanal;
pub(crate) mod malloc;
mod parcel;
mod queue;
mod rtrb;
#[cfg(target_os = "linux")]
mod shmem_ipc;

#[cfg(target_os = "linux")]
pub(crate) use self::{iceoryx::Services, shmem_ipc::Rings};
use crate::{
    cli::{Match, Pattern, Transport},
    end::Terms,
    failure::Failure,
    party::{Library, Party},
    peers::{
        parcel::{Block, Heap},
        queue::QueueRoad,
    },
    report::value_name,
    subject::{Fanned, Subject},
};

/// Calls what is behind the arrow with the type that carries so many bytes.
macro_rules! for_size {
    ($size:expr, $parcel:ident => $call:expr) => {
        for_size!(@ $size, $parcel, $call, 8 16 32 48 64 128 256 512 1_024)
    };
    (@ $size:expr, $parcel:ident, $call:expr, $($bytes:literal)+) => {
        match $size {
            $($bytes => {
                type $parcel = Block<$bytes>;
                $call
            })+
            1_025.. => {
                type $parcel = Heap;
                $call
            }
            size => Err(Failure::Asked(format!(
                "typed queues are built for 8, 16, 32, 48, 64, 128, 256, 512 and 1024 bytes and anything above, not {size}"
            ))),
        }
    };
}

/// The fans of other libraries for messages of this size, and our own ring for many readers; the rings only where
/// everybody sees everything.
pub(crate) fn fans(
    transport: Transport,
    terms: &Terms,
    matching: Match,
    subscribers: u16,
) -> Result<Vec<Box<dyn Fanned>>, Failure> {
    let mut fans = vec![Party::libzmq(transport, Some(Pattern::PubSub)).fan()?];
    #[cfg(target_os = "linux")]
    if transport == Transport::Ipc && matching == Match::All && usize::from(subscribers) <= iceoryx::SUBSCRIBERS_MAX {
        fans.push(Party::shared(Library::Iceoryx2).fan()?);
    }
    // A disruptor with one reader is built in another way: see `compare`.
    if transport == Transport::Inproc && matching == Match::All && subscribers > 1 {
        for_size!(terms.size, P => {
            fans.push(Box::new(broadcast::Broadcast::<P>::new()));
            fans.push(Box::new(disruptor::Disruptor::<P>::new()));
            Ok(())
        })?;
    }
    Ok(fans)
}

/// A library that messages can be sent through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Peer {
    Rtrb,
    Disruptor,
    ArrayQueue,
    CrossbeamChannel,
    Kanal,
    Libzmq,
    #[cfg(target_os = "linux")]
    Iceoryx2,
    #[cfg(target_os = "linux")]
    ShmemIpc,
}

impl Peer {
    /// Can its receiver wait without spinning?
    pub(crate) fn sleeps(self) -> bool {
        !matches!(self, Self::Rtrb | Self::Disruptor | Self::ArrayQueue)
    }

    /// Has it no thread of its own? One that has needs the core its process has.
    pub(crate) fn is_threadless(self) -> bool {
        self != Self::Libzmq
    }

    /// Has it sockets of different patterns?
    pub(crate) fn has_patterns(self) -> bool {
        self == Self::Libzmq
    }

    /// Can it carry messages over this?
    pub(crate) fn reaches(self, transport: Transport) -> bool {
        match self {
            Self::Libzmq => true,
            #[cfg(target_os = "linux")]
            Self::Iceoryx2 | Self::ShmemIpc => transport == Transport::Ipc,
            _ => transport == Transport::Inproc,
        }
    }

    /// Its road for messages of this size, with sockets of this pattern if that was asked for.
    pub(crate) fn road(
        self,
        transport: Transport,
        terms: &Terms,
        pattern: Option<Pattern>,
    ) -> Result<Box<dyn Subject>, Failure> {
        if self == Self::Libzmq {
            return Party::libzmq(transport, pattern).subject(0);
        }
        if !self.reaches(transport) {
            return Err(Failure::Asked(format!("{} has no {}", value_name(self), value_name(transport))));
        }
        if pattern.is_some() {
            return Err(Failure::Asked(format!("{} is a queue and has no patterns", value_name(self))));
        }
        match self {
            #[cfg(target_os = "linux")]
            Self::Iceoryx2 => return Party::shared(Library::Iceoryx2).subject(0),
            #[cfg(target_os = "linux")]
            Self::ShmemIpc => return Party::shared(Library::ShmemIpc).subject(0),
            _ => {}
        }
        for_size!(terms.size, P => Ok(self.typed::<P>()))
    }

    fn typed<P: parcel::Parcel>(self) -> Box<dyn Subject> {
        match self {
            Self::Rtrb => Box::new(QueueRoad::<rtrb::Ring, P>::new()),
            Self::ArrayQueue => Box::new(QueueRoad::<array_queue::Array, P>::new()),
            Self::CrossbeamChannel => Box::new(QueueRoad::<crossbeam_channel::Channel, P>::new()),
            Self::Kanal => Box::new(QueueRoad::<kanal::Channel, P>::new()),
            Self::Disruptor => Box::new(disruptor::Disruptor::<P>::new()),
            _ => unreachable!("what is between processes carries bytes, not types"),
        }
    }
}

/// Messages a ring between processes has room for: as many as a queue, unless they are so large that it would measure
/// memory.
#[cfg(target_os = "linux")]
fn shared_slots(terms: &Terms) -> usize {
    terms.high_water_mark.clamp(1, (SHARED_BYTES_MAX / terms.size).max(4))
}

/// Half of a common second-level cache.
#[cfg(target_os = "linux")]
const SHARED_BYTES_MAX: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::ValueEnum;

    use super::*;
    use crate::{
        cli::Wait,
        pins::Pins,
        work::{fan_out::FanOut, memory::Memory, one_way::OneWay, ping_pong::PingPong},
    };

    fn terms(size: usize, wait: Wait, pins: &Pins) -> Terms {
        Terms { size, wait, relax: pins.relax(), high_water_mark: 100 }
    }

    /// All that can be in one process.
    fn within() -> impl Iterator<Item = Peer> {
        Peer::value_variants().iter().copied().filter(|peer| peer.reaches(Transport::Inproc))
    }

    /// The ways of waiting it has.
    fn waits(peer: Peer) -> &'static [Wait] {
        if peer.sleeps() { &[Wait::Spin, Wait::Adaptive] } else { &[Wait::Spin] }
    }

    #[test]
    fn every_peer_brings_every_byte_there_and_back() {
        let pins = Pins::choose();
        for peer in within() {
            for (size, &wait) in
                [8, 64, 4_096].into_iter().flat_map(|size| waits(peer).iter().map(move |wait| (size, wait)))
            {
                let terms = terms(size, wait, &pins);
                let limit = Duration::from_secs(5);
                let plan = PingPong { count: 100, warmup: 0, rate: None, limit, pins: pins.clone(), pairs: 1 };
                let trips = peer.road(Transport::Inproc, &terms, None).unwrap().ping_pong(&plan, &terms).unwrap();
                assert_eq!(trips.recorder.len(), 100, "{peer:?} {size} {wait:?}");
            }
        }
    }

    #[test]
    fn every_peer_brings_every_message_once_single_and_batched() {
        let pins = Pins::choose();
        for peer in within() {
            for batch in [1, 16] {
                let terms = terms(64, *waits(peer).last().unwrap(), &pins);
                let limit = Duration::from_secs(5);
                let plan = OneWay { count: 2_000, warmup: 10, batch, senders: 1, limit, pins: pins.clone() };
                let flow = peer.road(Transport::Inproc, &terms, None).unwrap().one_way(&plan, &terms).unwrap();
                assert!(flow.messages > 1_900, "{peer:?} {batch} {flow:?}");
            }
        }
    }

    #[test]
    fn libzmq_has_every_pattern() {
        let pins = Pins::choose();
        let limit = Duration::from_secs(5);
        for &pattern in Pattern::value_variants() {
            for wait in [Wait::Spin, Wait::Adaptive] {
                let terms = terms(64, wait, &pins);
                let road = Peer::Libzmq.road(Transport::Inproc, &terms, Some(pattern)).unwrap();
                let plan = PingPong { count: 100, warmup: 0, rate: None, limit, pins: pins.clone(), pairs: 1 };
                assert_eq!(road.ping_pong(&plan, &terms).unwrap().recorder.len(), 100, "{pattern:?}");
                let plan = OneWay { count: 2_000, warmup: 10, batch: 1, senders: 1, limit, pins: pins.clone() };
                match road.one_way(&plan, &terms) {
                    Ok(flow) => assert!(flow.messages > 1_900, "{pattern:?} {flow:?}"),
                    Err(failure) => assert!(matches!(failure, Failure::TwoWayOnly { .. }), "{failure}"),
                }
            }
        }
        assert!(Peer::Rtrb.road(Transport::Inproc, &terms(64, Wait::Spin, &pins), Some(Pattern::Pair)).is_err());
    }

    #[test]
    fn every_fan_reaches_everybody() {
        let pins = Pins::choose();
        let terms = terms(64, Wait::Spin, &pins);
        for matching in [Match::All, Match::Distinct] {
            for fan in fans(Transport::Inproc, &terms, matching, 5).unwrap() {
                for batch in [1, 16] {
                    let limit = Duration::from_secs(5);
                    let plan =
                        FanOut { subscribers: 5, matching, count: 2_000, warmup: 10, batch, limit, pins: pins.clone() };
                    let seen = fan.fan_out(&plan, &terms).unwrap();
                    assert!(seen.deliveries > 1_000, "{} {plan:?} {seen:?}", fan.name());
                }
            }
        }
    }

    #[test]
    fn what_a_peer_cannot_do_is_an_error() {
        let pins = Pins::choose();
        let asleep = terms(64, Wait::Park, &pins);
        let limit = Duration::from_secs(5);
        let plan = PingPong { count: 1, warmup: 0, rate: None, limit, pins: pins.clone(), pairs: 1 };
        for peer in within() {
            let ran = peer.road(Transport::Inproc, &asleep, None).unwrap().ping_pong(&plan, &asleep);
            assert_eq!(ran.is_ok(), peer.sleeps(), "{peer:?}");
        }
        assert!(Peer::Rtrb.road(Transport::Inproc, &terms(33, Wait::Spin, &pins), None).is_err());
    }

    #[test]
    fn heap_of_pairs_is_seen_by_malloc() {
        let pins = Pins::choose();
        let terms = terms(64, Wait::Spin, &pins);
        let plan = Memory { pairs: 10, count: 10, live: malloc::live };
        for peer in within() {
            let per_pair = peer.road(Transport::Inproc, &terms, None).unwrap().memory(&plan, &terms).unwrap();
            // Other tests allocate meanwhile; the figure itself means nothing here.
            assert!(per_pair.before_bytes.is_finite(), "{peer:?}");
        }
    }
}
