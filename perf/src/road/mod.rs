//! Ringway's own roads: sockets of each pattern over each transport, as ends that can be measured.
//!
//! `ends`: sockets as ends. `fan`: one publisher and many subscribers. `watched`: through a poller.

#![forbid(unsafe_code)]

mod ends;
mod fan;
mod watched;

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use ringway::{Context, Dealer, Pair, Pub, Pull, Push, Rep, Req, Router, Sub};

use self::ends::{End, broken};
pub(crate) use self::{fan::fan, watched::watched};
use crate::{
    cli::{Pattern, Transport},
    end::{Both, Road, Terms},
    failure::Failure,
    report::value_name,
    subject::Subject,
};

/// The road of this transport and pattern.
pub(crate) fn of(transport: Transport, pattern: Pattern) -> Box<dyn Subject> {
    among(transport, pattern, 0)
}

/// The road of this transport and pattern, whose receiver has so many further peers that say nothing. Patterns whose
/// receivers have one peer do without.
pub(crate) fn among(transport: Transport, pattern: Pattern, silent: u16) -> Box<dyn Subject> {
    let sockets = Sockets::new(transport, silent);
    match pattern {
        Pattern::Pair => Box::new(Pairs(sockets)),
        Pattern::PushPull => Box::new(Pipelines(sockets)),
        Pattern::PubSub => Box::new(Broadcasts(sockets)),
        Pattern::ReqRep => Box::new(Requests(sockets)),
        Pattern::DealerRouter => Box::new(Switches(sockets)),
    }
}

/// PAIR both ways; one way, its first sender.
struct Pairs(Sockets);

/// PUSH to PULL; both ways, one of them each way.
struct Pipelines(Sockets);

/// PUB that drops nothing to SUB that wants everything; both ways, one of them each way.
struct Broadcasts(Sockets);

/// REQ that asks REP.
struct Requests(Sockets);

/// DEALER to ROUTER, which sends back by the id it got.
struct Switches(Sockets);

/// A context and the endpoints made in it.
struct Sockets {
    transport: Transport,
    context: Context,
    next_endpoint: AtomicU64,
    /// Peers connected to each receiver beside those that send.
    silent: u16,
}

/// Connects a socket that says nothing to `endpoint`.
macro_rules! silent {
    ($socket:ty, $sockets:expr, $endpoint:expr) => {{
        let mut socket = <$socket>::new(&$sockets.context).map_err(broken)?;
        socket.connect($endpoint).map_err(broken)?;
        Ok::<Box<dyn Send>, Failure>(Box::new(socket))
    }};
}

impl Sockets {
    fn new(transport: Transport, silent: u16) -> Self {
        Self { transport, context: Context::new(), next_endpoint: AtomicU64::new(0), silent }
    }

    fn endpoint(&self) -> String {
        let number = self.next_endpoint.fetch_add(1, Ordering::Relaxed);
        match self.transport {
            Transport::Inproc => format!("inproc://perf-{number}"),
        }
    }

    fn name(&self, pattern: Pattern) -> String {
        format!("Ringway {} {}", value_name(self.transport), value_name(pattern))
    }

    fn pair(&self, terms: &Terms) -> Result<(End<Pair>, End<Pair>), Failure> {
        let endpoint = self.endpoint();
        let high_water_mark = terms.high_water_mark as u32;
        let end = || {
            let socket = Pair::builder().send_hwm(high_water_mark).recv_hwm(high_water_mark);
            End::new(socket, &self.context, terms)
        };
        let (mut near, mut far) = (end()?, end()?);
        far.socket.bind(&endpoint).map_err(broken)?;
        near.socket.connect(&endpoint).map_err(broken)?;
        Ok((near, far))
    }

    fn push_pull(&self, terms: &Terms, senders: usize, silent: u16) -> Result<(Vec<End<Push>>, End<Pull>), Failure> {
        let endpoint = self.endpoint();
        let receiver = Pull::builder().recv_hwm(terms.high_water_mark as u32);
        let mut receiver = End::new(receiver, &self.context, terms)?;
        receiver.socket.bind(&endpoint).map_err(broken)?;
        let connected = || {
            let sender = Push::builder().send_hwm(terms.high_water_mark as u32);
            let mut sender = End::new(sender, &self.context, terms)?;
            sender.socket.connect(&endpoint).map_err(broken)?;
            Ok(sender)
        };
        let senders = (0..senders).map(|_| connected()).collect::<Result<_, Failure>>()?;
        receiver.silent = (0..silent).map(|_| silent!(Push, self, &endpoint)).collect::<Result<_, Failure>>()?;
        Ok((senders, receiver))
    }

    fn pub_sub(&self, terms: &Terms, senders: usize) -> Result<(Vec<End<Pub>>, End<Sub>), Failure> {
        let endpoint = self.endpoint();
        let receiver = Sub::builder().recv_hwm(terms.high_water_mark as u32).subscribe("");
        let mut receiver = End::new(receiver, &self.context, terms)?;
        receiver.socket.bind(&endpoint).map_err(broken)?;
        let connected = || {
            let sender = Pub::builder().no_drop().send_hwm(terms.high_water_mark as u32);
            let mut sender = End::new(sender, &self.context, terms)?;
            sender.socket.connect(&endpoint).map_err(broken)?;
            sender.socket.wait_for_subscribers(1, SUBSCRIBED_WITHIN).map_err(broken)?;
            Ok(sender)
        };
        Ok(((0..senders).map(|_| connected()).collect::<Result<_, Failure>>()?, receiver))
    }

