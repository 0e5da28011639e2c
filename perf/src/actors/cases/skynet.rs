//! A tree of actors, ten to each, whose leaves send their numbers up to be summed. Each ends when it has sent its sum.
//!
//! After the benchmark of that name by Alexander Temerev: <https://github.com/atemerev/skynet>.

#![forbid(unsafe_code)]

use std::time::Instant;

use super::{
    super::library::{Core, Finish, Library, Role, Scene},
    spawn::sum_below,
};
use crate::failure::Failure;

/// The root, which gets the sums of its ten children.
struct Root<L: Library> {
    planters: Vec<L::Address<Planter<L>>>,
    leaves: u64,
    sum: u64,
    left: usize,
    begin: Instant,
    finish: Finish,
}

enum Heard<L: Library> {
    Begin(Vec<L::Address<Planter<L>>>),
    Sum(u64),
}

/// Starts the root's children of one core, there: not every library starts actors elsewhere at once.
struct Planter<L: Library> {
    root: L::Address<Root<L>>,
    children: Vec<Range>,
}

struct Plant;

/// Everything below, a leaf included.
struct Node<L: Library> {
    parent: Parent<L>,
    range: Range,
    sum: u64,
    left: usize,
}

/// A sum.
struct Sum(u64);

enum Parent<L: Library> {
    Root(L::Address<Root<L>>),
    Node(L::Address<Node<L>>),
}

/// The leaves below: so many from that one on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    first: u64,
    len: u64,
}

impl Range {
    /// In ten parts as equal as can be, those of nothing left out.
    fn parts(self) -> impl Iterator<Item = Self> {
        let at = move |n| self.first + self.len * n / CHILDREN;
        (0..CHILDREN).map(move |n| Self { first: at(n), len: at(n + 1) - at(n) }).filter(|part| part.len > 0)
    }
}

impl<L: Library> Role<L> for Root<L> {
    type Message = Heard<L>;

    fn hear(&mut self, message: Heard<L>, scene: &mut impl Scene<L, Self>) {
        match message {
            Heard::Begin(planters) => {
                self.planters = planters;
                self.begin = Instant::now();
                self.planters.iter().for_each(|planter| scene.tell(planter, Plant));
            }
            Heard::Sum(sum) => {
                self.sum += sum;
                self.left -= 1;
                if self.left == 0 {
                    self.finish.expect(self.begin.elapsed(), "the sum", self.sum, sum_below(self.leaves));
                }
            }
        }
    }
}

impl<L: Library> Role<L> for Planter<L> {
    type Message = Plant;

    fn hear(&mut self, Plant: Plant, scene: &mut impl Scene<L, Self>) {
        for &range in &self.children {
            scene.spawn(Node::new(Parent::Root(self.root.clone()), range));
        }
    }
}

impl<L: Library> Node<L> {
    fn new(parent: Parent<L>, range: Range) -> Self {
        Self { parent, range, sum: 0, left: 0 }
    }

    fn end(&mut self, sum: u64, scene: &mut impl Scene<L, Self>) {
        match &self.parent {
            Parent::Root(root) => scene.tell(root, Heard::Sum(sum)),
            Parent::Node(node) => scene.tell(node, Sum(sum)),
        }
        scene.stop();
    }
}

impl<L: Library> Role<L> for Node<L> {
    type Message = Sum;

    fn started(&mut self, scene: &mut impl Scene<L, Self>) {
        if self.range.len == 1 {
            return self.end(self.range.first, scene);
        }
        for range in self.range.parts() {
            self.left += 1;
            let me = scene.me();
            scene.spawn(Node::new(Parent::Node(me), range));
        }
    }

    fn hear(&mut self, Sum(sum): Sum, scene: &mut impl Scene<L, Self>) {
        self.sum += sum;
        self.left -= 1;
        if self.left == 0 {
            self.end(self.sum, scene);
        }
    }
}

pub(super) fn begin<L: Library>(stage: &mut L::Stage, leaves: u64, finish: Finish) -> Result<(), Failure> {
    let children: Vec<Range> = Range { first: 0, len: leaves }.parts().collect();
    let (planters, left) = (Vec::new(), children.len());
    let root = Root { planters, leaves, sum: 0, left, begin: Instant::now(), finish };
    let root = L::spawn(stage, Core::First, root)?;
    let mut planters = Vec::new();
    for core in [Core::First, Core::Last] {
        let of_core = |&(n, _): &(usize, &Range)| Core::half(n, left) == core;
        let children = children.iter().enumerate().filter(of_core).map(|(_, range)| *range).collect();
        planters.push(L::spawn(stage, core, Planter { root: root.clone(), children })?);
    }
    L::tell(stage, &root, Heard::Begin(planters))
}

/// Of each actor that is no leaf.
const CHILDREN: u64 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_the_whole() {
        for len in [1, 2, 9, 10, 11, 100, 1_234] {
            let parts: Vec<Range> = Range { first: 7, len }.parts().collect();
            assert!(parts.len() <= 10 && parts.iter().all(|part| part.len > 0));
            assert_eq!(parts[0].first, 7);
            assert_eq!(parts.iter().map(|part| part.len).sum::<u64>(), len);
            assert!(parts.windows(2).all(|pair| pair[0].first + pair[0].len == pair[1].first));
        }
    }
}
