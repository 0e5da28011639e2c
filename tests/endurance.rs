//! Actors for long: runtimes that start and end again and again, and one in which a message in a hundred is a panic.
//!
//! `RINGWAY_ACTOR_CYCLES=100000 RINGWAY_ACTOR_STORM=60 cargo test --release --test endurance -- --nocapture` for long; a few seconds
//! otherwise.

#![cfg(not(any(loom, shuttle, miri)))]

use std::{
    env, fs,
    io::Write,
    panic,
    sync::{Arc, MutexGuard, Once, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use ringway::{
    WaitPolicy,
    actor::{Actor, Addr, Ctx, Failure, Handle, Intensity, Restarts, Runtime, RuntimeBuilder, Spec},
};

/// What takes longer than this does not end.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many times a runtime is started and ended.
fn cycles() -> u64 {
    number("RINGWAY_ACTOR_CYCLES").unwrap_or(300)
}

/// How many seconds it storms.
fn storm() -> u64 {
    number("RINGWAY_ACTOR_STORM").unwrap_or(2)
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// One test at a time: memory and cores are the process's.
fn alone() -> MutexGuard<'static, ()> {
    #[expect(clippy::disallowed_types, reason = "a test of the whole has nothing to model")]
    static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Not captured by the test harness, so that a log tells how far it is.
fn say(what: &str) {
    let _ = writeln!(std::io::stderr(), "{what}");
}

fn two() -> RuntimeBuilder {
    Runtime::builder().worker(WaitPolicy::Adaptive).worker(WaitPolicy::Adaptive)
}

/// KiB of memory the process has; threads.
fn resident() -> Option<(u64, u64)> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let field = |name: &str| -> Option<u64> {
        status.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
    };
    Some((field("VmRSS:")?, field("Threads:")?))
}

/// One of a busy pair that never ends by itself: each tells the other and itself whatever it is told.
struct Restless(#[allow(dead_code, reason = "held for as long as the actor is there")] Arc<()>);

impl Actor for Restless {
    type Args = Arc<()>;

    fn start(there: Arc<()>, ctx: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        let me = ctx.addr();
        ctx.try_tell(me, me)?;
        ctx.every(Duration::from_micros(100), move || me);
        Ok(Self(there))
    }
}

impl Handle<Addr<Restless>> for Restless {
    type Reply = ();

    fn on(&mut self, next: Addr<Restless>, ctx: &mut Ctx<'_, Self>) {
        let me = ctx.addr();
        _ = ctx.try_tell(next, me);
        _ = ctx.try_tell(me, next);
    }
}

#[test]
fn a_small_busy_system_starts_and_ends_again_and_again() {
    let _alone = alone();
    let count = cycles();
    let (told, turns) = mpsc::channel();
    let start = Instant::now();
    let turning = thread::spawn(move || {
        let there = Arc::new(());
        let mut late = 0_u64;
        for round in 0..count {
            let runtime = two().start().unwrap();
            let mut client = runtime.client().unwrap();
            let pair = [0, 1].map(|worker| client.spawn_on(worker, Spec::<Restless>::new(there.clone())).unwrap());
            client.tell(pair[0], pair[1]).unwrap();
            client.tell(pair[1], pair[0]).unwrap();
            match round % 3 {
                0 => drop(client),
                1 => _ = client.ask(pair[1], pair[0], PATIENCE),
                _ => {}
            }
            if round % 5 == 4 {
                drop(runtime);
            } else {
                let limit = [Duration::ZERO, Duration::from_micros(200), PATIENCE][round as usize % 3];
                let report = runtime.shutdown(limit);
                late += u64::from(report.stuck > 0);
                assert!(report.stuck > 0 || report.counts.started == report.counts.ended, "round {round}");
            }
            // A worker that had no core for a second, which it has after the limit, is late and not lost. Nobody tells of its end then.
            let deadline = Instant::now() + PATIENCE;
            while Arc::strong_count(&there) > 1 {
                assert!(Instant::now() < deadline, "round {round}: a worker does not end");
                thread::sleep(Duration::from_millis(1));
            }
            told.send(round).unwrap();
        }
        late
    });
    let mut early = None;
    for round in 0..count {
        // A round that does not end is what this is about.
        match turns.recv_timeout(PATIENCE) {
            Ok(turn) => assert_eq!(turn, round),
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("round {round} hangs"),
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        }
        if round + 1 == count.min(1_000) {
            early = resident();
        }
        if (round + 1) % 10_000 == 0 {
            say(&format!("{} cycles in {:?}, {:?} KiB and threads", round + 1, start.elapsed(), resident()));
        }
    }
    let late = turning.join().unwrap();
    say(&format!(
        "{count} cycles in {:?}, {late} with a late worker; KiB and threads then: {early:?}, at the end: {:?}",
        start.elapsed(),
        resident()
    ));
    if let (Some((early, _)), Some((late, threads))) = (early, resident()) {
        assert!(late < early + 16 * 1024, "from {early} to {late} KiB");
        assert!(threads < 20, "{threads} threads are left");
    }
}

const EXPECTED: &str = "one in a hundred";

/// Panics that are meant are not printed; others are.
fn quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if info.payload().downcast_ref::<&str>() != Some(&EXPECTED) {
                loud(info);
            }
        }));
    });
}

