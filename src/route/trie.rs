//! Values under byte prefixes, found by the topics that begin with them.
//!
//! A radix tree: the bytes on the way from the root to a node are that node's prefix, and no two children of a node
//! begin with the same byte. So the stored prefixes of a topic lie on one path, shortest first.
//!
//! ```text
//! root ── "price." ─┬─ "eur" = v1          entry("price.e")  splits "eur":   "e" = v3 ── "ur" = v1
//!                   └─ "usd" = v2 ── ".ask" = v4             v1 stays where it is; the node above it is new
//! ```
//!
//! Nodes stand in one arena and name each other by index, upwards too, so nothing here recurses: not the drop of a chain
//! of a million nested prefixes either. Vacant places are linked and used again.
//!
//! Invariants, of every node that is not vacant, except the root:
//! - its edge is not empty, and its parent finds it by the first byte of that edge;
//! - it holds a value or has at least two children. So nodes <= 2 × values.
//!
//! The [`NodeId`] of a value stays what it is until that value is removed: a split puts the new node above, a merge keeps
//! the lower one.
//!
//! | operation | cost |
//! |---|---|
//! | match | a cache line or two for each node on the path; nothing is allocated |
//! | insert, find | the same, and the bytes of one edge when it is split |
//! | remove | one lookup in the parent, and the bytes of two edges when nodes merge |
//! | prefix of a node | its length |
//!
//! # Memory
//!
//! A node with a value of 16 bytes is 64 bytes; its edge is inside up to [`SHORT_MAX`] bytes. The arena grows by a
//! quarter. A million topics such as `quote/3141592/bid` (10 to 20 bytes, decimal digits) make 1.11 million nodes: at most
//! 64 × 1.11 × 1.25 = 89 bytes for each prefix, and 0.11 × 84 = 9 for the lists of children of the nodes between. The worst
//! case, where every fork has two branches, is two nodes for each prefix and a list of 24 bytes.
//!
//! The arena does not shrink while it holds a value, since values keep their places: it is as large as it had to be since
//! it was last empty.

#![forbid(unsafe_code)]

use std::{fmt, mem};

/// See the module.
#[derive(Clone)]
pub(crate) struct Trie<V> {
    /// The root, whose prefix is empty and which is always there, then the others and the vacant in any order.
    nodes: Vec<Node<V>>,
    /// The first vacant place; each names the next as its parent. [`NONE`] if there is none.
    vacant: u32,
    /// Values held.
    len: usize,
}

/// Where a value is. Good until the value is removed; may then come to stand for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NodeId(u32);

/// See [`Trie::matches`].
pub(crate) struct Matches<'a, 't, V> {
    trie: &'a Trie<V>,
    /// A node on the way of the topic, not yet looked at. `None` when there is no more.
    at: Option<&'a Node<V>>,
    /// What the topic has beyond that node's prefix.
    rest: &'t [u8],
}

#[derive(Clone)]
struct Node<V> {
    /// The bytes between the parent's prefix and this one.
    edge: Edge,
    children: Children,
    value: Option<V>,
    /// The root is its own parent. In a vacant place: the next vacant place.
    parent: u32,
}

/// A few bytes in place or many elsewhere.
#[derive(Clone)]
enum Edge {
    Short { len: u8, bytes: [u8; SHORT_MAX] },
    Long(Box<[u8]>),
}

/// The nodes below one, by the first byte of their edges: the smallest form that holds them, give or take
/// some, so that one child's coming and going does not copy the others each time.
#[derive(Clone, Default)]
enum Children {
    #[default]
    None,
    One(Child),
    /// From 2.
    Four(Box<List<4>>),
    /// From 4.
    Sixteen(Box<List<16>>),
    /// From 13.
    FortyEight(Box<List<48>>),
    /// From 37.
    Table(Box<Table>),
}

#[derive(Clone, Copy)]
struct Child {
    byte: u8,
    node: NodeId,
}

