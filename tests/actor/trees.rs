//! Ends that meet other ends, and trees and chains that are deep.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    time::Duration,
};

use ringway::actor::{
    Actor, Addr, AskError, BackOff, Ctx, DeadLetter, Ended, Failure, Handle, Intensity, Loss, Policy, Restarts, Spec,
};

use crate::{
    PATIENCE,
    cast::{Number, Puppet, Scribe, act, blocked, puppet, two},
};

#[test]
fn a_child_that_comes_while_its_parent_stops_is_stopped_with_the_others() {
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    let parent = puppet(&mut client, 0);
    let elder = client.ask(parent, act(|ctx| ctx.spawn(Spec::<Puppet>::new(())).unwrap()), PATIENCE).unwrap();
    // It takes its time to stop.
    client.ask(elder, act(|ctx| ctx.hold()), PATIENCE).unwrap();
    let begin = |ctx: &mut Ctx<'_, Puppet>| {
        ctx.spawn_on(1, Spec::<Puppet>::new(()), |_| act(|_| ()));
        ctx.stop();
    };
    client.ask(parent, act(begin), PATIENCE).unwrap();
    while client.counts(1).unwrap().started == 0 {}
    // The parent's worker has heard of the child by now.
    client.counts(0).unwrap();
    client.stop_now(elder.id());
    client.wait_for_end(parent.id(), PATIENCE).unwrap();
    let report = runtime.shutdown(PATIENCE);
    assert_eq!((report.killed, report.counts.started), (0, report.counts.ended));
}

/// Starts another when it ends.
struct Phoenix;

impl Actor for Phoenix {
    type Args = ();

    fn start((): (), _: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        Ok(Self)
    }

    fn stopping(&mut self, ctx: &mut Ctx<'_, Self>) {
        ctx.spawn(Spec::<Puppet>::new(())).unwrap();
    }
}

#[test]
fn who_is_started_by_one_that_ends_ends_with_it() {
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    let phoenix = client.spawn_on(0, Spec::<Phoenix>::new(())).unwrap();
    client.stop(phoenix.id());
    client.wait_for_end(phoenix.id(), PATIENCE).unwrap();
    let report = runtime.shutdown(PATIENCE);
    assert_eq!((report.killed, report.counts.started, report.counts.ended), (0, 2, 2));
    assert_eq!(report.counts.dead_letters, 0, "a stop that is wished for twice is no letter");
}

/// One of a line in which each supervises the next.
struct Link {
    below: Option<Addr<Link>>,
    ends: Arc<AtomicU32>,
}

impl Actor for Link {
    type Args = (u32, Arc<AtomicU32>);

    fn start((_, ends): Self::Args, _: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        Ok(Self { below: None, ends })
    }

    fn stopping(&mut self, _: &mut Ctx<'_, Self>) {
        self.ends.fetch_add(1, Ordering::Relaxed);
    }
}

/// Grow by so many.
struct Grow(u32);

impl Handle<Grow> for Link {
    type Reply = ();

    fn on(&mut self, Grow(left): Grow, ctx: &mut Ctx<'_, Self>) {
        if left > 0 {
            let below = ctx.spawn(Spec::<Link>::new((left, self.ends.clone())).escalates()).unwrap();
            ctx.try_tell(below, Grow(left - 1)).unwrap();
            self.below = Some(below);
        }
    }
}

/// Fails at the end of the line.
struct Fail;

impl Handle<Fail> for Link {
    type Reply = ();

    fn on(&mut self, _: Fail, ctx: &mut Ctx<'_, Self>) {
        match self.below {
            Some(below) => ctx.try_tell(below, Fail).unwrap(),
            None => ctx.fail(Failure::new("at the end of the line")),
        }
    }
}

/// Deeper than a stack has room for one after the other.
const DEPTH: u32 = 20_000;

#[test]
fn a_deep_line_ends_from_below_and_fails_to_its_top() {
    for fails in [false, true] {
        let ends = Arc::new(AtomicU32::new(0));
        let runtime = two().start().unwrap();
        let mut client = runtime.client().unwrap();
        let top = client.spawn_on(0, Spec::<Link>::new((DEPTH, ends.clone())).escalates()).unwrap();
        client.tell(top, Grow(DEPTH)).unwrap();
        while client.counts(0).unwrap().started <= u64::from(DEPTH) {}
        if fails {
            client.tell(top, Fail).unwrap()
        } else {
            client.stop(top.id())
        }
        client.wait_for_end(top.id(), PATIENCE).unwrap();
        let counts = client.counts(0).unwrap();
        assert_eq!(counts.ended, counts.started);
        let stopped = if fails { 0 } else { DEPTH + 1 };
        assert_eq!(ends.load(Ordering::Relaxed), stopped, "who has failed is not stopping");
        assert_eq!(runtime.shutdown(PATIENCE).killed, 0);
    }
}