    fn dealer_router(&self, terms: &Terms, senders: usize) -> Result<(Vec<End<Dealer>>, End<Router>), Failure> {
        let (endpoint, high_water_mark) = (self.endpoint(), terms.high_water_mark as u32);
        // Mandatory: what cannot be sent back is an error, not a message less.
        let router = Router::builder().mandatory().send_hwm(high_water_mark).recv_hwm(high_water_mark);
        let mut router = End::new(router, &self.context, terms)?;
        router.socket.bind(&endpoint).map_err(broken)?;
        let connected = || {
            let dealer = Dealer::builder().send_hwm(high_water_mark).recv_hwm(high_water_mark);
            let mut dealer = End::new(dealer, &self.context, terms)?;
            dealer.socket.connect(&endpoint).map_err(broken)?;
            Ok(dealer)
        };
        let dealers = (0..senders).map(|_| connected()).collect::<Result<_, Failure>>()?;
        router.silent = (0..self.silent).map(|_| silent!(Dealer, self, &endpoint)).collect::<Result<_, Failure>>()?;
        Ok((dealers, router))
    }

    fn req_rep(&self, terms: &Terms) -> Result<(End<Req>, End<Rep>), Failure> {
        let (endpoint, high_water_mark) = (self.endpoint(), terms.high_water_mark as u32);
        let near = Req::builder().send_hwm(high_water_mark).recv_hwm(high_water_mark);
        let far = Rep::builder().send_hwm(high_water_mark).recv_hwm(high_water_mark);
        let (mut near, mut far) = (End::new(near, &self.context, terms)?, End::new(far, &self.context, terms)?);
        far.socket.bind(&endpoint).map_err(broken)?;
        near.socket.connect(&endpoint).map_err(broken)?;
        Ok((near, far))
    }
}

impl Road for Pairs {
    type Near = End<Pair>;
    type Far = End<Pair>;
    type Tx = End<Pair>;
    type Rx = End<Pair>;

    fn name(&self) -> String {
        self.0.name(Pattern::Pair)
    }

    fn pair(&self, terms: &Terms) -> Result<(End<Pair>, End<Pair>), Failure> {
        self.0.pair(terms)
    }

    fn funnel(&self, terms: &Terms, senders: usize) -> Result<(Vec<End<Pair>>, End<Pair>), Failure> {
        if senders != 1 {
            return Err(Failure::Asked(format!("a pair has one sender, not {senders}")));
        }
        let (near, far) = self.0.pair(terms)?;
        Ok((vec![near], far))
    }
}

impl Road for Pipelines {
    type Near = Both<End<Push>, End<Pull>>;
    type Far = Both<End<Push>, End<Pull>>;
    type Tx = End<Push>;
    type Rx = End<Pull>;

    fn name(&self) -> String {
        self.0.name(Pattern::PushPull)
    }

    /// Silent peers are the answering end's.
    fn pair(&self, terms: &Terms) -> Result<(Self::Near, Self::Far), Failure> {
        let (mut there, arriving) = self.0.push_pull(terms, 1, self.0.silent)?;
        let (mut back, returning) = self.0.push_pull(terms, 1, 0)?;
        Ok((Both { tx: there.remove(0), rx: returning }, Both { tx: back.remove(0), rx: arriving }))
    }

    fn funnel(&self, terms: &Terms, senders: usize) -> Result<(Vec<End<Push>>, End<Pull>), Failure> {
        self.0.push_pull(terms, senders, self.0.silent)
    }
}

impl Road for Broadcasts {
    type Near = Both<End<Pub>, End<Sub>>;
    type Far = Both<End<Pub>, End<Sub>>;
    type Tx = End<Pub>;
    type Rx = End<Sub>;

    fn name(&self) -> String {
        self.0.name(Pattern::PubSub)
    }

    fn pair(&self, terms: &Terms) -> Result<(Self::Near, Self::Far), Failure> {
        let (mut there, arriving) = self.0.pub_sub(terms, 1)?;
        let (mut back, returning) = self.0.pub_sub(terms, 1)?;
        Ok((Both { tx: there.remove(0), rx: returning }, Both { tx: back.remove(0), rx: arriving }))
    }

    fn funnel(&self, terms: &Terms, senders: usize) -> Result<(Vec<End<Pub>>, End<Sub>), Failure> {
        self.0.pub_sub(terms, senders)
    }
}

impl Road for Requests {
    type Near = End<Req>;
    type Far = End<Rep>;
    type Tx = End<Req>;
    type Rx = End<Rep>;

    fn name(&self) -> String {
        self.0.name(Pattern::ReqRep)
    }

    fn pair(&self, terms: &Terms) -> Result<(End<Req>, End<Rep>), Failure> {
        self.0.req_rep(terms)
    }

