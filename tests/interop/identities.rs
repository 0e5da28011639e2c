//! Who is called what: routing ids given, made up, and given by the other side; probes; envelopes of requests.

#![forbid(unsafe_code)]

use std::{collections::BTreeSet, time::Duration};

use ringway::SocketType::{Dealer, Rep, Req, Router};

use crate::{
    case::{Binds, Case, Maker},
    party::{PATIENCE, QUIET, Setting, Socket},
};

const NONE: &[Setting] = &[];
const IDS: [&[u8]; 5] = [b"a", b"an id", b"\x01\x00\xff", &[b'x'; 56], &[b'y'; 255]];

pub(crate) fn ids_are_seen(case: Case) {
    for id in IDS {
        let named = &[Setting::RoutingId(id)];
        case.linked((Dealer, named), (Router, NONE), |near, far| introduce(near, far, id));
        case.linked((Router, NONE), (Dealer, named), |near, far| introduce(far, near, id));
        case.linked((Req, named), (Router, NONE), |near, far| ask(near, far, id));
        case.linked((Router, NONE), (Req, named), |near, far| ask(far, near, id));
    }
}

fn introduce(dealer: &mut dyn Socket, router: &mut dyn Socket, id: &[u8]) {
    dealer.send([b"it is me"]);
    router.expect([id, b"it is me"]);
    router.send([id, b"I see"]);
    dealer.expect([b"I see"]);
}

fn ask(req: &mut dyn Socket, router: &mut dyn Socket, id: &[u8]) {
    req.send([b"who?"]);
    router.expect([id, b"", b"who?"]);
    router.send([id, b"", b"you"]);
    req.expect([b"you"]);
}

pub(crate) fn ids_are_made_up(case: Case) {
    for (routes, deals) in [(case.near, case.far), (case.far, case.near)] {
        println!("{routes:?} routes");
        let (routing_party, dealing_party) = (routes.party(), deals.party());
        let mut router = routing_party.socket(Router, NONE);
        let endpoint = router.bind(&case.road.to_bind());
        let mut dealers: Vec<Box<dyn Socket>> = (0..10).map(|_| dealing_party.socket(Dealer, NONE)).collect();
        let mut ids = BTreeSet::new();
        for (index, dealer) in dealers.iter_mut().enumerate() {
            dealer.connect(&endpoint);
            dealer.send([[index as u8]]);
            let message = router.recv();
            assert_eq!((message[0].len(), message[0][0]), (5, 0), "{message:?}");
            assert_eq!(message[1], [index as u8]);
            router.send(&message);
            ids.insert(message[0].clone());
        }
        assert_eq!(ids.len(), dealers.len());
        for (index, dealer) in dealers.iter_mut().enumerate() {
            dealer.expect([[index as u8]]);
            dealer.expect_nothing();
        }
    }
}

/// A mandatory router says whom it does not know: before a peer comes, and after it has left.
pub(crate) fn mandatory_knows_who_is_there(case: Case) {
    for (routes, deals) in [(case.near, case.far), (case.far, case.near)] {
        println!("{routes:?} routes");
        let (routing_party, dealing_party) = (routes.party(), deals.party());
        let mut router = routing_party.socket(Router, &[Setting::Mandatory]);
        let endpoint = router.bind(&case.road.to_bind());
        let message = || vec![b"peer".to_vec(), b"hello".to_vec()];
        assert!(!router.send_within(message(), Duration::ZERO));
        let mut dealer = dealing_party.socket(Dealer, &[Setting::RoutingId(b"peer"), Setting::ProbeRouter]);
        dealer.connect(&endpoint);
        router.expect(["peer", ""]);
        assert!(router.send_within(message(), Duration::ZERO));
        dealer.expect(["hello"]);
        drop(dealer);
        router.await_loss();
        let gone = (0..1000)
            .any(|_| router.recv_within(PATIENCE / 10_000).is_some() || !router.send_within(message(), Duration::ZERO));
        assert!(gone);
    }
}

pub(crate) fn probes_introduce(case: Case) {
    let probing = &[Setting::RoutingId(b"prober"), Setting::ProbeRouter];
    for kind in [Dealer, Req] {
        for (routes, probes) in [(case.near, case.far), (case.far, case.near)] {
            println!("{probes:?}'s {kind} probes");
            let (routing_party, probing_party) = (routes.party(), probes.party());
            let mut router = routing_party.socket(Router, NONE);
            let endpoint = router.bind(&case.road.to_bind());
            let mut prober = probing_party.socket(kind, probing);
            prober.connect(&endpoint);
            router.expect(["prober", ""]);
            router.expect_nothing();
        }
    }
}

/// A late reply to a request that was given up does not pass for one to the next.
pub(crate) fn numbered_requests_tell_replies_apart(case: Case) {
    let settings = &[Setting::Relaxed, Setting::Correlate];
    case.linked((Req, settings), (Router, NONE), reply_late);
    case.linked((Router, NONE), (Req, settings), |near, far| reply_late(far, near));
    case.linked((Req, settings), (Rep, NONE), change_ones_mind);
    case.linked((Rep, NONE), (Req, settings), |near, far| change_ones_mind(far, near));
}