/// Never starts again.
struct Stillborn;

impl Actor for Stillborn {
    type Args = Arc<AtomicU32>;

    fn start(starts: Self::Args, _: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        if starts.fetch_add(1, Ordering::Relaxed) == 0 { Ok(Self) } else { Err(Failure::new("not again")) }
    }
}

impl Handle<Fail> for Stillborn {
    type Reply = ();

    fn on(&mut self, _: Fail, ctx: &mut Ctx<'_, Self>) {
        ctx.fail(Failure::new("once"));
    }
}

#[test]
fn one_that_never_starts_again_is_tried_as_often_as_it_may() {
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    let starts = Arc::new(AtomicU32::new(0));
    let intensity = Intensity { restarts: DEPTH, within: Duration::from_secs(3600) };
    let restarts = Restarts { intensity, back_off: BackOff::default() };
    let one = client.spawn_on(0, Spec::<Stillborn>::new(starts.clone()).restarts(restarts)).unwrap();
    client.tell(one, Fail).unwrap();
    client.wait_for_end(one.id(), PATIENCE).unwrap();
    assert_eq!(starts.load(Ordering::Relaxed), DEPTH + 1);
}

#[test]
fn a_long_chain_of_links_fails_from_one_end_to_the_other() {
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    // Words of all of them are told on, so not so many.
    let chain: Vec<_> = (0..500).map(|_| puppet(&mut client, 0)).collect();
    for pair in chain.windows(2) {
        let other = pair[1].id();
        client.ask(pair[0], act(move |ctx| ctx.link(other)), PATIENCE).unwrap();
    }
    client.tell(chain[0], act(|ctx| ctx.fail(Failure::new("first")))).unwrap();
    client.wait_for_end(chain[499].id(), PATIENCE).unwrap();
    let counts = client.counts(0).unwrap();
    assert_eq!((counts.failures, counts.ended), (500, 500));
}

#[test]
fn an_interval_of_no_length_lets_others_have_their_turn() {
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    let one = puppet(&mut client, 0);
    let (told, came) = mpsc::channel();
    let begin = move |ctx: &mut Ctx<'_, Puppet>| {
        ctx.every(Duration::ZERO, move || {
            let told = told.clone();
            act(move |_| _ = told.send(()))
        });
    };
    client.tell(one, act(begin)).unwrap();
    (0..3).for_each(|_| came.recv_timeout(PATIENCE).unwrap());
    let other = puppet(&mut client, 0);
    assert_eq!(client.ask(other, act(|_| 7), PATIENCE), Ok(7));
}

#[test]
fn a_letter_says_whom_it_was_for_on_whichever_worker() {
    let (lost, letters) = mpsc::channel();
    let hook = move |letter: DeadLetter| lost.send(letter).unwrap();
    let runtime = two().on_dead_letter(hook).start().unwrap();
    let mut client = runtime.client().unwrap();
    let (scribe, until): (Addr<Scribe>, _) = blocked(&mut client, 1, 1);
    let sender = puppet(&mut client, 0);
    let send = move |ctx: &mut Ctx<'_, Puppet>| {
        (0..3).for_each(|nth| ctx.tell(scribe, Number(nth), Policy::DropNewest).unwrap());
    };
    client.ask(sender, act(send), PATIENCE).unwrap();
    for _ in 0..2 {
        let letter = letters.recv_timeout(PATIENCE).unwrap();
        assert_eq!((letter.to, letter.loss), (scribe.id(), Loss::Dropped));
    }
    drop(until);
}

#[test]
fn a_hook_that_panics_ends_no_worker() {
    let runtime = two().on_failure(|_, _| std::panic::resume_unwind(Box::new("a hook"))).start().unwrap();
    let mut client = runtime.client().unwrap();
    let one = puppet(&mut client, 0);
    client.tell(one, act(|ctx| ctx.fail(Failure::new("as it was told")))).unwrap();
    client.wait_for_end(one.id(), PATIENCE).unwrap();
    let other = puppet(&mut client, 0);
    assert_eq!(client.ask(other, act(|_| 7), PATIENCE), Ok(7));
    assert_eq!(runtime.shutdown(PATIENCE).stuck, 0);
}

