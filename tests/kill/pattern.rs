//! The patterns that are tried, and their sockets as whoever sends or receives sees them.

use std::{collections::VecDeque, time::Duration};

use ringway::{
    Context, Dealer, Message, Monitor, Pair, Pub, Pull, Push, Sub, WaitPolicy,
    socket::{Builder, RecvError, SendError, SendFailure, Socket},
};

use crate::PATIENCE;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// PUSH to PULL.
    Pipeline,
    Pair,
    /// DEALER to DEALER.
    Dealer,
    /// PUB to SUB, to all there is.
    Publish,
}

impl Pattern {
    pub(crate) const ALL: [Self; 4] = [Self::Pipeline, Self::Pair, Self::Dealer, Self::Publish];

    /// What a sender leaves out for a receiver who has no room, or before there is one.
    pub(crate) fn drops(self) -> bool {
        self == Self::Publish
    }

    /// Is what a receiver that has died had not taken sent to the next, where its sender is at `place`?
    pub(crate) fn redelivers(self, place: Place) -> bool {
        match self {
            Self::Pipeline | Self::Dealer => true,
            Self::Pair => place == Place::Connects,
            Self::Publish => false,
        }
    }
}

/// Who makes the path, and who comes to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Binds,
    Connects,
}

impl Place {
    pub(crate) const ALL: [Self; 2] = [Self::Binds, Self::Connects];

    pub(crate) fn other(self) -> Self {
        match self {
            Self::Binds => Self::Connects,
            Self::Connects => Self::Binds,
        }
    }
}

/// What is asked of a socket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wishes {
    pub(crate) policy: WaitPolicy,
    pub(crate) hwm: u32,
    /// For how long a sender's messages outlive it.
    pub(crate) linger: Duration,
}

/// A socket that is at an endpoint.
pub(crate) trait Attached: Send {
    fn attach(&mut self, place: Place, endpoint: &str);
    fn watch(&self) -> Monitor;
}

/// A socket that sends.
pub(crate) trait Speaker: Attached {
    fn send_within(&mut self, message: Message, time: Duration) -> Result<(), SendError>;
    fn send_one(&mut self, message: Message) -> Result<(), SendError>;
    fn send_all(&mut self, messages: &mut VecDeque<Message>) -> Result<usize, SendFailure>;
    /// Has it take note of who came and went.
    fn call_in(&mut self);
    /// Waits until somebody hears what is sent, where it would be left out otherwise.
    fn await_hearer(&mut self) {}
}

/// A socket that receives.
pub(crate) trait Hearer: Attached {
    fn recv_within(&mut self, time: Duration) -> Result<Message, RecvError>;
    fn recv_one(&mut self) -> Result<Message, RecvError>;
    fn recv_some(&mut self, messages: &mut Vec<Message>, max: usize) -> Result<usize, RecvError>;
}

macro_rules! attached {
    ($($socket:ident)*) => {$(
        impl Attached for $socket {
            fn attach(&mut self, place: Place, endpoint: &str) {
                match place {
                    Place::Binds => self.bind(endpoint).expect("a stale path is taken over"),
                    Place::Connects => self.connect(endpoint).expect("it is an endpoint"),
                }
            }

            fn watch(&self) -> Monitor {
                self.monitor()
            }
        }
    )*};
}

macro_rules! speaker {
    ($($socket:ident { $($more:item)* })*) => {$(
        impl Speaker for $socket {
            fn send_within(&mut self, message: Message, time: Duration) -> Result<(), SendError> {
                self.send_timeout(message, time)
            }

            fn send_one(&mut self, message: Message) -> Result<(), SendError> {
                self.send(message)
            }

            fn send_all(&mut self, messages: &mut VecDeque<Message>) -> Result<usize, SendFailure> {
                self.send_batch(messages)
            }

            $($more)*
        }
    )*};
}

macro_rules! hearer {
    ($($socket:ident)*) => {$(
        impl Hearer for $socket {
            fn recv_within(&mut self, time: Duration) -> Result<Message, RecvError> {
                self.recv_timeout(time)
            }

            fn recv_one(&mut self) -> Result<Message, RecvError> {
                self.recv()
            }

            fn recv_some(&mut self, messages: &mut Vec<Message>, max: usize) -> Result<usize, RecvError> {
                self.recv_batch(messages, max)
            }
        }
    )*};
}

attached!(Push Pull Pair Dealer Pub Sub);
speaker!(
    Push {
        fn call_in(&mut self) {
            let _ = self.can_send();
        }
    }
    Pair {
        fn call_in(&mut self) {
            let _ = (self.can_send(), self.can_recv());
        }
    }
    Dealer {
        fn call_in(&mut self) {
            let _ = (self.can_send(), self.can_recv());
        }
    }
    Pub {
        fn call_in(&mut self) {
            let _ = self.can_send();
        }

        fn await_hearer(&mut self) {
            self.wait_for_subscribers(1, PATIENCE).expect("somebody subscribes");
        }
    }
);
hearer!(Pull Pair Dealer Sub);

/// `builder`, of a socket that connects again at once.
pub(crate) fn quick<S: Socket>(builder: Builder<S>) -> Builder<S> {
    let soon = Duration::from_millis(2);
    builder.reconnect_interval(soon).reconnect_interval_max(soon)
}

/// Likewise, as it is wished for.
fn wished<S: Socket>(builder: Builder<S>, wishes: Wishes) -> Builder<S> {
    quick(builder).wait(wishes.policy).monitor_capacity(100_000)
}

/// A PAIR, which does both.
pub(crate) fn pair(context: &Context, wishes: Wishes) -> Pair {
    let builder = wished(Pair::builder(), wishes).send_hwm(wishes.hwm).recv_hwm(wishes.hwm);
    builder.linger(wishes.linger).build(context).expect("a context")
}

/// What sends in `pattern`.
pub(crate) fn speaker(pattern: Pattern, context: &Context, wishes: Wishes) -> Box<dyn Speaker> {
    macro_rules! of {
        ($socket:ident) => {{
            let builder = wished($socket::builder(), wishes).send_hwm(wishes.hwm).linger(wishes.linger);
            Box::new(builder.build(context).expect("a context"))
        }};
    }
    match pattern {
        Pattern::Pipeline => of!(Push),
        Pattern::Pair => of!(Pair),
        Pattern::Dealer => of!(Dealer),
        Pattern::Publish => of!(Pub),
    }
}

/// What receives in `pattern`.
pub(crate) fn hearer(pattern: Pattern, context: &Context, wishes: Wishes) -> Box<dyn Hearer> {
    macro_rules! of {
        ($builder:expr) => {
            Box::new(wished($builder, wishes).recv_hwm(wishes.hwm).build(context).expect("a context"))
        };
    }
    match pattern {
        Pattern::Pipeline => of!(Pull::builder()),
        Pattern::Pair => of!(Pair::builder()),
        Pattern::Dealer => of!(Dealer::builder()),
        Pattern::Publish => of!(Sub::builder().subscribe(b"")),
    }
}
