//! Ringway's own roads: sockets of each pattern over each transport, as ends that can be measured.
//!
//! `ends`: sockets as ends. `sockets`: the context they live in, and how they are bound and connected. `fan`: one
//! publisher and many subscribers. `watched`: through a poller.

#![forbid(unsafe_code)]

mod ends;
mod fan;
mod sockets;
mod watched;

use ringway::{Dealer, Pair, Pub, Pull, Push, Rep, Req, Router, Sub};

use self::ends::End;
pub(crate) use self::{fan::Fans, sockets::Sockets, watched::watched};
use crate::{
    cli::Pattern,
    end::{Both, Bound, Halves, Terms},
    failure::Failure,
};

/// PAIR both ways; one way, its first sender.
pub(crate) struct Pairs(pub(crate) Sockets);

/// PUSH to PULL; both ways, one of them each way.
pub(crate) struct Pipelines(pub(crate) Sockets);

/// PUB that drops nothing to SUB that wants everything; both ways, one of them each way.
pub(crate) struct Broadcasts(pub(crate) Sockets);

/// REQ that asks REP.
pub(crate) struct Requests(pub(crate) Sockets);

/// DEALER to ROUTER, which sends back by the id it got.
pub(crate) struct Switches(pub(crate) Sockets);

impl Halves for Pairs {
    type Near = End<Pair>;
    type Far = End<Pair>;
    type Tx = End<Pair>;
    type Rx = End<Pair>;

    fn name(&self) -> String {
        self.0.name(Pattern::Pair)
    }

    fn drive(&self) -> bool {
        self.0.drive()
    }

    fn far(&self, terms: &Terms) -> Result<Bound<End<Pair>>, Failure> {
        self.0.bind::<Pair>(terms)
    }

    fn near(&self, terms: &Terms, endpoints: &[String]) -> Result<End<Pair>, Failure> {
        self.0.connect::<Pair>(terms, &endpoints[0])
    }

    fn rx(&self, terms: &Terms) -> Result<Bound<End<Pair>>, Failure> {
        self.far(terms)
    }

    fn txs(&self, terms: &Terms, endpoints: &[String], senders: usize) -> Result<Vec<End<Pair>>, Failure> {
        if senders != 1 {
            return Err(Failure::Asked(format!("a pair has one sender, not {senders}")));
        }
        Ok(vec![self.near(terms, endpoints)?])
    }
}

impl Halves for Pipelines {
    type Near = Both<End<Push>, End<Pull>>;
    type Far = Both<End<Push>, End<Pull>>;
    type Tx = End<Push>;
    type Rx = End<Pull>;

    fn name(&self) -> String {
        self.0.name(Pattern::PushPull)
    }

    fn drive(&self) -> bool {
        self.0.drive()
    }

    /// Silent peers are the answering end's.
    fn far(&self, terms: &Terms) -> Result<Bound<Self::Far>, Failure> {
        Ok(both(self.0.bind::<Push>(terms)?, self.rx(terms)?))
    }

    fn near(&self, terms: &Terms, endpoints: &[String]) -> Result<Self::Near, Failure> {
        let rx = self.0.connect::<Pull>(terms, &endpoints[1])?;
        Ok(Both { tx: self.0.connect_in_company::<Push>(terms, &endpoints[0])?, rx })
    }

    fn rx(&self, terms: &Terms) -> Result<Bound<End<Pull>>, Failure> {
        self.0.bind_for_company::<Pull>(terms)
    }

    fn txs(&self, terms: &Terms, endpoints: &[String], senders: usize) -> Result<Vec<End<Push>>, Failure> {
        (0..senders).map(|_| self.0.connect_in_company::<Push>(terms, &endpoints[0])).collect()
    }
}

impl Halves for Broadcasts {
    type Near = Both<End<Pub>, End<Sub>>;
    type Far = Both<End<Pub>, End<Sub>>;
    type Tx = End<Pub>;
    type Rx = End<Sub>;

    fn name(&self) -> String {
        self.0.name(Pattern::PubSub)
    }

    fn drive(&self) -> bool {
        self.0.drive()
    }

    fn far(&self, terms: &Terms) -> Result<Bound<Self::Far>, Failure> {
        Ok(both(self.0.bind::<Pub>(terms)?, self.rx(terms)?))
    }