/// Up to `N` children in any order.
#[derive(Clone)]
struct List<const N: usize> {
    /// How many are there; the rest of the arrays means nothing.
    len: u8,
    bytes: [u8; N],
    nodes: [NodeId; N],
}

/// A child for any byte.
#[derive(Clone)]
struct Table {
    len: u16,
    /// [`NONE`] where there is no child.
    nodes: [NodeId; 256],
}

const _: () = assert!(size_of::<Edge>() <= 24 && size_of::<Children>() <= 16);

impl<V> Default for Trie<V> {
    fn default() -> Self {
        Self { nodes: vec![Node::new(Edge::EMPTY, ROOT)], vacant: NONE, len: 0 }
    }
}

impl<V> Trie<V> {
    /// Bytes of a node, whatever its edge and children own elsewhere.
    pub(super) const NODE_SIZE: usize = size_of::<Node<V>>();

    /// The value under `prefix`, which becomes the default one if there is none.
    pub(crate) fn entry(&mut self, prefix: &[u8]) -> (NodeId, &mut V)
    where
        V: Default,
    {
        let id = self.place(prefix);
        let value = &mut self.nodes[id.index()].value;
        self.len += usize::from(value.is_none());
        (id, value.get_or_insert_default())
    }

    /// The value at `id`.
    ///
    /// # Panics
    /// There is none.
    pub(crate) fn value_mut(&mut self, id: NodeId) -> &mut V {
        self.node_mut(id).value.as_mut().expect(NO_VALUE)
    }

    /// Takes the value at `id` out, and the nodes that it alone kept.
    ///
    /// # Panics
    /// There is none.
    pub(crate) fn remove(&mut self, id: NodeId) -> V {
        let value = self.node_mut(id).value.take().expect(NO_VALUE);
        self.len -= 1;
        if self.len == 0 {
            self.give_back();
        } else {
            self.prune(id);
        }
        value
    }

    /// Values held, which is the number of distinct prefixes.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The node of the value under `prefix`.
    pub(crate) fn find(&self, prefix: &[u8]) -> Option<NodeId> {
        let (mut at, mut rest) = (NodeId(ROOT), prefix);
        while let Some(first) = rest.first() {
            at = self.node(at).children.find(*first)?;
            rest = rest.strip_prefix(self.node(at).edge.as_bytes())?;
        }
        self.node(at).value.as_ref().map(|_| at)
    }

    /// Makes `prefix` the one that leads to `id`.
    pub(crate) fn write_prefix(&self, id: NodeId, prefix: &mut Vec<u8>) {
        prefix.clear();
        let mut at = id;
        while at.0 != ROOT {
            let node = self.node(at);
            prefix.extend(node.edge.as_bytes().iter().rev());
            at = NodeId(node.parent);
        }
        prefix.reverse();
    }

    /// The values of the stored prefixes of `topic`, shortest prefix first.
    #[inline]
    pub(crate) fn matches<'a, 't>(&'a self, topic: &'t [u8]) -> Matches<'a, 't, V> {
        Matches { trie: self, at: Some(&self.nodes[ROOT as usize]), rest: topic }
    }

    /// Is a prefix of `topic` stored?
    #[inline]
    pub(crate) fn has_match(&self, topic: &[u8]) -> bool {
        self.nodes[ROOT as usize].value.is_some() || self.matches(topic).next().is_some()
    }

