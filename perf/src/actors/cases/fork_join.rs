//! One actor deals messages out to many, each of which says when it has had all of its own.
//!
//! After Savina's fork-join throughput (Imam and Sarkar, 2014).

#![forbid(unsafe_code)]

use std::time::Instant;

use super::super::library::{Core, Finish, Flow, Library, Role, Scene};
use crate::failure::Failure;

struct Dealer<L: Library> {
    workers: Vec<L::Address<Worker<L>>>,
    flow: Flow,
    each: u64,
    left: usize,
    in_order: u64,
    begin: Instant,
    finish: Finish,
}

enum Heard<L: Library> {
    Begin(Vec<L::Address<Worker<L>>>),
    GoOn,
    /// So many came in order.
    Done(u64),
}

struct Worker<L: Library> {
    dealer: L::Address<Dealer<L>>,
    each: u64,
    seen: u64,
    in_order: u64,
}

struct Task(u64);

impl<L: Library> Role<L> for Dealer<L> {
    type Message = Heard<L>;

    fn hear(&mut self, message: Heard<L>, scene: &mut impl Scene<L, Self>) {
        match message {
            Heard::Begin(workers) => {
                self.left = workers.len();
                self.workers = workers;
                self.begin = Instant::now();
            }
            Heard::GoOn => {}
            Heard::Done(in_order) => {
                self.in_order += in_order;
                self.left -= 1;
                if self.left == 0 {
                    let due = self.each * self.workers.len() as u64;
                    self.finish.expect(self.begin.elapsed(), "messages in order", self.in_order, due);
                }
                return;
            }
        }
        let (workers, count) = (&self.workers, self.workers.len() as u64);
        let deal = |n| scene.try_tell(&workers[(n % count) as usize], Task(n / count)).is_ok();
        if !self.flow.send_few(deal) {
            scene.go_on(Heard::GoOn);
        }
    }
}

impl<L: Library> Role<L> for Worker<L> {
    type Message = Task;

    #[inline]
    fn hear(&mut self, Task(n): Task, scene: &mut impl Scene<L, Self>) {
        self.in_order += u64::from(n == self.seen);
        self.seen += 1;
        if self.seen == self.each {
            scene.tell(&self.dealer, Heard::Done(self.in_order));
        }
    }
}

/// So many messages to each of so many actors.
pub(super) fn begin<L: Library>(
    stage: &mut L::Stage,
    actors: usize,
    count: u64,
    finish: Finish,
) -> Result<(), Failure> {
    let dealer = Dealer {
        workers: Vec::new(),
        flow: Flow::new(count * actors as u64),
        each: count,
        left: 0,
        in_order: 0,
        begin: Instant::now(),
        finish,
    };
    let dealer = L::spawn(stage, Core::First, dealer)?;
    let mut workers = Vec::new();
    for n in 0..actors {
        let worker = Worker { dealer: dealer.clone(), each: count, seen: 0, in_order: 0 };
        workers.push(L::spawn(stage, Core::half(n, actors), worker)?);
    }
    L::tell(stage, &dealer, Heard::Begin(workers))
}
