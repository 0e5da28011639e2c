//! Forwarding between two sockets, or one and itself.
//!
//! A proxy takes whole messages from one side and sends them to the other, as long as the other has room: what it cannot
//! pass on it leaves where it is, so that back-pressure reaches the sender through it. It forwards at most
//! [`BURST_MAX`] messages one way before it looks at the other way and at its control, and sleeps in a
//! [`Poller`] when there is nothing to do.
//!
//! ```
//! use ringway::{Context, Pair, proxy::{ProxyControl, ProxyOptions, proxy}};
//!
//! let context = Context::new();
//! let (mut client, mut frontend) = (Pair::new(&context)?, Pair::new(&context)?);
//! let (mut backend, mut server) = (Pair::new(&context)?, Pair::new(&context)?);
//! frontend.bind("inproc://clients")?;
//! backend.bind("inproc://servers")?;
//! client.connect("inproc://clients")?;
//! server.connect("inproc://servers")?;
//!
//! let control = ProxyControl::new();
//! let options = ProxyOptions::new().handle(&control);
//! let proxying = std::thread::spawn(move || proxy(&mut frontend, &mut backend, options));
//! client.send("question")?;
//! assert_eq!(server.recv()?[0], "question");
//! server.send("answer")?;
//! assert_eq!(client.recv()?[0], "answer");
//! control.terminate();
//! let report = proxying.join().unwrap()?;
//! assert_eq!(report.statistics.frontend.messages_in, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

use std::{sync::Arc, time::Duration};

use crate::{
    Frame, Message, SocketType, WaitPolicy,
    poll::{AddError, Events, Interest, Key, PollError, Poller, Waker},
    socket::{Duplex, Receives, RecvError, SendFailure, Sends},
    sync::{AtomicU32, AtomicU64, Mutex, Ordering},
};

/// Forwards both ways between `frontend` and `backend` until it is terminated or a context is shut down.
///
/// # Errors
/// Waiting failed; see [`PollError`].
pub fn proxy<'a>(
    frontend: &mut (impl Duplex + ?Sized),
    backend: &mut (impl Duplex + ?Sized),
    options: ProxyOptions<'a>,
) -> Result<ProxyReport, PollError> {
    let mut sides: [&mut dyn Side; 2] = [&mut Both(frontend), &mut Both(backend)];
    Proxy::new(&mut sides, &[Way { from: 0, to: 1 }, Way { from: 1, to: 0 }], options).run()
}

/// Forwards from `frontend` to `backend` only, as from a [`Pull`](crate::Pull) to a [`Push`](crate::Push).
///
/// # Errors
/// As [`proxy`].
pub fn proxy_one_way(
    frontend: &mut (impl Receives + ?Sized),
    backend: &mut (impl Sends + ?Sized),
    options: ProxyOptions<'_>,
) -> Result<ProxyReport, PollError> {
    let mut sides: [&mut dyn Side; 2] = [&mut In(frontend), &mut Out(backend)];
    Proxy::new(&mut sides, &[Way { from: 0, to: 1 }], options).run()
}

/// Sends what `socket` receives through `socket` again, as between the peers of a ROUTER. It counts as the frontend.
///
/// # Errors
/// As [`proxy`].
pub fn proxy_one(socket: &mut (impl Duplex + ?Sized), options: ProxyOptions<'_>) -> Result<ProxyReport, PollError> {
    let mut sides: [&mut dyn Side; 1] = [&mut Both(socket)];
    Proxy::new(&mut sides, &[Way { from: 0, to: 0 }], options).run()
}

/// What a proxy may have beside its two sockets.
#[derive(Default)]
pub struct ProxyOptions<'a> {
    capture: Option<Box<dyn Side + Send + 'a>>,
    waits_for_capture: bool,
    control: Option<Box<dyn Side + Send + 'a>>,
    handle: Option<ProxyControl>,
    wait: WaitPolicy,
    interruptible: bool,
    /// By way: received earlier and still to be sent.
    in_hand: [Option<Message>; 2],
}

impl<'a> ProxyOptions<'a> {
    /// Nothing: it runs until a context is shut down.
    pub fn new() -> Self {
        Self::default()
    }

