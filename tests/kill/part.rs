//! What a child does: this program once more, told by its environment which end of a connection it is.

use std::{
    collections::VecDeque,
    env,
    fmt::Debug,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use ringway::{
    Context, WaitPolicy, affinity,
    phase::{self, Deed},
};
use rustix::process::{Signal, set_parent_process_death_signal};

use crate::{
    PATIENCE,
    ledger::{Entry, Ledger},
    load::{self, Dice, Pace, Tempo},
    pattern::{self, Attached, Hearer, Pattern, Place, Speaker, Wishes},
};

/// How this program knows that it is a child.
const PART: &str = "RINGWAY_KILL_PART";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Producer,
    Consumer,
    /// Sends a message, and awaits it back, over a PAIR.
    Asker,
    /// Sends back what it gets, over a PAIR.
    Echo,
}

const ROLES: [Role; 4] = [Role::Producer, Role::Consumer, Role::Asker, Role::Echo];
pub(crate) const POLICIES: [WaitPolicy; 3] = [WaitPolicy::Adaptive, WaitPolicy::Park, WaitPolicy::Spin];
const DEEDS: [Deed; 2] = [Deed::Kill, Deed::Stop];

#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) role: Role,
    pub(crate) pattern: Pattern,
    pub(crate) place: Place,
    pub(crate) endpoint: String,
    pub(crate) ledger: PathBuf,
    /// What its messages are told by.
    pub(crate) number: u64,
    pub(crate) seed: u64,
    /// Its socket closes after so many messages.
    pub(crate) total: u64,
    /// At most so many messages a call.
    pub(crate) batch: usize,
    pub(crate) policy: WaitPolicy,
    pub(crate) hwm: u32,
    /// The core all of its threads are on.
    pub(crate) core: Option<usize>,
    /// It forks when it is connected, and its child sleeps on with all it inherited.
    pub(crate) forks: bool,
    /// How fast it sends, or asks for messages.
    pub(crate) tempo: Tempo,
    /// Where it dies or stops, at which time of reaching that phase.
    pub(crate) armed: Option<(&'static str, u64, Deed)>,
}

impl Part {
    /// One that goes on until it is killed.
    pub(crate) fn new(role: Role, pattern: Pattern, place: Place, endpoint: String, ledger: &Ledger) -> Self {
        Self {
            role,
            pattern,
            place,
            endpoint,
            ledger: ledger.path().to_owned(),
            number: 0,
            seed: 0,
            total: u64::MAX,
            batch: 1,
            policy: WaitPolicy::Adaptive,
            hwm: 1_000,
            core: None,
            forks: false,
            tempo: Tempo::Any,
            armed: None,
        }
    }

    /// With a temper that `dice` give it, and the `number` it is told by.
    pub(crate) fn any(mut self, number: u64, dice: &mut Dice) -> Self {
        self.number = number;
        self.seed = dice.roll(u64::MAX);
        self.batch = dice.pick(&[1, 1, 1, 20]);
        self.policy = dice.pick(&[WaitPolicy::Adaptive, WaitPolicy::Adaptive, WaitPolicy::Park, WaitPolicy::Spin]);
        self.hwm = dice.pick(&[8, 200, 1_000]);
        self
    }

