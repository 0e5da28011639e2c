//! Ringway's sockets.

#![forbid(unsafe_code)]

use std::time::Duration;

use ringway::{
    Context, Dealer, Message, Monitor, Pair, Pub, Pull, Push, Rep, Req, Router, RoutingId, SocketType, Sub, XPub, XSub,
    monitor::EventKind,
    socket::{Builder, DuplicateId, SendFailure, Socket as Made},
};

use crate::party::{Event, Happening, Parts, Party, Setting, Socket};

/// A context.
pub(crate) struct Ringway {
    context: Context,
}

/// A socket and its monitor.
struct Watched<S> {
    socket: S,
    monitor: Monitor,
}

impl Ringway {
    pub(crate) fn new() -> Self {
        Self { context: Context::new() }
    }
}

impl Party for Ringway {
    fn socket(&self, kind: SocketType, settings: &[Setting]) -> Box<dyn Socket> {
        match kind {
            SocketType::Pair => self.make::<Pair>(settings),
            SocketType::Push => self.make::<Push>(settings),
            SocketType::Pull => self.make::<Pull>(settings),
            SocketType::Pub => self.make::<Pub>(settings),
            SocketType::Sub => self.make::<Sub>(settings),
            SocketType::XPub => self.make::<XPub>(settings),
            SocketType::XSub => self.make::<XSub>(settings),
            SocketType::Req => self.make::<Req>(settings),
            SocketType::Rep => self.make::<Rep>(settings),
            SocketType::Dealer => self.make::<Dealer>(settings),
            SocketType::Router => self.make::<Router>(settings),
            other => panic!("there is no {other}"),
        }
    }
}

impl Ringway {
    fn make<S: Front>(&self, settings: &[Setting]) -> Box<dyn Socket> {
        let mut builder = S::builder();
        for setting in settings {
            builder = S::choose(builder, setting);
        }
        let socket = builder.build(&self.context).expect("a context that is open");
        let monitor = socket.monitor();
        Box::new(Watched { socket, monitor })
    }
}

impl<S: Front> Socket for Watched<S> {
    fn bind(&mut self, endpoint: &str) -> String {
        self.socket.bind(endpoint)
    }

    fn unbind(&mut self, endpoint: &str) {
        self.socket.unbind(endpoint);
    }

    fn connect(&mut self, endpoint: &str) {
        self.socket.connect(endpoint);
    }

    fn connect_as(&mut self, endpoint: &str, id: &[u8]) {
        self.socket.connect_as(endpoint, &RoutingId::new(id.to_vec()).expect("an id"));
    }

    fn disconnect(&mut self, endpoint: &str) {
        self.socket.disconnect(endpoint);
    }

    fn send_within(&mut self, parts: Parts, patience: Duration) -> bool {
        match self.socket.send(parts.into_iter().collect(), patience) {
            Ok(()) => true,
            Err(SendFailure::Full | SendFailure::NoPeer | SendFailure::TimedOut | SendFailure::Unroutable) => false,
            Err(why) => panic!("send: {why}"),
        }
    }

    fn recv_within(&mut self, patience: Duration) -> Option<Parts> {
        match self.socket.recv(patience) {
            Ok(message) => Some(message.frames().iter().map(|frame| frame.to_vec()).collect()),
            Err(ringway::socket::RecvError::TimedOut) => None,
            Err(why) => panic!("recv: {why}"),
        }
    }

    fn subscribe(&mut self, topic: &[u8]) {
        self.socket.subscribe(topic);
    }

    fn unsubscribe(&mut self, topic: &[u8]) {
        self.socket.unsubscribe(topic);
    }

