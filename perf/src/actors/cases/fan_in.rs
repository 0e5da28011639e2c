//! Several actors, half of them on each core, tell one number after number.

#![forbid(unsafe_code)]

use std::time::Instant;

use super::super::library::{Core, Finish, Flow, Library, Role, Scene};
use crate::failure::Failure;

struct Teller<L: Library> {
    number: u32,
    sink: L::Address<Sink<L>>,
    flow: Flow,
}

struct GoOn;

struct Sink<L: Library> {
    tellers: Vec<L::Address<Teller<L>>>,
    /// Of each sender, the next that is due.
    due: Vec<u64>,
    left: u64,
    each: u64,
    begin: Instant,
    finish: Finish,
}

enum Heard<L: Library> {
    Begin(Vec<L::Address<Teller<L>>>),
    Number { by: u32, n: u64 },
}

impl<L: Library> Role<L> for Teller<L> {
    type Message = GoOn;

    fn hear(&mut self, GoOn: GoOn, scene: &mut impl Scene<L, Self>) {
        let (by, sink) = (self.number, &self.sink);
        if !self.flow.send_few(|n| scene.try_tell(sink, Heard::Number { by, n }).is_ok()) {
            scene.go_on(GoOn);
        }
    }
}

impl<L: Library> Role<L> for Sink<L> {
    type Message = Heard<L>;

    #[inline]
    fn hear(&mut self, message: Heard<L>, scene: &mut impl Scene<L, Self>) {
        let (by, n) = match message {
            Heard::Begin(tellers) => {
                self.tellers = tellers;
                self.begin = Instant::now();
                return self.tellers.iter().for_each(|teller| scene.tell(teller, GoOn));
            }
            Heard::Number { by, n } => (by, n),
        };
        let due = &mut self.due[by as usize];
        *due += u64::from(*due == n);
        self.left -= 1;
        if self.left == 0 {
            let in_order = self.due.iter().sum();
            let all = self.each * self.due.len() as u64;
            self.finish.expect(self.begin.elapsed(), "messages in order", in_order, all);
        }
    }
}

/// So many messages of each of so many actors.
pub(super) fn begin<L: Library>(
    stage: &mut L::Stage,
    actors: usize,
    count: u64,
    finish: Finish,
) -> Result<(), Failure> {
    let (tellers, due, left) = (Vec::new(), vec![0; actors], count * actors as u64);
    let sink = Sink { tellers, due, left, each: count, begin: Instant::now(), finish };
    let sink = L::spawn(stage, Core::Last, sink)?;
    let mut tellers = Vec::new();
    for number in 0..actors {
        let teller = Teller { number: number as u32, sink: sink.clone(), flow: Flow::new(count) };
        tellers.push(L::spawn(stage, Core::half(number, actors), teller)?);
    }
    L::tell(stage, &sink, Heard::Begin(tellers))
}
