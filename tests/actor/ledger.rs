//! Accounts that have to be even: whatever was sent is handled, dropped, a dead letter, or given back; exactly.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicI64, AtomicU64, Ordering},
        mpsc,
    },
    time::Duration,
};

use proptest::prelude::*;
use ringway::actor::{
    Actor, Addr, BackOff, Ctx, DeadLetter, Failure, Handle, Intensity, Loss, Policy, Restarts, Spec, kit::Stage,
};

use crate::{PATIENCE, cast::two};

/// What all players of a match share: who they are, and the account.
#[derive(Default)]
struct Match {
    players: OnceLock<Vec<Addr<Player>>>,
    /// Of a thousand messages so many are failed at, put off, or end somebody.
    failures: u64,
    holds: u64,
    ends: u64,
    /// Balls told, whatever came of it.
    sent: AtomicU64,
    given_back: AtomicU64,
    handled: AtomicU64,
    /// Handled beside balls.
    others: AtomicU64,
    /// As the hook has it.
    dead_letters: AtomicU64,
    dropped: AtomicU64,
    /// Dead letters beside balls.
    other_letters: AtomicU64,
    /// Balls there are.
    alive: AtomicI64,
    /// Is told when so many were handled, or no ball is left.
    moment: u64,
    told: OnceLock<mpsc::Sender<()>>,
}

impl Match {
    fn ball(self: &Arc<Self>, left: u32) -> Ball {
        self.alive.fetch_add(1, Ordering::Relaxed);
        Ball { of: self.clone(), left }
    }

    fn tell(&self) {
        if let Some(told) = self.told.get() {
            // Once is enough, and whoever waits may have gone.
            _ = told.send(());
        }
    }

    fn letter(&self, letter: DeadLetter) {
        let count = match letter.loss {
            Loss::Dropped => &self.dropped,
            _ if letter.message.ends_with("Ball") => &self.dead_letters,
            _ => &self.other_letters,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    fn of(count: &AtomicU64) -> u64 {
        count.load(Ordering::Relaxed)
    }

    /// Sent, and all that may have become of it.
    fn account(&self) -> (u64, u64) {
        let ends = [&self.handled, &self.dead_letters, &self.dropped, &self.given_back];
        (Self::of(&self.sent), ends.into_iter().map(Self::of).sum())
    }
}

/// Passed on to two others, until nothing is left of it.
struct Ball {
    of: Arc<Match>,
    left: u32,
}

impl Drop for Ball {
    fn drop(&mut self) {
        if self.of.alive.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.of.tell();
        }
    }
}

struct Player {
    of: Arc<Match>,
    dice: u64,
}

impl Actor for Player {
    type Args = (Arc<Match>, u64);

    fn start((of, seed): Self::Args, _: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        Ok(Self { of, dice: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1 })
    }
}

impl Player {
    /// Below `end`. After Marsaglia, "Xorshift RNGs" (2003).
    fn roll(&mut self, end: u64) -> u64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        self.dice % end
    }

    fn anybody(&mut self) -> Addr<Player> {
        let dice = self.roll(u64::MAX) as usize;
        let players = self.of.players.get().expect("they have met");
        players[dice % players.len()]
    }

    fn throw(&mut self, left: u32, ctx: &mut Ctx<'_, Self>) {
        let to = self.anybody();
        let ball = self.of.ball(left);
        self.of.sent.fetch_add(1, Ordering::Relaxed);
        let told = match self.roll(4) {
            0 => ctx.try_tell(to, ball),
            1 => ctx.tell(to, ball, Policy::DropNewest),
            2 => ctx.tell(to, ball, Policy::DropOldest),
            _ => ctx.tell(to, ball, Policy::Defer),
        };
        self.of.given_back.fetch_add(u64::from(told.is_err()), Ordering::Relaxed);
    }
}

impl Handle<Ball> for Player {
    type Reply = ();

    fn on(&mut self, ball: Ball, ctx: &mut Ctx<'_, Self>) {
        if self.of.handled.fetch_add(1, Ordering::Relaxed) + 1 == self.of.moment {
            self.of.tell();
        }
        let (failures, holds, ends) = (self.of.failures, self.of.holds, self.of.ends);
        match self.roll(1000) {
            dice if dice < failures && dice % 2 == 0 => std::panic::resume_unwind(Box::new("dropped the ball")),
            dice if dice < failures => ctx.fail(Failure::new("dropped the ball")),
            dice if dice < failures + holds => {
                ctx.hold();
                ctx.after(Duration::ZERO, Resume);
            }
            dice if dice < failures + holds + ends => match self.roll(2) {
                0 => ctx.stop(),
                _ => ctx.stop_actor_now(self.anybody().id()),
            },
            _ => {}
        }
        if let Some(left) = ball.left.checked_sub(1) {
            (0..2).for_each(|_| self.throw(left, ctx));
        }
    }
}

struct Resume;

