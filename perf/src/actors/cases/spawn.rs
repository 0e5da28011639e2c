//! One actor starts many on its own core, which have a number for their state and do nothing.

#![forbid(unsafe_code)]

use std::{cell::Cell, convert::Infallible, time::Instant};

use super::super::library::{Core, Finish, Library, Role, Scene, Took};
use crate::{failure::Failure, heap};

thread_local! {
    /// The sum of the numbers of those that have started on this thread.
    static BORN: Cell<u64> = const { Cell::new(0) };
}

struct Nursery<L: Library> {
    born: Vec<L::Address<Born>>,
    count: u64,
    /// Is the heap counted? That takes time.
    counts: bool,
    begin: Instant,
    finish: Finish,
}

enum Heard {
    Begin,
    /// Have all started? In most libraries an actor that is spawned starts when the thread comes to it.
    Look,
}

struct Born {
    number: u64,
}

impl<L: Library> Role<L> for Nursery<L> {
    type Message = Heard;

    fn hear(&mut self, message: Heard, scene: &mut impl Scene<L, Self>) {
        if let Heard::Begin = message {
            BORN.set(0);
            if self.counts {
                heap::start();
            }
            self.begin = Instant::now();
            self.born.extend((0..self.count).map(|number| scene.spawn(Born { number })));
        }
        if BORN.get() < sum_below(self.count) {
            return scene.go_on(Heard::Look);
        }
        let time = self.begin.elapsed();
        let heap_bytes = self.counts.then(|| {
            heap::stop();
            heap::live()
        });
        let (seen, due) = (BORN.get(), sum_below(self.count));
        let wrong = (seen != due).then(|| format!("the sum of the numbers of those started: {seen} instead of {due}"));
        self.finish.say(Took { time, heap_bytes }, wrong);
    }
}

impl<L: Library> Role<L> for Born {
    type Message = Infallible;

    #[inline]
    fn started(&mut self, _scene: &mut impl Scene<L, Self>) {
        BORN.set(BORN.get() + self.number);
    }

    fn hear(&mut self, message: Infallible, _scene: &mut impl Scene<L, Self>) {
        match message {}
    }
}

/// Starts `count` of them; with the heap counted, if it `counts`.
pub(super) fn begin<L: Library>(stage: &mut L::Stage, count: u64, counts: bool, finish: Finish) -> Result<(), Failure> {
    // Room for the addresses is none of what an actor takes.
    let born = Vec::with_capacity(count as usize);
    let nursery = Nursery::<L> { born, count, counts, begin: Instant::now(), finish };
    let nursery = L::spawn(stage, Core::First, nursery)?;
    L::tell(stage, &nursery, Heard::Begin)
}

/// 0 + 1 + … + (`count` - 1).
pub(super) fn sum_below(count: u64) -> u64 {
    count * count.saturating_sub(1) / 2
}
