//! One actor tells another number after number, and then asks how many there were.

#![forbid(unsafe_code)]

use std::time::Instant;

use super::super::library::{Core, Finish, Flow, Library, Role, Scene};
use crate::failure::Failure;

struct Teller<L: Library> {
    counter: Option<L::Address<Counter<L>>>,
    count: u64,
    flow: Flow,
    begin: Instant,
    finish: Finish,
}

enum Heard<L: Library> {
    Begin(Box<L::Address<Counter<L>>>),
    GoOn,
    Total(u64),
}

struct Counter<L: Library> {
    teller: L::Address<Teller<L>>,
    /// How many came in order, and with that the next that is due.
    total: u64,
}

enum Told {
    Number(u64),
    Total,
}

impl<L: Library> Role<L> for Teller<L> {
    type Message = Heard<L>;

    fn hear(&mut self, message: Heard<L>, scene: &mut impl Scene<L, Self>) {
        match message {
            Heard::Begin(counter) => {
                self.counter = Some(*counter);
                self.begin = Instant::now();
            }
            Heard::GoOn => {}
            Heard::Total(total) => return self.finish.expect(self.begin.elapsed(), "the total", total, self.count),
        }
        let Some(counter) = &self.counter else { return };
        let is_all = self.flow.send_few(|n| scene.try_tell(counter, Told::Number(n)).is_ok());
        if !(is_all && scene.try_tell(counter, Told::Total).is_ok()) {
            scene.go_on(Heard::GoOn);
        }
    }
}

impl<L: Library> Role<L> for Counter<L> {
    type Message = Told;

    #[inline]
    fn hear(&mut self, message: Told, scene: &mut impl Scene<L, Self>) {
        match message {
            Told::Number(n) => self.total += u64::from(n == self.total),
            Told::Total => scene.tell(&self.teller, Heard::Total(self.total)),
        }
    }
}

pub(super) fn begin<L: Library>(stage: &mut L::Stage, count: u64, finish: Finish) -> Result<(), Failure> {
    let teller = Teller { counter: None, count, flow: Flow::new(count), begin: Instant::now(), finish };
    let teller = L::spawn(stage, Core::First, teller)?;
    let counter = L::spawn(stage, Core::Last, Counter { teller: teller.clone(), total: 0 })?;
    L::tell(stage, &teller, Heard::Begin(Box::new(counter)))
}