/// Handles numbers, and panics at one in a hundred.
struct Stormy {
    handled: u64,
    /// That its memory is given back is seen by what the process has.
    _ballast: Vec<u8>,
}

impl Actor for Stormy {
    type Args = ();

    fn start((): (), _: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        Ok(Self { handled: 0, _ballast: vec![1; 10_000] })
    }
}

impl Handle<u64> for Stormy {
    type Reply = u64;

    fn on(&mut self, number: u64, _: &mut Ctx<'_, Self>) -> u64 {
        if number % 100 == 99 {
            panic::panic_any(EXPECTED);
        }
        self.handled += 1;
        self.handled
    }
}

#[test]
fn a_storm_of_panics_costs_no_more_as_it_lasts() {
    let _alone = alone();
    quiet();
    const SLICES: usize = 12;
    let slice = Duration::from_secs(storm()) / SLICES as u32;
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    let often = Restarts {
        intensity: Intensity { restarts: u32::MAX, within: Duration::from_millis(10) },
        ..Restarts::default()
    };
    let stormy = [0, 1].map(|worker| client.spawn_on(worker, Spec::<Stormy>::new(()).restarts(often)).unwrap());
    let mut number = 0;
    let mut slices = Vec::new();
    for _ in 0..SLICES {
        let (start, from) = (Instant::now(), number);
        while start.elapsed() < slice {
            for _ in 0..100 {
                client.tell_timeout(stormy[(number / 100 % 2) as usize], number, PATIENCE).unwrap();
                number += 1;
            }
        }
        let rate = (number - from) as f64 / start.elapsed().as_secs_f64();
        slices.push((rate, resident().map_or(0, |(memory, _)| memory)));
    }
    assert!(stormy.iter().all(|&stormy| client.ask(stormy, 0, PATIENCE).is_ok()));
    let counts = runtime.shutdown(PATIENCE).counts;
    for (nth, (rate, memory)) in slices.iter().enumerate() {
        say(&format!("slice {nth}: {rate:.0} messages a second, {memory} KiB"));
    }
    say(&format!("{} panics in {} s", counts.failures, storm()));
    assert_eq!((counts.failures, counts.restarts), (number / 100, number / 100));
    // Two questions, and two requests to stop.
    assert_eq!((counts.handled, counts.dead_letters, counts.dropped), (number + 4, 0, 0));
    let memory: Vec<_> = slices.iter().map(|(_, memory)| *memory).collect();
    assert!(memory[SLICES - 1] < memory[2] + 8 * 1024, "{memory:?} KiB");
    let median = |slices: &[(f64, u64)]| {
        let mut rates: Vec<_> = slices.iter().map(|(rate, _)| *rate).collect();
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    };
    let (early, late) = (median(&slices[1..SLICES / 2]), median(&slices[SLICES / 2..]));
    // Short slices tell of whoever else has the cores.
    let share = if storm() >= 30 { 0.7 } else { 0.1 };
    assert!(late > early * share, "from {early:.0} to {late:.0} messages a second");
}