    fn near(&self, terms: &Terms, endpoints: &[String]) -> Result<Self::Near, Failure> {
        let rx = wanting_everything(self.0.connect::<Sub>(terms, &endpoints[1])?);
        Ok(Both { tx: self.0.connect::<Pub>(terms, &endpoints[0])?, rx })
    }

    fn rx(&self, terms: &Terms) -> Result<Bound<End<Sub>>, Failure> {
        let Bound { end, endpoints } = self.0.bind::<Sub>(terms)?;
        Ok(Bound { end: wanting_everything(end), endpoints })
    }

    fn txs(&self, terms: &Terms, endpoints: &[String], senders: usize) -> Result<Vec<End<Pub>>, Failure> {
        (0..senders).map(|_| self.0.connect::<Pub>(terms, &endpoints[0])).collect()
    }
}

impl Halves for Requests {
    type Near = End<Req>;
    type Far = End<Rep>;
    type Tx = End<Req>;
    type Rx = End<Rep>;

    fn name(&self) -> String {
        self.0.name(Pattern::ReqRep)
    }

    fn drive(&self) -> bool {
        self.0.drive()
    }

    fn far(&self, terms: &Terms) -> Result<Bound<End<Rep>>, Failure> {
        self.0.bind::<Rep>(terms)
    }

    fn near(&self, terms: &Terms, endpoints: &[String]) -> Result<End<Req>, Failure> {
        self.0.connect::<Req>(terms, &endpoints[0])
    }

    fn rx(&self, _terms: &Terms) -> Result<Bound<End<Rep>>, Failure> {
        Err(Failure::TwoWayOnly { road: self.name() })
    }

    fn txs(&self, _terms: &Terms, _endpoints: &[String], _senders: usize) -> Result<Vec<End<Req>>, Failure> {
        Err(Failure::TwoWayOnly { road: self.name() })
    }
}

impl Halves for Switches {
    type Near = End<Dealer>;
    type Far = End<Router>;
    type Tx = End<Dealer>;
    type Rx = End<Router>;

    fn name(&self) -> String {
        self.0.name(Pattern::DealerRouter)
    }

    fn drive(&self) -> bool {
        self.0.drive()
    }

    fn far(&self, terms: &Terms) -> Result<Bound<End<Router>>, Failure> {
        self.0.bind_for_company::<Router>(terms)
    }

    fn near(&self, terms: &Terms, endpoints: &[String]) -> Result<End<Dealer>, Failure> {
        self.0.connect_in_company::<Dealer>(terms, &endpoints[0])
    }

    fn rx(&self, terms: &Terms) -> Result<Bound<End<Router>>, Failure> {
        self.far(terms)
    }

    fn txs(&self, terms: &Terms, endpoints: &[String], senders: usize) -> Result<Vec<End<Dealer>>, Failure> {
        (0..senders).map(|_| self.near(terms, endpoints)).collect()
    }
}

fn wanting_everything(mut end: End<Sub>) -> End<Sub> {
    end.socket.subscribe("");
    end
}

/// One end made of two, where the receiving one is told of first.
fn both<T, R>(tx: Bound<T>, rx: Bound<R>) -> Bound<Both<T, R>> {
    Bound { end: Both { tx: tx.end, rx: rx.end }, endpoints: [rx.endpoints, tx.endpoints].concat() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::ValueEnum;

    use super::*;
    use crate::{
        cli::{Drive, Transport, Wait},
        party::Party,
        pins::Pins,
        subject::Subject,
        work::{one_way::OneWay, ping_pong::PingPong},
    };

    fn of(transport: Transport, pattern: Pattern) -> Box<dyn Subject> {
        among(transport, pattern, 0)
    }

    fn among(transport: Transport, pattern: Pattern, silent: u16) -> Box<dyn Subject> {
        Party::ours(transport, pattern, Drive::Default).subject(silent).unwrap()
    }

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
            let trips = watched(64).ping_pong(&plan, &terms).unwrap();
            assert_eq!(trips.recorder.len(), 50);
        }
    }

    fn funnel(senders: usize) -> OneWay {
        OneWay { count: 1_000, warmup: 10, batch: 1, senders, limit: Duration::from_secs(5), pins: Pins::choose() }
    }
}