    /// All values, in the order of their places. Costs the size of the arena.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (NodeId, &V)> {
        (0..).map(NodeId).zip(&self.nodes).filter_map(|(id, node)| Some((id, node.value.as_ref()?)))
    }

    /// The node of `prefix`, new if need be. The caller gives it a value.
    fn place(&mut self, prefix: &[u8]) -> NodeId {
        let (mut at, mut rest) = (NodeId(ROOT), prefix);
        while let Some(first) = rest.first() {
            let Some(child) = self.node(at).children.find(*first) else { return self.attach(at, rest) };
            let edge = self.node(child).edge.as_bytes();
            let shared = edge.iter().zip(rest).take_while(|(a, b)| a == b).count();
            at = if shared < edge.len() { self.split(child, shared) } else { child };
            rest = &rest[shared..];
        }
        at
    }

    /// A new node below `parent`, which has no child that begins as `edge` does.
    fn attach(&mut self, parent: NodeId, edge: &[u8]) -> NodeId {
        let node = self.occupy(Node::new(Edge::joined(edge, &[]), parent.0));
        self.node_mut(parent).children.insert(Child { byte: edge[0], node });
        node
    }

    /// A new node between `id` and its parent, which takes over the first `at` bytes of the edge.
    fn split(&mut self, id: NodeId, at: usize) -> NodeId {
        let node = self.node_mut(id);
        let parent = NodeId(node.parent);
        let (upper, lower) = node.edge.as_bytes().split_at(at);
        let (first, byte) = (upper[0], lower[0]);
        let (upper, lower) = (Edge::joined(upper, &[]), Edge::joined(lower, &[]));
        node.edge = lower;
        let above = self.occupy(Node::new(upper, parent.0));
        self.node_mut(above).children = Children::One(Child { byte, node: id });
        self.node_mut(id).parent = above.0;
        self.node_mut(parent).children.replace(Child { byte: first, node: above });
        above
    }

    /// `id` has lost its value: it goes if it is not needed, and its parent if that is not needed any more.
    fn prune(&mut self, id: NodeId) {
        let node = self.node(id);
        if id.0 == ROOT || node.children.len() > 0 {
            return self.merge(id);
        }
        let (parent, first) = (NodeId(node.parent), node.edge.as_bytes()[0]);
        self.vacate(id);
        self.node_mut(parent).children.remove(first);
        self.merge(parent);
    }

    /// Merges `id` into its child if it has neither a value nor another.
    fn merge(&mut self, id: NodeId) {
        let node = self.node(id);
        let Children::One(Child { node: child, .. }) = node.children else { return };
        if id.0 == ROOT || node.value.is_some() {
            return;
        }
        let (parent, first) = (NodeId(node.parent), node.edge.as_bytes()[0]);
        let edge = Edge::joined(node.edge.as_bytes(), self.node(child).edge.as_bytes());
        self.vacate(id);
        let lower = self.node_mut(child);
        (lower.edge, lower.parent) = (edge, parent.0);
        self.node_mut(parent).children.replace(Child { byte: first, node: child });
    }

    fn occupy(&mut self, node: Node<V>) -> NodeId {
        if let Some(place) = self.nodes.get_mut(self.vacant as usize) {
            let id = NodeId(mem::replace(&mut self.vacant, place.parent));
            *place = node;
            return id;
        }
        let id = self.nodes.len();
        assert!(id < NONE as usize, "nodes are named by 32 bits; so many take 256 GiB");
        if id == self.nodes.capacity() {
            self.nodes.reserve_exact((id / 4).max(KEPT));
        }
        self.nodes.push(node);
        NodeId(id as u32)
    }

    fn vacate(&mut self, id: NodeId) {
        let next = mem::replace(&mut self.vacant, id.0);
        *self.node_mut(id) = Node::new(Edge::EMPTY, next);
    }

    /// The last value is gone: only the root is left.
    fn give_back(&mut self) {
        self.nodes.truncate(1);
        self.nodes.shrink_to(KEPT);
        self.nodes[ROOT as usize].children = Children::None;
        self.vacant = NONE;
    }

    #[inline(always)]
    fn node(&self, id: NodeId) -> &Node<V> {
        &self.nodes[id.index()]
    }

    #[inline(always)]
    fn node_mut(&mut self, id: NodeId) -> &mut Node<V> {
        &mut self.nodes[id.index()]
    }
}

impl<'a, V> Iterator for Matches<'a, '_, V> {
    type Item = &'a V;

    #[inline]
    fn next(&mut self) -> Option<&'a V> {
        while let Some(node) = self.at {
            self.at = self.below(node);
            if node.value.is_some() {
                return node.value.as_ref();
            }
        }
        None
    }
}

