//! A message there and back, every byte checked on both sides, one in flight at a time.
//!
//! Unpaced, a round trip is timed from just before `send` to just after the answer was checked. Paced, it is timed from
//! when the message *should* have been sent: if the answer to the one before came late, that lateness counts, and no
//! omission needs to be corrected afterwards.

#![forbid(unsafe_code)]

use std::{num::NonZeroU64, thread, time::Duration};

use ringway::latency::{Clock, Pace, Recorder};

use crate::{
    crew::Crew,
    end::{Relax, Road, Rx, Terms, Tx},
    failure::Failure,
    payload::{Corrupt, Header, check},
    pins::Pins,
};

/// How to run it.
#[derive(Clone, Debug)]
pub(crate) struct PingPong {
    /// Round trips timed, unless time is up before.
    pub(crate) count: u64,
    /// Round trips before those; fewer if they take a good part of the limit.
    pub(crate) warmup: u64,
    /// Messages a second; as fast as it goes if absent.
    pub(crate) rate: Option<NonZeroU64>,
    /// No new round trip begins after this long.
    pub(crate) limit: Duration,
    pub(crate) pins: Pins,
    /// Pairs running at the same time, each with two threads of its own.
    pub(crate) pairs: usize,
}

/// What came out.
#[derive(Debug)]
pub(crate) struct RoundTrips {
    pub(crate) recorder: Recorder,
    /// Round trips a second, over all pairs.
    pub(crate) rate_per_s: f64,
}

impl PingPong {
    pub(crate) fn run<R: Road>(&self, road: &R, terms: &Terms) -> Result<RoundTrips, Failure> {
        let mut crew = Crew::new();
        for _ in 0..self.pairs {
            let (mut near, mut far) = road.pair(terms)?;
            let checked = Checked::new(road.name(), terms);
            let (pong_checked, ping_checked) = (checked.clone(), checked);
            crew.start("pong", self.pins.last(), move || pong(&mut far, &pong_checked).map(|()| None))?;
            let plan = self.clone();
            crew.start("ping", self.pins.first(), move || plan.ping(&mut near, &ping_checked).map(Some))?;
        }
        let results = crew.finish(self.limit + GRACE)?;
        let mut all = RoundTrips { recorder: Recorder::new(), rate_per_s: 0.0 };
        for one in results.into_iter().flatten() {
            all.recorder.merge(&one.recorder);
            all.rate_per_s += one.rate_per_s;
        }
        Ok(all)
    }

    pub(crate) fn ping(&self, near: &mut (impl Tx + Rx), checked: &Checked) -> Result<RoundTrips, Failure> {
        let clock = Clock::new();
        let mut recorder = Recorder::new();
        let mut trip = |n: u64| {
            near.send(Header::new(0, n))?;
            let mut answer = Ok(Header::new(0, n));
            near.recv(|bytes| answer = check(bytes, checked.size))?;
            checked.expect(answer, Header::new(0, n))
        };
        let warm_until_ns = clock.now_ns() + self.limit.as_nanos() as u64 / WARMUP_SHARE;
        let mut warm = 0;
        while warm < self.warmup && clock.now_ns() < warm_until_ns {
            trip(warm)?;
            warm += 1;
        }
        let begin_ns = clock.now_ns();
        let end_ns = begin_ns + self.limit.as_nanos() as u64;
        let pace = self.rate.map(|rate| Pace::new(begin_ns, rate));
        let relax = self.pins.relax();
        let (mut done, mut now_ns) = (0, begin_ns);
        while done < self.count && now_ns < end_ns {
            let start_ns = match &pace {
                Some(pace) => wait_until(&clock, pace.intended_ns(done), relax),
                None => clock.now_ns(),
            };
            trip(warm + done)?;
            now_ns = clock.now_ns();
            recorder.record_since(start_ns, now_ns);
            done += 1;
        }
        near.send(Header::stop(0))?;
        let mut answer = Ok(Header::stop(0));
        near.recv(|bytes| answer = check(bytes, checked.size))?;
        checked.expect(answer, Header::stop(0))?;
        let elapsed_s = (now_ns - begin_ns).max(1) as f64 / 1e9;
        Ok(RoundTrips { recorder, rate_per_s: done as f64 / elapsed_s })
    }
}

/// Sends every message back until the one that says stop.
pub(crate) fn pong(far: &mut (impl Tx + Rx), checked: &Checked) -> Result<(), Failure> {
    let mut due = 0;
    loop {
        let mut arrived = Ok(Header::stop(0));
        far.recv(|bytes| arrived = check(bytes, checked.size))?;
        let stop = matches!(arrived, Ok(header) if header.is_stop());
        let expected = if stop { Header::stop(0) } else { Header::new(0, due) };
        checked.expect(arrived, expected)?;
        far.send(expected)?;
        if stop {
            return Ok(());
        }
        due += 1;
    }
}

/// What every message of a run must be.
#[derive(Clone)]
pub(crate) struct Checked {
    road: String,
    size: usize,
}

impl Checked {
    pub(crate) fn new(road: String, terms: &Terms) -> Self {
        Self { road, size: terms.size }
    }

    #[inline]
    fn expect(&self, arrived: Result<Header, Corrupt>, expected: Header) -> Result<(), Failure> {
        match arrived {
            Ok(header) if header == expected => Ok(()),
            arrived => Err(self.corrupt(arrived, expected)),
        }
    }

    #[cold]
    fn corrupt(&self, arrived: Result<Header, Corrupt>, expected: Header) -> Failure {
        let corrupt = arrived
            .map_or_else(|corrupt| corrupt, |header| Corrupt::Sequence { expected: Some(expected.sequence()), header });
        Failure::Corrupt { road: self.road.clone(), corrupt }
    }
}

/// Waits for `due_ns` and gives it back; at once if it has passed. Spins the last stretch: a sleep ends tens of
/// microseconds late.
pub(super) fn wait_until(clock: &Clock, due_ns: u64, relax: Relax) -> u64 {
    let ahead_ns = due_ns.saturating_sub(clock.now_ns());
    if ahead_ns > 2 * SPUN_NS {
        thread::sleep(Duration::from_nanos(ahead_ns - SPUN_NS));
    }
    while clock.now_ns() < due_ns {
        relax.once();
    }
    due_ns
}

/// A warm-up takes one part in so many of the limit at most.
const WARMUP_SHARE: u64 = 4;

/// Added to the limit of a run before its threads count as stuck.
pub(crate) const GRACE: Duration = Duration::from_secs(20);

/// The last stretch before a message is due. Longer than the gaps of a 1 kHz load, whose sender so never sleeps and
/// whose figures hold no wake-up but the receiver's and its own in `recv`.
const SPUN_NS: u64 = 5_000_000;