    fn funnel(&self, _terms: &Terms, _senders: usize) -> Result<(Vec<End<Req>>, End<Rep>), Failure> {
        Err(Failure::TwoWayOnly { road: Road::name(self) })
    }
}

impl Road for Switches {
    type Near = End<Dealer>;
    type Far = End<Router>;
    type Tx = End<Dealer>;
    type Rx = End<Router>;

    fn name(&self) -> String {
        self.0.name(Pattern::DealerRouter)
    }

    fn pair(&self, terms: &Terms) -> Result<(End<Dealer>, End<Router>), Failure> {
        let (mut dealers, router) = self.0.dealer_router(terms, 1)?;
        Ok((dealers.remove(0), router))
    }

    fn funnel(&self, terms: &Terms, senders: usize) -> Result<(Vec<End<Dealer>>, End<Router>), Failure> {
        self.0.dealer_router(terms, senders)
    }
}

/// Within the process a publisher knows of a subscription before `connect` returns.
const SUBSCRIBED_WITHIN: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;
    use crate::{
        cli::Wait,
        pins::Pins,
        work::{one_way::OneWay, ping_pong::PingPong},
    };

    fn every_road(mut f: impl FnMut(&dyn Subject, &Terms, &Pins)) {
        let pins = Pins::choose();
        for &pattern in Pattern::value_variants() {
            for wait in [Wait::Adaptive, Wait::Park] {
                for size in [8, 64, 4_096] {
                    let terms = Terms { size, wait, relax: pins.relax(), high_water_mark: 10 };
                    f(of(Transport::Inproc, pattern).as_ref(), &terms, &pins);
                }
            }
        }
    }

    #[test]
    fn every_byte_comes_there_and_back() {
        every_road(|road, terms, pins| {
            let limit = Duration::from_secs(5);
            let plan = PingPong { count: 50, warmup: 5, rate: None, limit, pins: pins.clone(), pairs: 1 };
            assert_eq!(road.ping_pong(&plan, terms).unwrap().recorder.len(), 50, "{} {terms:?}", road.name());
        });
    }

    #[test]
    fn every_message_comes_once_single_and_batched() {
        every_road(|road, terms, pins| {
            if road.name().ends_with("req-rep") {
                return;
            }
            for batch in [1, 16] {
                let limit = Duration::from_secs(5);
                let plan = OneWay { count: 500, warmup: 10, batch, senders: 1, limit, pins: pins.clone() };
                assert!(road.one_way(&plan, terms).unwrap().messages > 400, "{} {terms:?}", road.name());
            }
        });
    }

    #[test]
    fn many_senders_each_keep_their_order() {
        let plan = funnel(4);
        let terms = Terms { size: 32, wait: Wait::Adaptive, relax: plan.pins.relax(), high_water_mark: 10 };
        for pattern in [Pattern::PushPull, Pattern::PubSub, Pattern::DealerRouter] {
            assert!(of(Transport::Inproc, pattern).one_way(&plan, &terms).unwrap().messages > 900, "{pattern:?}");
        }
        assert!(of(Transport::Inproc, Pattern::Pair).one_way(&plan, &terms).is_err());
    }

    #[test]
    fn requests_have_no_one_way() {
        let plan = funnel(1);
        let terms = Terms { size: 32, wait: Wait::Adaptive, relax: plan.pins.relax(), high_water_mark: 10 };
        let refused = of(Transport::Inproc, Pattern::ReqRep).one_way(&plan, &terms);
        assert!(matches!(refused, Err(Failure::TwoWayOnly { .. })), "{refused:?}");
    }

    #[test]
    fn silent_peers_change_nothing_but_the_time_it_takes() {
        let plan = funnel(1);
        let terms = Terms { size: 32, wait: Wait::Adaptive, relax: plan.pins.relax(), high_water_mark: 10 };
        for pattern in [Pattern::PushPull, Pattern::DealerRouter] {
            let road = among(Transport::Inproc, pattern, 20);
            assert!(road.one_way(&plan, &terms).unwrap().messages > 900);
            let trips =
                PingPong { count: 50, warmup: 5, rate: None, limit: plan.limit, pins: plan.pins.clone(), pairs: 1 };
            assert_eq!(road.ping_pong(&trips, &terms).unwrap().recorder.len(), 50);
        }
    }

    #[test]
    fn a_watched_pair_is_a_pair() {
        let pins = Pins::choose();
        for wait in [Wait::Adaptive, Wait::Park] {
            let terms = Terms { size: 32, wait, relax: pins.relax(), high_water_mark: 10 };
            let limit = Duration::from_secs(5);
            let plan = PingPong { count: 50, warmup: 5, rate: None, limit, pins: pins.clone(), pairs: 1 };
            let trips = watched(Transport::Inproc, 64).ping_pong(&plan, &terms).unwrap();
            assert_eq!(trips.recorder.len(), 50);
        }
    }

    fn funnel(senders: usize) -> OneWay {
        OneWay { count: 1_000, warmup: 10, batch: 1, senders, limit: Duration::from_secs(5), pins: Pins::choose() }
    }
}