impl Handle<Resume> for Player {
    type Reply = ();

    fn on(&mut self, _: Resume, ctx: &mut Ctx<'_, Self>) {
        self.of.others.fetch_add(1, Ordering::Relaxed);
        ctx.resume();
    }
}

fn spec(of: &Arc<Match>, seed: u64, capacity: u32) -> Spec<Player> {
    let restarts = Restarts {
        intensity: Intensity { restarts: 1_000_000, within: PATIENCE },
        back_off: match seed % 2 {
            0 => BackOff::default(),
            _ => BackOff { first: Duration::from_micros(1), max: Duration::from_micros(100) },
        },
    };
    Spec::new((of.clone(), seed)).capacity(capacity).outbox(capacity).restarts(restarts)
}

/// Players that never come to an end by themselves, of whom the runtime is ended when chance will have it.
fn ended_in_the_middle(seed: u64, workers: usize) {
    let of = Arc::new(Match {
        failures: [0, 10, 100][seed as usize % 3],
        holds: [0, 20][seed as usize / 3 % 2],
        ends: [0, 2][seed as usize / 6 % 2],
        moment: 1 + seed * 7919 % 5_000,
        ..Match::default()
    });
    let (told, moment) = mpsc::channel();
    of.told.set(told).unwrap();
    let hook = {
        let of = of.clone();
        move |letter| of.letter(letter)
    };
    let runtime = two().on_dead_letter(hook).start().unwrap();
    let mut client = runtime.client().unwrap();
    let place = |nth: u64| nth as usize % workers;
    let players: Vec<_> = (0..6)
        .map(|nth| client.spawn_on(place(nth), spec(&of, seed * 6 + nth, 1 + (seed % 7) as u32)).unwrap())
        .collect();
    of.players.set(players.clone()).unwrap();
    // More than any of them comes to the end of.
    for &player in &players {
        of.sent.fetch_add(1, Ordering::Relaxed);
        if client.try_tell(player, of.ball(u32::MAX)).is_err() {
            of.given_back.fetch_add(1, Ordering::Relaxed);
        }
    }
    moment.recv_timeout(PATIENCE).expect("they go on, or come to an end");
    let limit = [Duration::ZERO, Duration::from_micros(300), PATIENCE][seed as usize / 2 % 3];
    let report = runtime.shutdown(limit);
    drop(client);
    assert_eq!(report.stuck, 0, "seed {seed}");
    let (sent, ends) = of.account();
    assert_eq!(sent, ends, "seed {seed} on {workers}, ended within {limit:?}: {report:?}");
    let letters = [&of.dead_letters, &of.other_letters].map(Match::of);
    assert_eq!(report.counts.dead_letters, letters.iter().sum::<u64>(), "seed {seed}");
    assert_eq!(report.counts.dropped, Match::of(&of.dropped), "seed {seed}");
    assert_eq!(of.alive.load(Ordering::Relaxed), 0, "balls that nobody has: seed {seed}");
}

#[test]
fn a_runtime_that_ends_at_any_moment_has_an_even_account() {
    for seed in 0..120 {
        ended_in_the_middle(seed, 2);
        ended_in_the_middle(seed + 1_000, 1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Played out on a stage, where all that happens is of the seed, and nobody is left with anything.
    #[test]
    fn a_match_that_is_played_out_has_an_even_account(
        seed in any::<u64>(),
        workers in 1_usize..4,
        capacity in 1_u32..20,
        left in 0_u32..8,
        (failures, holds, ends) in (0_u64..100, 0_u64..100, 0_u64..5),
    ) {
        let of = Arc::new(Match { failures, holds, ends, ..Match::default() });
        let mut stage = Stage::new(workers, seed);
        let players: Vec<_> = (0..6)
            .map(|nth| stage.spawn_on(nth as usize % workers, spec(&of, seed.wrapping_add(nth), capacity)).unwrap())
            .collect();
        of.players.set(players.clone()).unwrap();
        for &player in &players {
            of.sent.fetch_add(1, Ordering::Relaxed);
            stage.tell(player, of.ball(left)).unwrap();
        }
        // Those who are paused and those who hold come back in time.
        for _ in 0..1_000 {
            stage.advance(Duration::from_millis(1));
        }
        let counts = stage.counts();
        of.dropped.store(counts.dropped, Ordering::Relaxed);
        // Of a stage it is not known what they were; what is to resume one that has ended is one.
        let resumes = of.others.load(Ordering::Relaxed);
        prop_assert_eq!(counts.handled, Match::of(&of.handled) + resumes);
        of.dead_letters.store(counts.dead_letters, Ordering::Relaxed);
        let (sent, found) = of.account();
        if holds == 0 || ends == 0 {
            prop_assert_eq!(sent, found);
        } else {
            prop_assert!(found >= sent, "{} of {}", found, sent);
        }
        prop_assert_eq!(of.alive.load(Ordering::Relaxed), 0);
    }
}
