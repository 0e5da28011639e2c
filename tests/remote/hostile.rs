//! Whoever can reach the endpoint can send whatever they like: it is counted, and others notice nothing.

use std::time::Duration;

use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};
use ringway::{
    Context, Dealer, Frame, Message, Router,
    actor::Runtime,
    bridge::remote::{LinkEvent, RemoteError, RemoteReason, Watch},
};

use crate::{
    PATIENCE,
    cast::{Number, ROADS, Road, Stage, Text, Watched, connection, until},
};

/// Anything, much of it nearly right.
fn message() -> impl Strategy<Value = Message> {
    let header = (any::<u8>(), any::<[u8; 16]>(), prop::collection::vec(any::<u8>(), 0..20), 0_usize..60).prop_map(
        |(kind, numbers, rest, cut)| {
            let mut bytes = [b"RWRA\x01", &[kind % 14, 0, 0][..], &numbers, &rest].concat();
            bytes.truncate(cut.max(1));
            bytes
        },
    );
    let bytes = || prop::collection::vec(any::<u8>(), 0..80);
    let first = prop_oneof![3 => header, 1 => bytes()];
    (first, prop::collection::vec(bytes(), 0..3))
        .prop_map(|(first, rest)| std::iter::once(first).chain(rest).map(Frame::from).collect())
}

fn count_of(stage: &Stage) -> u64 {
    let counts = stage.published.read();
    counts.malformed + counts.strays + counts.hellos
}

#[test]
fn random_messages_are_counted_and_links_go_on() {
    for road in ROADS {
        let stage = Stage::new(road);
        let (mut client, link) = stage.link();
        assert_eq!(client.ask(link, Text("x".into()), PATIENCE).unwrap(), Ok(1));
        let mut hostile = Dealer::new(&stage.context).unwrap();
        hostile.connect(&stage.endpoint).unwrap();
        let before = count_of(&stage);
        let (mut sent, mut told) = (0, 0);
        let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
        while sent < 2_000 {
            let message = message().new_tree(&mut runner).unwrap().current();
            hostile.send_timeout(message, PATIENCE).unwrap();
            sent += 1;
            while hostile.try_recv().is_ok() {}
            if sent % 100 == 0 {
                client.tell(link, Number(told)).unwrap();
                told += 1;
                let answer = client.ask(link, Text("four".into()), PATIENCE).unwrap();
                assert!(matches!(answer, Ok(4) | Err(RemoteError::Full)), "{answer:?}");
            }
        }
        until("all is counted", || count_of(&stage) - before == sent);
        until("all are told", || stage.published.read().tells == told);
        assert_eq!(client.ask(link, Text("x".into()), PATIENCE).unwrap(), Ok(1), "{road:?}");
        let report = stage.there.shutdown(PATIENCE);
        assert_eq!((report.counts.failures, report.killed, report.stuck), (0, 0, 0), "{road:?}");
    }
}

fn packet(kind: u8, session: u64, number: u64, rest: &[u8]) -> Vec<u8> {
    [b"RWRA\x01", &[kind, 0, 0][..], &session.to_le_bytes(), &number.to_le_bytes(), rest].concat()
}

/// Whoever poses as a publication, and a link to it.
fn posing(here: &Runtime, endpoint: &str) -> (Router, Watched) {
    let context = Context::new();
    let mut router = Router::new(&context).unwrap();
    router.bind(endpoint).unwrap();
    let endpoint = router.last_endpoint().unwrap().to_string();
    (router, Watched::open(here, connection(&context, &endpoint, "scribe")))
}

/// One that knows how: it says hello, and what its session is.
fn greeted(stage: &Stage) -> (Dealer, u64) {
    let mut dealer = Dealer::new(&stage.context).unwrap();
    dealer.connect(&stage.endpoint).unwrap();
    let session = greet(&mut dealer);
    (dealer, session)
}

fn greet(dealer: &mut Dealer) -> u64 {
    dealer.send(packet(1, 0, 0, b"\x06scribe")).unwrap();
    let welcome = dealer.recv_timeout(PATIENCE).unwrap();
    u64::from_le_bytes(welcome[0].as_bytes()[8..16].try_into().unwrap())
}

#[test]
fn who_sends_more_than_was_allowed_is_turned_away() {
    for road in ROADS {
        let stage = Stage::with(road, ringway::actor::Spec::new(()).capacity(2), |publication| publication.window(4));
        let (mut client, link) = stage.link();
        assert_eq!(client.ask(link, Text("x".into()), PATIENCE).unwrap(), Ok(1));
        let until_then = stage.block();
        let (mut hostile, session) = greeted(&stage);
        for number in 0..10 {
            let tell = packet(3, session, number, b"\x01\0\0\0\x06number");
            hostile.send([tell, vec![number as u8]].into_iter().collect::<Message>()).unwrap();
        }
        until("it is turned away", || stage.published.read().overruns == 1);
        until("the rest is of no session", || stage.published.read().strays >= 1);
        drop(until_then);
        until("there is room again", || client.ask(link, Text("x".into()), PATIENCE).unwrap() == Ok(1));
    }
}

