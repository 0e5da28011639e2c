//! Who wants what, as the publisher knows it: peers under prefixes.
//!
//! A peer wants a prefix once, however often it says so. It gets a topic once, however many of its prefixes match.
//!
//! Two views of the same pairs, so that either end is found without a search:
//!
//! | from | to | is asked |
//! |---|---|---|
//! | a prefix | its peers, sorted | with each message |
//! | a peer | the nodes of its prefixes | when it subscribes, unsubscribes and leaves |
//!
//! # Cost of a message
//!
//! [`matching`](Audience::matching) walks down the prefixes of the topic. If one of them is stored, whichever it is, its
//! peers are the answer as they stand. If several are, each key is written down once: a stamp for each peer says in which
//! round that was. Nothing is allocated once the list of the largest answer is there.
//!
//! # Memory
//!
//! For a subscription to a topic of its own: a node of 64 bytes and its share of the arena (see [`trie`](super::trie)), and
//! 5 to 10 bytes in the peer's set. For a further peer of a prefix: 4 to 8 bytes, and the 5 to 10. 1.11 million nodes for a
//! million topics of 10 to 20 bytes: about 110 bytes for each subscription, as a test counts.
//!
//! Invariants:
//! - a key is under a prefix exactly if the node of that prefix is in the key's set;
//! - no prefix is stored without a key;
//! - who wants something is known.
//!
//! Keys are places in the socket's table of pipes: small numbers, used again. So peers stand in a list by key.

#![forbid(unsafe_code)]

use std::{collections::BTreeSet, slice};

use super::trie::{NodeId, Trie};

/// Names a peer; see the module.
pub(crate) type Key = u32;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Audience {
    topics: Trie<Keys>,
    /// By key; the last is known.
    peers: Vec<Peer>,
    /// By key, as long as `peers`: the last round in which the key was written down.
    stamps: Vec<u32>,
    /// The keys of the peers that are known, sorted.
    known: Vec<Key>,
    /// Peers that want something.
    subscribers: usize,
    /// Tells the stamps of one message from those of others. No stamp is from a later round.
    round: u32,
    /// The last answer that had to be written down.
    found: Vec<Key>,
}

/// What [`Audience::subscribe`] changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subscribed {
    /// Nobody wanted the prefix before.
    FirstOfAll,
    /// Others did, this peer did not.
    NewForPeer,
    AlreadyThere,
}

/// What [`Audience::unsubscribe`] changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unsubscribed {
    /// Nobody wants the prefix any more.
    LastOfAll,
    /// Others do.
    GoneForPeer,
    NotThere,
}

#[derive(Debug, Default)]
struct Peer {
    known: bool,
    /// The nodes of what it wants. A tree, because it shrinks by itself and is walked as the arena lies.
    wants: BTreeSet<NodeId>,
}

/// A set of keys: mostly of one.
#[derive(Debug, Default)]
enum Keys {
    #[default]
    None,
    One(Key),
    /// Two or more, sorted.
    #[expect(clippy::box_collection, reason = "keeps a node of the trie to a cache line")]
    Many(Box<Vec<Key>>),
}

const _: () = assert!(Trie::<Keys>::NODE_SIZE <= 64);

impl Audience {
    /// Makes `key` known, so that it is among those who do not match. Again changes nothing.
    pub(crate) fn add_peer(&mut self, key: Key) {
        let place = key as usize;
        if place >= self.peers.len() {
            self.peers.resize_with(place + 1, Peer::default);
            self.stamps.resize(place + 1, 0);
        }
        if !self.peers[place].known {
            self.peers[place].known = true;
            insert(&mut self.known, key);
        }
    }

