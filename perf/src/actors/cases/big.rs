//! Many actors, half of them on each core, each of which sends a ping to another one, chosen at random, as soon as the
//! pong to the one before has come.
//!
//! After Savina's big (Imam and Sarkar, 2014). Who is chosen depends on the actor's number alone: it is the same in every
//! library.

#![forbid(unsafe_code)]

use std::{sync::Arc, time::Instant};

use super::super::library::{Core, Finish, Library, Role, Scene};
use crate::failure::Failure;

struct Member<L: Library> {
    number: u32,
    /// All of them.
    members: Arc<Vec<L::Address<Member<L>>>>,
    judge: L::Address<Judge<L>>,
    random: Random,
    left: u64,
    answered: u64,
}

enum Heard<L: Library> {
    Meet(Arc<Vec<L::Address<Member<L>>>>),
    Begin,
    /// Of that member.
    Ping(u32),
    Pong,
    /// How many pings were answered?
    Tell,
}

/// Lets them begin when all have met: what two actors send to a third comes in any order. Notes when the last is done, and then asks all of them for what they have answered.
struct Judge<L: Library> {
    members: Arc<Vec<L::Address<Member<L>>>>,
    count: u64,
    met: usize,
    done: usize,
    told: usize,
    answered: u64,
    begin: Instant,
    end: Instant,
    finish: Finish,
}

enum Judged<L: Library> {
    Begin(Arc<Vec<L::Address<Member<L>>>>),
    Met,
    Done,
    Answered(u64),
}

/// Marsaglia's xorshift, of 64 bits.
struct Random(u64);

impl Random {
    fn new(seed: u32) -> Self {
        Self((u64::from(seed) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// Below `end`, which is at least 1.
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        // The low bits are as good as the high ones; so few are wanted that some being likelier does not matter.
        self.0 % end
    }
}

impl<L: Library> Member<L> {
    fn ping(&mut self, scene: &mut impl Scene<L, Self>) {
        if self.left == 0 {
            return scene.tell(&self.judge, Judged::Done);
        }
        self.left -= 1;
        let others = self.members.len() as u64 - 1;
        let chosen = (u64::from(self.number) + 1 + self.random.below(others)) % (others + 1);
        scene.tell(&self.members[chosen as usize], Heard::Ping(self.number));
    }
}

impl<L: Library> Role<L> for Member<L> {
    type Message = Heard<L>;

    #[inline]
    fn hear(&mut self, message: Heard<L>, scene: &mut impl Scene<L, Self>) {
        match message {
            Heard::Meet(members) => {
                self.members = members;
                scene.tell(&self.judge, Judged::Met);
            }
            Heard::Ping(from) => {
                self.answered += 1;
                scene.tell(&self.members[from as usize], Heard::Pong);
            }
            Heard::Begin | Heard::Pong => self.ping(scene),
            Heard::Tell => scene.tell(&self.judge, Judged::Answered(self.answered)),
        }
    }
}

impl<L: Library> Role<L> for Judge<L> {
    type Message = Judged<L>;

    fn hear(&mut self, message: Judged<L>, scene: &mut impl Scene<L, Self>) {
        match message {
            Judged::Begin(members) => {
                self.members = members;
                self.members.iter().for_each(|member| scene.tell(member, Heard::Meet(self.members.clone())));
            }
            Judged::Met => {
                self.met += 1;
                if self.met == self.members.len() {
                    self.begin = Instant::now();
                    self.members.iter().for_each(|member| scene.tell(member, Heard::Begin));
                }
            }
            Judged::Done => {
                self.done += 1;
                if self.done == self.members.len() {
                    self.end = Instant::now();
                    self.members.iter().for_each(|member| scene.tell(member, Heard::Tell));
                }
            }
            Judged::Answered(answered) => {
                self.answered += answered;
                self.told += 1;
                if self.told == self.members.len() {
                    let due = self.count * self.members.len() as u64;
                    self.finish.expect(self.end - self.begin, "pings answered", self.answered, due);
                }
            }
        }
    }
}

/// So many pings of each of so many actors, of which there are at least two.
pub(super) fn begin<L: Library>(
    stage: &mut L::Stage,
    actors: usize,
    count: u64,
    finish: Finish,
) -> Result<(), Failure> {
    let (now, nobody) = (Instant::now(), Arc::new(Vec::new()));
    let judge =
        Judge { members: nobody.clone(), count, met: 0, done: 0, told: 0, answered: 0, begin: now, end: now, finish };
    let judge = L::spawn(stage, Core::First, judge)?;
    let mut members = Vec::new();
    for n in 0..actors {
        let number = n as u32;
        let member = Member {
            number,
            members: nobody.clone(),
            judge: judge.clone(),
            random: Random::new(number),
            left: count,
            answered: 0,
        };
        members.push(L::spawn(stage, Core::half(n, actors), member)?);
    }
    L::tell(stage, &judge, Judged::Begin(Arc::new(members)))
}