    /// A socket that gets a copy of every message, as it is received. It does not hold the flow up, unless
    /// [that is wanted](Self::wait_for_capture): a copy it has no room for is dropped and counted.
    pub fn capture(mut self, socket: &'a mut (impl Sends + ?Sized)) -> Self {
        self.capture = Some(Box::new(Out(socket)));
        self
    }

    /// Takes messages only while the [capture](Self::capture) has room for a copy, as libzmq's proxies do: no copy is missing,
    /// and who does not take them holds the flow up.
    pub fn wait_for_capture(mut self) -> Self {
        self.waits_for_capture = true;
        self
    }

    /// A socket that takes commands, one a message: `PAUSE`, `RESUME`, `TERMINATE`, and `STATISTICS`, which is answered
    /// by eight frames, each a `u64` in native order: the frontend's messages in, bytes in, messages out, bytes out, then
    /// the backend's. A REP socket answers every command, others than that with an empty message; a PAIR answers no
    /// other. What is no command is ignored and counted. As libzmq's `zmq_proxy_steerable` does after 4.3.5.
    pub fn control(mut self, socket: &'a mut (impl Duplex + ?Sized)) -> Self {
        self.control = Some(Box::new(Both(socket)));
        self
    }

    /// As [`control`](Self::control), for a socket that cannot answer: PULL, SUB.
    pub fn control_one_way(mut self, socket: &'a mut (impl Receives + ?Sized)) -> Self {
        self.control = Some(Box::new(In(socket)));
        self
    }

    /// A handle that controls the proxy from any thread.
    pub fn handle(mut self, handle: &ProxyControl) -> Self {
        self.handle = Some(handle.clone());
        self
    }

    /// How the proxy idles. [`WaitPolicy::Adaptive`] unless said otherwise.
    pub fn wait(mut self, policy: WaitPolicy) -> Self {
        self.wait = policy;
        self
    }

    /// Makes a signal end the proxy, with [`ProxyEnd::Interrupted`], when it runs a handler in its thread while that is
    /// parked; with `SA_RESTART`, too. One that comes while it forwards, or spins, goes unseen: see
    /// [`Poller::set_interruptible`]. Unless said otherwise it goes on after a signal.
    pub fn interruptible(mut self) -> Self {
        self.interruptible = true;
        self
    }

    /// Goes on where a proxy of the same sockets ended: what that had received and not sent is sent first.
    pub fn after(mut self, report: ProxyReport) -> Self {
        self.in_hand = [report.left_for_backend, report.left_for_frontend];
        self
    }
}

impl std::fmt::Debug for ProxyOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProxyOptions")
            .field("capture", &self.capture.is_some())
            .field("waits_for_capture", &self.waits_for_capture)
            .field("control", &self.control.is_some())
            .field("handle", &self.handle)
            .field("wait", &self.wait)
            .field("interruptible", &self.interruptible)
            .finish_non_exhaustive()
    }
}

/// Controls a proxy from any thread. Clones control the same one. What is said before the proxy runs counts when it does;
/// terminated once, it ends every proxy that is given it.
#[derive(Clone, Debug, Default)]
pub struct ProxyControl {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// `RUNNING`, `PAUSED` or, for good, `TERMINATED`.
    state: AtomicU32,
    waker: Mutex<Option<Waker>>,
    /// Written by the proxy's thread alone.
    sides: [Counts; 2],
    captured: AtomicU64,
    capture_dropped: AtomicU64,
    unknown_commands: AtomicU64,
}

const RUNNING: u32 = 0;
const PAUSED: u32 = 1;
const TERMINATED: u32 = 2;

#[derive(Debug, Default)]
struct Counts {
    messages_in: AtomicU64,
    bytes_in: AtomicU64,
    messages_out: AtomicU64,
    bytes_out: AtomicU64,
}

/// What went through one socket of a proxy, by the proxy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProxyFlow {
    /// Messages received from it.
    pub messages_in: u64,
    /// Their payload bytes, all frames together.
    pub bytes_in: u64,
    /// Messages sent to it.
    pub messages_out: u64,
    /// Their payload bytes.
    pub bytes_out: u64,
}