    /// `key`, now known if it was not, wants `prefix`.
    pub(crate) fn subscribe(&mut self, key: Key, prefix: &[u8]) -> Subscribed {
        self.add_peer(key);
        let (id, keys) = self.topics.entry(prefix);
        let wants = &mut self.peers[key as usize].wants;
        if !wants.insert(id) {
            return Subscribed::AlreadyThere;
        }
        self.subscribers += usize::from(wants.len() == 1);
        let first = keys.as_slice().is_empty();
        keys.insert(key);
        if first { Subscribed::FirstOfAll } else { Subscribed::NewForPeer }
    }

    /// `key` does not want `prefix` any more. It stays known.
    pub(crate) fn unsubscribe(&mut self, key: Key, prefix: &[u8]) -> Unsubscribed {
        let Some(peer) = self.peers.get_mut(key as usize) else { return Unsubscribed::NotThere };
        let Some(id) = self.topics.find(prefix).filter(|id| peer.wants.remove(id)) else {
            return Unsubscribed::NotThere;
        };
        self.subscribers -= usize::from(peer.wants.is_empty());
        if leave(&mut self.topics, id, key) { Unsubscribed::LastOfAll } else { Unsubscribed::GoneForPeer }
    }

    /// Forgets `key`. Calls `each` with each prefix it wanted, in any order, and whether nobody wants that any more.
    ///
    /// Costs what the peer wanted; of a prefix that many want, a move of their keys besides.
    pub(crate) fn drop_peer(&mut self, key: Key, mut each: impl FnMut(&[u8], bool)) {
        let Some(peer) = self.peers.get_mut(key as usize).filter(|peer| peer.known) else { return };
        let Peer { wants, .. } = std::mem::take(peer);
        self.subscribers -= usize::from(!wants.is_empty());
        remove(&mut self.known, key);
        let mut prefix = Vec::new();
        for id in wants {
            self.topics.write_prefix(id, &mut prefix);
            let last = leave(&mut self.topics, id, key);
            each(&prefix, last);
        }
        self.forget_places();
    }

    /// Calls `each` with every pair there is, in any order.
    pub(crate) fn for_each(&self, mut each: impl FnMut(Key, &[u8])) {
        let mut prefix = Vec::new();
        for (peer, key) in self.peers.iter().zip(0..) {
            for id in &peer.wants {
                self.topics.write_prefix(*id, &mut prefix);
                each(key, &prefix);
            }
        }
    }

    /// Who wants `topic`: each key once, in any order.
    #[inline]
    pub(crate) fn matching(&mut self, topic: &[u8]) -> &[Key] {
        let mut matches = self.topics.matches(topic);
        let Some(first) = matches.next() else { return &[] };
        let Some(second) = matches.next() else { return first.as_slice() };
        self.round = next_round(self.round, &mut self.stamps);
        self.found.clear();
        write_down(first.as_slice(), self.round, &mut self.stamps, &mut self.found);
        write_down(second.as_slice(), self.round, &mut self.stamps, &mut self.found);
        for keys in matches {
            write_down(keys.as_slice(), self.round, &mut self.stamps, &mut self.found);
        }
        &self.found
    }

    /// Who is known and does not want `topic`, in the order of their keys. Costs the number of known peers, unless nobody
    /// wants it.
    pub(crate) fn not_matching(&mut self, topic: &[u8]) -> &[Key] {
        let mut matches = self.topics.matches(topic).peekable();
        if matches.peek().is_none() {
            return &self.known;
        }
        let round = next_round(self.round, &mut self.stamps);
        self.round = round;
        for key in matches.flat_map(Keys::as_slice) {
            self.stamps[*key as usize] = round;
        }
        self.found.clear();
        self.found.extend(self.known.iter().filter(|key| self.stamps[**key as usize] != round));
        &self.found
    }

    /// Peers that are known, sorted.
    pub(crate) fn peers(&self) -> &[Key] {
        &self.known
    }

    /// Peers that want something.
    pub(crate) fn subscribers(&self) -> usize {
        self.subscribers
    }

    /// Prefixes that somebody wants, each counted once.
    pub(crate) fn topics(&self) -> usize {
        self.topics.len()
    }

