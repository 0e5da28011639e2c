//! A line of actors that pass on no faster than is taken: nothing is dropped, and little waits.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
    mpsc,
};

use ringway::actor::{Actor, Ctx, Failure, Handle, Recipient, Spec, TellError, kit::Stage};

use crate::{PATIENCE, cast::two};

/// How many items there are, and the most there ever were.
#[derive(Debug, Default)]
struct Level {
    now: AtomicUsize,
    max: AtomicUsize,
}

#[derive(Debug)]
struct Item {
    number: u64,
    level: Arc<Level>,
}

impl Item {
    fn new(number: u64, level: &Arc<Level>) -> Self {
        let now = level.now.fetch_add(1, Ordering::Relaxed) + 1;
        level.max.fetch_max(now, Ordering::Relaxed);
        Self { number, level: level.clone() }
    }
}

impl Drop for Item {
    fn drop(&mut self) {
        self.level.now.fetch_sub(1, Ordering::Relaxed);
    }
}

/// There is room behind.
struct Room;

/// Makes so many, as fast as they are taken.
struct Source {
    next: Recipient<Item>,
    made: u64,
    end: u64,
    level: Arc<Level>,
}

impl Actor for Source {
    type Args = (Recipient<Item>, u64, Arc<Level>);

    fn start((next, end, level): Self::Args, ctx: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        ctx.when_room(next, Room);
        Ok(Self { next, made: 0, end, level })
    }
}

impl Handle<Room> for Source {
    type Reply = ();

    fn on(&mut self, _: Room, ctx: &mut Ctx<'_, Self>) {
        while self.made < self.end {
            match ctx.try_tell(self.next, Item::new(self.made, &self.level)) {
                Ok(()) => self.made += 1,
                Err(TellError::Full(_)) => return ctx.when_room(self.next, Room),
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// Passes on what it gets. What finds no room stays in its hand, and it takes nothing until there is some.
struct Middle {
    next: Recipient<Item>,
    hand: Option<Item>,
}

impl Actor for Middle {
    type Args = Recipient<Item>;

    fn start(next: Self::Args, _: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        Ok(Self { next, hand: None })
    }
}

impl Middle {
    fn pass_on(&mut self, item: Item, ctx: &mut Ctx<'_, Self>) {
        match ctx.try_tell(self.next, item) {
            Ok(()) => ctx.resume(),
            Err(TellError::Full(item)) => {
                self.hand = Some(item);
                ctx.hold();
                ctx.when_room(self.next, Room);
            }
            Err(error) => panic!("{error}"),
        }
    }
}

impl Handle<Item> for Middle {
    type Reply = ();

    fn on(&mut self, item: Item, ctx: &mut Ctx<'_, Self>) {
        assert!(self.hand.is_none(), "it holds");
        self.pass_on(item, ctx);
    }
}

impl Handle<Room> for Middle {
    type Reply = ();

    fn on(&mut self, _: Room, ctx: &mut Ctx<'_, Self>) {
        if let Some(item) = self.hand.take() {
            self.pass_on(item, ctx);
        }
    }
}

/// Looks whether they are in order; says so when it has seen them all.
struct Sink {
    seen: u64,
    end: u64,
    done: mpsc::Sender<()>,
}

impl Actor for Sink {
    type Args = (u64, mpsc::Sender<()>);

    fn start((end, done): Self::Args, _: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        Ok(Self { seen: 0, end, done })
    }
}

impl Handle<Item> for Sink {
    type Reply = ();

    fn on(&mut self, item: Item, _: &mut Ctx<'_, Self>) {
        assert_eq!(item.number, self.seen);
        self.seen += 1;
        if self.seen == self.end {
            self.done.send(()).unwrap();
        }
    }
}

/// At the most so many at once: what waits for the middle and for the sink, what each has before it, and what the source has made and
/// found no room for.
fn most(capacities: [u32; 2]) -> usize {
    capacities.iter().map(|&capacity| capacity as usize).sum::<usize>() + 3
}

#[test]
fn a_pipeline_is_as_fast_as_its_slowest_and_holds_no_more_than_its_capacities() {
    for (places, capacities, count) in [
        ([0, 1, 0], [8, 4], 20_000),
        ([0, 1, 0], [1, 1], 500),
        ([0, 0, 1], [64, 3], 20_000),
        ([0, 1, 1], [3, 64], 20_000),
        ([0, 0, 0], [5, 5], 20_000),
    ] {
        let runtime = two().start().unwrap();
        let mut client = runtime.client().unwrap();
        let (done, is_done) = mpsc::channel();
        let level = Arc::new(Level::default());
        let sink = client.spawn_on(places[2], Spec::<Sink>::new((count, done)).capacity(capacities[1])).unwrap();
        let middle = Spec::<Middle>::new(sink.recipient()).capacity(capacities[0]);
        let middle = client.spawn_on(places[1], middle).unwrap();
        let source = Spec::<Source>::new((middle.recipient(), count, level.clone()));
        client.spawn_on(places[0], source).unwrap();
        is_done.recv_timeout(PATIENCE).unwrap();
        let report = runtime.shutdown(PATIENCE);
        let counts = report.counts;
        assert_eq!((counts.dropped, counts.dead_letters, counts.failures, report.killed), (0, 0, 0, 0), "{places:?}");
        let max = level.max.load(Ordering::Relaxed);
        assert!(max <= most(capacities), "{max} at once, {places:?} {capacities:?}");
        assert_eq!(level.now.load(Ordering::Relaxed), 0);
    }
}

#[test]
fn a_pipeline_on_a_stage_ends_for_any_seed() {
    for seed in 0..100 {
        let mut stage = Stage::new(3, seed);
        let capacities = [1 + seed as u32 % 5, 1 + seed as u32 / 5 % 5];
        let (done, is_done) = mpsc::channel();
        let level = Arc::new(Level::default());
        let sink = stage.spawn_on(2, Spec::<Sink>::new((100, done)).capacity(capacities[1])).unwrap();
        let middle = stage.spawn_on(1, Spec::<Middle>::new(sink.recipient()).capacity(capacities[0])).unwrap();
        stage.spawn_on(0, Spec::<Source>::new((middle.recipient(), 100, level.clone()))).unwrap();
        stage.settle();
        assert_eq!(is_done.try_recv(), Ok(()), "seed {seed}");
        assert!(level.max.load(Ordering::Relaxed) <= most(capacities), "seed {seed}");
    }
}
