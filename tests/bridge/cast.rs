//! Actors that several tests have on stage.

use std::sync::{Arc, mpsc};

use ringway::{
    ContextClosed, Message, WaitPolicy,
    actor::{Actor, Ctx, Failure, Handle, Runtime},
    bridge::{self, Port, Received},
    socket::{Receives, Sends},
};

/// One worker, wherever it runs.
pub(crate) fn one(policy: WaitPolicy) -> Runtime {
    Runtime::builder().worker(policy).start().unwrap()
}

/// Two of them.
pub(crate) fn two(policy: WaitPolicy) -> Runtime {
    Runtime::builder().worker(policy).worker(policy).start().unwrap()
}

/// A message's first frame, as text.
pub(crate) fn text(message: &Message) -> String {
    String::from_utf8(message[message.len() - 1].as_ref().to_vec()).unwrap()
}

/// What a socket told, in a word.
pub(crate) fn word(received: &Received) -> String {
    match received {
        Ok(incoming) => text(&incoming.message),
        Err(error) => format!("{error:?}"),
    }
}

/// Makes a socket: again, if the actor is started again.
pub(crate) type Make<S> = Arc<dyn Fn() -> S + Send + Sync>;

/// The socket there is, once.
pub(crate) fn once<S: Send + 'static>(socket: S) -> Make<S> {
    let socket = std::sync::Mutex::new(Some(socket));
    Arc::new(move || socket.lock().unwrap().take().expect("it is started once"))
}

/// Owns a socket, says what it receives, and does with it what it is told.
pub(crate) struct Owner<S: 'static> {
    pub(crate) port: Port<S>,
    says: mpsc::Sender<String>,
    react: React<S>,
}

/// What is done about what a socket has received.
pub(crate) type React<S> = fn(&mut Owner<S>, Received, &mut Ctx<'_, Owner<S>>);

impl<S> Owner<S> {
    pub(crate) fn say(&self, what: impl Into<String>) {
        // Who listened may have heard enough.
        _ = self.says.send(what.into());
    }

    /// Says what it was, and nothing else.
    pub(crate) fn listen(&mut self, received: Received, _: &mut Ctx<'_, Self>) {
        self.say(word(&received));
    }
}

pub(crate) struct Props<S: 'static> {
    pub(crate) socket: Make<S>,
    pub(crate) says: mpsc::Sender<String>,
    pub(crate) react: React<S>,
}

impl<S> Clone for Props<S> {
    fn clone(&self) -> Self {
        Self { socket: self.socket.clone(), says: self.says.clone(), react: self.react }
    }
}

impl<S: Receives + 'static> Actor for Owner<S> {
    type Args = Props<S>;

    fn start(Props { socket, says, react }: Props<S>, ctx: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        let make = |received: Received| {
            assert!(word(&received) != "panic in the closure", "as it was told");
            Came(received)
        };
        let port = bridge::own(ctx, socket(), make)?;
        Ok(Self { port, says, react })
    }
}

pub(crate) struct Came(Received);

impl<S: Receives + 'static> Handle<Came> for Owner<S> {
    type Reply = ();

    fn on(&mut self, Came(received): Came, ctx: &mut Ctx<'_, Self>) {
        (self.react)(self, received, ctx);
    }
}

/// Something to be said.
pub(crate) struct Say(pub(crate) &'static str);

impl<S: Receives + 'static> Handle<Say> for Owner<S> {
    type Reply = ();

    fn on(&mut self, Say(what): Say, _: &mut Ctx<'_, Self>) {
        self.say(what);
    }
}

/// What an owner does, as a closure.
pub(crate) struct Do<S: 'static, R>(Act<S, R>);

type Act<S, R> = Box<dyn FnOnce(&mut Owner<S>, &mut Ctx<'_, Owner<S>>) -> R + Send>;

pub(crate) fn act<S, R>(what: impl FnOnce(&mut Owner<S>, &mut Ctx<'_, Owner<S>>) -> R + Send + 'static) -> Do<S, R> {
    Do(Box::new(what))
}

impl<S: Receives + 'static, R: Send + 'static> Handle<Do<S, R>> for Owner<S> {
    type Reply = R;

    fn on(&mut self, Do(what): Do<S, R>, ctx: &mut Ctx<'_, Self>) -> R {
        what(self, ctx)
    }
}

/// Owns a socket that only sends.
pub(crate) struct Talker<S> {
    pub(crate) port: Port<S>,
    says: mpsc::Sender<String>,
}

impl<S: Sends + 'static> Actor for Talker<S> {
    type Args = (S, mpsc::Sender<String>);

    fn start((socket, says): Self::Args, ctx: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        Ok(Self { port: bridge::own_sender(ctx, socket, Ended)?, says })
    }
}

pub(crate) struct Ended(ContextClosed);

impl<S: Sends + 'static> Handle<Ended> for Talker<S> {
    type Reply = ();

    fn on(&mut self, Ended(closed): Ended, _: &mut Ctx<'_, Self>) {
        _ = self.says.send(format!("{closed:?}"));
    }
}

/// To be sent. Answers whether it was.
pub(crate) struct Speak(pub(crate) String);

impl<S: Sends + 'static> Handle<Speak> for Talker<S> {
    type Reply = Result<(), String>;

    fn on(&mut self, Speak(what): Speak, _: &mut Ctx<'_, Self>) -> Result<(), String> {
        self.port.try_send(what).map_err(|error| format!("{:?}", error.reason))
    }
}

/// It wants to hear when it can send.
pub(crate) struct TellRoom;

/// It can.
pub(crate) struct Room;

impl<S: Sends + 'static> Handle<TellRoom> for Talker<S> {
    type Reply = bool;

    fn on(&mut self, _: TellRoom, ctx: &mut Ctx<'_, Self>) -> bool {
        self.port.when_writable(ctx, || Room)
    }
}

impl<S: Sends + 'static> Handle<Room> for Talker<S> {
    type Reply = ();

    fn on(&mut self, _: Room, _: &mut Ctx<'_, Self>) {
        _ = self.says.send("room".into());
    }
}

/// Keeps what it is told; may be kept from it.
#[derive(Default)]
pub(crate) struct Scribe(Vec<String>);

impl Actor for Scribe {
    type Args = ();

    fn start((): (), _: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        Ok(Self::default())
    }
}

/// To be written down.
pub(crate) struct Line(pub(crate) String);

impl Handle<Line> for Scribe {
    type Reply = ();

    fn on(&mut self, Line(line): Line, _: &mut Ctx<'_, Self>) {
        self.0.push(line);
    }
}

pub(crate) struct Lines;

impl Handle<Lines> for Scribe {
    type Reply = Vec<String>;

    fn on(&mut self, _: Lines, _: &mut Ctx<'_, Self>) -> Vec<String> {
        self.0.clone()
    }
}

/// Says that it has begun, and does not return until the other end of the channel is dropped.
pub(crate) struct Block(pub(crate) mpsc::Sender<()>, pub(crate) mpsc::Receiver<()>);

impl Handle<Block> for Scribe {
    type Reply = ();

    fn on(&mut self, Block(begins, until): Block, _: &mut Ctx<'_, Self>) {
        begins.send(()).unwrap();
        _ = until.recv();
    }
}
