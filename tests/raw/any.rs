//! Sockets of any type, for what is the same for all.

use ringway::{Context, Dealer, Message, Monitor, Pair, Pub, Pull, Push, Rep, Req, Router, Sub, XPub, XSub};

/// What every socket can.
pub(crate) trait Any {
    fn bind(&mut self, endpoint: &str);
    fn connect(&mut self, endpoint: &str);
    /// Where it is bound.
    fn endpoint(&self) -> String;
    fn monitor(&self) -> Monitor;
}

macro_rules! any {
    ($($socket:ty)*) => {
        $(impl Any for $socket {
            fn bind(&mut self, endpoint: &str) {
                <$socket>::bind(self, endpoint).unwrap_or_else(|error| panic!("{endpoint}: {error}"));
            }

            fn connect(&mut self, endpoint: &str) {
                <$socket>::connect(self, endpoint).unwrap_or_else(|error| panic!("{endpoint}: {error}"));
            }

            fn endpoint(&self) -> String {
                self.last_endpoint().expect("it is bound").to_string()
            }

            fn monitor(&self) -> Monitor {
                <$socket>::monitor(self)
            }
        })*
    };
}

any! { Dealer Pair Pub Pull Push Rep Req Router Sub XPub XSub }

/// The types there are, by the names they have on the wire, and to whom each talks.
pub(crate) const TYPES: [(&str, &[&str]); 11] = [
    ("PAIR", &["PAIR"]),
    ("PUB", &["SUB", "XSUB"]),
    ("SUB", &["PUB", "XPUB"]),
    ("REQ", &["REP", "ROUTER"]),
    ("REP", &["REQ", "DEALER"]),
    ("DEALER", &["REP", "DEALER", "ROUTER"]),
    ("ROUTER", &["REQ", "DEALER", "ROUTER"]),
    ("PULL", &["PUSH"]),
    ("PUSH", &["PULL"]),
    ("XPUB", &["SUB", "XSUB"]),
    ("XSUB", &["PUB", "XPUB"]),
];

/// A socket of the type of that name, with default options.
pub(crate) fn socket(context: &Context, name: &str) -> Box<dyn Any> {
    match name {
        "PAIR" => Box::new(Pair::new(context).unwrap()),
        "PUB" => Box::new(Pub::new(context).unwrap()),
        "SUB" => Box::new(Sub::new(context).unwrap()),
        "REQ" => Box::new(Req::new(context).unwrap()),
        "REP" => Box::new(Rep::new(context).unwrap()),
        "DEALER" => Box::new(Dealer::new(context).unwrap()),
        "ROUTER" => Box::new(Router::new(context).unwrap()),
        "PULL" => Box::new(Pull::new(context).unwrap()),
        "PUSH" => Box::new(Push::new(context).unwrap()),
        "XPUB" => Box::new(XPub::new(context).unwrap()),
        "XSUB" => Box::new(XSub::new(context).unwrap()),
        _ => panic!("no socket type {name}"),
    }
}

/// One that is bound, and where.
pub(crate) fn bound<S: Any>(mut socket: S, road: super::Road) -> (S, String) {
    socket.bind(&road.anywhere());
    let endpoint = socket.endpoint();
    (socket, endpoint)
}

/// Receiving, in a test that must not wait for ever.
pub(crate) trait Soon {
    /// The next message, which comes soon.
    fn soon(&mut self) -> Message;
}

macro_rules! soon {
    ($($socket:ty)*) => {
        $(impl Soon for $socket {
            #[track_caller]
            fn soon(&mut self) -> Message {
                self.recv_timeout(super::PATIENCE).unwrap_or_else(|error| panic!("nothing to receive: {error}"))
            }
        })*
    };
}

soon! { Dealer Pair Pull Rep Req Router Sub XPub XSub }