impl<'a, V> Matches<'a, '_, V> {
    /// The node after `node` on the way of the topic.
    #[inline]
    fn below(&mut self, node: &Node<V>) -> Option<&'a Node<V>> {
        let child = self.trie.node(node.children.find(*self.rest.first()?)?);
        self.rest = self.rest.strip_prefix(child.edge.as_bytes())?;
        Some(child)
    }
}

/// Says how much there is: to print a million prefixes helps nobody.
impl<V> fmt::Debug for Trie<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trie").field("len", &self.len).field("nodes", &self.nodes.len()).finish_non_exhaustive()
    }
}

impl NodeId {
    #[inline(always)]
    fn index(self) -> usize {
        self.0 as usize
    }
}

impl<V> Node<V> {
    const fn new(edge: Edge, parent: u32) -> Self {
        Self { edge, children: Children::None, value: None, parent }
    }
}

impl Edge {
    const EMPTY: Self = Self::Short { len: 0, bytes: [0; SHORT_MAX] };

    fn joined(upper: &[u8], lower: &[u8]) -> Self {
        let len = upper.len() + lower.len();
        if len > SHORT_MAX {
            return Self::Long([upper, lower].concat().into());
        }
        let mut bytes = [0; SHORT_MAX];
        bytes[..upper.len()].copy_from_slice(upper);
        bytes[upper.len()..len].copy_from_slice(lower);
        Self::Short { len: len as u8, bytes }
    }

    #[inline(always)]
    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Short { len, bytes } => &bytes[..usize::from(*len)],
            Self::Long(bytes) => bytes,
        }
    }
}

impl Children {
    #[inline]
    fn find(&self, byte: u8) -> Option<NodeId> {
        match self {
            Self::None => None,
            Self::One(child) => (child.byte == byte).then_some(child.node),
            Self::Four(list) => list.find(byte),
            Self::Sixteen(list) => list.find(byte),
            Self::FortyEight(list) => list.find(byte),
            Self::Table(table) => Some(table.nodes[usize::from(byte)]).filter(|node| node.0 != NONE),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::One(_) => 1,
            Self::Four(list) => list.len(),
            Self::Sixteen(list) => list.len(),
            Self::FortyEight(list) => list.len(),
            Self::Table(table) => usize::from(table.len),
        }
    }

    /// Adds `child`, whose byte no other has.
    fn insert(&mut self, child: Child) {
        match self {
            Self::None => *self = Self::One(child),
            Self::One(other) => *self = Self::Four(List::of([*other, child])),
            Self::Four(list) if list.len() == 4 => *self = Self::Sixteen(List::of(list.iter().chain([child]))),
            Self::Four(list) => list.insert(child),
            Self::Sixteen(list) if list.len() == 16 => *self = Self::FortyEight(List::of(list.iter().chain([child]))),
            Self::Sixteen(list) => list.insert(child),
            Self::FortyEight(list) if list.len() == 48 => *self = Self::Table(Table::of(list.iter().chain([child]))),
            Self::FortyEight(list) => list.insert(child),
            Self::Table(table) => table.insert(child),
        }
    }

    /// `child` takes the place of the one with its byte, which is there.
    fn replace(&mut self, child: Child) {
        match self {
            Self::None => {}
            Self::One(place) => *place = child,
            Self::Four(list) => list.replace(child),
            Self::Sixteen(list) => list.replace(child),
            Self::FortyEight(list) => list.replace(child),
            Self::Table(table) => table.nodes[usize::from(child.byte)] = child.node,
        }
    }