/// What a proxy has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProxyStatistics {
    /// Through the frontend.
    pub frontend: ProxyFlow,
    /// Through the backend.
    pub backend: ProxyFlow,
    /// Copies given to the capture socket.
    pub captured: u64,
    /// Copies it had no room for.
    pub capture_dropped: u64,
    /// Messages on the control socket that were no command.
    pub unknown_commands: u64,
}

/// How a proxy ended.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProxyReport {
    /// Why.
    pub end: ProxyEnd,
    /// What it did.
    pub statistics: ProxyStatistics,
    /// A message received from the frontend that the backend did not take: its peer left between the question whether
    /// there is room and the sending, and nobody came in its place.
    pub left_for_backend: Option<Message>,
    /// The same, the other way round.
    pub left_for_frontend: Option<Message>,
}

/// Why a proxy ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyEnd {
    /// It was told to, by handle or by socket. What had not been received is still with the sockets.
    Terminated,
    /// The context of one of its sockets was shut down. What had arrived before was forwarded as far as the other side
    /// took it at once; where both are of that context, nothing can be sent any more, and it is still with the sockets.
    ContextClosed,
    /// A signal ended it while it had nothing to do, as its options say. What had not been received is still with the
    /// sockets; it may be run again, [after](ProxyOptions::after) this end.
    Interrupted,
}

impl ProxyControl {
    /// A handle for a proxy to come.
    pub fn new() -> Self {
        Self::default()
    }

    /// Nothing is forwarded any more, until [`resume`](Self::resume).
    pub fn pause(&self) {
        self.change(RUNNING, PAUSED);
    }

    /// Messages are forwarded again.
    pub fn resume(&self) {
        self.change(PAUSED, RUNNING);
    }

    /// Makes the proxy return soon.
    pub fn terminate(&self) {
        self.shared.state.store(TERMINATED, Ordering::Release);
        self.wake();
    }

    /// What the proxy has done so far.
    pub fn statistics(&self) -> ProxyStatistics {
        let shared = &self.shared;
        ProxyStatistics {
            frontend: shared.sides[0].snapshot(),
            backend: shared.sides[1].snapshot(),
            captured: shared.captured.load(Ordering::Relaxed),
            capture_dropped: shared.capture_dropped.load(Ordering::Relaxed),
            unknown_commands: shared.unknown_commands.load(Ordering::Relaxed),
        }
    }

    fn change(&self, from: u32, to: u32) {
        // Not over a termination. Release: what the caller did before; pairs with Acquire in `Proxy::run`.
        let _ = self.shared.state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed);
        self.wake();
    }

    fn wake(&self) {
        let waker = self.shared.waker.lock().clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Counts {
    fn snapshot(&self) -> ProxyFlow {
        ProxyFlow {
            messages_in: self.messages_in.load(Ordering::Relaxed),
            bytes_in: self.bytes_in.load(Ordering::Relaxed),
            messages_out: self.messages_out.load(Ordering::Relaxed),
            bytes_out: self.bytes_out.load(Ordering::Relaxed),
        }
    }
}

/// A socket with as much of it as a proxy uses.
trait Side {
    fn take(&mut self) -> Result<Message, RecvError> {
        Err(RecvError::Empty)
    }

    /// Sends `message`; gives it back if that fails.
    fn give(&mut self, message: Message) -> Result<(), (Message, SendFailure)> {
        Err((message, SendFailure::NoPeer))
    }

    fn has_room(&mut self) -> bool {
        false
    }

    /// Has its context been shut down?
    fn is_closed(&self) -> bool;

    fn socket_type(&self) -> SocketType;

    fn register(&mut self, poller: &mut Poller) -> Result<Key, AddError>;
}

struct In<'a, S: ?Sized>(&'a mut S);
struct Out<'a, S: ?Sized>(&'a mut S);
struct Both<'a, S: ?Sized>(&'a mut S);

/// What is the same for all three.
macro_rules! any_side {
    () => {
        fn is_closed(&self) -> bool {
            self.0.is_closed()
        }

        fn socket_type(&self) -> SocketType {
            self.0.socket_type()
        }

        fn register(&mut self, poller: &mut Poller) -> Result<Key, AddError> {
            poller.add(self.0, Interest::NONE, 0)
        }
    };
}

