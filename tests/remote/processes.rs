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
    time::Duration,
};

use ringway::{
    Context,
    actor::{Actor, Ctx, Failure, Handle, Spec},
    bridge::remote::{LinkEvent, Offer, RemoteError, RemoteReason, Watch},
};

use crate::{
    PATIENCE,
    cast::{Number, Numbers, Riddle, Watched, connection, publication, two, until, witness},
};

const ENDPOINT: &str = "RINGWAY_REMOTE_ENDPOINT";
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

/// A running child, killed at the end.
struct Other {
    process: Child,
    endpoint: String,
}

impl Other {
    fn start(endpoint: &str, book: &Path) -> Self {
        let mut process = Command::new(env::current_exe().unwrap())
            .args(["--exact", "processes::child", "--nocapture"])
            .env(ENDPOINT, endpoint)
            .env(BOOK, book)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
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
