//! Storms: threads that make, bind, connect, use, hand on and drop sockets of all types at random. Whatever happens,
//! every message is received once or counted as lost, and nothing hangs.
//!
//! `RINGWAY_STORMS` says how many storms of each flavor to run, `RINGWAY_STORM_SEED` with which seed to begin.

#![forbid(unsafe_code)]
#![expect(clippy::disallowed_types, reason = "a test is outside the library, and no model runs it")]

use std::{
    collections::VecDeque,
    env, process,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use ringway::{Context, Message, Pair, Pull, Push, WaitPolicy};

const STORMS: u64 = if cfg!(miri) { 1 } else { 12 };
const THREADS: u64 = 4;
const STEPS: u64 = if cfg!(miri) { 100 } else { 1500 };
/// Sockets a thread keeps at the most.
const SOCKETS_MAX: usize = 6;
const NAMES: u64 = 6;
/// No progress for so long is a hang.
const PATIENCE: Duration = Duration::from_secs(120);

enum Socket {
    Pair(Pair),
    Push(Push),
    Pull(Pull),
}

/// Calls what every type has.
macro_rules! any {
    ($socket:expr, $inner:ident => $call:expr) => {
        match $socket {
            Socket::Pair($inner) => $call,
            Socket::Push($inner) => $call,
            Socket::Pull($inner) => $call,
        }
    };
}

/// One thread of a storm.
struct Sailor {
    context: Context,
    dice: u64,
    sockets: Vec<Socket>,
    /// Sockets on their way to another thread.
    afloat: Arc<Mutex<VecDeque<Socket>>>,
    /// The number of the next message, and a step that no other thread's numbers hit.
    next: u64,
    sent: u64,
    received: Vec<u64>,
    /// Steps done by all, for the watchdog.
    progress: Arc<AtomicU64>,
}

impl Sailor {
    fn sail(mut self) -> (u64, Vec<u64>) {
        for _ in 0..STEPS {
            self.step();
            self.progress.fetch_add(1, Ordering::Relaxed);
        }
        // Some are dropped by whoever comes last.
        let keep = self.roll(3) as usize;
        self.afloat.lock().unwrap().extend(self.sockets.drain(..).take(keep));
        (self.sent, self.received)
    }

    /// The next of a sequence that depends on the seed only (Steele, Lea and Flood: SplitMix64).
    fn roll(&mut self, sides: u64) -> u64 {
        self.dice = self.dice.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.dice ^ (self.dice >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % sides
    }

    fn step(&mut self) {
        if self.sockets.is_empty() || (self.sockets.len() < SOCKETS_MAX && self.roll(12) == 0) {
            return self.launch();
        }
        let place = self.roll(self.sockets.len() as u64) as usize;
        let mut socket = self.sockets.swap_remove(place);
        match self.roll(100) {
            0..5 => return drop(socket),
            5..8 => {
                let mut afloat = self.afloat.lock().unwrap();
                afloat.push_back(socket);
                if let Some(other) = afloat.pop_front() {
                    self.sockets.push(other);
                }
                return;
            }
            8..20 => self.attach(&mut socket),
            20..24 => self.detach(&mut socket),
            24..28 => self.change(&mut socket),
            28..65 => self.send(&mut socket),
            _ => self.receive(&mut socket),
        }
        self.sockets.push(socket);
    }

    fn launch(&mut self) {
        let policy = match self.roll(10) {
            0 => WaitPolicy::Spin,
            1..5 => WaitPolicy::Park,
            _ => WaitPolicy::Adaptive,
        };
        let (send_hwm, recv_hwm) = (self.roll(5) as u32, self.roll(5) as u32);
        let linger = Duration::from_micros(self.roll(3) * 500);
        let mut socket = match self.roll(3) {
            0 => Socket::Pair(
                Pair::builder()
                    .send_hwm(send_hwm)
                    .recv_hwm(recv_hwm)
                    .linger(linger)
                    .wait(policy)
                    .build(&self.context)
                    .unwrap(),
            ),
            1 => Socket::Push(
                Push::builder().send_hwm(send_hwm).linger(linger).wait(policy).build(&self.context).unwrap(),
            ),
            _ => Socket::Pull(Pull::builder().recv_hwm(recv_hwm).wait(policy).build(&self.context).unwrap()),
        };
        self.attach(&mut socket);
        self.sockets.push(socket);
    }

    /// A name; mostly one where the socket finds its kind.
    fn name(&mut self, socket: &Socket) -> String {
        let number = self.roll(NAMES);
        let kind = if matches!(socket, Socket::Pair(_)) != (self.roll(20) == 0) { "pair" } else { "line" };
        format!("inproc://{kind}-{number}")
    }

    fn attach(&mut self, socket: &mut Socket) {
        let name = self.name(socket);
        // Refusals are part of the game.
        let _ = if self.roll(2) == 0 {
            any!(socket, socket => socket.bind(&name).is_ok())
        } else {
            any!(socket, socket => socket.connect(&name).is_ok())
        };
    }

    fn detach(&mut self, socket: &mut Socket) {
        let name = self.name(socket);
        let _ = if self.roll(2) == 0 {
            any!(socket, socket => socket.unbind(&name).is_ok())
        } else {
            any!(socket, socket => socket.disconnect(&name).is_ok())
        };
    }

    fn change(&mut self, socket: &mut Socket) {
        let hwm = self.roll(6) as u32;
        match socket {
            Socket::Pair(pair) => pair.set_send_hwm(hwm),
            Socket::Push(push) => push.set_send_hwm(hwm),
            Socket::Pull(pull) => pull.set_recv_hwm(hwm),
        }
    }

    /// A message of one to twenty frames of any small size that says its number.
    fn message(&mut self) -> Message {
        let mut message = Message::from(self.next.to_le_bytes());
        self.next += THREADS;
        if self.roll(3) == 0 {
            for _ in 0..self.roll(20) {
                let size = self.roll(300) as usize;
                message.push(vec![size as u8; size]);
            }
        }
        message
    }

    fn send(&mut self, socket: &mut Socket) {
        let (way, timeout) = (self.roll(6), Duration::from_micros(self.roll(300)));
        let count = if way == 0 { self.roll(12) as usize } else { 1 };
        let mut messages: VecDeque<Message> = (0..count).map(|_| self.message()).collect();
        macro_rules! send_by {
            ($socket:expr) => {
                match way {
                    0 => $socket.try_send_batch(&mut messages).unwrap_or(0),
                    1 => $socket
                        .try_reserve()
                        .map_or(0, |permit| permit.send(messages.remove(0).unwrap()).is_ok().into()),
                    2 | 3 => $socket.send_timeout(messages.remove(0).unwrap(), timeout).is_ok().into(),
                    _ => $socket.try_send(messages.remove(0).unwrap()).is_ok().into(),
                }
            };
        }
        let sent: usize = match socket {
            Socket::Pair(pair) => send_by!(pair),
            Socket::Push(push) => send_by!(push),
            Socket::Pull(_) => 0,
        };
        self.sent += sent as u64;
    }

    fn receive(&mut self, socket: &mut Socket) {
        let (way, timeout) = (self.roll(6), Duration::from_micros(self.roll(300)));
        let mut messages = Vec::new();
        macro_rules! receive_by {
            ($socket:expr) => {
                match way {
                    0 => drop($socket.try_recv_batch(&mut messages, 7)),
                    1..4 => messages.extend($socket.recv_timeout(timeout)),
                    _ => messages.extend($socket.try_recv()),
                }
            };
        }
        match socket {
            Socket::Pair(pair) => receive_by!(pair),
            Socket::Pull(pull) => receive_by!(pull),
            Socket::Push(_) => {}
        }
        for message in &messages {
            let whole = message.frames()[1..].iter().all(|frame| frame.iter().all(|byte| *byte == frame.len() as u8));
            assert!(whole, "frames of one message: {message:?}");
            self.received.push(u64::from_le_bytes(message[0].as_bytes().try_into().unwrap()));
        }
    }
}

fn storm(context: Context, seed: u64, deaths: bool, progress: &Arc<AtomicU64>) {
    let afloat = Arc::new(Mutex::new(VecDeque::new()));
    let crew: Vec<_> = (0..THREADS)
        .map(|number| {
            let sailor = Sailor {
                context: context.clone(),
                dice: seed * THREADS + number,
                sockets: Vec::new(),
                afloat: afloat.clone(),
                next: number,
                sent: 0,
                received: Vec::new(),
                progress: progress.clone(),
            };
            thread::spawn(|| sailor.sail())
        })
        .collect();
    while deaths && !crew.iter().all(thread::JoinHandle::is_finished) {
        context.kill_a_pipe_after(seed % 50);
        thread::sleep(Duration::from_millis(1));
    }
    let (mut sent, mut received) = (0, Vec::new());
    for sailor in crew {
        let (its_sent, its_received) = sailor.join().unwrap();
        sent += its_sent;
        received.extend(its_received);
    }
    afloat.lock().unwrap().clear();
    let report = context.shutdown(PATIENCE);
    let count = received.len() as u64;
    assert_eq!(report.sockets_left, 0, "seed {seed}");
    assert_eq!(sent, count + report.undelivered + report.unread, "seed {seed}: {count} received, {report:?}");
    received.sort_unstable();
    received.dedup();
    assert_eq!(received.len() as u64, count, "seed {seed}: none twice");
    assert!(count > 0, "seed {seed}: nobody talked");
}

fn number_from(variable: &str, otherwise: u64) -> u64 {
    env::var(variable).map_or(otherwise, |text| text.parse().expect("a number"))
}

/// Runs storms one after the other, watched.
fn storms(flavor: &'static str, context: fn(u64) -> Context, deaths: bool) {
    let first = number_from("RINGWAY_STORM_SEED", 0);
    let progress = Arc::new(AtomicU64::new(0));
    let watched = progress.clone();
    let current = Arc::new(AtomicU64::new(first));
    let watched_seed = current.clone();
    thread::spawn(move || {
        let mut seen = u64::MAX;
        loop {
            let now = watched.load(Ordering::Relaxed);
            if now == seen {
                eprintln!("a storm hangs: {flavor} pipes, seed {}", watched_seed.load(Ordering::Relaxed));
                process::abort();
            }
            seen = now;
            thread::sleep(PATIENCE);
            if Arc::strong_count(&watched) == 1 {
                return;
            }
        }
    });
    for seed in first..first + number_from("RINGWAY_STORMS", STORMS) {
        current.store(seed, Ordering::Relaxed);
        storm(context(seed), seed, deaths, &progress);
        progress.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn over_local_pipes() {
    storms("local", |_| Context::new(), false);
}

#[test]
fn over_awkward_pipes() {
    storms("awkward", Context::with_awkward_pipes, false);
}

#[test]
fn over_awkward_pipes_that_die() {
    storms("dying", Context::with_awkward_pipes, true);
}