fn reply_late(req: &mut dyn Socket, router: &mut dyn Socket) {
    for turn in 0..20_u8 {
        let mut requests = Vec::new();
        for attempt in 0..3_u8 {
            req.send([[turn, attempt]]);
            let request = router.recv();
            assert_eq!(request[3..], [[turn, attempt]], "an id, a number, nothing, and the request");
            requests.push(request);
        }
        requests.iter().for_each(|request| router.send(request));
        req.expect([[turn, 2]]);
    }
}

fn change_ones_mind(req: &mut dyn Socket, rep: &mut dyn Socket) {
    for turn in 0..20_u8 {
        req.send([[turn, 0]]);
        req.send([[turn, 1]]);
        for attempt in 0..2 {
            rep.expect([[turn, attempt]]);
            rep.send([[turn, attempt]]);
        }
        req.expect([[turn, 1]]);
    }
}

/// The one who connects decides what the peer is called, and may send to it before it is there.
pub(crate) fn peers_are_called_by_who_connects(case: Case) {
    for (routes, answers) in [(case.near, case.far), (case.far, case.near)] {
        for kind in [Dealer, Router] {
            println!("{routes:?} routes to a {kind}");
            let (routing_party, answering_party) = (routes.party(), answers.party());
            let settings: &[Setting] = if kind == Router { &[Setting::RoutingId(b"whatever")] } else { NONE };
            let mut router = routing_party.socket(Router, &[Setting::Mandatory, Setting::RoutingId(b"router")]);
            let mut peer = answering_party.socket(kind, settings);
            let endpoint = case.road.unbound();
            router.connect_as(&endpoint, b"worker");
            router.send(["worker", "early"]);
            peer.bind(&endpoint);
            let back: &[&str] = if kind == Router {
                peer.expect(["router", "early"]);
                &["router", "reply"]
            } else {
                peer.expect(["early"]);
                &["reply"]
            };
            peer.send(back);
            router.expect(["worker", "reply"]);
            router.send(["worker", "late"]);
            assert_eq!(peer.recv().pop().unwrap(), b"late");
        }
    }
}

/// Who comes with the name of another takes it over, if the router is told so.
pub(crate) fn a_name_is_handed_over(case: Case) {
    let named = &[Setting::RoutingId(b"name")];
    for (routes, deals) in [(case.near, case.far), (case.far, case.near)] {
        println!("{routes:?} routes");
        let (routing_party, dealing_party) = (routes.party(), deals.party());
        let mut router = routing_party.socket(Router, &[Setting::HandOver]);
        let endpoint = router.bind(&case.road.to_bind());
        let mut join = |says: &'static str| {
            let mut dealer = dealing_party.socket(Dealer, named);
            dealer.connect(&endpoint);
            dealer.send([says]);
            router.expect(["name", says]);
            router.send(["name", says]);
            dealer.expect([says]);
            dealer
        };
        let mut first = join("first");
        let mut second = join("second");
        // It would come back for its name and take it in its turn.
        first.disconnect(&endpoint);
        second.expect_nothing();
    }
}

/// Without being told so, the router lets the second one wait until the first has left.
pub(crate) fn a_name_is_waited_for(case: Case) {
    if case.near != Maker::Ringway {
        // libzmq never hears the second one.
        return;
    }
    let named = &[Setting::RoutingId(b"name")];
    let (near_party, far_party) = (case.near(), case.far());
    let mut router = near_party.socket(Router, NONE);
    let endpoint = router.bind(&case.road.to_bind());
    let mut first = far_party.socket(Dealer, named);
    first.connect(&endpoint);
    first.send(["first"]);
    router.expect(["name", "first"]);
    let mut second = far_party.socket(Dealer, named);
    second.connect(&endpoint);
    second.send(["second"]);
    router.send(["name", "to the first"]);
    first.expect(["to the first"]);
    assert_eq!(router.recv_within(QUIET), None);
    drop(first);
    router.expect(["name", "second"]);
    router.send(["name", "to the second"]);
    second.expect(["to the second"]);
}

/// Either side of a connection may be the one with the name, whoever has bound.
pub(crate) fn a_binding_dealer_has_a_name(case: Case) {
    let named = &[Setting::RoutingId(b"bound"), Setting::ProbeRouter];
    let (near_party, far_party) = (case.near(), case.far());
    for ((dealing, deals), (routing, _)) in
        [((&near_party, case.near), (&far_party, case.far)), ((&far_party, case.far), (&near_party, case.near))]
    {
        println!("{deals:?} deals");
        let mut dealer = dealing.socket(Dealer, named);
        let mut router = routing.socket(Router, NONE);
        case.link(&mut *dealer, &mut *router, Binds::Near);
        dealer.await_peer();
        router.expect(["bound", ""]);
        router.send(["bound", "hello"]);
        dealer.expect(["hello"]);
    }
}