    /// Removes the child with `byte`, which is there.
    fn remove(&mut self, byte: u8) {
        match self {
            Self::None | Self::One(_) => *self = Self::None,
            Self::Four(list) => {
                list.remove(byte);
                if list.len() == 1 {
                    *self = Self::One(list.child(0));
                }
            }
            Self::Sixteen(list) => {
                list.remove(byte);
                if list.len() == 3 {
                    *self = Self::Four(List::of(list.iter()));
                }
            }
            Self::FortyEight(list) => {
                list.remove(byte);
                if list.len() == 12 {
                    *self = Self::Sixteen(List::of(list.iter()));
                }
            }
            Self::Table(table) => {
                table.remove(byte);
                if table.len == 36 {
                    *self = Self::FortyEight(List::of(table.iter()));
                }
            }
        }
    }
}

impl<const N: usize> List<N> {
    fn of(children: impl IntoIterator<Item = Child>) -> Box<Self> {
        let mut list = Box::new(Self { len: 0, bytes: [0; N], nodes: [NodeId(NONE); N] });
        children.into_iter().for_each(|child| list.insert(child));
        list
    }

    fn len(&self) -> usize {
        usize::from(self.len)
    }

    fn insert(&mut self, child: Child) {
        (self.bytes[self.len()], self.nodes[self.len()]) = (child.byte, child.node);
        self.len += 1;
    }

    fn replace(&mut self, child: Child) {
        self.nodes[self.place(child.byte).expect(NO_CHILD)] = child.node;
    }

    fn remove(&mut self, byte: u8) {
        let (place, last) = (self.place(byte).expect(NO_CHILD), self.len() - 1);
        (self.bytes[place], self.nodes[place]) = (self.bytes[last], self.nodes[last]);
        self.len -= 1;
    }

    #[inline(always)]
    fn find(&self, byte: u8) -> Option<NodeId> {
        self.place(byte).map(|place| self.nodes[place])
    }

    /// Compares sixteen bytes at once, as one word: the lowest byte that is zero borrows first.
    #[inline(always)]
    fn place(&self, byte: u8) -> Option<usize> {
        const ONES: u128 = u128::MAX / 0xff;
        let mut place = 0;
        for chunk in self.bytes.chunks(16) {
            let mut word = [0; 16];
            word[..chunk.len()].copy_from_slice(chunk);
            let differ = u128::from_le_bytes(word) ^ (ONES * u128::from(byte));
            let zero = differ.wrapping_sub(ONES) & !differ & (ONES << 7);
            place += zero.trailing_zeros() as usize / 8;
            if zero != 0 {
                break;
            }
        }
        // Beyond the length anything may be found, but not before what is within.
        (place < self.len()).then_some(place)
    }

    fn child(&self, place: usize) -> Child {
        Child { byte: self.bytes[place], node: self.nodes[place] }
    }

    fn iter(&self) -> impl Iterator<Item = Child> {
        (0..self.len()).map(|place| self.child(place))
    }
}

impl Table {
    fn of(children: impl IntoIterator<Item = Child>) -> Box<Self> {
        let mut table = Box::new(Self { len: 0, nodes: [NodeId(NONE); 256] });
        children.into_iter().for_each(|child| table.insert(child));
        table
    }

    fn insert(&mut self, child: Child) {
        self.nodes[usize::from(child.byte)] = child.node;
        self.len += 1;
    }

    fn remove(&mut self, byte: u8) {
        self.nodes[usize::from(byte)] = NodeId(NONE);
        self.len -= 1;
    }

    fn iter(&self) -> impl Iterator<Item = Child> {
        let children = (0..=u8::MAX).zip(self.nodes).map(|(byte, node)| Child { byte, node });
        children.filter(|child| child.node.0 != NONE)
    }
}

/// Most bytes of an edge inside its node: what makes it three words, a length and the tag included.
const SHORT_MAX: usize = 22;
/// Places an empty trie keeps, and the least it grows by.
const KEPT: usize = 8;

const ROOT: u32 = 0;
const NONE: u32 = u32::MAX;
const NO_VALUE: &str = "the node holds a value";
const NO_CHILD: &str = "a child is found by its byte";

#[cfg(all(test, not(any(loom, shuttle))))]
impl<V> Trie<V> {
    /// The value at `id`, which there is.
    fn value(&self, id: NodeId) -> &V {
        self.node(id).value.as_ref().expect(NO_VALUE)
    }