#[test]
fn a_long_chain_of_those_who_fail_at_news_fails_from_one_end_to_the_other() {
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    let chain: Vec<_> = (0..DEPTH).map(|_| puppet(&mut client, 0)).collect();
    for pair in chain.windows(2) {
        let other = pair[1].id();
        let watch = move |ctx: &mut Ctx<'_, Puppet>| {
            ctx.watch(other, |_| -> Ended { std::panic::resume_unwind(Box::new("at the news")) });
        };
        client.tell(pair[0], act(watch)).unwrap();
    }
    client.tell(chain[chain.len() - 1], act(|ctx| ctx.stop())).unwrap();
    client.wait_for_end(chain[0].id(), PATIENCE).unwrap();
    let counts = client.counts(0).unwrap();
    assert_eq!((counts.failures, counts.ended), (u64::from(DEPTH) - 1, u64::from(DEPTH)));
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        std::panic::resume_unwind(Box::new("a destructor"));
    }
}

#[test]
fn what_an_actor_leaves_may_panic_when_it_is_dropped() {
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    let other = puppet(&mut client, 0);
    type Leave = fn(&mut Ctx<'_, Puppet>, Addr<Puppet>);
    let leaves: [Leave; 4] = [
        |ctx, _| {
            let bombs = [Bomb, Bomb];
            for bomb in bombs {
                ctx.every(PATIENCE, move || {
                    let _ = &bomb;
                    act(|_| ())
                });
            }
        },
        |ctx, other| {
            let bomb = Bomb;
            ctx.watch(other.id(), move |ended| {
                drop(bomb);
                ended
            });
        },
        |ctx, other| {
            let bomb = Bomb;
            _ = ctx.ask(other, act(|ctx| ctx.hold()), PATIENCE, move |answer: Result<(), AskError>| {
                drop(bomb);
                act(move |_| answer.unwrap())
            });
        },
        |ctx, _| ctx.fail(Failure::Error(Box::new(Sour(Bomb)))),
    ];
    for leave in leaves {
        for fails in [false, true] {
            let one = puppet(&mut client, 0);
            let begin = move |ctx: &mut Ctx<'_, Puppet>| {
                leave(ctx, other);
                if fails {
                    ctx.fail(Failure::new("as it was told"));
                } else {
                    ctx.stop();
                }
            };
            client.tell(one, act(begin)).unwrap();
            client.wait_for_end(one.id(), PATIENCE).unwrap();
        }
    }
    let last = puppet(&mut client, 0);
    assert_eq!(client.ask(last, act(|_| 7), PATIENCE), Ok(7));
    assert_eq!(runtime.shutdown(Duration::ZERO).stuck, 0);
}

/// An error with something in it that panics when it is dropped.
struct Sour(Bomb);

impl std::fmt::Debug for Sour {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sour")
    }
}

impl std::fmt::Display for Sour {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("sour")
    }
}

impl std::error::Error for Sour {}

#[test]
fn one_that_never_starts_again_lets_others_have_their_turn() {
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    let intensity = Intensity { restarts: u32::MAX, within: Duration::from_millis(1) };
    let restarts = Restarts { intensity, back_off: BackOff::default() };
    let starts = Arc::new(AtomicU32::new(0));
    let one = client.spawn_on(0, Spec::<Stillborn>::new(starts.clone()).restarts(restarts)).unwrap();
    client.tell(one, Fail).unwrap();
    let other = puppet(&mut client, 0);
    while starts.load(Ordering::Relaxed) < 1000 {
        assert_eq!(client.ask(other, act(|_| 7), PATIENCE), Ok(7));
    }
    let report = runtime.shutdown(PATIENCE);
    assert_eq!((report.stuck, report.killed), (0, 0));
}

#[test]
fn whoever_fails_before_it_comes_to_its_stop_is_not_waited_for() {
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    let back_off = BackOff { first: Duration::from_secs(3600), max: Duration::from_secs(3600) };
    let restarts = Restarts { intensity: Intensity::default(), back_off };
    let one = client.spawn_on(0, Spec::<Puppet>::new(()).restarts(restarts)).unwrap();
    // Both come at once.
    let (_, until): (Addr<Scribe>, _) = blocked(&mut client, 0, 8);
    client.tell(one, act(|ctx| ctx.fail(Failure::new("before its stop")))).unwrap();
    client.stop(one.id());
    drop(until);
    client.wait_for_end(one.id(), PATIENCE).unwrap();
}