#[test]
fn who_never_reads_is_forgotten_in_time() {
    let stage = Stage::with(Road::Inproc, ringway::actor::Spec::new(()).capacity(1_000), |publication| {
        publication.window(4).questions(4)
    });
    let (mut hostile, session) = greeted(&stage);
    let mut number = 0_u64;
    while stage.published.read().overruns == 0 {
        assert!(number < 1_000_000, "it is listened to for ever");
        let ask = packet(4, session, number, b"\x03\0\0\0\x04text");
        _ = hostile.send_timeout([ask, b"\x01x".to_vec()].into_iter().collect::<Message>(), Duration::from_secs(1));
        number += 1;
    }
    let (mut client, link) = stage.link();
    assert_eq!(client.ask(link, Text("x".into()), PATIENCE).unwrap(), Ok(1));
}

#[test]
fn there_are_no_more_links_than_may_be() {
    for road in ROADS {
        let stage = Stage::with(road, ringway::actor::Spec::new(()), |publication| publication.sessions(1));
        let (first, _) = greeted(&stage);
        let mut second = stage.watched_link(|connection| connection);
        assert_eq!(second.event(), LinkEvent::TurnedAway(RemoteError::Busy), "{road:?}");
        let answer = second.client.ask(second.link, Text("x".into()), PATIENCE).unwrap();
        assert_eq!(answer, Err(RemoteError::Busy), "{road:?}");
        drop(first);
        assert_eq!(second.event(), LinkEvent::Joined, "{road:?}");
    }
}

/// Failure, and what is behind it: the code that there is no session.
fn is_of_no_session(message: &Message, session: u64, number: u64) -> bool {
    message[0].as_bytes() == packet(6, session, number, &[&[15][..], &[0; 8]].concat())
}

#[test]
fn who_speaks_in_a_session_that_is_over_is_told_so_whatever_they_say() {
    for road in ROADS {
        let stage = Stage::new(road);
        let (mut stranger, session) = greeted(&stage);
        let over = session + 1_000;
        stranger.send(packet(7, over, 0, &[])).unwrap();
        assert!(is_of_no_session(&stranger.recv_timeout(PATIENCE).unwrap(), over, 0), "{road:?}: watch");
        for (kind, rest) in [(3, &b"\x01\0\0\0\x06number"[..]), (4, b"\x03\0\0\0\x04text")] {
            let said = packet(kind, over, 9, rest);
            stranger.send([said, vec![1]].into_iter().collect::<Message>()).unwrap();
            assert!(is_of_no_session(&stranger.recv_timeout(PATIENCE).unwrap(), over, 9), "{road:?}: {kind}");
        }
        // But not what publications say themselves: two of them would tell each other for ever.
        stranger.send(packet(6, over, 0, &[&[15][..], &[0; 8]].concat())).unwrap();
        stranger.send(packet(11, over, 0, &[])).unwrap();
        until("all are counted", || stage.published.read().strays == 5);
        assert!(stranger.try_recv().is_err(), "{road:?}");
    }
}

/// A publication that has forgotten a link, and says so.
#[test]
fn a_link_that_is_told_it_has_no_session_begins_another() {
    let here = crate::cast::two();
    let (mut router, mut watched) = posing(&here, "tcp://127.0.0.1:*");
    let (witness, seen) = crate::cast::witness(&mut watched.client);
    for session in 7..10 {
        let hello = router.recv_timeout(PATIENCE).unwrap();
        assert_eq!(hello[1].as_bytes()[5], 1, "a hello");
        let send = |router: &mut Router, header: Vec<u8>| {
            router.send([hello[0].clone(), Frame::from(header)].into_iter().collect::<Message>()).unwrap();
        };
        send(&mut router, packet(2, session, 0, &[4, 0, 0, 0, 4, 0, 0, 0]));
        assert_eq!(watched.event(), LinkEvent::Joined);
        watched.client.tell(watched.link, Watch::new(witness.recipient())).unwrap();
        watched.client.tell(watched.link, Number(session)).unwrap();
        let kinds = [(); 2].map(|()| router.recv_timeout(PATIENCE).unwrap()[1].as_bytes()[5]);
        assert_eq!(kinds, [7, 3], "watch, and a tell");
        send(&mut router, packet(6, session, 0, &[&[15][..], &[0; 8]].concat()));
        assert_eq!(watched.event(), LinkEvent::Lost { tells: 1, questions: 0 });
        assert_eq!(seen.recv_timeout(PATIENCE).unwrap().reason, RemoteReason::LinkLost);
    }
    assert_eq!(watched.gauge.read().lost, 3);
}