    /// The prefix that leads to `id`.
    pub(super) fn prefix(&self, id: NodeId) -> Vec<u8> {
        let mut prefix = Vec::new();
        self.write_prefix(id, &mut prefix);
        prefix
    }

    /// Checks what the module promises of every node. Costs the size of the arena.
    pub(super) fn invariants(&self) {
        let mut vacant = std::collections::HashSet::new();
        let mut at = self.vacant;
        while at != NONE {
            assert!(vacant.insert(at), "a place is vacant once");
            at = self.nodes[at as usize].parent;
        }
        let (mut values, mut children, mut used) = (0, 0, 0);
        for (id, node) in (0_u32..).zip(&self.nodes) {
            if vacant.contains(&id) {
                assert!(node.value.is_none() && node.children.len() == 0 && node.edge.as_bytes().is_empty());
                continue;
            }
            used += 1;
            values += usize::from(node.value.is_some());
            children += node.children.len();
            match &node.children {
                Children::Four(list) => assert!((2..=4).contains(&list.len())),
                Children::Sixteen(list) => assert!((4..=16).contains(&list.len())),
                Children::FortyEight(list) => assert!((13..=48).contains(&list.len())),
                Children::Table(table) => {
                    assert!((37..=256).contains(&table.len) && table.iter().count() == usize::from(table.len));
                }
                _ => {}
            }
            if id != ROOT {
                assert!(node.value.is_some() || node.children.len() >= 2, "a node is there for a reason");
                let parent = self.node(NodeId(node.parent));
                assert_eq!(parent.children.find(node.edge.as_bytes()[0]), Some(NodeId(id)));
            }
        }
        assert_eq!((values, children), (self.len, used - 1));
        assert!(used <= 2 * self.len + 1);
    }

