//! A process that is the library, and writes into its own segment behind the library's back: all states there are, with
//! real messages in them. The victim serves it and a good peer that shares memory, too.

use std::{
    env, fs,
    os::unix::fs::FileExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use ringway::{
    Context, Frame, Message, Monitor, Pull, Push, WaitPolicy,
    monitor::{Event, EventKind, Fault},
    socket::{RecvError, SendFailure},
};
use rustix::process::{Signal, set_parent_process_death_signal};

use crate::{
    has_segments, nobody_panicked,
    raw::{PATIENCE, temporary_path},
    say,
    scene::{Dice, alone},
    stranger::{at, header},
};

/// How this program knows that it is the child: role, endpoint and seed.
const PART: &str = "RINGWAY_SCRIBBLER";
/// How many messages are to pass.
const MESSAGES: &str = "RINGWAY_HOSTILE_MESSAGES";
/// And unless that is said, how many, and for how long at the most.
const USUALLY: u64 = 5_000_000;
const USUALLY_WITHIN: Duration = Duration::from_secs(60);

/// How much a test does.
struct Measure {
    messages: u64,
    until: Option<Instant>,
}

impl Measure {
    fn given() -> Self {
        match env::var(MESSAGES) {
            Ok(text) => Self { messages: text.parse().expect("a number"), until: None },
            Err(_) => Self { messages: USUALLY, until: Some(Instant::now() + USUALLY_WITHIN) },
        }
    }

    fn is_full(&self, messages: u64) -> bool {
        messages >= self.messages || self.until.is_some_and(|until| Instant::now() >= until)
    }
}

/// The child's side: does nothing when run as a test of its own.
pub(crate) fn play() {
    let Ok(part) = env::var(PART) else { return };
    // It has no end of its own.
    set_parent_process_death_signal(Some(Signal::KILL)).expect("a signal there is");
    let words: Vec<&str> = part.split('|').collect();
    let [role, endpoint, seed] = words[..] else { panic!("{part:?} is no part") };
    let seed = seed.parse().expect("a number");
    let context = Context::new();
    thread::spawn(move || scribble(Dice(seed)));
    // It takes a moment until one that was found out is let in again: others take its place.
    thread::scope(|scope| {
        for nth in 0..LINKS {
            let context = &context;
            scope.spawn(move || link(context, role, endpoint, Dice(seed + 1 + nth)));
        }
    });
}

/// So many connections are scribbled into.
const LINKS: u64 = 4;

/// Sends or receives without end.
fn link(context: &Context, role: &str, endpoint: &str, mut dice: Dice) {
    let soon = Duration::from_millis(2);
    if role == "producer" {
        let mut push = Push::builder().reconnect_interval(soon).reconnect_interval_max(soon).build(context).unwrap();
        push.connect(endpoint).unwrap();
        loop {
            let size = if dice.below(50) == 0 { dice.below(30_000) } else { dice.below(300) };
            let frames = 1 + dice.below(3);
            let message: Message = (0..frames).map(|_| Frame::from(vec![9; size])).collect();
            // It may be told anything: whether it fares well is not the question.
            let _ = push.send_timeout(message, Duration::from_millis(10));
        }
    }
    let mut pull = Pull::builder().reconnect_interval(soon).reconnect_interval_max(soon).build(context).unwrap();
    pull.connect(endpoint).unwrap();
    loop {
        let _ = pull.recv_timeout(Duration::from_millis(10));
    }
}

/// Shared memory of one kind: first and last address.
type Range = (u64, u64);

/// Where this process has segments: those it may write, its own, and those of its peers.
fn segments() -> [Vec<Range>; 2] {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let segment = |line: &str, kind: &str| {
        let mut words = line.split_ascii_whitespace();
        let (range, perms) = (words.next()?, words.next()?);
        if perms != kind || !line.contains("memfd:") {
            return None;
        }
        let (first, last) = range.split_once('-')?;
        Some((u64::from_str_radix(first, 16).ok()?, u64::from_str_radix(last, 16).ok()?))
    };
    ["rw-s", "r--s"].map(|kind| maps.lines().filter_map(|line| segment(line, kind)).collect())
}

/// Writes into whatever segments there are, through the system: where one is gone meanwhile that is an error and no more.
fn scribble(mut dice: Dice) {
    let memory = fs::OpenOptions::new().write(true).read(true).open("/proc/self/mem").unwrap();
    let read = |address: u64| {
        let mut word = [0; 8];
        memory.read_exact_at(&mut word, address).map(|()| u64::from_ne_bytes(word)).unwrap_or(0)
    };
    loop {
        // Some messages pass first, so that there is something to spoil.
        thread::sleep(Duration::from_micros(dice.below(2_000) as u64));
        let [own, theirs] = segments();
        for _ in 0..dice.below(200) {
            let Some(&segment) = own.get(dice.below(own.len().max(1))) else { break };
            // What is read next, if this is the peer's of that segment.
            let peers = theirs.get(dice.below(theirs.len().max(1)));
            let next = peers.map_or(0, |(first, _)| read(first + at::POSITION as u64));
            let (address, value) = harm(segment, next, &mut dice, read);
            let _ = memory.write_all_at(&value.to_ne_bytes(), address);
            // Not after each: where many want the core it may be long until this thread has it again.
            if dice.below(32) == 0 {
                thread::yield_now();
            }
        }
    }
}

/// What to write where, in a segment whose reader is at the position `next`.
fn harm((first, last): Range, next: u64, dice: &mut Dice, read: impl Fn(u64) -> u64) -> (u64, u64) {
    let ring = first + at::RING as u64;
    let capacity = last - ring;
    let in_ring = |position: u64| ring + position % capacity / 16 * 16;
    let words = [at::POSITION, at::TAKEN, at::RECV_HWM, at::CLOSED, at::RECEIVER, at::SENDER];
    let word = first + words[dice.below(words.len())] as u64;
    let anywhere = in_ring(dice.next());
    // The record that is read next, or what will be one; or one of those soon after.
    let soon = in_ring(next + if dice.below(2) == 0 { 0 } else { 16 * dice.below(64) as u64 });
    let size = [0, 1, 8, 100, 0xFFFF, 0xFF_FFFF][dice.below(6)];
    let forged = header(dice.below(8) as u8, size, [0, 1, 2, 1 << 16, u32::MAX][dice.below(5)]);
    match dice.below(10) {
        // A header that looks like one is made longer, shorter, or of another kind.
        0..3 => {
            let is_one = |address: &u64| read(*address) >> 63 == 1;
            let header = (0..64).map(|step| in_ring(soon - ring + 16 * step)).find(is_one).unwrap_or(soon);
            (header, read(header) ^ 1 << (dice.below(32) + 32))
        }
        3..5 => (soon, forged),
        5 => (soon, dice.next()),
        6 => (anywhere, if dice.below(2) == 0 { forged } else { dice.next() }),
        7 => (word, dice.next()),
        8 => (word, read(word).wrapping_add([1, 16, u64::MAX, 4_096][dice.below(4)])),
        _ => (first + dice.below((last - first) as usize / 8) as u64 * 8, 0),
    }
}

/// The scribbling process; another when one has died of its own doing.
struct Scribbler {
    role: &'static str,
    endpoint: String,
    child: Child,
    begun: u64,
}

impl Scribbler {
    fn new(role: &'static str, endpoint: &str) -> Self {
        let child = Self::begin(role, endpoint, 1);
        Self { role, endpoint: endpoint.to_owned(), child, begun: 1 }
    }

    fn begin(role: &str, endpoint: &str, seed: u64) -> Child {
        Command::new(env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture", "--test-threads", "1"])
            .env(PART, format!("{role}|{endpoint}|{seed}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    fn keep_alive(&mut self) {
        if self.child.try_wait().unwrap().is_some() {
            self.begun += 1;
            self.child = Self::begin(self.role, &self.endpoint, self.begun);
        }
    }
}

impl Drop for Scribbler {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How connections have ended, as a monitor tells.
#[derive(Default)]
struct Endings {
    by_reason: std::collections::BTreeMap<String, u64>,
    misbehaved: u64,
}

impl Endings {
    fn read(&mut self, monitor: &mut Monitor) {
        for Event { kind, .. } in monitor.try_iter() {
            if let EventKind::Disconnected { reason, .. } = kind {
                *self.by_reason.entry(format!("{reason}")).or_default() += 1;
                self.misbehaved += u64::from(reason.fault() == Fault::PeerMisbehaved);
            }
        }
    }

    fn report(&self, title: &str, passed: u64, begun: u64) {
        let mut text = format!("{title}: {passed} messages of the good peer's passed, {begun} scribblers\n");
        for (reason, count) in &self.by_reason {
            text += &format!("  {count:6} connections: {reason}\n");
        }
        say(&text);
        assert!(self.misbehaved > 0, "nobody was found to scribble");
    }
}

struct Path(PathBuf);

impl Path {
    fn endpoint(&self) -> String {
        format!("ipc://{}", self.0.display())
    }
}

impl Drop for Path {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

const GOOD: u64 = u64::from_le_bytes(*b"is good\0");

#[test]
fn a_producer_that_scribbles_does_no_harm() {
    if !has_segments("a_producer_that_scribbles_does_no_harm") {
        return;
    }
    let _alone = alone();
    let path = Path(temporary_path());
    let (here, there) = (Context::new(), Context::new());
    let mut pull = Pull::builder().max_message_size(1 << 20).monitor_capacity(100_000).build(&here).unwrap();
    let mut monitor = pull.monitor();
    pull.bind(path.endpoint()).unwrap();
    let mut push = Push::new(&there).unwrap();
    push.connect(path.endpoint()).unwrap();
    let mut scribbler = Scribbler::new("producer", &path.endpoint());
    let measure = Measure::given();
    let mut endings = Endings::default();
    crate::memory::forget();
    let allocated = crate::memory::now();
    let mut expected = 0;
    let total = AtomicU64::new(u64::MAX);
    let sent = &total;
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut number = 0_u64;
            while !measure.is_full(number) {
                push.send([GOOD.to_le_bytes(), number.to_le_bytes()].concat()).unwrap();
                number += 1;
            }
            sent.store(number, Ordering::SeqCst);
            // It stays until all has come.
            push
        });
        let (mut looked, mut heard) = (Instant::now(), Instant::now());
        while expected < total.load(Ordering::SeqCst) {
            let message = match pull.recv_timeout(Duration::from_millis(200)) {
                Ok(message) => message,
                Err(RecvError::TimedOut) => {
                    assert!(heard.elapsed() < PATIENCE, "the good peer's come no more");
                    continue;
                }
                Err(error) => panic!("{error:?}"),
            };
            heard = Instant::now();
            if message.len() == 1 && message[0].len() == 16 && message[0].as_bytes()[..8] == GOOD.to_le_bytes() {
                assert_eq!(message[0].as_bytes()[8..], expected.to_le_bytes());
                expected += 1;
            }
            if looked.elapsed() > Duration::from_millis(20) {
                looked = Instant::now();
                scribbler.keep_alive();
                endings.read(&mut monitor);
            }
        }
    });
    let most = crate::memory::most() - allocated;
    assert!(most < 64 << 20, "{most} bytes were allocated at a time");
    nobody_panicked();
    endings.report("a producer that scribbles", expected, scribbler.begun);
}

#[test]
fn a_consumer_that_scribbles_does_no_harm() {
    if !has_segments("a_consumer_that_scribbles_does_no_harm") {
        return;
    }
    let _alone = alone();
    let path = Path(temporary_path());
    let (here, there) = (Context::new(), Context::new());
    let mut push = Push::builder().wait(WaitPolicy::Adaptive).monitor_capacity(100_000).build(&here).unwrap();
    let mut monitor = push.monitor();
    push.bind(path.endpoint()).unwrap();
    let mut pull = Pull::new(&there).unwrap();
    pull.connect(path.endpoint()).unwrap();
    let mut scribbler = Scribbler::new("consumer", &path.endpoint());
    let measure = Measure::given();
    let mut endings = Endings::default();
    let (passed, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    crate::memory::forget();
    let allocated = crate::memory::now();
    thread::scope(|scope| {
        scope.spawn(|| {
            // Messages are shared with the scribbler, who has some of them, for good or until it is found out.
            while !stop.load(Ordering::SeqCst) {
                if let Ok(message) = pull.recv_timeout(Duration::from_millis(10)) {
                    assert_eq!(message[0].as_bytes()[..8], GOOD.to_le_bytes(), "what was never sent has come");
                    passed.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        let mut number = 0_u64;
        let mut looked = Instant::now();
        let mut progress = (0, Instant::now());
        while !measure.is_full(passed.load(Ordering::SeqCst)) {
            match push.send_timeout([GOOD.to_le_bytes(), number.to_le_bytes()].concat(), PATIENCE) {
                Ok(()) => number += 1,
                Err(error) => panic!("{:?}", error.reason == SendFailure::TimedOut),
            }
            if looked.elapsed() > Duration::from_millis(20) {
                looked = Instant::now();
                scribbler.keep_alive();
                endings.read(&mut monitor);
                let now = passed.load(Ordering::SeqCst);
                if now > progress.0 {
                    progress = (now, Instant::now());
                }
                assert!(progress.1.elapsed() < PATIENCE, "the good peer gets nothing any more");
            }
        }
        stop.store(true, Ordering::SeqCst);
    });
    let most = crate::memory::most() - allocated;
    assert!(most < 64 << 20, "{most} bytes were allocated at a time");
    nobody_panicked();
    endings.report("a consumer that scribbles", passed.load(Ordering::SeqCst), scribbler.begun);
}
