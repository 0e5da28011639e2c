//! Other libraries' roads, each used as its documentation says it is fastest, through the same loops as ours.
//!
//! - `parcel`: the typed values that in-process queues carry.
//! - `queue`: what queues of owned values have in common, and their ends.
//! - `array_queue`, `crossbeam_channel`, `kanal`, `rtrb`: those queues. `disruptor` lends its slots instead.
//! - `libzmq`: the system's libzmq, through its C interface.

mod array_queue;
mod crossbeam_channel;
mod disruptor;
mod kanal;
mod libzmq;
mod parcel;
mod queue;
mod rtrb;

use crate::{
    end::Terms,
    failure::Failure,
    peers::{
        parcel::{Block, Heap},
        queue::QueueRoad,
    },
    subject::Subject,
};

pub(crate) use libzmq::live_malloc;

/// A library that messages can be sent through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Peer {
    Rtrb,
    Disruptor,
    ArrayQueue,
    CrossbeamChannel,
    Kanal,
    Libzmq,
}

impl Peer {
    /// Can its receiver wait without spinning?
    pub(crate) fn sleeps(self) -> bool {
        matches!(self, Self::CrossbeamChannel | Self::Kanal | Self::Libzmq)
    }

    /// Its road for messages of this size.
    pub(crate) fn road(self, terms: &Terms) -> Result<Box<dyn Subject>, Failure> {
        match terms.size {
            _ if self == Self::Libzmq => Ok(Box::new(libzmq::Sockets::new()?)),
            8 => Ok(self.typed::<Block<8>>()),
            16 => Ok(self.typed::<Block<16>>()),
            32 => Ok(self.typed::<Block<32>>()),
            48 => Ok(self.typed::<Block<48>>()),
            64 => Ok(self.typed::<Block<64>>()),
            128 => Ok(self.typed::<Block<128>>()),
            256 => Ok(self.typed::<Block<256>>()),
            512 => Ok(self.typed::<Block<512>>()),
            1_024 => Ok(self.typed::<Block<1_024>>()),
            1_025.. => Ok(self.typed::<Heap>()),
            size => Err(Failure::Asked(format!(
                "typed queues are built for 8, 16, 32, 48, 64, 128, 256, 512 and 1024 bytes and anything above, not {size}"
            ))),
        }
    }

    fn typed<P: parcel::Parcel>(self) -> Box<dyn Subject> {
        match self {
            Self::Rtrb => Box::new(QueueRoad::<rtrb::Ring, P>::new()),
            Self::ArrayQueue => Box::new(QueueRoad::<array_queue::Array, P>::new()),
            Self::CrossbeamChannel => Box::new(QueueRoad::<crossbeam_channel::Channel, P>::new()),
            Self::Kanal => Box::new(QueueRoad::<kanal::Channel, P>::new()),
            Self::Disruptor => Box::new(disruptor::Disruptor::<P>::new()),
            Self::Libzmq => unreachable!("libzmq carries bytes, not types"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::ValueEnum;

    use super::*;
    use crate::{
        cli::Wait,
        pins::Pins,
        work::{memory::Memory, one_way::OneWay, ping_pong::PingPong},
    };

    fn terms(size: usize, wait: Wait, pins: &Pins) -> Terms {
        Terms { size, wait, relax: pins.relax(), high_water_mark: 100 }
    }

    /// The ways of waiting it has.
    fn waits(peer: Peer) -> &'static [Wait] {
        if peer.sleeps() { &[Wait::Spin, Wait::Adaptive] } else { &[Wait::Spin] }
    }

    #[test]
    fn every_peer_brings_every_byte_there_and_back() {
        let pins = Pins::choose();
        for &peer in Peer::value_variants() {
            for (size, &wait) in
                [8, 64, 4_096].into_iter().flat_map(|size| waits(peer).iter().map(move |wait| (size, wait)))
            {
                let terms = terms(size, wait, &pins);
                let limit = Duration::from_secs(5);
                let plan = PingPong { count: 100, warmup: 0, rate: None, limit, pins: pins.clone(), pairs: 1 };
                let trips = peer.road(&terms).unwrap().ping_pong(&plan, &terms).unwrap();
                assert_eq!(trips.recorder.len(), 100, "{peer:?} {size} {wait:?}");
            }
        }
    }

    #[test]
    fn every_peer_brings_every_message_once_single_and_batched() {
        let pins = Pins::choose();
        for &peer in Peer::value_variants() {
            for batch in [1, 16] {
                let terms = terms(64, *waits(peer).last().unwrap(), &pins);
                let limit = Duration::from_secs(5);
                let plan = OneWay { count: 2_000, warmup: 10, batch, senders: 1, limit, pins: pins.clone() };
                let flow = peer.road(&terms).unwrap().one_way(&plan, &terms).unwrap();
                assert!(flow.messages > 1_900, "{peer:?} {batch} {flow:?}");
            }
        }
    }

    #[test]
    fn what_a_peer_cannot_do_is_an_error() {
        let pins = Pins::choose();
        let asleep = terms(64, Wait::Park, &pins);
        let limit = Duration::from_secs(5);
        let plan = PingPong { count: 1, warmup: 0, rate: None, limit, pins: pins.clone(), pairs: 1 };
        for &peer in Peer::value_variants() {
            let ran = peer.road(&asleep).unwrap().ping_pong(&plan, &asleep);
            assert_eq!(ran.is_ok(), peer.sleeps(), "{peer:?}");
        }
        assert!(Peer::Rtrb.road(&terms(33, Wait::Spin, &pins)).is_err());
    }

    #[test]
    fn heap_of_pairs_is_seen_by_malloc() {
        let pins = Pins::choose();
        let terms = terms(64, Wait::Spin, &pins);
        let plan = Memory { pairs: 10, count: 10, live: live_malloc };
        for &peer in Peer::value_variants() {
            let per_pair = peer.road(&terms).unwrap().memory(&plan, &terms).unwrap();
            // Other tests allocate meanwhile; the figure itself means nothing here.
            assert!(per_pair.before_bytes.is_finite(), "{peer:?}");
        }
    }
}
