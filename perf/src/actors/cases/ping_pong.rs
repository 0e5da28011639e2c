//! A number that goes there and back between two actors; each way is a message.

#![forbid(unsafe_code)]

use std::time::Instant;

use super::super::library::{Core, Finish, Library, Role, Scene};
use crate::failure::Failure;

/// Sends the first, and the next as soon as one has come back.
struct Ping<L: Library> {
    pong: Option<L::Address<Pong<L>>>,
    /// Of round trips.
    count: u64,
    begin: Instant,
    finish: Finish,
}

enum Heard<L: Library> {
    Serve(Box<L::Address<Pong<L>>>),
    Back(u64),
}

/// Sends each back, two higher: one for each way.
struct Pong<L: Library> {
    ping: L::Address<Ping<L>>,
}

impl<L: Library> Role<L> for Ping<L> {
    type Message = Heard<L>;

    #[inline]
    fn hear(&mut self, message: Heard<L>, scene: &mut impl Scene<L, Self>) {
        let n = match message {
            Heard::Serve(pong) => {
                self.pong = Some(*pong);
                self.begin = Instant::now();
                0
            }
            Heard::Back(n) => n,
        };
        match &self.pong {
            Some(pong) if n < 2 * self.count => scene.tell(pong, n),
            _ => self.finish.expect(self.begin.elapsed(), "the last of the messages", n, 2 * self.count),
        }
    }
}

impl<L: Library> Role<L> for Pong<L> {
    type Message = u64;

    #[inline]
    fn hear(&mut self, n: u64, scene: &mut impl Scene<L, Self>) {
        scene.tell(&self.ping, Heard::Back(n + 2));
    }
}

/// So many messages, both ways together.
pub(super) fn begin<L: Library>(stage: &mut L::Stage, count: u64, finish: Finish) -> Result<(), Failure> {
    let ping = Ping { pong: None, count: count / 2, begin: Instant::now(), finish };
    let ping = L::spawn(stage, Core::First, ping)?;
    let pong = L::spawn(stage, Core::Last, Pong { ping: ping.clone() })?;
    L::tell(stage, &ping, Heard::Serve(Box::new(pong)))
}