impl<S: Receives + ?Sized> Side for In<'_, S> {
    fn take(&mut self) -> Result<Message, RecvError> {
        self.0.try_recv()
    }

    any_side!();
}

impl<S: Sends + ?Sized> Side for Out<'_, S> {
    fn give(&mut self, message: Message) -> Result<(), (Message, SendFailure)> {
        self.0.try_send(message).map_err(|error| (error.message, error.reason))
    }

    fn has_room(&mut self) -> bool {
        self.0.can_send()
    }

    any_side!();
}

impl<S: Duplex + ?Sized> Side for Both<'_, S> {
    fn take(&mut self) -> Result<Message, RecvError> {
        self.0.try_recv()
    }

    fn give(&mut self, message: Message) -> Result<(), (Message, SendFailure)> {
        self.0.try_send(message).map_err(|error| (error.message, error.reason))
    }

    fn has_room(&mut self) -> bool {
        self.0.can_send()
    }

    any_side!();
}

/// From which side to which.
#[derive(Clone, Copy, Debug)]
struct Way {
    from: usize,
    to: usize,
}

/// How a burst one way ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Burst {
    /// There may be more.
    Full,
    /// Nothing is there.
    NoMessage,
    /// The other side takes nothing.
    NoRoom,
    /// The capture takes nothing, and is waited for.
    NoCopy,
    /// The other side said that it would take a message, and then did not.
    Refused,
}

struct Proxy<'a, 'b, 's> {
    sides: &'a mut [&'b mut dyn Side],
    ways: &'a [Way],
    /// By way: received and not sent.
    in_hand: [Option<Message>; 2],
    capture: Option<Box<dyn Side + Send + 's>>,
    waits_for_capture: bool,
    control: Option<Box<dyn Side + Send + 's>>,
    handle: ProxyControl,
    poller: Poller,
}

