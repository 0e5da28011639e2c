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
//! 64 × 1.11 × 1.25 = 89 bytes for each prefix, and 19 for the lists of children of the nodes between. The worst case, where
//! every fork has two branches, is two nodes for each prefix. Prefixes that are shared are there once.
//!
//! The arena does not shrink while it holds a value, since values keep their places: it is as large as it had to be since
//! it was last empty.

#![forbid(unsafe_code)]

use std::{fmt, mem, ops::ControlFlow};

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

/// The nodes below one, by the first byte of their edges.
#[derive(Clone, Default)]
enum Children {
    #[default]
    None,
    One(Child),
    /// From 2 to [`FEW_MAX`], sorted.
    #[expect(clippy::box_collection, reason = "three words less in each node, of which few have this")]
    Few(Box<Vec<Child>>),
    /// More than [`TABLE_MIN`].
    Table(Box<Table>),
}

#[derive(Clone, Copy)]
struct Child {
    byte: u8,
    node: NodeId,
}

#[derive(Clone)]
struct Table {
    /// [`NONE`] where there is no child.
    nodes: [u32; 256],
    len: u16,
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

    /// The value at `id`.
    ///
    /// # Panics
    /// There is none.
    pub(crate) fn value(&self, id: NodeId) -> &V {
        self.node(id).value.as_ref().expect(NO_VALUE)
    }

    /// The prefix that leads to `id`.
    pub(crate) fn prefix(&self, id: NodeId) -> Vec<u8> {
        let mut prefix = Vec::new();
        self.write_prefix(id, &mut prefix);
        prefix
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

    /// Calls `visit` with the value of each stored prefix of `topic`, shortest prefix first.
    #[inline]
    pub(crate) fn for_each_match<'a>(&'a self, topic: &[u8], mut visit: impl FnMut(&'a V)) {
        let _: ControlFlow<()> = self.walk(topic, |value| {
            visit(value);
            ControlFlow::Continue(())
        });
    }

    /// Is a prefix of `topic` stored?
    #[inline]
    pub(crate) fn has_match(&self, topic: &[u8]) -> bool {
        self.walk(topic, |_| ControlFlow::Break(())).is_break()
    }

    /// All values, in the order of their places. Costs the size of the arena.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (NodeId, &V)> {
        (0..).map(NodeId).zip(&self.nodes).filter_map(|(id, node)| Some((id, node.value.as_ref()?)))
    }

    #[inline]
    fn walk<'a, B>(&'a self, topic: &[u8], mut visit: impl FnMut(&'a V) -> ControlFlow<B>) -> ControlFlow<B> {
        let (mut node, mut rest) = (&self.nodes[ROOT as usize], topic);
        loop {
            if let Some(value) = &node.value {
                visit(value)?;
            }
            let Some(first) = rest.first() else { break };
            let Some(child) = node.children.find(*first) else { break };
            node = self.node(child);
            let Some(below) = rest.strip_prefix(node.edge.as_bytes()) else { break };
            rest = below;
        }
        ControlFlow::Continue(())
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
            Self::Few(list) => Some(list[place_of(list, byte).ok()?].node),
            Self::Table(table) => Some(table.nodes[usize::from(byte)]).filter(|node| *node != NONE).map(NodeId),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::One(_) => 1,
            Self::Few(list) => list.len(),
            Self::Table(table) => usize::from(table.len),
        }
    }

    /// Adds `child`, whose byte no other has.
    fn insert(&mut self, child: Child) {
        match self {
            Self::None => *self = Self::One(child),
            Self::One(other) => {
                let mut list = vec![*other, child];
                list.sort_unstable_by_key(|child| child.byte);
                *self = Self::Few(Box::new(list));
            }
            Self::Few(list) if list.len() < FEW_MAX => {
                let place = place_of(list, child.byte).unwrap_or_else(|place| place);
                list.insert(place, child);
            }
            Self::Few(list) => {
                let mut table = Box::new(Table { nodes: [NONE; 256], len: 0 });
                list.iter().chain([&child]).for_each(|child| table.insert(*child));
                *self = Self::Table(table);
            }
            Self::Table(table) => table.insert(child),
        }
    }

    /// `child` takes the place of the one with its byte, which is there.
    fn replace(&mut self, child: Child) {
        match self {
            Self::None => unreachable!("a child is found by its byte"),
            Self::One(place) => *place = child,
            Self::Few(list) => {
                let place = place_of(list, child.byte).expect("a child is found by its byte");
                list[place] = child;
            }
            Self::Table(table) => table.nodes[usize::from(child.byte)] = child.node.0,
        }
    }

    /// Removes the child with `byte`, which is there.
    fn remove(&mut self, byte: u8) {
        match self {
            Self::None | Self::One(_) => *self = Self::None,
            Self::Few(list) => {
                list.remove(place_of(list, byte).expect("a child is found by its byte"));
                if let [last] = list[..] {
                    *self = Self::One(last);
                } else if list.len() <= list.capacity() / 4 {
                    list.shrink_to(list.len() * 2);
                }
            }
            Self::Table(table) => {
                table.nodes[usize::from(byte)] = NONE;
                table.len -= 1;
                if usize::from(table.len) <= TABLE_MIN {
                    *self = Self::Few(Box::new(table.list()));
                }
            }
        }
    }
}

