// cargo run --release --features remote --example remote_actors -- --count 10000
//! A till in one process, its customers in another: an actor that is told and asked over `ipc://` as if it were here.
//!
//! ```text
//!  this process                             its child
//!  customer ──► Link<Shop> ── DEALER ─ ipc ─ ROUTER ── Publisher ──► Till
//! ```
//!
//! The child is this program once more, `--role till`. When all is sold it is asked for its sum and told to close, of which who watches it
//! hears.

mod flags;

use std::{
    env,
    error::Error,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use flags::Flags;
use ringway::{
    Context, Router,
    actor::{Actor, Ctx, Failure, Handle, Runtime, Spec},
    bridge::remote::{
        Accepts, Connection, Offer, Publication, RemoteEnded, RemoteError, RemoteMessage, RemoteReason, Watch,
    },
};
use serde::{Deserialize, Serialize};

const PATIENCE: Duration = Duration::from_secs(30);

/// Something was sold, for so much. Told.
#[derive(Serialize, Deserialize)]
struct Sale {
    cents: u64,
}

/// How much is in the till, of how many sales? Asked.
#[derive(Serialize, Deserialize)]
struct Total;

/// No more is sold. Told.
#[derive(Serialize, Deserialize)]
struct Close;

macro_rules! crosses {
    ($($message:ident as $name:literal => $reply:ty;)*) => {$(
        impl RemoteMessage for $message {
            const NAME: &'static str = $name;
            const VERSION: u32 = 1;
            type Reply = $reply;
        }

        impl Accepts<$message> for Shop {}
    )*};
}

/// What a link to a till may be used for.
struct Shop;

crosses! {
    Sale as "sale" => ();
    Total as "total" => (u64, u64);
    Close as "close" => ();
}

fn main() -> Result<(), Box<dyn Error>> {
    let flags = Flags::parse(&[("--count", "10000"), ("--role", "both"), ("--endpoint", "ipc://*")])?;
    match flags.text("--role") {
        "till" => till(flags.text("--endpoint")),
        "customer" => customer(flags.text("--endpoint"), flags.number("--count")?.into()),
        _ => {
            let mut child = Till::start(flags.text("--endpoint"))?;
            customer(&child.endpoint, flags.number("--count")?.into())?;
            let status = child.process.wait()?;
            if status.success() { Ok(()) } else { Err(format!("the till: {status}").into()) }
        }
    }
}

/// The other process.
struct Till {
    process: Child,
    endpoint: String,
}

impl Till {
    fn start(endpoint: &str) -> Result<Self, Box<dyn Error>> {
        let mut process = Command::new(env::current_exe()?)
            .args(["--role", "till", "--endpoint", endpoint])
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().ok_or("its output is ours")?).read_line(&mut line)?;
        Ok(Self { process, endpoint: line.trim().to_owned() })
    }
}

/// It does not outlive this one, whatever happens.
impl Drop for Till {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

/// Adds up sales.
#[derive(Default)]
struct Sum {
    cents: u64,
    sales: u64,
}

impl Actor for Sum {
    type Args = ();

    fn start((): (), _: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        Ok(Self::default())
    }
}

impl Handle<Sale> for Sum {
    type Reply = ();

    fn on(&mut self, sale: Sale, _: &mut Ctx<'_, Self>) {
        self.cents += sale.cents;
        self.sales += 1;
    }
}

impl Handle<Total> for Sum {
    type Reply = (u64, u64);

    fn on(&mut self, _: Total, _: &mut Ctx<'_, Self>) -> (u64, u64) {
        (self.cents, self.sales)
    }
}

impl Handle<Close> for Sum {
    type Reply = ();

    fn on(&mut self, _: Close, ctx: &mut Ctx<'_, Self>) {
        ctx.stop();
    }
}

fn till(endpoint: &str) -> Result<(), Box<dyn Error>> {
    let context = Context::new();
    let mut router = Router::new(&context)?;
    router.bind(endpoint)?;
    let bound = router.last_endpoint().ok_or("it is bound")?;
    let runtime = Runtime::builder().start()?;
    let mut client = runtime.client()?;
    let sum = client.spawn(Spec::<Sum>::new(()))?;
    let offer = Offer::new(sum).tells::<Sale>().asks::<Total>().tells::<Close>();
    let publisher = client.spawn(Publication::new(router).actor("till", offer)?.spec())?;
    println!("{bound}");
    client.wait_for_end(sum.id(), Duration::from_secs(24 * 60 * 60))?;
    // It tells of that, and then goes, too.
    client.stop(publisher.id());
    client.wait_for_end(publisher.id(), PATIENCE)?;
    Ok(())
}

/// Tells a thread what became of the till.
struct Bystander(mpsc::Sender<RemoteEnded>);

impl Actor for Bystander {
    type Args = mpsc::Sender<RemoteEnded>;

    fn start(to: Self::Args, _: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        Ok(Self(to))
    }
}

impl Handle<RemoteEnded> for Bystander {
    type Reply = ();

    fn on(&mut self, ended: RemoteEnded, _: &mut Ctx<'_, Self>) {
        _ = self.0.send(ended);
    }
}

fn customer(endpoint: &str, count: u64) -> Result<(), Box<dyn Error>> {
    let context = Context::new();
    let runtime = Runtime::builder().start()?;
    let mut client = runtime.client()?;
    let connection = Connection::new(&context, endpoint, "till");
    let gauge = connection.gauge();
    let till = client.spawn(connection.open::<Shop>()?)?;

    for cents in 0..count {
        // Waits while as much is under way as may be.
        client.tell(till, Sale { cents })?;
    }
    let (cents, sales) = loop {
        match client.ask(till, Total, PATIENCE)? {
            // A question does not wait for room there.
            Err(RemoteError::Full) => {}
            answer => break answer?,
        }
    };
    assert_eq!((cents, sales), (count * count.saturating_sub(1) / 2, count), "each sale is in it once");
    println!("customer: {sales} sales, {cents} cents");

    let (to, seen) = mpsc::channel();
    let bystander = client.spawn(Spec::<Bystander>::new(to))?;
    client.tell(till, Watch::new(bystander.recipient()))?;
    client.tell(till, Close)?;
    let ended = seen.recv_timeout(PATIENCE)?;
    assert_eq!(ended.reason, RemoteReason::Stopped);
    println!("customer: the {} is closed", ended.name);
    assert_eq!(gauge.read().lost, 0);
    Ok(())
}
