//! A token that goes round a ring of actors, the first half of which is on one core and the second on the other.
//!
//! After Savina's thread ring (Imam and Sarkar, 2014).

#![forbid(unsafe_code)]

use std::time::Instant;

use super::super::library::{Core, Finish, Library, Role, Scene};
use crate::failure::Failure;

struct Member<L: Library> {
    next: Option<L::Address<Member<L>>>,
    /// Of the first: how often the token has come, and what there is to say in the end.
    first: Option<First>,
}

struct First {
    rounds: u64,
    members: u64,
    hops: u64,
    begin: Instant,
    finish: Finish,
}

enum Heard<L: Library> {
    Begin(Box<L::Address<Member<L>>>),
    /// After so many hops.
    Token(u64),
}

impl<L: Library> Role<L> for Member<L> {
    type Message = Heard<L>;

    #[inline]
    fn hear(&mut self, message: Heard<L>, scene: &mut impl Scene<L, Self>) {
        let hops = match message {
            Heard::Begin(next) => {
                self.next = Some(*next);
                if let Some(first) = &mut self.first {
                    first.begin = Instant::now();
                }
                0
            }
            Heard::Token(hops) => {
                if let Some(first) = &mut self.first {
                    first.rounds += 1;
                    if hops >= first.hops {
                        let due = first.hops / first.members;
                        return first.finish.expect(first.begin.elapsed(), "rounds", first.rounds, due);
                    }
                }
                hops
            }
        };
        if let Some(next) = &self.next {
            scene.tell(next, Heard::Token(hops + 1));
        }
    }
}

/// Whole rounds: the token ends where it began.
pub(super) fn hops(actors: usize, count: u64) -> u64 {
    (count / actors as u64).max(1) * actors as u64
}

pub(super) fn begin<L: Library>(
    stage: &mut L::Stage,
    actors: usize,
    count: u64,
    finish: Finish,
) -> Result<(), Failure> {
    let (members, hops) = (actors as u64, hops(actors, count));
    let first = Some(First { rounds: 0, members, hops, begin: Instant::now(), finish });
    let first = L::spawn(stage, Core::First, Member { next: None, first })?;
    let mut next = first.clone();
    for n in (1..actors).rev() {
        next = L::spawn(stage, Core::half(n, actors), Member { next: Some(next), first: None })?;
    }
    L::tell(stage, &first, Heard::Begin(Box::new(next)))
}
