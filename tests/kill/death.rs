//! How children die: at a phase of their own, or when somebody feels like it.

use std::{
    collections::BTreeMap,
    fs,
    io::Read,
    os::unix::process::ExitStatusExt,
    process::Child,
    thread,
    time::{Duration, Instant},
};

use ringway::phase::{Deed, PHASES};

use crate::{
    PATIENCE,
    ledger::{Ledger, now_ns},
    load::Dice,
    part::{Part, Role},
};

/// When a child is to die.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Moment {
    /// By its own hand, when it reaches that phase so many times.
    Phase(&'static str, u64),
    /// So long after it was started, whatever it is at then.
    AfterStart(Duration),
    /// So long after it has been let in.
    UnderLoad(Duration),
}

/// A child that has died.
#[derive(Debug)]
pub(crate) struct Death {
    pub(crate) pid: u32,
    /// By the clock of [`now_ns`]; not before it died, if somebody else killed it.
    pub(crate) at_ns: u64,
    /// For the list of those who died.
    pub(crate) whereabouts: String,
}

/// A phase is not waited for longer than this.
const UNREACHED: Duration = Duration::from_millis(60);

impl Moment {
    /// The `nth` way to die: each of `phases` in turn, and at random as often as by all of them.
    pub(crate) fn nth(nth: u64, phases: &[&'static str], dice: &mut Dice) -> Self {
        let of_phases = nth / 2;
        if nth.is_multiple_of(2) && !phases.is_empty() {
            // Some are reached once for a connection, others once for a message.
            let times = dice.pick(&[1, 1, 1, 2, 5, 40, 300]);
            Self::Phase(phases[(of_phases % phases.len() as u64) as usize], times)
        } else if dice.roll(4) == 0 {
            Self::AfterStart(Duration::from_micros(dice.roll(20_000)))
        } else {
            Self::UnderLoad(Duration::from_micros(dice.roll(6_000)))
        }
    }
}

/// A child that lives.
pub(crate) struct Victim {
    pub(crate) child: Child,
    started: Instant,
    moment: Moment,
    role: Role,
}

impl Victim {
    pub(crate) fn begin(mut part: Part, moment: Moment, ledger: &Ledger) -> Self {
        ledger.clear();
        if let Moment::Phase(name, nth) = moment {
            part.armed = Some((name, nth, Deed::Kill));
        }
        let role = part.role;
        Self { child: part.begin(), started: Instant::now(), moment, role }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it is time, and sees that it dies. `is_in`: has it been let in?
    pub(crate) fn die(mut self, ledger: &Ledger, mut is_in: impl FnMut(u32) -> bool) -> Death {
        let pid = self.pid();
        let mut in_since = None;
        let deadline = self.started + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("it is ours to wait for") {
                let (at_ns, name) = match ledger.death() {
                    Some(death) if status.signal() == Some(libc::SIGKILL) => death,
                    _ => {
                        let complaint = self.complaint();
                        panic!("child {pid}, {:?}, ended by itself, {status}: {complaint}", self.role)
                    }
                };
                return Death { pid, at_ns, whereabouts: format!("{:?} {name}", self.role) };
            }
            if in_since.is_none() && is_in(pid) {
                in_since = Some(Instant::now());
            }
            let since = |time: Option<Instant>| time.map_or(Duration::ZERO, |time| time.elapsed());
            let is_time = match self.moment {
                Moment::Phase(..) => since(in_since) > UNREACHED,
                Moment::AfterStart(time) => self.started.elapsed() >= time,
                Moment::UnderLoad(time) => in_since.is_some() && since(in_since) >= time,
            };
            if is_time {
                break;
            }
            assert!(Instant::now() < deadline, "child {pid} was not let in: {:?}", self.moment);
            thread::sleep(Duration::from_micros(100));
        }
        let at_ns = now_ns();
        let whereabouts = match self.moment {
            // It may have got there meanwhile; it is dead either way.
            Moment::Phase(name, _) => format!("{:?} at random, for {name} was not reached", self.role),
            Moment::AfterStart(_) => format!("{:?} at random since its start", self.role),
            Moment::UnderLoad(_) => format!("{:?} at random under load", self.role),
        };
        self.kill();
        Death { pid, at_ns, whereabouts }
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it is ours");
        let status = self.child.wait().expect("it is ours to wait for");
        assert_eq!(status.signal(), Some(libc::SIGKILL), "{}", self.complaint());
    }

    /// What it has said before it ended.
    fn complaint(&mut self) -> String {
        let mut text = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            let _ = stderr.read_to_string(&mut text);
        }
        text
    }

    /// Waits until it ends by itself, with success.
    pub(crate) fn end(mut self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("it is ours to wait for") {
                let complaint = self.complaint();
                assert!(status.success(), "{:?}: {status}: {complaint}", self.role);
                return;
            }
            assert!(Instant::now() < deadline, "{:?} does not come to an end", self.role);
            thread::sleep(Duration::from_micros(200));
        }
    }

    /// Is it stopped, by a signal?
    pub(crate) fn is_stopped(&self) -> bool {
        // Of "pid (name) state …"; a name may have anything in it.
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Who died where, how long the survivors had to wait for the news, and what was lost.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    where_they_died: BTreeMap<String, u64>,
    told_after_ns: Vec<u64>,
    pub(crate) lost: u64,
    pub(crate) messages: u64,
}

impl Tally {
    pub(crate) fn died(&mut self, death: &Death) {
        *self.where_they_died.entry(death.whereabouts.clone()).or_default() += 1;
    }

    pub(crate) fn told(&mut self, after_ns: u64) {
        self.told_after_ns.push(after_ns);
    }

    /// Prints all of it and asserts what can be asserted of a machine with other things to do.
    pub(crate) fn report(mut self, title: &str, must_be_reached: &[&str]) {
        let kills: u64 = self.where_they_died.values().sum();
        let mut text = format!("{title}: {kills} kills, {} messages, {} lost\n", self.messages, self.lost);
        for (name, count) in &self.where_they_died {
            text += &format!("  {count:6} {name}\n");
        }
        let is_reached = |name: &str| self.where_they_died.keys().any(|key| key.ends_with(&format!(" {name}")));
        let never: Vec<&str> = PHASES.iter().map(|phase| phase.name).filter(|name| !is_reached(name)).collect();
        text += &format!("  nobody died at: {}\n", never.join(", "));
        self.told_after_ns.sort_unstable();
        let told = &self.told_after_ns;
        if !told.is_empty() {
            let at = |share: f64| told[((told.len() - 1) as f64 * share) as usize] as f64 / 1e6;
            text += &format!(
                "  survivors told {} times, after p50 {:.3} p99 {:.3} max {:.3} ms\n",
                told.len(),
                at(0.5),
                at(0.99),
                at(1.0)
            );
            crate::say(&text);
            // Told by an event, not by a time-out: how soon is a matter of the scheduler alone.
            assert!(at(0.5) < 10.0, "survivors are told late");
            assert!(at(1.0) < 3_000.0, "a survivor was told very late");
        } else {
            crate::say(&text);
        }
        if kills >= 200 {
            let missed: Vec<_> = must_be_reached.iter().filter(|name| !is_reached(name)).collect();
            assert!(missed.is_empty(), "nobody died at {missed:?}");
        }
    }
}