    fn event_within(&mut self, patience: Duration) -> Option<Event> {
        let event = self.monitor.recv_timeout(patience).ok()?;
        let what = match &event.kind {
            EventKind::Listening { .. } => Happening::Listening,
            EventKind::Connecting { .. } | EventKind::ConnectRetried { .. } => Happening::Connecting,
            EventKind::Connected { .. } => Happening::Connected,
            EventKind::Accepted { .. } => Happening::Accepted,
            EventKind::HandshakeSucceeded { .. } => Happening::Joined,
            EventKind::HandshakeFailed { .. } => Happening::Refused,
            EventKind::Disconnected { .. } => Happening::Disconnected,
            _ => Happening::Other,
        };
        Some(Event { what, detail: event.to_string() })
    }

    /// Dropping is closing: the socket has its own time to linger.
    fn close(self: Box<Self>) {}
}

/// What each type of socket has, and its own way to say that it has not.
trait Front: Made + Send + Sized + 'static {
    fn builder() -> Builder<Self>;
    fn choose(builder: Builder<Self>, setting: &Setting) -> Builder<Self>;
    fn monitor(&self) -> Monitor;
    fn bind(&mut self, endpoint: &str) -> String;
    fn unbind(&mut self, endpoint: &str);
    fn connect(&mut self, endpoint: &str);
    fn disconnect(&mut self, endpoint: &str);

    fn connect_as(&mut self, _endpoint: &str, _id: &RoutingId) {
        panic!("gives no ids");
    }

    fn send(&mut self, _message: Message, _patience: Duration) -> Result<(), SendFailure> {
        panic!("sends nothing");
    }

    fn recv(&mut self, _patience: Duration) -> Result<Message, ringway::socket::RecvError> {
        panic!("receives nothing");
    }

    fn subscribe(&mut self, _topic: &[u8]) {
        panic!("does not subscribe");
    }

    fn unsubscribe(&mut self, _topic: &[u8]) {
        panic!("does not subscribe");
    }
}

/// `socket: the groups of operations it has; the settings it has`.
macro_rules! fronts {
    ($($socket:ident: $($group:ident)*; $($pattern:pat => $choose:expr),* $(,)?;)*) => {$(
        impl Front for $socket {
            fn builder() -> Builder<Self> {
                $socket::builder()
            }

            fn choose(builder: Builder<Self>, setting: &Setting) -> Builder<Self> {
                match setting {
                    $($pattern => {
                        let choose: fn(Builder<Self>, &Setting) -> Builder<Self> = $choose;
                        choose(builder, setting)
                    })*
                    other => choose_stream(builder, other),
                }
            }

            fn monitor(&self) -> Monitor {
                $socket::monitor(self)
            }

            fn bind(&mut self, endpoint: &str) -> String {
                $socket::bind(self, endpoint).unwrap_or_else(|why| panic!("bind {endpoint}: {why}"));
                self.last_endpoint().expect("just bound").to_string()
            }

            fn unbind(&mut self, endpoint: &str) {
                $socket::unbind(self, endpoint).expect("bound");
            }

            fn connect(&mut self, endpoint: &str) {
                $socket::connect(self, endpoint).unwrap_or_else(|why| panic!("connect {endpoint}: {why}"));
            }

            fn disconnect(&mut self, endpoint: &str) {
                $socket::disconnect(self, endpoint).expect("connected");
            }

            $(fronts! { @$group $socket })*
        }
    )*};
    (@sends $socket:ident) => {
        fn send(&mut self, message: Message, patience: Duration) -> Result<(), SendFailure> {
            let result =
                if patience.is_zero() { self.try_send(message) } else { self.send_timeout(message, patience) };
            result.map_err(|error| error.reason)
        }
    };
    (@receives $socket:ident) => {
        fn recv(&mut self, patience: Duration) -> Result<Message, ringway::socket::RecvError> {
            self.recv_timeout(patience)
        }
    };
    (@subscribes $socket:ident) => {
        fn subscribe(&mut self, topic: &[u8]) {
            $socket::subscribe(self, topic);
        }

        fn unsubscribe(&mut self, topic: &[u8]) {
            assert!($socket::unsubscribe(self, topic), "was subscribed");
        }
    };
    (@names $socket:ident) => {
        fn connect_as(&mut self, endpoint: &str, id: &RoutingId) {
            $socket::connect_as(self, endpoint, id).unwrap_or_else(|why| panic!("connect {endpoint}: {why}"));
        }
    };
}

