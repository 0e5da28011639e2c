// cargo run --release --example actor_ask -- --count 100000
//! Questions and answers: a client's thread waits for its answers, an actor gets them as messages; and neither waits longer than it said.

mod flags;

use std::{error::Error, time::Duration};

use ringway::actor::{Actor, Addr, AskError, Asker, Ctx, Failure, Handle, Runtime, Spec};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a hard question is waited for.
const SHORT: Duration = Duration::from_millis(2);

/// Answers what is easy at once, and what is hard never.
#[derive(Default)]
struct Oracle {
    hard: Vec<Asker<Option<u32>>>,
}

impl Actor for Oracle {
    type Args = ();

    fn start((): (), _: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        Ok(Self::default())
    }
}

/// How much is twice this?
struct Twice(u32);

impl Handle<Twice> for Oracle {
    type Reply = u32;

    fn on(&mut self, Twice(number): Twice, _: &mut Ctx<'_, Self>) -> u32 {
        number * 2
    }
}

struct WhatIsLife;

impl Handle<WhatIsLife> for Oracle {
    type Reply = Option<u32>;

    fn on(&mut self, _: WhatIsLife, ctx: &mut Ctx<'_, Self>) -> Option<u32> {
        // It takes the answer upon itself: what is returned here goes to nobody then.
        self.hard.extend(ctx.asker::<WhatIsLife>());
        None
    }
}

/// Asks one question after another, and a hard one at the end.
struct Curious {
    oracle: Addr<Oracle>,
    answers: u32,
    count: u32,
    in_vain: u32,
    asker: Option<Asker<Option<(u32, u32)>>>,
}

impl Actor for Curious {
    type Args = (Addr<Oracle>, u32);

    fn start((oracle, count): Self::Args, ctx: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        let curious = Self { oracle, answers: 0, count, in_vain: 0, asker: None };
        curious.ask(ctx)?;
        Ok(curious)
    }
}

impl Curious {
    fn ask(&self, ctx: &mut Ctx<'_, Self>) -> Result<(), Failure> {
        if self.answers < self.count {
            ctx.ask(self.oracle, Twice(self.answers), PATIENCE, Answer)?;
        } else {
            ctx.ask(self.oracle, WhatIsLife, SHORT, Hard)?;
        }
        Ok(())
    }
}

struct Answer(Result<u32, AskError>);

impl Handle<Answer> for Curious {
    type Reply = ();

    fn on(&mut self, Answer(answer): Answer, ctx: &mut Ctx<'_, Self>) {
        if answer != Ok(self.answers * 2) {
            return ctx.fail(Failure::new(format!("twice {} is {answer:?}", self.answers)));
        }
        self.answers += 1;
        if let Err(failure) = self.ask(ctx) {
            ctx.fail(failure);
        }
    }
}

struct Hard(Result<Option<u32>, AskError>);

impl Handle<Hard> for Curious {
    type Reply = ();

    fn on(&mut self, Hard(answer): Hard, ctx: &mut Ctx<'_, Self>) {
        self.in_vain += u32::from(answer == Err(AskError::TimedOut));
        if let Some(asker) = self.asker.take() {
            ctx.answer(asker, Some((self.answers, self.in_vain)));
        }
    }
}

/// How many answers were there, and questions in vain, when all are asked?
struct Results;

impl Handle<Results> for Curious {
    type Reply = Option<(u32, u32)>;

    fn on(&mut self, _: Results, ctx: &mut Ctx<'_, Self>) -> Option<(u32, u32)> {
        if self.in_vain > 0 {
            return Some((self.answers, self.in_vain));
        }
        self.asker = ctx.asker::<Results>();
        None
    }
}

fn main() -> Outcome<()> {
    let [count] = flags::numbers([("--count", 10_000)])?;
    let runtime = Runtime::builder().start()?;
    let mut client = runtime.client()?;
    let last = runtime.workers() - 1;
    let oracle = client.spawn_on(last, Spec::<Oracle>::new(()))?;

    for number in 0..count {
        let answer = client.ask(oracle, Twice(number), PATIENCE)?;
        if answer != number * 2 {
            return Err(format!("twice {number} is {answer}").into());
        }
    }
    match client.ask(oracle, WhatIsLife, SHORT) {
        Err(AskError::TimedOut) => println!("client: {count} answers, 1 question in vain"),
        other => return Err(format!("{other:?}").into()),
    }

    let curious = client.spawn(Spec::<Curious>::new((oracle, count)))?;
    let results = client.ask(curious, Results, PATIENCE)?;
    if results != Some((count, 1)) {
        return Err(format!("{results:?}").into());
    }
    println!("actor: {count} answers, 1 question in vain");
    runtime.shutdown(PATIENCE);
    Ok(())
}