impl Table {
    fn insert(&mut self, child: Child) {
        self.nodes[usize::from(child.byte)] = child.node.0;
        self.len += 1;
    }

    fn list(&self) -> Vec<Child> {
        let children = (0..=u8::MAX).zip(self.nodes).filter(|(_, node)| *node != NONE);
        children.map(|(byte, node)| Child { byte, node: NodeId(node) }).collect()
    }
}

fn place_of(list: &[Child], byte: u8) -> Result<usize, usize> {
    list.binary_search_by_key(&byte, |child| child.byte)
}

/// Most bytes of an edge inside its node: what makes it three words, a length and the tag included.
const SHORT_MAX: usize = 22;
/// Most children in a list: it is then a quarter of a table's kilobyte.
const FEW_MAX: usize = 32;
/// A table with so few children becomes a list again; fewer than make a table, lest one child's coming and going copy it.
const TABLE_MIN: usize = 24;
/// Places an empty trie keeps, and the least it grows by.
const KEPT: usize = 8;

const ROOT: u32 = 0;
const NONE: u32 = u32::MAX;
const NO_VALUE: &str = "the node holds a value";

#[cfg(all(test, not(any(loom, shuttle))))]
impl<V> Trie<V> {
    /// Checks what the module promises of every node. Costs the size of the arena.
    pub(super) fn invariants(&self) {
        let mut vacant = std::collections::HashSet::new();
        let mut at = self.vacant;
        while at != NONE {
            assert!(vacant.insert(at), "a place is vacant once");
            at = self.nodes[at as usize].parent;
        }
        let (mut values, mut children, mut used) = (0, 0, 0);
        for (id, node) in (0..).zip(&self.nodes) {
            if vacant.contains(&id) {
                assert!(node.value.is_none() && node.children.len() == 0 && node.edge.as_bytes().is_empty());
                continue;
            }
            used += 1;
            values += usize::from(node.value.is_some());
            children += node.children.len();
            match &node.children {
                Children::Few(list) => {
                    assert!((2..=FEW_MAX).contains(&list.len()) && list.is_sorted_by(|a, b| a.byte < b.byte));
                }
                Children::Table(table) => {
                    assert!(usize::from(table.len) > TABLE_MIN && table.list().len() == usize::from(table.len));
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
                Children::Few(list) => {
                    size_of_val(list) + size_of::<Vec<Child>>() + list.capacity() * size_of::<Child>()
                }
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
        let mut values = Vec::new();
        trie.for_each_match(topic, |value| values.push(*value));
        values
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
                for byte in 0..=u8::MAX {
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