    /// Bytes asked of the allocator for nodes, edges and lists; not what the values own.
    pub(super) fn size(&self) -> usize {
        let apart = self.nodes.iter().map(|node| {
            let edge = if let Edge::Long(bytes) = &node.edge { bytes.len() } else { 0 };
            edge + match &node.children {
                Children::None | Children::One(_) => 0,
                Children::Four(list) => size_of_val(&**list),
                Children::Sixteen(list) => size_of_val(&**list),
                Children::FortyEight(list) => size_of_val(&**list),
                Children::Table(_) => size_of::<Table>(),
            }
        });
        self.nodes.capacity() * Self::NODE_SIZE + apart.sum::<usize>()
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Short and long prefixes with much in common, and some bytes from all over.
    fn prefix() -> impl Strategy<Value = Vec<u8>> {
        let near = proptest::collection::vec(b'a'..=b'c', 0..6);
        prop_oneof![
            4 => near.clone(),
            2 => (near, 0..3_usize).prop_map(|(tail, times)| [vec![b'a'; 20 * times], tail].concat()),
            1 => proptest::collection::vec(any::<u8>(), 1..3),
        ]
    }

    fn matches(trie: &Trie<u32>, topic: &[u8]) -> Vec<u32> {
        trie.matches(topic).copied().collect()
    }

    fn expected(model: &BTreeMap<Vec<u8>, (NodeId, u32)>, topic: &[u8]) -> Vec<u32> {
        (0..=topic.len()).filter_map(|len| model.get(&topic[..len])).map(|(_, value)| *value).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 256 }))]

        #[test]
        fn behaves_as_a_map_whose_ids_stay(
            steps in proptest::collection::vec((any::<bool>(), prefix(), any::<prop::sample::Index>()), 0..120),
            topics in proptest::collection::vec(prefix(), 1..8),
        ) {
            let (mut trie, mut model) = (Trie::default(), BTreeMap::<Vec<u8>, (NodeId, u32)>::new());
            for (value, (insert, prefix, which)) in (1..).zip(steps) {
                if insert || model.is_empty() {
                    let (id, place) = trie.entry(&prefix);
                    prop_assert_eq!(*place, model.get(&prefix).map_or(0, |(_, value)| *value));
                    *place = value;
                    model.insert(prefix, (id, value));
                } else {
                    let prefix = model.keys().nth(which.index(model.len())).cloned().unwrap_or_default();
                    let (id, value) = model.remove(&prefix).unwrap();
                    prop_assert_eq!(trie.remove(id), value);
                    prop_assert_eq!(trie.find(&prefix), None);
                }
                trie.invariants();
                prop_assert_eq!(trie.len(), model.len());
                for (prefix, (id, value)) in &model {
                    prop_assert_eq!(trie.find(prefix), Some(*id));
                    prop_assert_eq!(trie.value(*id), value);
                    prop_assert_eq!(&trie.prefix(*id), prefix);
                }
            }
            let values = trie.iter().map(|(id, value)| (trie.prefix(id), (id, *value))).collect::<BTreeMap<_, _>>();
            prop_assert_eq!(&values, &model);
            for topic in topics.iter().chain(model.keys()) {
                let longer = [topic, b"abc".as_slice()].concat();
                for topic in [topic, &longer] {
                    let expected = expected(&model, topic);
                    prop_assert_eq!(trie.has_match(topic), !expected.is_empty());
                    prop_assert_eq!(matches(&trie, topic), expected);
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 32 }))]

        #[test]
        fn children_behave_as_a_map(steps in proptest::collection::vec((0..4_u8, any::<u8>()), 0..600)) {
            let (mut children, mut model) = (Children::default(), BTreeMap::new());
            // Mostly insertions first, mostly removals later.
            let half = steps.len() / 2;
            for (step, (dice, byte)) in steps.into_iter().enumerate() {
                let insert = (dice > 0) == (step < half);
                match (insert, model.contains_key(&byte)) {
                    (true, false) => {
                        children.insert(Child { byte, node: NodeId(step as u32) });
                        model.insert(byte, step as u32);
                    }
                    (true, true) => {
                        children.replace(Child { byte, node: NodeId(step as u32) });
                        model.insert(byte, step as u32);
                    }
                    (false, _) => {
                        let Some((byte, _)) = model.range(byte..).next().map(|(byte, node)| (*byte, *node)) else { continue };
                        children.remove(byte);
                        model.remove(&byte);
                    }
                }
                prop_assert_eq!(children.len(), model.len());
                for byte in (0..=u8::MAX).skip(step % 4).step_by(4) {
                    prop_assert_eq!(children.find(byte).map(|node| node.0), model.get(&byte).copied());
                }
            }
        }
    }

    #[test]
    fn a_value_changes_in_place() {
        let mut trie = Trie::<u32>::default();
        let (id, _) = trie.entry(b"x");
        *trie.value_mut(id) = 1;
        assert_eq!(trie.value(id), &1);
        assert_eq!(trie.entry(b"x"), (id, &mut 1));
    }

    #[test]
    fn a_full_node_becomes_a_table_and_a_list_again() {
        let mut trie = Trie::<u8>::default();
        let ids = (0..=u8::MAX).map(|byte| trie.entry(&[b'x', byte]).0).collect::<Vec<_>>();
        trie.invariants();
        let full = trie.size();
        for byte in 0..=u8::MAX {
            assert_eq!(trie.find(&[b'x', byte]), Some(ids[usize::from(byte)]));
        }
        for id in &ids[1..] {
            trie.remove(*id);
            trie.invariants();
        }
        assert_eq!(trie.prefix(ids[0]), [b'x', 0]);
        assert!(trie.size() < full);
        trie.remove(ids[0]);
        assert!(trie.size() <= KEPT * Trie::<u8>::NODE_SIZE);
    }

    #[test]
    fn a_megabyte_is_a_prefix_as_any_other() {
        const LEN: usize = if cfg!(miri) { 1 << 10 } else { 1 << 20 };
        let mut trie = Trie::<u32>::default();
        let long = vec![b'x'; LEN];
        let (whole, value) = trie.entry(&long);
        *value = 2;
        let (half, value) = trie.entry(&long[..LEN / 2]);
        *value = 1;
        trie.invariants();
        assert_eq!(matches(&trie, &long), [1, 2]);
        assert_eq!(matches(&trie, &long[1..]), [1]);
        assert!(trie.size() < LEN + LEN / 8);
        assert_eq!(trie.remove(half), 1);
        assert_eq!(trie.prefix(whole), long);
        assert_eq!(trie.remove(whole), 2);
        assert!(trie.size() < LEN / 8 + KEPT * 64);
    }

    #[test]
    fn a_million_nested_prefixes_overflow_no_stack() {
        const DEPTH: u32 = if cfg!(miri) { 300 } else { 1_000_000 };
        let mut trie = Trie::<u32>::default();
        // Built node by node: to give each prefix in full would be half a terabyte.
        let mut deepest = NodeId(ROOT);
        for depth in 1..=DEPTH {
            deepest = trie.attach(deepest, b"a");
            trie.node_mut(deepest).value = Some(depth);
            trie.len += 1;
        }
        trie.invariants();
        let topic = vec![b'a'; DEPTH as usize];
        assert_eq!(trie.prefix(deepest), topic);
        assert_eq!(trie.find(&topic), Some(deepest));
        assert!(trie.has_match(&topic));
        assert!(matches(&trie, &topic).into_iter().eq(1..=DEPTH));
        let (fork, _) = trie.entry(&[&topic[1..], b"b"].concat());
        let copy = trie.clone();
        assert_eq!(format!("{copy:?}"), format!("Trie {{ len: {}, nodes: {}, .. }}", DEPTH + 1, DEPTH + 2));
        drop(copy);
        trie.remove(fork);
        while trie.len() > DEPTH as usize / 2 {
            let above = NodeId(trie.node(deepest).parent);
            trie.remove(deepest);
            deepest = above;
        }
        trie.invariants();
    }

    /// Each prefix in full, so fewer; from the longest to the shortest, so that each splits an edge.
    #[test]
    fn nested_prefixes_split_and_merge() {
        const DEPTH: usize = if cfg!(miri) { 50 } else { 2_000 };
        let mut trie = Trie::<u32>::default();
        let topic = vec![b'a'; DEPTH];
        let ids = (0..=DEPTH).rev().map(|len| trie.entry(&topic[..len]).0).collect::<Vec<_>>();
        trie.invariants();
        assert_eq!(matches(&trie, &topic).len(), DEPTH + 1);
        // From the shortest, so that each merges into the next.
        for id in ids[1..].iter().rev() {
            trie.remove(*id);
        }
        trie.invariants();
        assert_eq!(trie.prefix(ids[0]), topic);
        assert_eq!(trie.nodes.len(), trie.nodes.capacity().min(DEPTH + 1));
    }

    #[test]
    fn a_million_changes_leave_memory_flat() {
        const CHANGES: u32 = if cfg!(miri) { 2_000 } else { 1_000_000 };
        const TOPICS: usize = if cfg!(miri) { 50 } else { 10_000 };
        let mut trie = Trie::<u32>::default();
        let (mut held, mut random, mut most) = (vec![None; TOPICS], 0x9e37_79b9_7f4a_7c15_u64, 0);
        for change in 0..CHANGES {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let which = random as usize % TOPICS;
            match held[which].take() {
                Some(id) => _ = trie.remove(id),
                None => held[which] = Some(trie.entry(format!("t/{:x}", which * 7919).as_bytes()).0),
            }
            if change == CHANGES / 4 {
                most = trie.size();
            }
        }
        trie.invariants();
        assert!(trie.size() <= most + most / 4, "{} bytes became {}", most, trie.size());
        assert!(trie.nodes.len() <= 2 * TOPICS + 1);
        for id in held.into_iter().flatten() {
            trie.remove(id);
        }
        trie.invariants();
        assert!(trie.size() <= KEPT * 64);
    }
}