impl<'a, 'b, 's> Proxy<'a, 'b, 's> {
    fn new(sides: &'a mut [&'b mut dyn Side], ways: &'a [Way], options: ProxyOptions<'s>) -> Self {
        let mut poller = Poller::with_policy(options.wait);
        poller.set_interruptible(options.interruptible);
        Self {
            sides,
            ways,
            in_hand: options.in_hand,
            capture: options.capture,
            waits_for_capture: options.waits_for_capture,
            control: options.control,
            handle: options.handle.unwrap_or_default(),
            poller,
        }
    }

    fn run(mut self) -> Result<ProxyReport, PollError> {
        *self.handle.shared.waker.lock() = Some(self.poller.waker());
        let result = self.turn_until_the_end();
        *self.handle.shared.waker.lock() = None;
        Ok(self.report(result?))
    }

    fn report(self, end: ProxyEnd) -> ProxyReport {
        let [left_for_backend, left_for_frontend] = self.in_hand;
        let statistics = self.handle.statistics();
        ProxyReport { end, statistics, left_for_backend, left_for_frontend }
    }

    fn turn_until_the_end(&mut self) -> Result<ProxyEnd, PollError> {
        let mut keys = Vec::with_capacity(self.sides.len());
        for side in self.sides.iter_mut() {
            // Borrowed exclusively, so no two of them are the same.
            keys.push(register(*side, &mut self.poller)?);
        }
        if self.waits_for_capture
            && let Some(capture) = &mut self.capture
        {
            keys.push(register(capture.as_mut(), &mut self.poller)?);
        }
        let control = match &mut self.control {
            Some(control) => Some(register(control.as_mut(), &mut self.poller)?),
            None => None,
        };
        if let Some(key) = control {
            // Registered just now.
            let _ = self.poller.modify(key, Interest::READABLE);
        }
        let mut interests = vec![Interest::NONE; keys.len()];
        let mut events = Events::new();
        loop {
            self.obey();
            // Acquire: pairs with Release in `ProxyControl`.
            let state = self.handle.shared.state.load(Ordering::Acquire);
            if state == TERMINATED {
                return Ok(ProxyEnd::Terminated);
            }
            if self.sides.iter().any(|side| side.is_closed()) {
                while self.turn().contains(&Some(Burst::Full)) {}
                return Ok(ProxyEnd::ContextClosed);
            }
            // Of the sides and, behind them, of a capture that is waited for.
            let mut wanted = [Interest::NONE; 3];
            let mut timeout = None;
            if state == RUNNING {
                let bursts = self.turn();
                if bursts.contains(&Some(Burst::Full)) {
                    continue;
                }
                for (way, burst) in self.ways.iter().zip(bursts) {
                    match burst {
                        Some(Burst::NoMessage) => wanted[way.from] |= Interest::READABLE,
                        Some(Burst::NoRoom) => wanted[way.to] |= Interest::WRITABLE,
                        Some(Burst::NoCopy) => wanted[self.sides.len()] |= Interest::WRITABLE,
                        Some(Burst::Refused) => timeout = Some(RETRY_AFTER),
                        Some(Burst::Full) | None => {}
                    }
                }
            }
            for ((key, interest), wanted) in keys.iter().zip(&mut interests).zip(wanted) {
                if *interest != wanted {
                    *interest = wanted;
                    // A socket that is borrowed is not dropped.
                    let _ = self.poller.modify(*key, wanted);
                }
            }
            // A paused proxy with nothing but a handle waits for its waker alone.
            let paused_for = timeout.or((state == PAUSED).then_some(LOOK_AROUND));
            match self.poller.wait(&mut events, paused_for) {
                Err(PollError::Interrupted) => return Ok(ProxyEnd::Interrupted),
                result => result?,
            };
        }
    }

    /// A burst each way.
    fn turn(&mut self) -> [Option<Burst>; 2] {
        let mut bursts = [None; 2];
        for (index, burst) in bursts.iter_mut().enumerate().take(self.ways.len()) {
            *burst = Some(self.forward(index));
        }
        bursts
    }

    fn forward(&mut self, index: usize) -> Burst {
        let Way { from, to } = self.ways[index];
        for _ in 0..BURST_MAX {
            // A REP by itself has none until it has a request.
            let needs_room = from != to || self.in_hand[index].is_some();
            if needs_room && !self.sides[to].has_room() {
                return Burst::NoRoom;
            }
            let message = match self.in_hand[index].take() {
                Some(message) => message,
                None if self.waits_for_capture && !self.capture.as_mut().is_none_or(|capture| capture.has_room()) => {
                    return Burst::NoCopy;
                }
                None => match self.sides[from].take() {
                    Ok(message) => self.received(from, message),
                    Err(_) => return Burst::NoMessage,
                },
            };
            let size = message.size() as u64;
            match self.sides[to].give(message) {
                Ok(()) => {
                    let counts = &self.handle.shared.sides[to];
                    counts.messages_out.fetch_add(1, Ordering::Relaxed);
                    counts.bytes_out.fetch_add(size, Ordering::Relaxed);
                }
                Err((message, _)) => {
                    self.in_hand[index] = Some(message);
                    return Burst::Refused;
                }
            }
        }
        Burst::Full
    }

    fn received(&mut self, from: usize, message: Message) -> Message {
        let shared = &self.handle.shared;
        shared.sides[from].messages_in.fetch_add(1, Ordering::Relaxed);
        shared.sides[from].bytes_in.fetch_add(message.size() as u64, Ordering::Relaxed);
        if let Some(capture) = &mut self.capture {
            let counter = match capture.give(message.clone()) {
                Ok(()) => &shared.captured,
                Err(_) => &shared.capture_dropped,
            };
            counter.fetch_add(1, Ordering::Relaxed);
        }
        message
    }

    /// Does what the control socket says.
    fn obey(&mut self) {
        let Some(control) = &mut self.control else { return };
        while let Ok(message) = control.take() {
            let command: &[u8] = if message.len() == 1 { &message[0] } else { &[] };
            let mut answer = (control.socket_type() == SocketType::Rep).then(|| Message::from(Frame::new()));
            match command {
                b"PAUSE" => self.handle.pause(),
                b"RESUME" => self.handle.resume(),
                b"TERMINATE" => self.handle.terminate(),
                b"STATISTICS" => answer = Some(self.handle.statistics().into_message()),
                _ => {
                    self.handle.shared.unknown_commands.fetch_add(1, Ordering::Relaxed);
                }
            }
            if let Some(answer) = answer {
                // Who asked and takes no answer gets none.
                let _ = control.give(answer);
            }
        }
    }
}

