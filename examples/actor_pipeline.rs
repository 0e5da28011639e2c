// cargo run --release --example actor_pipeline -- --count 1000000 --capacity 64
//! Three actors in a row that pass numbers on no faster than they are taken: back-pressure by `hold` and `when_room`.
//!
//! ```text
//!  Source ──► Squares ──► Sum
//! ```
//!
//! An actor never waits. The one in the middle that finds no room keeps what it has in its hand, holds its mail, and is told when there
//! is room; meanwhile its own mailbox fills, and the source is told there is none. So nothing is dropped, and no more is under way
//! than the capacities allow.

mod flags;

use std::{error::Error, time::Duration};

use ringway::{
    WaitPolicy,
    actor::{Actor, Addr, Asker, Ctx, Failure, Handle, Recipient, Runtime, Spec, TellError},
};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

struct Number(u64);

/// There is room at the next actor.
struct Room;

/// Makes the numbers from 1 to `--count`.
struct Source {
    next: Recipient<Number>,
    number: u64,
    last: u64,
}

impl Actor for Source {
    type Args = (Recipient<Number>, u64);

    fn start((next, last): Self::Args, ctx: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        // There is: it comes at once.
        ctx.when_room(next, Room);
        Ok(Self { next, number: 1, last })
    }
}

impl Handle<Room> for Source {
    type Reply = ();

    fn on(&mut self, _: Room, ctx: &mut Ctx<'_, Self>) {
        while self.number <= self.last {
            match ctx.try_tell(self.next, Number(self.number)) {
                Ok(()) => self.number += 1,
                Err(TellError::Full(_)) => return ctx.when_room(self.next, Room),
                Err(error) => return ctx.fail(error),
            }
        }
        ctx.stop();
    }
}

/// Passes on the square of what it gets.
struct Squares {
    next: Recipient<Number>,
    /// What found no room.
    in_hand: Option<Number>,
}

impl Actor for Squares {
    type Args = Recipient<Number>;

    fn start(next: Self::Args, _: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        Ok(Self { next, in_hand: None })
    }
}

impl Squares {
    fn pass_on(&mut self, square: Number, ctx: &mut Ctx<'_, Self>) {
        match ctx.try_tell(self.next, square) {
            Ok(()) => ctx.resume(),
            Err(TellError::Full(square)) => {
                self.in_hand = Some(square);
                ctx.hold();
                ctx.when_room(self.next, Room);
            }
            Err(error) => ctx.fail(error),
        }
    }
}

impl Handle<Number> for Squares {
    type Reply = ();

    fn on(&mut self, Number(number): Number, ctx: &mut Ctx<'_, Self>) {
        self.pass_on(Number(number.wrapping_mul(number)), ctx);
    }
}

impl Handle<Room> for Squares {
    type Reply = ();

    fn on(&mut self, _: Room, ctx: &mut Ctx<'_, Self>) {
        if let Some(square) = self.in_hand.take() {
            self.pass_on(square, ctx);
        }
    }
}

/// Adds them up.
struct Sum {
    total: u64,
    seen: u64,
    count: u64,
    /// Who has asked for the total.
    asker: Option<Asker<Option<u64>>>,
}

impl Actor for Sum {
    type Args = u64;

    fn start(count: u64, _: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        Ok(Self { total: 0, seen: 0, count, asker: None })
    }
}

impl Sum {
    fn answer_when_done(&mut self, ctx: &mut Ctx<'_, Self>) {
        if self.seen == self.count
            && let Some(asker) = self.asker.take()
        {
            ctx.answer(asker, Some(self.total));
        }
    }
}

impl Handle<Number> for Sum {
    type Reply = ();

    fn on(&mut self, Number(number): Number, ctx: &mut Ctx<'_, Self>) {
        self.total = self.total.wrapping_add(number);
        self.seen += 1;
        self.answer_when_done(ctx);
    }
}

/// What is the total when all have come?
struct Total;

impl Handle<Total> for Sum {
    type Reply = Option<u64>;

    fn on(&mut self, _: Total, ctx: &mut Ctx<'_, Self>) -> Option<u64> {
        self.asker = ctx.asker::<Total>();
        self.answer_when_done(ctx);
        None
    }
}

fn main() -> Outcome<()> {
    let [count, capacity] = flags::numbers([("--count", 10_000), ("--capacity", 64)])?;
    let runtime = Runtime::builder().worker(WaitPolicy::Adaptive).worker(WaitPolicy::Adaptive).start()?;
    let mut client = runtime.client()?;
    let sum: Addr<Sum> = client.spawn_on(0, Spec::new(u64::from(count)).capacity(capacity))?;
    let squares: Addr<Squares> = client.spawn_on(1, Spec::new(sum.recipient()).capacity(capacity))?;
    client.spawn_on(0, Spec::<Source>::new((squares.recipient(), u64::from(count))))?;
    let total = client.ask(sum, Total, PATIENCE)?.ok_or("nobody has asked")?;

    let expected = (1..=u64::from(count)).fold(0_u64, |sum, number| sum.wrapping_add(number.wrapping_mul(number)));
    let counts = runtime.shutdown(PATIENCE).counts;
    if total != expected || counts.dropped + counts.dead_letters > 0 {
        return Err(format!("{total} instead of {expected}: {counts:?}").into());
    }
    println!("the squares of 1 to {count} add up to {total}; none was dropped");
    Ok(())
}
