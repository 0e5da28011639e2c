//! Whom messages over streams came from, so that they can say it: each peer is described once, when its first message comes.

use std::collections::HashMap;

use ringway::{PeerId, monitor::PeerMetadata};

use crate::metadata::{self, Metadata, Properties};

/// Peers a socket remembers. Of a socket whose peers come and go, those forgotten are described again.
const REMEMBERED_MAX: usize = 1024;

/// See the module. It holds one count of each peer's entry.
#[derive(Debug, Default)]
pub(super) struct Senders {
    numbers: HashMap<PeerId, u32>,
    /// Whom the last message came from: mostly the next one's sender, too.
    last: Option<(PeerId, u32)>,
}

impl Senders {
    /// The number of what is known of `peer`, with a count for the message that is to carry it. 0: nothing.
    #[inline]
    pub(super) fn number(&mut self, peer: PeerId, describe: impl FnOnce() -> Option<PeerMetadata>) -> u32 {
        let number = match self.last {
            Some((last, number)) if last == peer => number,
            _ => self.find(peer, describe),
        };
        metadata::retain(number);
        number
    }

    #[inline(never)]
    fn find(&mut self, peer: PeerId, describe: impl FnOnce() -> Option<PeerMetadata>) -> u32 {
        let known = self.numbers.get(&peer).copied();
        let Some(number) = known.or_else(|| describe().and_then(insert)) else { return 0 };
        if known.is_none() {
            if self.numbers.len() >= REMEMBERED_MAX {
                self.forget_all();
            }
            self.numbers.insert(peer, number);
        }
        self.last = Some((peer, number));
        number
    }

    fn forget_all(&mut self) {
        self.last = None;
        self.numbers.drain().for_each(|(_, number)| metadata::release(number));
    }
}

impl Drop for Senders {
    fn drop(&mut self) {
        self.forget_all();
    }
}

/// Puts what is known of a peer into the table.
fn insert(peer: PeerMetadata) -> Option<u32> {
    let properties = Properties::new(peer.socket_type, &peer.routing_id);
    let properties =
        if peer.address.is_empty() { properties } else { properties.with("Peer-Address", peer.address.as_bytes()) };
    let properties = peer.properties.iter().fold(properties, |all, (name, value)| all.with(name, value));
    metadata::insert(Metadata::of_peer(properties))
}
