//! A socket that is bound, a peer that behaves, and what is asserted of both whatever others do.

use std::{
    fs,
    path::PathBuf,
    sync::{MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use ringway::{
    Context, Message, Pub, Pull, Router, XPub,
    monitor::{DisconnectReason, EventKind, HandshakeFailure},
    socket::{Builder, StreamCounters},
};

use crate::{
    memory,
    raw::{
        PATIENCE, Peer, Road,
        any::{Soon, bound},
        bytes::{message, opening, subscribe},
        watch::Watch,
    },
};

/// One test at a time: memory and descriptors are the process's.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    #[expect(clippy::disallowed_types, reason = "a test of the whole has nothing to model")]
    static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The socket, and what serving the good peer takes.
pub(crate) trait Serves {
    /// What the good peer is.
    const PEER: &'static str;
    const NAME: &'static str;
    fn begin(&mut self, good: &mut Peer);
    /// A message between the two.
    fn serve(&mut self, good: &mut Peer, number: u32);
    /// Peers there are now.
    fn peers(&self) -> usize;
    fn streams(&self) -> StreamCounters;
}

const MARK: &[u8] = b"from the good peer";

impl Serves for Pull {
    const PEER: &'static str = "PUSH";
    const NAME: &'static str = "PULL";

    fn begin(&mut self, _good: &mut Peer) {}

    fn serve(&mut self, good: &mut Peer, number: u32) {
        good.write(&message(&[MARK, &number.to_be_bytes()]));
        // Others may have sent what is a message, too.
        loop {
            let received = self.soon();
            if received.len() == 2 && received[0] == *MARK {
                assert_eq!(received[1], number.to_be_bytes(), "messages of the good peer came out of order");
                return;
            }
        }
    }

    fn peers(&self) -> usize {
        Pull::peers(self)
    }

    fn streams(&self) -> StreamCounters {
        self.counters().streams
    }
}

impl Serves for Router {
    const PEER: &'static str = "DEALER";
    const NAME: &'static str = "ROUTER";

    fn begin(&mut self, _good: &mut Peer) {}

    fn serve(&mut self, good: &mut Peer, number: u32) {
        let number = number.to_be_bytes();
        good.write(&message(&[MARK, &number]));
        loop {
            let received = self.soon();
            if received.len() == 3 && received[1] == *MARK {
                assert_eq!(received[2], number, "messages of the good peer came out of order");
                self.send(Message::from(vec![received[0].clone(), "reply".into()])).unwrap();
                good.expect(&message(&[b"reply"]));
                return;
            }
        }
    }

    fn peers(&self) -> usize {
        Router::peers(self)
    }

    fn streams(&self) -> StreamCounters {
        self.counters().streams
    }
}

macro_rules! serves_subscribers {
    ($($socket:ty, $name:literal);*) => {
        $(impl Serves for $socket {
            const PEER: &'static str = "SUB";
            const NAME: &'static str = $name;

            fn begin(&mut self, good: &mut Peer) {
                good.write(&subscribe(MARK));
                good.settle();
                self.wait_for_subscribers(1, PATIENCE).unwrap();
            }

            fn serve(&mut self, good: &mut Peer, number: u32) {
                let number = number.to_be_bytes();
                self.send(Message::from_iter([MARK, &number])).unwrap();
                good.expect(&message(&[MARK, &number]));
            }

            fn peers(&self) -> usize {
                <$socket>::peers(self)
            }

            fn streams(&self) -> StreamCounters {
                self.counters().streams
            }
        })*
    };
}

serves_subscribers! { Pub, "PUB"; XPub, "XPUB" }

pub(crate) struct Scene<S> {
    pub(crate) socket: S,
    pub(crate) endpoint: String,
    pub(crate) good: Peer,
    pub(crate) watch: Watch,
    served: u32,
    /// Bytes allocated at the beginning.
    allocated: usize,
    sockets: usize,
    _context: Context,
    _alone: MutexGuard<'static, ()>,
}

impl<S: Serves + crate::raw::any::Any> Scene<S>
where
    S: ringway::socket::Socket,
{
    pub(crate) fn new(road: Road, builder: Builder<S>) -> Self {
        let alone = alone();
        let context = Context::new();
        // Room for what is told of all who come.
        let socket = builder.monitor_capacity(100_000).build(&context).unwrap();
        let watch = Watch::new(socket.monitor());
        let (mut socket, endpoint) = bound(socket, road);
        let mut good = Peer::joined(&endpoint, S::PEER, S::NAME);
        socket.begin(&mut good);
        // Once, for what is allocated only once.
        socket.serve(&mut good, 0);
        good.settle();
        memory::forget();
        let (allocated, sockets) = (memory::now(), sockets());
        Self { socket, endpoint, good, watch, served: 0, allocated, sockets, _context: context, _alone: alone }
    }

    pub(crate) fn connect(&self) -> Peer {
        Peer::connect(&self.endpoint)
    }

    /// A peer that has said greeting and READY, and has been heard.
    pub(crate) fn joined(&self) -> Peer {
        let mut peer = Peer::joined(&self.endpoint, S::PEER, S::NAME);
        peer.settle();
        peer
    }

    /// What one of the good peer's kind says first.
    pub(crate) fn opening(&self) -> Vec<u8> {
        opening(S::PEER)
    }

    /// The good peer is served, its PINGs too.
    #[track_caller]
    pub(crate) fn goes_on(&mut self) {
        self.served += 1;
        self.socket.serve(&mut self.good, self.served);
        self.good.settle();
    }

    /// No more than so many bytes have been allocated beyond what was there at first.
    #[track_caller]
    pub(crate) fn stayed_within(&self, bytes: usize) {
        let most = memory::most().saturating_sub(self.allocated);
        assert!(most <= bytes, "{most} bytes were allocated at a time, {bytes} are to be enough");
    }

    /// All others are gone, and what they took with them: peers, memory, sockets. The good peer is still served.
    #[track_caller]
    pub(crate) fn ends_as_it_began(mut self) {
        let deadline = Instant::now() + PATIENCE;
        let is_as_before = |scene: &Self| scene.socket.peers() == 1 && sockets() <= scene.sockets;
        while !is_as_before(&self) {
            // A peer is seen off when its messages are received.
            self.served += 1;
            self.socket.serve(&mut self.good, self.served);
            assert!(
                Instant::now() < deadline,
                "{} peers and {} open sockets are left, 1 and {} were there before",
                self.socket.peers(),
                sockets(),
                self.sockets
            );
            thread::sleep(Duration::from_millis(1));
        }
        self.goes_on();
        // All that was told is counted, and the other way round.
        let failed = self.failed(|_| true) as u64;
        assert_eq!(self.socket.streams().failed_handshakes, failed);
        // Buffers that are kept for the next may stay, and what was told is in our own hands.
        let told = size_of_val(self.watch.all()) * 4;
        let kept = memory::now().saturating_sub(self.allocated);
        assert!(kept <= told + (1 << 20), "{kept} bytes are still allocated, {told} of them perhaps by the test");
    }

    /// How many handshakes have failed for a reason that `is` so, so far.
    pub(crate) fn failed(&mut self, is: impl Fn(HandshakeFailure) -> bool) -> usize {
        let told = self.watch.all().iter();
        told.filter(|kind| matches!(kind, EventKind::HandshakeFailed { reason, .. } if is(*reason))).count()
    }

    /// How many connections have ended for a reason that `is` so, so far.
    pub(crate) fn disconnected(&mut self, is: impl Fn(DisconnectReason) -> bool) -> usize {
        let told = self.watch.all().iter();
        told.filter(|kind| matches!(kind, EventKind::Disconnected { reason, .. } if is(*reason))).count()
    }

    /// Waits until `count` is reached by what is counted.
    #[track_caller]
    pub(crate) fn wait_until(&mut self, what: &str, count: usize, counted: impl Fn(&mut Self) -> usize) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let so_far = counted(self);
            if so_far >= count {
                return;
            }
            assert!(Instant::now() < deadline, "{what}: {so_far} of {count}");
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Sockets the process has open. Other descriptors come when a thread first needs one to be woken by, and stay.
pub(crate) fn sockets() -> usize {
    let open = fs::read_dir("/proc/self/fd").expect("the system lists them").filter_map(Result::ok);
    let is_socket = |path: PathBuf| path.as_os_str().as_encoded_bytes().starts_with(b"socket:");
    open.filter(|entry| fs::read_link(entry.path()).is_ok_and(is_socket)).count()
}

/// Numbers that look random and are the same in every run.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        // xorshift64*, Vigna 2016.
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}