    /// Starts the child.
    pub(crate) fn begin(&self) -> Child {
        let armed = self.armed.map_or(String::new(), |(name, nth, deed)| format!("{name},{nth},{deed:?}"));
        let words = [
            format!("{:?}", self.role),
            format!("{:?}", self.pattern),
            format!("{:?}", self.place),
            self.endpoint.clone(),
            self.ledger.display().to_string(),
            self.number.to_string(),
            self.seed.to_string(),
            self.total.to_string(),
            self.batch.to_string(),
            format!("{:?}", self.policy),
            self.hwm.to_string(),
            self.core.map_or(String::new(), |core| core.to_string()),
            self.forks.to_string(),
            format!("{:?}", self.tempo),
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
        let [
            role,
            pattern,
            place,
            endpoint,
            ledger,
            number,
            seed,
            total,
            batch,
            policy,
            hwm,
            core,
            forks,
            tempo,
            armed,
        ] = words[..]
        else {
            panic!("{text:?} is no part")
        };
        let value = |word: &str| word.parse::<u64>().expect("a number");
        let armed = (!armed.is_empty()).then(|| {
            let words: Vec<&str> = armed.split(',').collect();
            let deed = called(words[2], &DEEDS);
            (phase::PHASES[phase::index_of(words[0])].name, value(words[1]), deed)
        });
        Some(Self {
            role: called(role, &ROLES),
            pattern: called(pattern, &Pattern::ALL),
            place: called(place, &Place::ALL),
            endpoint: endpoint.to_owned(),
            ledger: ledger.into(),
            number: value(number),
            seed: value(seed),
            total: value(total),
            batch: value(batch) as usize,
            policy: called(policy, &POLICIES),
            hwm: value(hwm) as u32,
            core: (!core.is_empty()).then(|| value(core) as usize),
            forks: forks == "true",
            tempo: called(tempo, &Tempo::ALL),
            armed,
        })
    }

    fn wishes(&self) -> Wishes {
        Wishes { policy: self.policy, hwm: self.hwm, linger: Duration::from_secs(20) }
    }

    fn produce(&self, mut socket: Box<dyn Speaker>, ledger: &Ledger, dice: &mut Dice) {
        if self.pattern.drops() {
            // Who is killed on the way there has nobody to wait for.
            socket.await_hearer();
        }
        let mut pace = Pace::of(self.tempo, dice);
        let mut next = 0;
        while next < self.total {
            let count = (1 + dice.roll(self.batch as u64)).min(self.total - next);
            ledger.write(Entry::Sending, next + count);
            let mut messages: VecDeque<_> = (next..next + count).map(|at| load::message(self.number, at)).collect();
            if count == 1 {
                socket.send_one(messages.pop_front().expect("there is one")).expect("the context is open");
            } else {
                socket.send_all(&mut messages).expect("the context is open");
            }
            next += count;
            ledger.write(Entry::Sent, next);
            phase::reach("between-calls");
            pace.step();
        }
    }

    fn consume(&self, mut socket: Box<dyn Hearer>, ledger: &Ledger, dice: &mut Dice) {
        let mut pace = Pace::of(self.tempo, dice);
        let mut expected = None;
        let mut messages = Vec::new();
        let mut received = 0;
        while received < self.total {
            if self.batch == 1 {
                messages.push(socket.recv_one().expect("the context is open"));
            } else {
                socket.recv_some(&mut messages, self.batch).expect("the context is open");
            }
            phase::reach("holding");
            for message in messages.drain(..) {
                let (_, number) = load::read(&message).unwrap_or_else(|what| panic!("{what}"));
                let next = expected.unwrap_or(number);
                if expected.is_none() {
                    ledger.write(Entry::First, number + 1);
                }
                assert!(
                    number == next || number > next && self.pattern.drops(),
                    "{number} is another than the next, {next}"
                );
                expected = Some(number + 1);
                ledger.write(Entry::Last, number + 1);
                received += 1;
            }
            ledger.write(Entry::Received, received);
            phase::reach("between-calls");
            pace.step();
        }
    }

    fn ask(&self, mut socket: impl Hearer + Speaker, ledger: &Ledger) {
        for number in 0..self.total {
            socket.send_one(load::message(self.number, number)).expect("the context is open");
            ledger.write(Entry::Sent, number + 1);
            let answer = socket.recv_within(PATIENCE).expect("what was sent comes back");
            assert_eq!(load::read(&answer), Ok((self.number, number)));
            ledger.write(Entry::Received, number + 1);
            phase::reach("between-calls");
        }
    }

    fn echo(&self, mut socket: impl Hearer + Speaker, ledger: &Ledger) {
        for number in 0..self.total {
            let message = socket.recv_within(PATIENCE).expect("there are as many as that");
            socket.send_one(message).expect("the context is open");
            ledger.write(Entry::Received, number + 1);
            phase::reach("between-calls");
        }
    }

    fn join(&self, socket: &mut (impl Attached + ?Sized)) {
        socket.attach(self.place, &self.endpoint);
    }

    /// All there is to do, with a context of its own.
    fn work(&self, ledger: &Ledger) {
        let context = Context::new();
        let mut dice = Dice(self.seed);
        match self.role {
            Role::Producer => {
                let mut socket = pattern::speaker(self.pattern, &context, self.wishes());
                self.join(&mut *socket);
                self.produce(socket, ledger, &mut dice);
            }
            Role::Consumer => {
                let mut socket = pattern::hearer(self.pattern, &context, self.wishes());
                self.join(&mut *socket);
                self.consume(socket, ledger, &mut dice);
            }
            Role::Asker | Role::Echo => {
                let mut socket = pattern::pair(&context, self.wishes());
                self.join(&mut socket);
                if self.role == Role::Asker { self.ask(socket, ledger) } else { self.echo(socket, ledger) }
            }
        }
    }
}

/// That of `all` which has this name.
fn called<T: Copy + Debug>(name: &str, all: &[T]) -> T {
    *all.iter().find(|one| format!("{one:?}") == name).unwrap_or_else(|| panic!("nothing is called {name:?}"))
}

/// The child's side: does nothing when run as a test of its own.
pub(crate) fn play() {
    let Some(part) = Part::given() else { return };
    // Who has started it may be killed as well.
    set_parent_process_death_signal(Some(Signal::KILL)).expect("a signal there is");
    let ledger = Ledger::open(&part.ledger);
    ledger.record_phases();
    if let Some(core) = part.core {
        affinity::pin_current(core).expect("it is one we may use");
    }
    if let Some((name, nth, deed)) = part.armed {
        phase::arm(name, nth, deed);
    }
    if part.forks {
        return thread::scope(|scope| {
            let worker = scope.spawn(|| part.work(&ledger));
            // After the first messages, so that it inherits a connection.
            while ledger.read(Entry::Sent).max(ledger.read(Entry::Received)) < 20 {
                assert!(!worker.is_finished(), "it has failed");
                thread::sleep(Duration::from_millis(1));
            }
            ledger.write(Entry::Left, leave_a_sleeper_behind());
        });
    }
    part.work(&ledger);
    if part.armed.is_some_and(|(_, _, deed)| deed == Deed::Kill) {
        // It has come to its end without; somebody will see to it.
        thread::sleep(PATIENCE);
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