/// A session ends, and the connection does not.
#[test]
fn a_link_that_has_lost_its_session_says_hello_again() {
    let here = crate::cast::two();
    let (mut router, watched) = posing(&here, "inproc://parting");
    for session in [7, 8] {
        // Nobody answers the first for a while, so there is another.
        let hellos = [(); 2].map(|()| router.recv_timeout(PATIENCE).unwrap());
        assert_eq!(hellos[0], hellos[1]);
        for header in [packet(2, session, 0, &[4, 0, 0, 0, 4, 0, 0, 0]), packet(11, session, 0, &[])] {
            router.send([hellos[0][0].clone(), Frame::from(header)].into_iter().collect::<Message>()).unwrap();
        }
        assert_eq!(watched.event(), LinkEvent::Joined);
        assert_eq!(watched.event(), LinkEvent::Lost { tells: 0, questions: 0 });
    }
}

/// What a link says at once in the session of the first hello would be of none any more when the second comes.
#[test]
fn a_hello_that_is_repeated_begins_one_session() {
    for road in ROADS {
        let stage = Stage::new(road);
        let (mut link, session) = greeted(&stage);
        assert_eq!(greet(&mut link), session, "{road:?}");
        assert_eq!(stage.published.read().parted, 0, "{road:?}");
        link.send(packet(7, session, 0, &[])).unwrap();
        assert_ne!(greet(&mut link), session, "{road:?}: it was used");
    }
}

/// A publication that says whatever it likes.
#[test]
fn a_link_counts_what_is_no_packet_and_goes_on() {
    let here = crate::cast::two();
    let (mut router, mut watched) = posing(&here, "tcp://127.0.0.1:*");
    let id = router.recv().unwrap()[0].clone();
    let send = |router: &mut Router, frames: Vec<Vec<u8>>| {
        router
            .send(std::iter::once(id.clone()).chain(frames.into_iter().map(Frame::from)).collect::<Message>())
            .unwrap();
    };
    send(&mut router, vec![packet(2, 7, 0, &[1, 0, 0, 0, 1, 0, 0, 0])]);
    assert_eq!(watched.event(), LinkEvent::Joined);
    for nonsense in
        [vec![vec![]], vec![packet(5, 7, 1, &[])], vec![packet(9, 8, 1, &[])], vec![packet(1, 7, 0, b"\x01a")]]
    {
        send(&mut router, nonsense);
    }
    // Credit for what was never sent; an answer to what was never asked.
    send(&mut router, vec![packet(9, 7, u64::MAX, &[])]);
    send(&mut router, vec![packet(5, 7, 3, &[]), vec![]]);
    until("it is counted", || watched.gauge.read().malformed == 6);
    let asking = std::thread::spawn({
        let (mut client, link) = (here.client().unwrap(), watched.link);
        move || client.ask(link, Text("x".into()), PATIENCE)
    });
    let ask = router.recv_timeout(PATIENCE).unwrap();
    let number = u64::from_le_bytes(ask[1].as_bytes()[16..24].try_into().unwrap());
    send(&mut router, vec![packet(5, 7, number, &[]), vec![17]]);
    assert_eq!(asking.join().unwrap().unwrap(), Ok(17));
    watched.client.stop(watched.link.id());
}

/// A failure for what is not under way, or twice for what is.
#[test]
fn a_link_counts_no_tell_as_refused_that_was_not() {
    let here = crate::cast::two();
    let (mut router, mut watched) = posing(&here, "inproc://refusing");
    let id = router.recv_timeout(PATIENCE).unwrap()[0].clone();
    let send = |router: &mut Router, kind, number, rest: &[u8]| {
        let header = Frame::from(packet(kind, 7, number, rest));
        router.send([id.clone(), header].into_iter().collect::<Message>()).unwrap();
    };
    let body = [&[7][..], &[0; 8]].concat();
    send(&mut router, 2, 0, &[4, 0, 0, 0, 4, 0, 0, 0]);
    assert_eq!(watched.event(), LinkEvent::Joined);
    let numbers = [1, 2, 3].map(|number| {
        watched.client.tell(watched.link, Number(number)).unwrap();
        let tell = router.recv_timeout(PATIENCE).unwrap();
        u64::from_le_bytes(tell[1].as_bytes()[16..24].try_into().unwrap())
    });
    for number in [numbers[1], numbers[1], numbers[2] + 1, 0, u64::MAX] {
        send(&mut router, 6, number, &body);
    }
    // Taken, two of them; and what is not more than that, or more than there was.
    for count in [2, 2, 1, 4] {
        send(&mut router, 9, count, &[]);
    }
    send(&mut router, 6, numbers[1], &body);
    send(&mut router, 9, 3, &[]);
    until("all are taken", || watched.gauge.read().taken == 3);
    let counts = watched.gauge.read();
    assert_eq!((counts.refused, counts.malformed, counts.lost), (1, 8, 0));
    assert_eq!(watched.event(), LinkEvent::NotTold(RemoteError::NotRead { message: "number" }));
}