impl ProxyStatistics {
    /// Eight frames, each a `u64` in native order: the frontend's messages in, bytes in, messages out, bytes out, then the
    /// backend's.
    pub fn into_message(self) -> Message {
        let of = |flow: ProxyFlow| [flow.messages_in, flow.bytes_in, flow.messages_out, flow.bytes_out];
        [of(self.frontend), of(self.backend)].concat().into_iter().map(u64::to_ne_bytes).collect()
    }
}

fn register(side: &mut dyn Side, poller: &mut Poller) -> Result<Key, PollError> {
    side.register(poller).map_err(|error| match error {
        AddError::System(error) => PollError::System(error),
        AddError::Forked => PollError::Forked,
        AddError::AlreadyRegistered => unreachable!("two exclusive borrows of one socket"),
    })
}

/// Messages forwarded one way before the other is looked at: libzmq's.
pub const BURST_MAX: usize = 1000;
/// Until a side that said it had room and then took nothing is asked again.
const RETRY_AFTER: Duration = Duration::from_millis(1);
/// A paused proxy with no control socket waits for its waker only; it looks by itself whether its context is there yet.
const LOOK_AROUND: Duration = Duration::from_millis(100);

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use crate::{Context, Pull, Push, SocketType};

    /// A side that says it has room and takes nothing, so many times, as one whose peer leaves just then.
    struct Sink {
        of: Push,
        refusals: usize,
    }

    impl Side for Sink {
        fn give(&mut self, message: Message) -> Result<(), (Message, SendFailure)> {
            if self.refusals > 0 {
                self.refusals -= 1;
                return Err((message, SendFailure::NoPeer));
            }
            self.of.try_send(message).map_err(|error| (error.message, error.reason))
        }

        fn has_room(&mut self) -> bool {
            self.of.can_send()
        }

        fn is_closed(&self) -> bool {
            false
        }

        fn socket_type(&self) -> SocketType {
            SocketType::Push
        }

        fn register(&mut self, poller: &mut Poller) -> Result<Key, AddError> {
            poller.add(&mut self.of, Interest::NONE, 0)
        }
    }

    #[test]
    fn what_is_in_hand_at_the_end_is_sent_first_by_the_next() {
        let context = Context::new();
        let (mut source, mut from) = (Push::new(&context).unwrap(), Pull::new(&context).unwrap());
        let (to, mut sink) = (Push::new(&context).unwrap(), Pull::new(&context).unwrap());
        let mut to = Sink { of: to, refusals: 1 };
        from.bind("inproc://from").unwrap();
        source.connect("inproc://from").unwrap();
        sink.bind("inproc://to").unwrap();
        to.of.connect("inproc://to").unwrap();
        source.send("1").unwrap();
        source.send("2").unwrap();

        let control = ProxyControl::new();
        let mut sides: [&mut dyn Side; 2] = [&mut In(&mut from), &mut to];
        let ways = [Way { from: 0, to: 1 }];
        let mut first = Proxy::new(&mut sides, &ways, ProxyOptions::new().handle(&control));
        assert_eq!(first.turn()[0], Some(Burst::Refused));
        // As a signal in its sleep ends it.
        let report = first.report(ProxyEnd::Interrupted);
        assert!(report.left_for_backend.as_ref().is_some_and(|message| message[0] == "1"));

        let mut next = Proxy::new(&mut sides, &ways, ProxyOptions::new().handle(&control).after(report));
        assert_eq!(next.turn()[0], Some(Burst::NoMessage));
        let report = next.report(ProxyEnd::Terminated);
        assert_eq!((report.left_for_backend, report.statistics.backend.messages_out), (None, 2));
        assert_eq!(report.statistics.frontend.messages_in, 2);
        for expected in ["1", "2"] {
            assert_eq!(sink.try_recv().unwrap()[0], expected);
        }
    }
}