    /// Drops the places behind the last known peer.
    fn forget_places(&mut self) {
        let places = self.known.last().map_or(0, |key| *key as usize + 1);
        self.peers.truncate(places);
        self.stamps.truncate(places);
        if places <= self.peers.capacity() / 4 {
            self.peers.shrink_to(places * 2);
            self.stamps.shrink_to(places * 2);
            self.found.clear();
            self.found.shrink_to(places * 2);
        }
    }
}

impl Keys {
    #[inline]
    fn as_slice(&self) -> &[Key] {
        match self {
            Self::None => &[],
            Self::One(key) => slice::from_ref(key),
            Self::Many(keys) => keys,
        }
    }

    /// Adds `key`, which is not there.
    fn insert(&mut self, key: Key) {
        match self {
            Self::None => *self = Self::One(key),
            Self::One(other) => *self = Self::Many(Box::new(vec![key.min(*other), key.max(*other)])),
            Self::Many(keys) => insert(keys, key),
        }
    }

    /// Removes `key`, which is there.
    fn remove(&mut self, key: Key) {
        match self {
            Self::None | Self::One(_) => *self = Self::None,
            Self::Many(keys) => {
                remove(keys, key);
                if let [last] = keys[..] {
                    *self = Self::One(last);
                }
            }
        }
    }
}

/// Takes `key` from those who want the prefix of `id`. True if it was the last: the prefix is gone then.
fn leave(topics: &mut Trie<Keys>, id: NodeId, key: Key) -> bool {
    let keys = topics.value_mut(id);
    keys.remove(key);
    let last = keys.as_slice().is_empty();
    if last {
        topics.remove(id);
    }
    last
}

/// Adds those of `keys` that are not yet stamped with this round.
fn write_down(keys: &[Key], round: u32, stamps: &mut [u32], found: &mut Vec<Key>) {
    for key in keys {
        let stamp = &mut stamps[*key as usize];
        if *stamp != round {
            *stamp = round;
            found.push(*key);
        }
    }
}

/// A round that no stamp is from.
#[inline]
fn next_round(round: u32, stamps: &mut [u32]) -> u32 {
    round.checked_add(1).unwrap_or_else(|| {
        stamps.fill(0);
        1
    })
}

/// Adds `key`, which is not there, to a sorted list.
fn insert(keys: &mut Vec<Key>, key: Key) {
    let place = keys.binary_search(&key).unwrap_or_else(|place| place);
    keys.insert(place, key);
}

