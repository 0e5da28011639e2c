//! Two processes, one of which is killed: nobody waits for ever, and the books are right.
//!
//! The other process is this program once more, as [`child`]. Its scribe writes down each number it is told as soon as it handles it, in a
//! file, which outlives it.

use std::{
    env,
    fs::{self, File, OpenOptions},
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use ringway::{
    Context,
    actor::{Actor, Ctx, Failure, Handle, Spec},
    bridge::remote::{Connection, LinkEvent, Offer, RemoteError, RemoteReason, Watch},
};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::{
    PATIENCE,
    cast::{Number, Numbers, Riddle, Road, Stage, Watched, connection, publication, two, until, witness},
};

const ENDPOINT: &str = "RINGWAY_REMOTE_ENDPOINT";
const LINKED: &str = "RINGWAY_REMOTE_LINKED";
const BOOK: &str = "RINGWAY_REMOTE_BOOK";

/// Writes numbers down.
struct Keeper(File);

impl Actor for Keeper {
    type Args = PathBuf;

    fn start(book: PathBuf, _: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        Ok(Self(OpenOptions::new().append(true).create(true).open(book)?))
    }
}

impl Handle<Number> for Keeper {
    type Reply = ();

    fn on(&mut self, Number(number): Number, _: &mut Ctx<'_, Self>) {
        self.0.write_all(&number.to_le_bytes()).expect("there is room in the book");
    }
}

impl Handle<Numbers> for Keeper {
    type Reply = Vec<u64>;

    fn on(&mut self, _: Numbers, _: &mut Ctx<'_, Self>) -> Vec<u64> {
        vec![std::process::id().into()]
    }
}

impl Handle<Riddle> for Keeper {
    type Reply = Option<u32>;

    fn on(&mut self, _: Riddle, ctx: &mut Ctx<'_, Self>) -> Option<u32> {
        // Nobody ever knows.
        _ = ctx.asker::<Riddle>();
        None
    }
}

/// The other process: publishes a keeper, says where, and waits to be killed, or for the end of its input.
#[test]
fn child() {
    let Ok(endpoint) = env::var(ENDPOINT) else { return };
    let book = env::var(BOOK).unwrap();
    let (context, runtime) = (Context::new(), two());
    let mut client = runtime.client().unwrap();
    let keeper = client.spawn_on(1, Spec::<Keeper>::new(book.into())).unwrap();
    let (endpoint, publication) = publication(&context, &endpoint);
    let offer = Offer::new(keeper).tells::<Number>().asks::<Numbers>().asks::<Riddle>();
    client.spawn(publication.actor("keeper", offer).unwrap().spec()).unwrap();
    println!("\npublished {endpoint}");
    _ = std::io::stdin().read_line(&mut String::new());
}

/// The other process, the other way round: a link, that tells the numbers it reads from its input.
#[test]
fn linked_child() {
    let Ok(endpoint) = env::var(LINKED) else { return };
    let (context, runtime) = (Context::new(), two());
    let mut link = Watched::open(&runtime, beating(connection(&context, &endpoint, "scribe")));
    for line in std::io::stdin().lines() {
        let number = line.unwrap().parse().unwrap();
        link.client.tell_timeout(link.link, Number(number), PATIENCE).unwrap();
    }
}

/// With heartbeats that find a silent peer in a second.
fn beating(connection: Connection) -> Connection {
    connection.socket(|socket| socket.heartbeat(Duration::from_millis(50)).heartbeat_timeout(Duration::from_secs(1)))
}

/// A running child, killed at the end.
struct Other {
    process: Child,
    endpoint: String,
}

impl Other {
    fn command(test: &str) -> Command {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", test, "--nocapture"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        command
    }

    fn start(endpoint: &str, book: &Path) -> Self {
        let mut process = Self::command("processes::child").env(ENDPOINT, endpoint).env(BOOK, book).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let endpoint = loop {
            let line = lines.next().expect("it says where it publishes").unwrap();
            if let Some(endpoint) = line.strip_prefix("published ") {
                break endpoint.to_owned();
            }
        };
        // What it says later goes where nobody reads, and does not end it.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, endpoint }
    }

    /// One that links to what is published at `endpoint`.
    fn linked(endpoint: &str) -> Self {
        let mut command = Self::command("processes::linked_child");
        let process = command.env(LINKED, endpoint).stdout(Stdio::null()).spawn().unwrap();
        Self { process, endpoint: endpoint.to_owned() }
    }

    fn tell(&mut self, number: u64) {
        writeln!(self.process.stdin.as_ref().unwrap(), "{number}").unwrap();
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }

    /// Nothing of it runs any more, and its connections stay.
    fn pause(&self) {
        kill_process(self.pid(), Signal::STOP).unwrap();
        let (_, status) = waitpid(Some(self.pid()), WaitOptions::UNTRACED).unwrap().expect("it is waited for");
        assert!(status.stopped());
    }

    fn go_on(&self) {
        kill_process(self.pid(), Signal::CONT).unwrap();
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

/// A place for a book and a socket, removed at the end.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("ringway-remote-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn book(&self) -> PathBuf {
        self.0.join("book")
    }

    fn endpoints(&self) -> [String; 2] {
        [format!("ipc://{}", self.0.join("socket").display()), "tcp://127.0.0.1:*".into()]
    }

    fn numbers(&self) -> Vec<u64> {
        let bytes = fs::read(self.book()).unwrap_or_default();
        bytes.chunks_exact(8).map(|chunk| u64::from_le_bytes(chunk.try_into().unwrap())).collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn when_the_other_is_killed_questions_end_and_who_watches_is_told_and_its_successor_is_found() {
    let place = Place::new();
    for endpoint in place.endpoints() {
        let (context, here) = (Context::new(), two());
        let mut other = Other::start(&endpoint, &place.book());
        let mut link = Watched::open(&here, connection(&context, &other.endpoint, "keeper"));
        for round in 0..4 {
            assert_eq!(link.event(), LinkEvent::Joined, "{endpoint}, {round}");
            let id = link.client.ask(link.link, Numbers(()), PATIENCE).unwrap().unwrap();
            assert_eq!(id, [u64::from(other.process.id())], "{endpoint}, {round}");
            let (witness, seen) = witness(&mut link.client);
            link.client.tell(link.link, Watch::new(witness.recipient())).unwrap();
            let asking: Vec<_> = (0..3)
                .map(|_| {
                    let (mut client, to) = (here.client().unwrap(), link.link);
                    std::thread::spawn(move || client.ask(to, Riddle(()), PATIENCE))
                })
                .collect();
            let asked = 5 * round + 4;
            until("they are asked", || link.gauge.read().asked == asked);
            // This is behind them, so they have been sent.
            link.client.ask(link.link, Numbers(()), PATIENCE).unwrap().unwrap();
            other.kill();
            for asking in asking {
                assert_eq!(asking.join().unwrap().unwrap(), Err(RemoteError::LinkLost), "{endpoint}, {round}");
            }
            assert_eq!(seen.recv_timeout(PATIENCE).unwrap().reason, RemoteReason::LinkLost, "{endpoint}, {round}");
            assert_eq!(link.event(), LinkEvent::Lost { tells: 0, questions: 3 }, "{endpoint}, {round}");
            let at = other.endpoint.clone();
            other = Other::start(&at, &place.book());
        }
    }
}

#[test]
fn what_is_told_arrives_once_and_in_order_or_is_said_to_be_lost() {
    const COUNT: u64 = 30_000;
    for nth in 0..2 {
        let place = Place::new();
        let endpoint = &place.endpoints()[nth];
        let (context, here) = (Context::new(), two());
        let mut other = Other::start(endpoint, &place.book());
        let mut link = Watched::open(&here, connection(&context, &other.endpoint, "keeper"));
        let telling = std::thread::spawn({
            let (mut client, to) = (here.client().unwrap(), link.link);
            move || (0..COUNT).for_each(|number| client.tell_timeout(to, Number(number), PATIENCE).unwrap())
        });
        let mut kills = 0;
        while !telling.is_finished() && kills < 5 {
            // In the midst of it: after some more have come.
            let some = place.numbers().len() as u64 + 1_500;
            until("more come", || place.numbers().len() as u64 >= some.min(COUNT / 2) || telling.is_finished());
            // And at another moment each time: whatever it is, the account is to be even.
            std::thread::sleep(Duration::from_micros(300 * kills));
            other.kill();
            kills += 1;
            let at = other.endpoint.clone();
            other = Other::start(&at, &place.book());
        }
        telling.join().unwrap();
        until("all is accounted for", || {
            let counts = link.gauge.read();
            counts.taken + counts.lost == COUNT
        });
        // What the last has taken is handled before this is.
        until("it answers", || link.client.ask(link.link, Numbers(()), PATIENCE).unwrap().is_ok());
        let (counts, numbers) = (link.gauge.read(), place.numbers());
        assert!(numbers.is_sorted_by(|one, other| one < other), "{endpoint}: twice, or out of order");
        assert!(numbers.len() as u64 + counts.lost >= COUNT, "{endpoint}: {} and {counts:?}", numbers.len());
        // A child killed takes with it what its actor's mailbox held.
        println!("{endpoint}: {kills} kills, {} written down, {counts:?}", numbers.len());
    }
}

/// It is not told of an end, as there is none: the connection is there, and nobody behind it.
#[test]
fn when_the_other_is_stopped_the_link_is_lost_and_it_is_found_again_when_it_goes_on() {
    let place = Place::new();
    for endpoint in place.endpoints() {
        let (context, here) = (Context::new(), two());
        let other = Other::start(&endpoint, &place.book());
        let mut link = Watched::open(&here, beating(connection(&context, &other.endpoint, "keeper")));
        let answer = |link: &mut Watched| link.client.ask(link.link, Numbers(()), PATIENCE).unwrap();
        link.until(|event| (*event == LinkEvent::Joined).then_some(()));
        let (witness, seen) = witness(&mut link.client);
        link.client.tell(link.link, Watch::new(witness.recipient())).unwrap();
        other.pause();
        let (mut client, to) = (here.client().unwrap(), link.link);
        let asking = std::thread::spawn(move || client.ask(to, Riddle(()), PATIENCE));
        assert_eq!(seen.recv_timeout(PATIENCE).unwrap().reason, RemoteReason::LinkLost, "{endpoint}");
        link.until(|event| matches!(event, LinkEvent::Lost { .. }).then_some(()));
        other.go_on();
        link.until(|event| (*event == LinkEvent::Joined).then_some(()));
        until("it answers", || answer(&mut link) == Ok(vec![other.process.id().into()]));
        link.client.stop(link.link.id());
        assert!(!matches!(asking.join().unwrap(), Ok(Ok(_))), "{endpoint}: nobody knows the answer");
    }
}

/// Likewise where the link is stopped: what the publication has for it is not kept for ever.
#[test]
fn when_a_link_is_stopped_the_publication_forgets_it_and_takes_it_again_when_it_goes_on() {
    for road in [Road::Ipc, Road::Tcp] {
        let stage = Stage::new(road);
        let mut other = Other::linked(&stage.endpoint);
        let mut told = 0;
        let mut is_heard = |other: &mut Other| {
            // What is told before it is known that the connection is lost goes with that.
            until("it tells", || {
                told += 1;
                other.tell(told);
                stage.numbers(0).contains(&told)
            });
        };
        let mut before = stage.published.read();
        // A link that is stopped before its first heartbeat has told nobody how long it may be silent: then once more.
        until("it is forgotten", || {
            other.go_on();
            is_heard(&mut other);
            before = stage.published.read();
            other.pause();
            let deadline = Instant::now() + Duration::from_secs(3);
            while stage.published.read().parted == before.parted && Instant::now() < deadline {
                std::thread::yield_now();
            }
            stage.published.read().parted > before.parted
        });
        other.go_on();
        until("it is there again", || stage.published.read().hellos > before.hellos);
        is_heard(&mut other);
    }
}
