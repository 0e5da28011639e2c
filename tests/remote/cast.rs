//! Messages, actors and stages.

use std::{
    sync::{
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use ringway::{
    Context, Router, WaitPolicy,
    actor::{Actor, Addr, Client, Ctx, Failure, Handle, Runtime, Spec},
    bridge::remote::{
        Connection, Link, LinkEvent, LinkGauge, Offer, Publication, PublicationGauge, Publisher, RemoteEnded,
        RemoteMessage,
    },
};
use serde::{Deserialize, Serialize};

use crate::PATIENCE;

macro_rules! messages {
    ($($(#[$doc:meta])* $type:ident $fields:tt as $name:literal, $version:literal: $reply:ty;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        pub(crate) struct $type $fields;

        impl RemoteMessage for $type {
            const NAME: &'static str = $name;
            const VERSION: u32 = $version;
            type Reply = $reply;
        }
    )*};
}

messages! {
    /// To be remembered.
    Number (pub(crate) u64) as "number", 1: ();
    /// What is remembered?
    Numbers (pub(crate) ()) as "numbers", 1: Vec<u64>;
    /// How long is it?
    Text (pub(crate) String) as "text", 3: usize;
    /// As another program knows it.
    OlderText (pub(crate) u64) as "text", 2: usize;
    /// Of the right name and version, and yet another.
    WrongText (pub(crate) (u64, u64)) as "text", 3: usize;
    /// Likewise its answer.
    WrongAnswer (pub(crate) String) as "text", 3: String;
    /// That nobody offers.
    Secret (pub(crate) u8) as "secret", 1: ();
    /// It panics.
    Fail (pub(crate) ()) as "fail", 1: ();
    /// It does not answer before it is told to.
    Riddle (pub(crate) ()) as "riddle", 1: Option<u32>;
    /// It ends.
    Leave (pub(crate) ()) as "leave", 1: ();
}

/// Remembers numbers, and whatever else is to be done to it.
#[derive(Default)]
pub(crate) struct Scribe {
    numbers: Vec<u64>,
    riddles: Vec<ringway::actor::Asker<Option<u32>>>,
}

impl Actor for Scribe {
    type Args = ();

    fn start((): (), _: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        Ok(Self::default())
    }
}

macro_rules! handles {
    ($($actor:ty: $message:ty => $reply:ty, |$self:ident, $pattern:pat_param, $ctx:ident| $body:expr;)*) => {$(
        impl Handle<$message> for $actor {
            type Reply = $reply;

            fn on(&mut self, message: $message, $ctx: &mut Ctx<'_, Self>) -> $reply {
                let ($self, $pattern) = (self, message);
                $body
            }
        }
    )*};
}

/// Handles nothing until the other end is dropped.
pub(crate) struct Block {
    entered: mpsc::Sender<()>,
    until: mpsc::Receiver<()>,
}

/// Answers what was not answered.
pub(crate) struct Solve(pub(crate) u32);

handles! {
    Scribe: Number => (), |me, Number(number), _ctx| me.numbers.push(number);
    Scribe: Numbers => Vec<u64>, |me, Numbers(()), _ctx| me.numbers.clone();
    Scribe: Text => usize, |_me, Text(text), _ctx| text.len();
    Scribe: Fail => (), |_me, Fail(()), _ctx| panic!("as it was told to");
    Scribe: Leave => (), |_me, Leave(()), ctx| ctx.stop();
    Scribe: Block => (), |_me, Block { entered, until }, _ctx| {
        entered.send(()).unwrap();
        _ = until.recv();
    };
    Scribe: Riddle => Option<u32>, |me, Riddle(()), ctx| {
        me.riddles.extend(ctx.asker::<Riddle>());
        None
    };
    Scribe: Solve => usize, |me, Solve(number), ctx| {
        me.riddles.drain(..).filter_map(|asker| ctx.answer(asker, Some(number)).then_some(())).count()
    };
    Witness: RemoteEnded => (), |me, ended, _ctx| _ = me.0.send(ended);
}

/// Tells a test of ends.
pub(crate) struct Witness(mpsc::Sender<RemoteEnded>);

impl Actor for Witness {
    type Args = mpsc::Sender<RemoteEnded>;

    fn start(to: Self::Args, _: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        Ok(Self(to))
    }
}

/// A witness, and what it sees.
pub(crate) fn witness(client: &mut Client) -> (Addr<Witness>, mpsc::Receiver<RemoteEnded>) {
    let (to, seen) = mpsc::channel();
    (client.spawn(Spec::<Witness>::new(to)).unwrap(), seen)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Road {
    Inproc,
    Ipc,
    Tcp,
}

pub(crate) const ROADS: [Road; 3] = [Road::Inproc, Road::Ipc, Road::Tcp];

impl Road {
    /// To be bound. No two are the same in a context.
    pub(crate) fn wildcard(self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let nth = NEXT.fetch_add(1, Ordering::Relaxed);
        match self {
            Self::Inproc => format!("inproc://published-{nth}"),
            // That of a wildcard goes with its socket.
            Self::Ipc => {
                let name = format!("ringway-published-{}-{nth}", std::process::id());
                format!("ipc://{}", std::env::temp_dir().join(name).display())
            }
            Self::Tcp => "tcp://127.0.0.1:*".into(),
        }
    }
}

pub(crate) fn two() -> Runtime {
    Runtime::builder().worker(WaitPolicy::Park).worker(WaitPolicy::Park).start().unwrap()
}

/// What a scribe offers.
pub(crate) fn offer(scribe: Addr<Scribe>) -> Offer<Scribe> {
    Offer::new(scribe)
        .tells::<Number>()
        .tells::<Leave>()
        .asks::<Numbers>()
        .asks::<Text>()
        .asks::<Fail>()
        .asks::<Riddle>()
}

/// A scribe that is published as "scribe", on another worker than the publication, and a runtime from which it is linked to.
pub(crate) struct Stage {
    pub(crate) context: Context,
    pub(crate) there: Runtime,
    pub(crate) here: Runtime,
    pub(crate) endpoint: String,
    pub(crate) scribe: Addr<Scribe>,
    pub(crate) publisher: Addr<Publisher>,
    pub(crate) published: PublicationGauge,
}

impl Stage {
    pub(crate) fn new(road: Road) -> Self {
        Self::with(road, Spec::new(()), |publication| publication)
    }

    pub(crate) fn with(road: Road, scribe: Spec<Scribe>, change: impl FnOnce(Publication) -> Publication) -> Self {
        let (context, there, here) = (Context::new(), two(), two());
        let mut client = there.client().unwrap();
        let scribe = client.spawn_on(1, scribe).unwrap();
        let (endpoint, publication) = publication(&context, &road.wildcard());
        let publication = change(publication.actor("scribe", offer(scribe)).unwrap());
        let published = publication.gauge();
        let publisher = client.spawn_on(0, publication.spec()).unwrap();
        Self { context, there, here, endpoint, scribe, publisher, published }
    }

    /// The scribe handles nothing from now on, until what is returned is dropped.
    pub(crate) fn block(&self) -> mpsc::Sender<()> {
        block(&mut self.there.client().unwrap(), self.scribe)
    }

    /// What the scribe has when it has so many: others than this have told it.
    pub(crate) fn numbers(&self, count: usize) -> Vec<u64> {
        let mut client = self.there.client().unwrap();
        let mut numbers = Vec::new();
        until("all have arrived", || {
            numbers = client.ask(self.scribe, Numbers(()), PATIENCE).unwrap();
            numbers.len() >= count
        });
        numbers
    }

    /// Ends the publication, and gives its endpoint up.
    pub(crate) fn unpublish(&mut self) {
        let mut client = self.there.client().unwrap();
        client.stop(self.publisher.id());
        client.wait_for_end(self.publisher.id(), PATIENCE).unwrap();
    }

    /// Publishes again what is there, at the same endpoint.
    pub(crate) fn publish_again(&mut self) {
        let (_, publication) = publication(&self.context, &self.endpoint);
        let publication = publication.actor("scribe", offer(self.scribe)).unwrap();
        self.published = publication.gauge();
        self.publisher = self.there.client().unwrap().spawn_on(0, publication.spec()).unwrap();
    }

    pub(crate) fn connection(&self, name: &str) -> Connection {
        connection(&self.context, &self.endpoint, name)
    }

    /// A link, and a client of its runtime.
    pub(crate) fn link(&self) -> (Client, Addr<Link>) {
        let mut client = self.here.client().unwrap();
        let link = client.spawn(self.connection("scribe").open().unwrap()).unwrap();
        (client, link)
    }

    /// A link that says what happens to it.
    pub(crate) fn watched_link(&self, change: impl FnOnce(Connection) -> Connection) -> Watched {
        Watched::open(&self.here, change(self.connection("scribe")))
    }
}

/// The scribe handles nothing from now on, nor does its worker, until what is returned is dropped.
pub(crate) fn block(client: &mut Client, scribe: Addr<Scribe>) -> mpsc::Sender<()> {
    let (until_then, until) = mpsc::channel();
    let (entered, has_entered) = mpsc::channel();
    client.tell(scribe, Block { entered, until }).unwrap();
    has_entered.recv_timeout(PATIENCE).unwrap();
    until_then
}

/// An empty publication: it may take a while until an endpoint is given up by whoever had it.
pub(crate) fn publication(context: &Context, endpoint: &str) -> (String, Publication) {
    let mut router = Router::new(context).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while let Err(error) = router.bind(endpoint) {
        assert!(Instant::now() < deadline, "{endpoint}: {error}");
        std::thread::yield_now();
    }
    let endpoint = router.last_endpoint().unwrap().to_string();
    (endpoint, Publication::new(router))
}

/// That comes back soon, as nobody here is to wait.
pub(crate) fn connection(context: &Context, endpoint: &str, name: &str) -> Connection {
    let soon = Duration::from_millis(5);
    Connection::new(context, endpoint, name)
        .socket(|socket| socket.reconnect_interval(soon).reconnect_interval_max(soon * 4))
        .look_every(Duration::from_millis(5))
        .patience(PATIENCE)
}

pub(crate) struct Watched {
    pub(crate) client: Client,
    pub(crate) link: Addr<Link>,
    pub(crate) gauge: LinkGauge,
    events: mpsc::Receiver<LinkEvent>,
}

impl Watched {
    pub(crate) fn open(here: &Runtime, connection: Connection) -> Self {
        Self::open_with(here, connection, |spec| spec)
    }

    pub(crate) fn open_with(
        here: &Runtime,
        connection: Connection,
        change: impl FnOnce(Spec<Link>) -> Spec<Link>,
    ) -> Self {
        let (to, events) = mpsc::channel();
        let connection = connection.on_event(move |event| _ = to.send(event));
        let gauge = connection.gauge();
        let mut client = here.client().unwrap();
        let link = client.spawn(change(connection.open().unwrap())).unwrap();
        Self { client, link, gauge, events }
    }

    pub(crate) fn event(&self) -> LinkEvent {
        self.events.recv_timeout(PATIENCE).expect("something happens to the link")
    }

    /// The next event for which `what` has an answer.
    pub(crate) fn until<R>(&self, what: impl Fn(&LinkEvent) -> Option<R>) -> R {
        loop {
            if let Some(found) = what(&self.event()) {
                return found;
            }
        }
    }
}

/// Waits until it is so, where nobody tells of that: counts, and what another process has written.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
