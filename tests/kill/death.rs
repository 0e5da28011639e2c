//! How children die: at a phase of their own, or when somebody feels like it.

use std::{
    collections::BTreeMap,
    fmt::{self, Display, Formatter},
    io::Read,
    os::unix::process::ExitStatusExt,
    process::Child,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use ringway::{WaitPolicy, phase::Deed};

use crate::{
    PATIENCE,
    ledger::{Ledger, now_ns},
    load::{Dice, Tempo},
    part::{Part, Role},
    scene::state,
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

/// A phase is not waited for longer than this once the child is in; the first time of each is worth more.
const UNREACHED: Duration = Duration::from_millis(60);
const UNREACHED_FIRST: Duration = Duration::from_secs(2);
/// Nor longer than this if it never gets in.
const NOT_IN: Duration = Duration::from_secs(5);

impl Moment {
    /// The `nth` way to die: each of `phases` in turn, and at random as often as by all of them.
    pub(crate) fn nth(nth: u64, phases: &[&'static str], dice: &mut Dice) -> Self {
        let (of_phases, phases_len) = (nth / 2, phases.len() as u64);
        if nth.is_multiple_of(2) && !phases.is_empty() {
            let name = phases[(of_phases % phases_len) as usize];
            // Some are reached once for a connection, others once for a message.
            let is_rare = of_phases < phases_len || ONCE.contains(&name);
            Self::Phase(name, if is_rare { 1 } else { dice.pick(&[1, 1, 2, 5, 40, 300]) })
        } else if dice.roll(4) == 0 {
            Self::AfterStart(Duration::from_micros(dice.roll(20_000)))
        } else {
            Self::UnderLoad(Duration::from_micros(dice.roll(6_000)))
        }
    }

    /// Gives a child what it needs to get there, and says how its survivor is to go on meanwhile, who has the other end of
    /// the connection.
    pub(crate) fn arrange(self, part: &mut Part, dice: &mut Dice) -> Tempo {
        let Self::Phase(name, _) = self else { return dice.pick(&[Tempo::Any, Tempo::Hurried, Tempo::Hurried]) };
        match name {
            // Of who waits for messages.
            "announced" | "sleeping" | "woken" => {
                part.policy = WaitPolicy::Park;
                part.tempo = Tempo::Hurried;
                Tempo::Lazy
            }
            // Of who finds the other asleep.
            "knocking" | "knocked" => {
                part.tempo = Tempo::Lazy;
                Tempo::Hurried
            }
            // Of who finds no room: in the ring, and after that none at all.
            "overflowing" | "moving" | "wishing" | "growing" | "switched" => {
                part.hwm = 1_000;
                part.tempo = Tempo::Hurried;
                Tempo::Lazy
            }
            // Of whose peer finds none.
            "grown" | "switching" => {
                part.hwm = 1_000;
                part.tempo = Tempo::Lazy;
                Tempo::Hurried
            }
            // Of who sends what is long, which is rare.
            "between-parts" => {
                part.tempo = Tempo::Hurried;
                Tempo::Hurried
            }
            "closing" | "unmapping" => {
                part.total = dice.pick(&[1, 20, 300]);
                Tempo::Hurried
            }
            _ => Tempo::Hurried,
        }
    }
}

/// Reached once for a connection.
const ONCE: &[&str] = &[
    "offering",
    "offered",
    "mapped",
    "answered",
    "agreed",
    "growing",
    "grown",
    "switched",
    "switching",
    "closing",
    "unmapping",
];

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
                Moment::Phase(_, times) => {
                    let wait = if times == 1 { UNREACHED_FIRST } else { UNREACHED };
                    since(in_since) > wait || self.started.elapsed() > NOT_IN
                }
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

    /// Fails if it has ended by itself.
    pub(crate) fn must_live(&mut self) {
        if let Some(status) = self.child.try_wait().expect("it is ours to wait for") {
            let complaint = self.complaint();
            panic!("{:?} has ended by itself, {status}: {complaint}", self.role);
        }
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
        state(self.pid()) == Some('T')
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// After so many kills somebody has died at each of the phases that must be reached, at least twice.
const ENOUGH: u64 = 100;

/// Who died where, how long the survivors had to wait for the news, and what was lost.
pub(crate) struct Tally {
    where_they_died: BTreeMap<String, u64>,
    told_after_ns: Vec<u64>,
    pub(crate) lost: u64,
    pub(crate) messages: u64,
    lateness: Lateness,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self {
            where_they_died: BTreeMap::new(),
            told_after_ns: Vec::new(),
            lost: 0,
            messages: 0,
            lateness: Lateness::begin(),
        }
    }

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
        // Whether a ring grows is for the library to say.
        let is_sure = |name: &&str| !["growing", "grown", "switched", "switching"].contains(name);
        let missed: Vec<&str> =
            must_be_reached.iter().copied().filter(is_sure).filter(|name| !is_reached(name)).collect();
        if !missed.is_empty() {
            text += &format!("  nobody died at: {}\n", missed.join(", "));
        }
        self.told_after_ns.sort_unstable();
        let (told, late) = (&self.told_after_ns, self.lateness.end());
        if !told.is_empty() {
            text += &format!("  survivors told {} times, after {}\n", told.len(), Shares(told));
        }
        text += &format!("  who slept a millisecond meanwhile, slept longer by {}\n", Shares(&late));
        crate::say(&text);
        if !told.is_empty() {
            // Told by an event, not by a time-out: how soon is a matter of the scheduler alone, of which several have need, who
            // dies and who is told, one after the other.
            let (usual, most) = (share(&late, 0.99), share(&late, 1.0));
            assert!(share(told, 0.5) < 10_000_000 + 10 * usual, "survivors are told late");
            assert!(share(told, 1.0) < 3_000_000_000 + 10 * most, "a survivor was told very late");
        }
        if kills >= ENOUGH {
            assert!(missed.is_empty(), "nobody died at {missed:?}");
        }
    }
}

/// Such a share of sorted nanoseconds is not longer.
fn share(sorted: &[u64], share: f64) -> u64 {
    sorted.get((sorted.len().saturating_sub(1) as f64 * share) as usize).copied().unwrap_or(0)
}

struct Shares<'a>(&'a [u64]);

impl Display for Shares<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let [p50, p99, max] = [0.5, 0.99, 1.0].map(|at| share(self.0, at) as f64 / 1e6);
        write!(f, "p50 {p50:.3} p99 {p99:.3} max {max:.3} ms")
    }
}

/// How much later than they should the threads of this process get a core.
struct Lateness {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Vec<u64>>>,
}

impl Lateness {
    fn begin() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let is_over = stop.clone();
        let thread = thread::spawn(move || {
            let (pause, mut late_ns) = (Duration::from_millis(1), Vec::new());
            while !is_over.load(Ordering::Relaxed) {
                let begun = Instant::now();
                thread::sleep(pause);
                late_ns.push((begun.elapsed() - pause).as_nanos() as u64);
            }
            late_ns.sort_unstable();
            late_ns
        });
        Self { stop, thread: Some(thread) }
    }

    fn end(&mut self) -> Vec<u64> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().map_or_else(Vec::new, |thread| thread.join().expect("it only sleeps"))
    }
}

impl Drop for Lateness {
    fn drop(&mut self) {
        self.end();
    }
}