/// What every socket that sends, receives or has an id can be told of it.
macro_rules! setting {
    ($name:ident) => {
        |builder, setting| {
            let Setting::$name(value) = setting else { unreachable!("matched") };
            setting!(@$name builder, *value)
        }
    };
    (@SendHwm $builder:ident, $value:expr) => { $builder.send_hwm($value) };
    (@RecvHwm $builder:ident, $value:expr) => { $builder.recv_hwm($value) };
    (@Linger $builder:ident, $value:expr) => { $builder.linger($value) };
    (@RoutingId $builder:ident, $value:expr) => { $builder.routing_id(RoutingId::new($value).expect("an id")) };
}

fronts! {
    Pair: sends receives;
        Setting::SendHwm(_) => setting!(SendHwm), Setting::RecvHwm(_) => setting!(RecvHwm),
        Setting::Linger(_) => setting!(Linger);
    Push: sends;
        Setting::SendHwm(_) => setting!(SendHwm), Setting::Linger(_) => setting!(Linger);
    Pull: receives;
        Setting::RecvHwm(_) => setting!(RecvHwm);
    Pub: sends;
        Setting::SendHwm(_) => setting!(SendHwm), Setting::Linger(_) => setting!(Linger);
    Sub: receives subscribes;
        // Subscriptions are no messages.
        Setting::RecvHwm(_) => setting!(RecvHwm), Setting::SendHwm(_) => |builder, _| builder;
    XPub: sends receives;
        Setting::SendHwm(_) => setting!(SendHwm), Setting::RecvHwm(_) => setting!(RecvHwm),
        Setting::Linger(_) => setting!(Linger), Setting::Verbose => |builder, _| builder.verbose();
    XSub: sends receives;
        Setting::SendHwm(_) => setting!(SendHwm), Setting::RecvHwm(_) => setting!(RecvHwm);
    Req: sends receives;
        Setting::RoutingId(_) => setting!(RoutingId), Setting::Linger(_) => setting!(Linger),
        Setting::ProbeRouter => |builder, _| builder.probe_router(),
        Setting::Correlate => |builder, _| builder.correlate(), Setting::Relaxed => |builder, _| builder.relaxed();
    Rep: sends receives;
        Setting::Linger(_) => setting!(Linger);
    Dealer: sends receives;
        Setting::SendHwm(_) => setting!(SendHwm), Setting::RecvHwm(_) => setting!(RecvHwm),
        Setting::Linger(_) => setting!(Linger), Setting::RoutingId(_) => setting!(RoutingId),
        Setting::ProbeRouter => |builder, _| builder.probe_router();
    Router: sends receives names;
        Setting::SendHwm(_) => setting!(SendHwm), Setting::RecvHwm(_) => setting!(RecvHwm),
        Setting::Linger(_) => setting!(Linger), Setting::RoutingId(_) => setting!(RoutingId),
        Setting::ProbeRouter => |builder, _| builder.probe_router(),
        Setting::Mandatory => |builder, _| builder.mandatory(),
        Setting::HandOver => |builder, _| builder.duplicate_id(DuplicateId::HandOver);
}

/// What every socket can be told of its connections.
fn choose_stream<S: Made>(builder: Builder<S>, setting: &Setting) -> Builder<S> {
    match *setting {
        Setting::Buffers(size) => builder.send_buffer(size as usize).recv_buffer(size as usize),
        Setting::MaxMessageSize(size) => builder.max_message_size(u64::from(size)),
        Setting::Heartbeat { interval, timeout, ttl } => {
            builder.heartbeat(interval).heartbeat_timeout(timeout).heartbeat_ttl(ttl)
        }
        _ => panic!("has no {setting:?}"),
    }
}