/// Removes `key` from a sorted list.
fn remove(keys: &mut Vec<Key>, key: Key) {
    let Ok(place) = keys.binary_search(&key) else { return };
    keys.remove(place);
    if keys.len() <= keys.capacity() / 4 {
        keys.shrink_to(keys.len() * 2);
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    impl Audience {
        fn invariants(&self) {
            self.topics.invariants();
            assert_eq!(self.peers.len(), self.stamps.len());
            assert!(self.peers.last().is_none_or(|peer| peer.known));
            assert!(self.known.is_sorted_by(|a, b| a < b));
            assert_eq!(self.known.len(), self.peers.iter().filter(|peer| peer.known).count());
            assert!(self.known.iter().all(|key| self.peers[*key as usize].known));
            assert_eq!(self.subscribers, self.peers.iter().filter(|peer| !peer.wants.is_empty()).count());
            assert!(self.peers.iter().all(|peer| peer.known || peer.wants.is_empty()));
            assert!(self.stamps.iter().all(|stamp| *stamp <= self.round));
            let mut pairs = 0;
            for (id, keys) in self.topics.iter() {
                let keys = keys.as_slice();
                pairs += keys.len();
                assert!(!keys.is_empty() && keys.is_sorted_by(|a, b| a < b));
                assert!(keys.iter().all(|key| self.peers[*key as usize].wants.contains(&id)));
            }
            assert_eq!(pairs, self.peers.iter().map(|peer| peer.wants.len()).sum::<usize>());
        }
    }

    /// Each known peer and what it wants.
    type Model = BTreeMap<Key, BTreeSet<Vec<u8>>>;

    fn wanted(model: &Model, prefix: &[u8]) -> bool {
        model.values().any(|wants| wants.contains(prefix))
    }

    fn sorted(keys: &[Key]) -> Vec<Key> {
        let mut keys = keys.to_vec();
        keys.sort_unstable();
        keys
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 256 }))]

        #[test]
        fn behaves_as_a_set_of_pairs(
            steps in proptest::collection::vec((0..10_u8, 0..9_u32, "[ab]{0,4}"), 0..120),
            topics in proptest::collection::vec("[abc]{0,6}", 1..8),
            round in prop_oneof![Just(0), Just(u32::MAX - 3)],
        ) {
            let (mut audience, mut model) = (Audience { round, ..Audience::default() }, Model::new());
            for (step, key, prefix) in steps {
                let prefix = prefix.as_bytes();
                match step {
                    0 => {
                        audience.add_peer(key);
                        model.entry(key).or_default();
                    }
                    1 => {
                        let mut told = BTreeMap::new();
                        audience.drop_peer(key, |prefix, last| assert!(told.insert(prefix.to_vec(), last).is_none()));
                        let wants = model.remove(&key).unwrap_or_default();
                        let expected = wants.into_iter().map(|prefix| (!wanted(&model, &prefix), prefix));
                        prop_assert_eq!(told, expected.map(|(last, prefix)| (prefix, last)).collect::<BTreeMap<_, _>>());
                    }
                    2..=5 => {
                        let others = wanted(&model, prefix);
                        let expected = match (model.entry(key).or_default().insert(prefix.to_vec()), others) {
                            (false, _) => Subscribed::AlreadyThere,
                            (true, true) => Subscribed::NewForPeer,
                            (true, false) => Subscribed::FirstOfAll,
                        };
                        prop_assert_eq!(audience.subscribe(key, prefix), expected);
                    }
                    _ => {
                        let there = model.get_mut(&key).is_some_and(|wants| wants.remove(prefix));
                        let expected = match (there, wanted(&model, prefix)) {
                            (false, _) => Unsubscribed::NotThere,
                            (true, true) => Unsubscribed::GoneForPeer,
                            (true, false) => Unsubscribed::LastOfAll,
                        };
                        prop_assert_eq!(audience.unsubscribe(key, prefix), expected);
                    }
                }
                audience.invariants();
                let wants = audience.peers.get(key as usize).map_or(0, |peer| peer.wants.len());
                prop_assert_eq!(wants, model.get(&key).map_or(0, BTreeSet::len));
                for topic in &topics {
                    let topic = topic.as_bytes();
                    let (matching, others) = model.iter().partition::<Vec<_>, _>(|(_, wants)| {
                        wants.iter().any(|prefix| topic.starts_with(prefix))
                    });
                    let keys = |peers: Vec<(&Key, _)>| peers.into_iter().map(|(key, _)| *key).collect::<Vec<_>>();
                    let (matching, others) = (keys(matching), keys(others));
                    prop_assert_eq!(sorted(audience.matching(topic)), matching);
                    prop_assert_eq!(audience.not_matching(topic), others);
                }
            }
            prop_assert_eq!(audience.peers(), model.keys().copied().collect::<Vec<_>>());
            prop_assert_eq!(audience.subscribers(), model.values().filter(|wants| !wants.is_empty()).count());
            let distinct = model.into_values().flatten().collect::<BTreeSet<_>>();
            let prefixes = audience.topics.iter().map(|(id, _)| audience.topics.prefix(id)).collect::<BTreeSet<_>>();
            prop_assert_eq!(audience.topics(), distinct.len());
            prop_assert_eq!(prefixes, distinct);
        }
    }

    #[test]
    fn the_peers_of_one_prefix_are_given_as_they_stand() {
        let mut audience = Audience::default();
        for key in [3, 1, 2] {
            audience.subscribe(key, b"a");
        }
        assert_eq!(audience.matching(b"abc"), [1, 2, 3]);
        assert_eq!(audience.found.capacity(), 0);
        audience.subscribe(2, b"");
        audience.subscribe(4, b"ab");
        assert_eq!(sorted(audience.matching(b"abc")), [1, 2, 3, 4]);
        assert_eq!(audience.matching(b"x"), [2]);
        assert_eq!(audience.not_matching(b"x"), [1, 3, 4]);
    }

    #[test]
    fn a_key_that_comes_back_wants_nothing() {
        let mut audience = Audience::default();
        audience.subscribe(7, b"a");
        audience.drop_peer(7, |prefix, last| assert_eq!((prefix, last), (b"a".as_slice(), true)));
        audience.invariants();
        audience.add_peer(7);
        assert!(audience.matching(b"a").is_empty());
        assert_eq!(audience.not_matching(b"a"), [7]);
        audience.drop_peer(7, |_, _| panic!("it wanted nothing"));
        audience.drop_peer(8, |_, _| panic!("nobody knew it"));
        assert_eq!(audience.peers().len(), 0);
    }

    #[test]
    fn a_million_subscriptions_take_150_bytes_each() {
        const SUBSCRIPTIONS: u32 = match () {
            () if cfg!(miri) => 100,
            () if cfg!(debug_assertions) => 100_000,
            () => 1_000_000,
        };
        const PEERS: u32 = 10;
        let mut audience = Audience::default();
        for number in 0..SUBSCRIPTIONS {
            let random = u64::from(number) * 0x9e37_79b1 % 10_000_000_000;
            let topic = match number % 3 {
                0 => format!("{random:010}"),
                1 => format!("quote/{random}/bid"),
                _ => format!("{random:010}.{number}"),
            };
            audience.subscribe(number % PEERS, topic.as_bytes());
        }
        audience.invariants();
        assert_eq!(audience.topics(), SUBSCRIPTIONS as usize);
        // A leaf of a BTreeSet is 56 bytes, of which 6 to 11 values' worth is used.
        let sets = SUBSCRIPTIONS as usize * 56 / 6;
        let each = (audience.topics.size() + sets) / SUBSCRIPTIONS as usize;
        println!("{each} bytes for each of {SUBSCRIPTIONS} subscriptions");
        assert!(cfg!(miri) || each <= 150, "{each} bytes for each subscription");

        let mut gone = 0;
        for key in 0..PEERS {
            audience.drop_peer(key, |_, last| gone += u32::from(last));
        }
        assert_eq!(gone, SUBSCRIPTIONS);
        audience.invariants();
        assert!(audience.topics.size() < 1024);
    }

    #[test]
    fn a_million_changes_leave_memory_flat() {
        const CHANGES: u32 = if cfg!(miri) { 1_000 } else { 1_000_000 };
        const TOPICS: u64 = 5_000;
        let (mut audience, mut random, mut most) = (Audience::default(), 0x9e37_79b9_7f4a_7c15_u64, 0);
        for change in 0..CHANGES {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let (key, topic) = ((random >> 40) as u32 % 4, format!("{:x}", random % TOPICS));
            if audience.subscribe(key, topic.as_bytes()) == Subscribed::AlreadyThere {
                audience.unsubscribe(key, topic.as_bytes());
            }
            if change == CHANGES / 4 {
                most = audience.topics.size();
            }
        }
        audience.invariants();
        assert!(audience.topics.size() <= most + most / 4);
        (0..4).for_each(|key| audience.drop_peer(key, |_, _| ()));
        assert!(audience.topics.size() < 1024);
        assert!(audience.peers.capacity() + audience.stamps.capacity() + audience.known.capacity() < 64);
    }
}
