//! What a child does: this program once more, told by its environment which end of a connection it is.

use std::{
    collections::VecDeque,
    env,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use ringway::{
    Context, Pull, Push, WaitPolicy,
    phase::{self, Deed},
    socket::{Builder, Socket},
};

use crate::{
    ledger::{Entry, Ledger},
    load::{self, Dice, Pace},
};

/// How this program knows that it is a child.
const PART: &str = "RINGWAY_KILL_PART";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Producer,
    Consumer,
    /// A producer that forks, and whose child sleeps on with all it inherited.
    ForkingProducer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Binds,
    Connects,
}

#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) role: Role,
    pub(crate) place: Place,
    pub(crate) endpoint: String,
    pub(crate) ledger: PathBuf,
    /// What its messages are told by.
    pub(crate) number: u64,
    pub(crate) seed: u64,
    /// It ends by itself after so many messages.
    pub(crate) total: u64,
    /// At most so many messages a call.
    pub(crate) batch: usize,
    /// Where it dies or stops, at which time of reaching that phase.
    pub(crate) armed: Option<(&'static str, u64, Deed)>,
}

impl Part {
    /// Starts the child.
    pub(crate) fn begin(&self) -> Child {
        let armed = self.armed.map_or(String::new(), |(name, nth, deed)| format!("{name},{nth},{deed:?}"));
        let words = [
            format!("{:?}", self.role),
            format!("{:?}", self.place),
            self.endpoint.clone(),
            self.ledger.display().to_string(),
            self.number.to_string(),
            self.seed.to_string(),
            self.total.to_string(),
            self.batch.to_string(),
            armed,
        ];
        let folder = self.ledger.parent().expect("it is in a folder");
        Command::new(env::current_exe().expect("a running test has a path"))
            .args(["--exact", "child", "--nocapture", "--test-threads", "1"])
            .env(PART, words.join("|"))
            // What it leaves behind is found there.
            .env("TMPDIR", folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("this program starts")
    }

    /// The part this process has, if it has one.
    fn given() -> Option<Self> {
        let text = env::var(PART).ok()?;
        let words: Vec<&str> = text.split('|').collect();
        let [role, place, endpoint, ledger, number, seed, total, batch, armed] = words[..] else {
            panic!("{text:?} is no part")
        };
        let value = |word: &str| word.parse::<u64>().expect("a number");
        let armed = (!armed.is_empty()).then(|| {
            let words: Vec<&str> = armed.split(',').collect();
            let deed = if words[2] == "Stop" { Deed::Stop } else { Deed::Kill };
            (phase::PHASES[phase::index_of(words[0])].name, value(words[1]), deed)
        });
        Some(Self {
            role: match role {
                "Producer" => Role::Producer,
                "Consumer" => Role::Consumer,
                "ForkingProducer" => Role::ForkingProducer,
                _ => panic!("{role:?} is no role"),
            },
            place: if place == "Binds" { Place::Binds } else { Place::Connects },
            endpoint: endpoint.to_owned(),
            ledger: ledger.into(),
            number: value(number),
            seed: value(seed),
            total: value(total),
            batch: value(batch) as usize,
            armed,
        })
    }

    fn produce(&self, context: &Context, ledger: &Ledger, dice: &mut Dice) {
        let builder = Push::builder().wait(policy(dice)).send_hwm(dice.pick(&[8, 200, 1_000]));
        let mut push = quick(builder).linger(Duration::from_secs(20)).build(context).expect("a context");
        join!(self, push);
        let mut pace = Pace::new(dice);
        let mut next = 0;
        while next < self.total {
            let count = (1 + dice.roll(self.batch as u64)).min(self.total - next);
            ledger.write(Entry::Sending, next + count);
            let mut messages: VecDeque<_> = (next..next + count).map(|at| load::message(self.number, at)).collect();
            if count == 1 {
                push.send(messages.pop_front().expect("there is one")).expect("the context is open");
            } else {
                push.send_batch(&mut messages).expect("the context is open");
            }
            next += count;
            ledger.write(Entry::Sent, next);
            phase::reach("between-calls");
            pace.step();
        }
    }

    fn consume(&self, context: &Context, ledger: &Ledger, dice: &mut Dice) {
        let builder = Pull::builder().wait(policy(dice)).recv_hwm(dice.pick(&[8, 200, 1_000]));
        let mut pull = quick(builder).build(context).expect("a context");
        join!(self, pull);
        let mut pace = Pace::new(dice);
        let mut expected = None;
        let mut messages = Vec::new();
        let mut received = 0;
        while received < self.total {
            if self.batch == 1 {
                messages.push(pull.recv().expect("the context is open"));
            } else {
                pull.recv_batch(&mut messages, self.batch).expect("the context is open");
            }
            phase::reach("holding");
            for message in messages.drain(..) {
                let (_, number) = load::read(&message).unwrap_or_else(|what| panic!("{what}"));
                if expected.is_none() {
                    ledger.write(Entry::First, number + 1);
                }
                assert_eq!(number, expected.unwrap_or(number), "the next is another than it should be");
                expected = Some(number + 1);
                received += 1;
            }
            ledger.write(Entry::Received, received);
            phase::reach("between-calls");
            pace.step();
        }
    }
}

/// Binds or connects, as a part says.
macro_rules! join {
    ($part:expr, $socket:expr) => {
        match $part.place {
            Place::Binds => $socket.bind(&$part.endpoint).expect("a stale path is taken over"),
            Place::Connects => $socket.connect(&$part.endpoint).expect("it is an endpoint"),
        }
    };
}
use join;

/// `builder`, of a socket that connects again at once.
pub(crate) fn quick<S: Socket>(builder: Builder<S>) -> Builder<S> {
    let soon = Duration::from_millis(2);
    builder.reconnect_interval(soon).reconnect_interval_max(soon)
}

fn policy(dice: &mut Dice) -> WaitPolicy {
    dice.pick(&[WaitPolicy::Adaptive, WaitPolicy::Park])
}

/// The child's side: does nothing when run as a test of its own.
pub(crate) fn play() {
    let Some(part) = Part::given() else { return };
    let ledger = Ledger::open(&part.ledger);
    ledger.record_phases();
    if let Some((name, nth, deed)) = part.armed {
        phase::arm(name, nth, deed);
    }
    let mut dice = Dice(part.seed);
    let context = Context::new();
    match part.role {
        Role::Producer => part.produce(&context, &ledger, &mut dice),
        Role::Consumer => part.consume(&context, &ledger, &mut dice),
        Role::ForkingProducer => {
            // After the first messages, so that it inherits a connection.
            let mut first = part.clone();
            first.total = u64::MAX;
            std::thread::scope(|scope| {
                scope.spawn(|| first.produce(&context, &ledger, &mut dice));
                while ledger.read(Entry::Sent) < 100 {
                    std::thread::sleep(Duration::from_millis(1));
                }
                ledger.write(Entry::Left, leave_a_sleeper_behind());
            });
        }
    }
}

/// Forks a process that does nothing, for a minute at the most. Its id.
fn leave_a_sleeper_behind() -> u64 {
    // SAFETY: what runs in the new process are two functions that may be called in a signal handler, and so after a fork.
    let process = unsafe { libc::fork() };
    assert!(process >= 0, "{}", std::io::Error::last_os_error());
    if process == 0 {
        // SAFETY: it only sets a time.
        unsafe { libc::alarm(60) };
        loop {
            // SAFETY: it waits for a signal; that of the alarm ends the process.
            unsafe { libc::pause() };
        }
    }
    process as u64
}
