//! What both monitors tell of a connection, from beginning to end; and taking endpoints back.

#![forbid(unsafe_code)]

use ringway::SocketType::{Dealer, Pull, Push, Router};

use crate::{
    case::{Binds, Case, Maker},
    party::{Event, Happening, QUIET, Setting, Socket},
};

const NONE: &[Setting] = &[];

/// What is told of connections, leaving out attempts and what only one library knows.
fn told(socket: &mut dyn Socket) -> Vec<Happening> {
    let events: Vec<Event> = socket.events_for(QUIET);
    println!("{events:?}");
    let counts = |what: &Happening| !matches!(what, Happening::Other | Happening::Connecting);
    events.into_iter().map(|event| event.what).filter(counts).collect()
}

pub(crate) fn a_connection_is_told_from_beginning_to_end(case: Case) {
    use Happening::{Accepted, Connected, Disconnected, Joined, Listening};
    for (binds, stays_near) in [(Binds::Near, true), (Binds::Near, false), (Binds::Far, true), (Binds::Far, false)] {
        println!("{binds:?} binds, the near side stays: {stays_near}");
        let (near_party, far_party) = (case.near(), case.far());
        let (mut near, mut far) = (near_party.socket(Push, NONE), far_party.socket(Pull, NONE));
        case.link(&mut *near, &mut *far, binds);
        near.send(["hello"]);
        far.expect(["hello"]);
        let (near_told, far_told) = (told(&mut *near), told(&mut *far));
        let (binder, connector) = if binds == Binds::Near { (near_told, far_told) } else { (far_told, near_told) };
        assert_eq!(binder, [Listening, Accepted, Joined]);
        assert_eq!(connector, [Connected, Joined]);
        let stays = if stays_near {
            drop(far);
            &mut near
        } else {
            drop(near);
            &mut far
        };
        assert_eq!(told(&mut **stays), [Disconnected]);
    }
}

/// Who is connected stays when the endpoint is taken back; nobody else gets in, until it is bound again.
pub(crate) fn endpoints_are_taken_back(case: Case) {
    for (binds, connects) in [(case.near, case.far), (case.far, case.near)] {
        println!("{binds:?} binds");
        let (binding_party, connecting_party) = (binds.party(), connects.party());
        let mut router = binding_party.socket(Router, NONE);
        let endpoint = router.bind(&case.road.unbound());
        let join = |router: &mut Box<dyn Socket>| {
            let mut dealer = connecting_party.socket(Dealer, NONE);
            dealer.connect(&endpoint);
            dealer.send(["hello"]);
            let greeting = router.recv();
            router.send(&greeting);
            dealer.expect(["hello"]);
            dealer
        };
        let mut first = join(&mut router);
        router.unbind(&endpoint);
        let mut late = connecting_party.socket(Dealer, NONE);
        late.connect(&endpoint);
        late.send(["late"]);
        assert_eq!(router.recv_within(QUIET), None);
        if binds == Maker::Ringway {
            // libzmq ends what was accepted there.
            first.send(["still"]);
            let message = router.recv();
            assert_eq!(message[1], b"still");
            router.send(&message);
            first.expect(["still"]);
        }
        // Where it was, and another socket may have it.
        let mut next = binding_party.socket(Router, NONE);
        assert_eq!(next.bind(&endpoint), endpoint);
        let message = next.recv();
        assert_eq!(message[1], b"late");
        next.send(&message);
        late.expect(["late"]);
        join(&mut next);
    }
}

/// One of several connections is ended, and does not come back.
pub(crate) fn connections_are_ended(case: Case) {
    for (leaves, stays) in [(case.near, case.far), (case.far, case.near)] {
        println!("{leaves:?} leaves");
        let (leaving_party, staying_party) = (leaves.party(), stays.party());
        let mut push = leaving_party.socket(Push, NONE);
        let [mut left, mut kept] = [(); 2].map(|()| staying_party.socket(Pull, NONE));
        let endpoints = [&mut left, &mut kept].map(|pull| pull.bind(&case.road.to_bind()));
        for endpoint in &endpoints {
            push.connect(endpoint);
            push.await_peer();
        }
        push.send_numbers(0, 10);
        let mut numbers: Vec<u64> =
            [&mut left, &mut kept].into_iter().flat_map(|pull| pull.recv_numbers_within(0, 5, QUIET * 20)).collect();
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..10));
        push.disconnect(&endpoints[0]);
        // libzmq lets go of it when it is called, and some more.
        let is_lost = |left: &mut Box<dyn Socket>| {
            left.events_for(QUIET).iter().any(|event| event.what == Happening::Disconnected)
        };
        assert!((0..20).any(|_| {
            push.nudge();
            is_lost(&mut left)
        }));
        push.send_numbers(10, 10);
        kept.expect_numbers(10, 10);
        left.expect_nothing();
    }
}
