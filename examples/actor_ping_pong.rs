// cargo run --release --example actor_ping_pong -- --count 1000000
//! Two actors on two workers, and a ball that goes there and back between them. Each worker is pinned to a CPU of its own.
//!
//! ```text
//!  worker 0: Ping ──► Pong :worker 1
//!                 ◄──
//! ```
//!
//! Where the process may use only one CPU it says so and runs unpinned.

mod flags;

use std::{error::Error, time::Duration};

use ringway::{
    WaitPolicy,
    actor::{Actor, Addr, Ctx, Failure, Handle, Reason, Recipient, Runtime, Spec},
    affinity,
};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Serves `--count` times, and ends when the last ball is back.
struct Ping {
    pong: Addr<Pong>,
    served: u32,
    count: u32,
}

impl Actor for Ping {
    type Args = (Addr<Pong>, u32);

    fn start((pong, count): Self::Args, ctx: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        let mut ping = Self { pong, served: 0, count };
        ping.serve(ctx)?;
        Ok(ping)
    }
}

impl Ping {
    fn serve(&mut self, ctx: &mut Ctx<'_, Self>) -> Result<(), Failure> {
        if self.served == self.count {
            ctx.stop();
            return Ok(());
        }
        let back = ctx.addr().recipient();
        // One ball is under way at a time, so there is room.
        ctx.try_tell(self.pong, Ball { number: self.served, back })?;
        self.served += 1;
        Ok(())
    }
}

/// Small: it crosses in one cache line.
struct Ball {
    number: u32,
    /// Whoever takes what comes back. Pong need not know who that is.
    back: Recipient<Back>,
}

struct Back(u32);

impl Handle<Back> for Ping {
    type Reply = ();

    fn on(&mut self, Back(number): Back, ctx: &mut Ctx<'_, Self>) {
        if number + 1 != self.served {
            return ctx.fail(Failure::new(format!("ball {number} came back when {} were served", self.served)));
        }
        if let Err(failure) = self.serve(ctx) {
            ctx.fail(failure);
        }
    }
}

/// Sends back what it gets.
struct Pong;

impl Actor for Pong {
    type Args = ();

    fn start((): (), _: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        Ok(Self)
    }
}

impl Handle<Ball> for Pong {
    type Reply = ();

    fn on(&mut self, ball: Ball, ctx: &mut Ctx<'_, Self>) {
        if let Err(error) = ctx.try_tell(ball.back, Back(ball.number)) {
            ctx.fail(error);
        }
    }
}

fn main() -> Outcome<()> {
    let [count] = flags::numbers([("--count", 10_000)])?;
    let builder = match affinity::usable() {
        [here, there, ..] => {
            println!("Ping on CPU {here}, Pong on CPU {there}");
            Runtime::builder().worker_on(*here, WaitPolicy::Adaptive).worker_on(*there, WaitPolicy::Adaptive)
        }
        _ => {
            println!("one usable CPU: running unpinned");
            Runtime::builder().worker(WaitPolicy::Adaptive).worker(WaitPolicy::Adaptive)
        }
    };
    let runtime = builder.start()?;
    let mut client = runtime.client()?;
    let pong = client.spawn_on(1, Spec::<Pong>::new(()))?;
    let ping = client.spawn_on(0, Spec::<Ping>::new((pong, count)))?;
    match client.wait_for_end(ping.id(), PATIENCE)? {
        // Gone: it had ended before it was asked.
        Reason::Stopped | Reason::Gone => {}
        reason => return Err(format!("{reason:?}").into()),
    }
    let counts = runtime.shutdown(PATIENCE).counts;
    if counts.handled < 2 * u64::from(count) || counts.failures > 0 {
        return Err(format!("something was lost: {counts:?}").into());
    }
    println!("{count} balls there and back");
    Ok(())
}
