//! Peers that come late, go, and come back where they were.
//!
//! What is kept: a socket that *connects* keeps what it was given to send and has not sent, and sends it to whoever is at
//! the endpoint next: in order, and nothing twice. What had left it when its peer died, for the kernel's buffers or the
//! peer's own queue, may be lost.

#![forbid(unsafe_code)]

use std::time::Duration;

use ringway::SocketType::{self, Dealer, Pair, Pull, Push, Rep, Req, Router};

use crate::{
    case::{Case, Maker},
    party::{Numbers, PATIENCE, Party, QUIET, Runs, Setting, Socket, runs},
};

const NONE: &[Setting] = &[];
/// Who sends, who receives.
const WAYS: [(SocketType, SocketType); 3] = [(Push, Pull), (Dealer, Dealer), (Pair, Pair)];

/// As `kill -9` ends it, if it is a process of its own.
fn end(party: Box<dyn Party>, socket: Box<dyn Socket>) {
    party.kill();
    drop(socket);
    drop(party);
}

/// Makers of (who sends, who receives), both ways round.
fn both_ways(case: Case) -> [(Maker, Maker); 2] {
    [(case.near, case.far), (case.far, case.near)]
}

pub(crate) fn queued_before_there_is_a_peer(case: Case) {
    for (sends, receives) in both_ways(case) {
        for (sending, receiving) in &WAYS {
            println!("{sends:?}'s {sending} to {receives:?}'s {receiving}");
            let (sender_party, receiver_party) = (sends.party(), receives.party());
            let endpoint = case.road.unbound();
            let mut sender = sender_party.socket(*sending, NONE);
            sender.connect(&endpoint);
            sender.send_numbers(0, 500);
            let mut receiver = receiver_party.socket(*receiving, NONE);
            receiver.bind(&endpoint);
            receiver.expect_numbers(0, 500);
            sender.send_numbers(500, 100);
            receiver.expect_numbers(500, 100);
        }
    }
}

/// The receiver connects where nobody is yet.
pub(crate) fn receivers_that_come_first(case: Case) {
    for (sends, receives) in both_ways(case) {
        for (sending, receiving) in &WAYS {
            println!("{sends:?}'s {sending} to {receives:?}'s {receiving}");
            let (sender_party, receiver_party) = (sends.party(), receives.party());
            let endpoint = case.road.unbound();
            let mut receiver = receiver_party.socket(*receiving, NONE);
            receiver.connect(&endpoint);
            receiver.expect_nothing();
            let mut sender = sender_party.socket(*sending, NONE);
            sender.bind(&endpoint);
            sender.send_numbers(0, 500);
            receiver.expect_numbers(0, 500);
        }
    }
}

/// All that is sent while nobody is there arrives, in order, and nothing else.
pub(crate) fn queued_while_the_peer_restarts(case: Case) {
    for (sends, receives) in both_ways(case) {
        for (sending, receiving) in &WAYS {
            println!("{sends:?}'s {sending} to {receives:?}'s {receiving}");
            let sender_party = sends.party();
            let mut sender = sender_party.socket(*sending, NONE);
            let endpoint = case.road.unbound();
            sender.connect(&endpoint);
            for life in 0..3 {
                let party = receives.party();
                let mut receiver = party.socket(*receiving, NONE);
                receiver.bind(&endpoint);
                receiver.expect_numbers(life * 500, if life == 0 { 0 } else { 400 });
                sender.send_numbers(life * 500 + 400, 100);
                receiver.expect_numbers(life * 500 + 400, 100);
                receiver.expect_nothing();
                end(party, receiver);
                sender.await_loss();
                sender.send_numbers((life + 1) * 500, 400);
            }
        }
    }
}

/// Killed while more is under way than anybody has room for: of all that was sent the next one gets the rest, in order,
/// with no gap after its first.
pub(crate) fn a_stream_goes_on_at_the_next_peer(case: Case) {
    const SENT: u64 = 6000;
    const TAKEN: u64 = 50;
    let sender_settings = &[Setting::SendHwm(0), Setting::Buffers(32 << 10)];
    let receiver_settings = &[Setting::RecvHwm(10), Setting::Buffers(32 << 10)];
    for (sends, receives) in both_ways(case) {
        for (sending, receiving) in &WAYS[..2] {
            println!("{sends:?}'s {sending} to {receives:?}'s {receiving}");
            let (sender_party, party) = (sends.party(), receives.party());
            let mut sender = sender_party.socket(*sending, sender_settings);
            let mut receiver = party.socket(*receiving, receiver_settings);
            let endpoint = receiver.bind(&case.road.unbound());
            sender.connect(&endpoint);
            let numbers = Numbers { size: 1000, ..Numbers::plain(0, SENT) };
            assert_eq!(sender.send_numbers_within(numbers, PATIENCE), SENT);
            receiver.expect_numbers(0, TAKEN);
            end(party, receiver);
            sender.await_loss();
            sender.send_numbers(SENT, 100);
            let party = receives.party();
            let mut receiver = party.socket(*receiving, NONE);
            receiver.bind(&endpoint);
            let mut numbers = receiver.recv_numbers_within(0, 1, PATIENCE);
            let first = numbers[0];
            numbers.extend(receiver.recv_numbers_within(0, SENT + 100 - first - 1, PATIENCE));
            assert!(runs(&numbers) == [first..=SENT + 99], "{}", Runs(&numbers));
            assert!((TAKEN..SENT / 2).contains(&first), "goes on at {first}");
            receiver.expect_nothing();
        }
    }
}

/// The side that binds is the one that stays.
pub(crate) fn connectors_that_come_back(case: Case) {
    for (stays, restarts) in both_ways(case) {
        // libzmq's PAIR has no place for a peer that comes before its application has called in since the last one went.
        let pairs: &[_] = if stays == Maker::Ringway { &[(Pair, Pair)] } else { &[] };
        for &(staying, restarting) in [(Push, Pull), (Pull, Push), (Dealer, Dealer)].iter().chain(pairs) {
            println!("{stays:?}'s {staying} stays, {restarts:?}'s {restarting} restarts");
            let staying_party = stays.party();
            let mut stay = staying_party.socket(staying, NONE);
            let endpoint = stay.bind(&case.road.to_bind());
            for life in 0..3 {
                let party = restarts.party();
                let mut other = party.socket(restarting, NONE);
                other.connect(&endpoint);
                stay.await_peer();
                if staying != Pull {
                    stay.send_numbers(life * 10, 10);
                    other.expect_numbers(life * 10, 10);
                }
                if staying != Push {
                    other.send_numbers(life * 10, 10);
                    stay.expect_numbers(life * 10, 10);
                }
                end(party, other);
                stay.await_loss();
            }
        }
    }
}

/// The side that binds restarts, and those that connect find it again and are heard.
pub(crate) fn binders_that_come_back(case: Case) {
    for (restarts, stays) in both_ways(case) {
        println!("{restarts:?} restarts");
        let staying_party = stays.party();
        let endpoint = case.road.unbound();
        let mut connected: Vec<Box<dyn Socket>> = (0..5).map(|_| staying_party.socket(Dealer, NONE)).collect();
        connected.iter_mut().for_each(|dealer| dealer.connect(&endpoint));
        for life in 0..3_u8 {
            let party = restarts.party();
            let mut router = party.socket(Router, &[Setting::Mandatory]);
            router.bind(&endpoint);
            connected.iter_mut().for_each(|dealer| dealer.await_peer());
            for (index, dealer) in connected.iter_mut().enumerate() {
                dealer.send([[life], [index as u8]]);
            }
            for _ in 0..5 {
                let message = router.recv();
                assert_eq!(message[1], [life], "what was sent to another life is not sent again");
                router.send(&message);
            }
            for (index, dealer) in connected.iter_mut().enumerate() {
                dealer.expect([[life], [index as u8]]);
            }
            end(party, router);
            connected.iter_mut().for_each(|dealer| dealer.await_loss());
        }
    }
}

/// A server that dies with a request: the client that is allowed to asks the next one.
pub(crate) fn a_request_outlives_its_server(case: Case) {
    for (asks, answers) in both_ways(case) {
        println!("{asks:?} asks");
        let asking_party = asks.party();
        let mut req = asking_party.socket(Req, &[Setting::Relaxed, Setting::Correlate]);
        let endpoint = case.road.unbound();
        req.connect(&endpoint);
        for life in 0..3_u8 {
            let party = answers.party();
            let mut rep = party.socket(Rep, NONE);
            rep.bind(&endpoint);
            if life == 0 {
                req.send([[life]]);
            }
            rep.expect([[life]]);
            rep.send([[life], [b'!']]);
            req.expect([[life], [b'!']]);
            req.send([b"unanswered"]);
            rep.expect([b"unanswered"]);
            end(party, rep);
            req.await_loss();
            req.send([[life + 1]]);
        }
    }
}

/// Dead is dead: the name is free for who comes back with it.
pub(crate) fn a_named_peer_comes_back(case: Case) {
    for (routes, deals) in both_ways(case) {
        println!("{routes:?} routes");
        let routing_party = routes.party();
        let mut router = routing_party.socket(Router, &[Setting::Mandatory]);
        let endpoint = router.bind(&case.road.to_bind());
        for life in 0..3_u8 {
            let party = deals.party();
            let mut dealer = party.socket(Dealer, &[Setting::RoutingId(b"worker")]);
            dealer.connect(&endpoint);
            dealer.send([b"here".to_vec(), vec![life]]);
            router.expect([b"worker".to_vec(), b"here".to_vec(), vec![life]]);
            router.send([b"worker".to_vec(), vec![life]]);
            dealer.expect([[life]]);
            end(party, dealer);
            router.await_loss();
            let lost = || vec![b"worker".to_vec(), b"lost".to_vec()];
            let gone = (0..1000).any(|_| {
                !router.send_within(lost(), Duration::ZERO) || router.recv_within(PATIENCE / 10_000).is_some()
            });
            assert!(gone, "a dead peer is not sent to for ever");
            router.nudge();
        }
        assert_eq!(router.recv_within(QUIET), None);
    }
}

/// What a peer that connected had not taken when it died goes to the next one, before what is sent after it.
///
/// Ringway's: libzmq throws it away.
pub(crate) fn untaken_work_goes_to_the_next(case: Case) {
    const TAKEN: u64 = 20;
    if case.near != Maker::Ringway {
        return;
    }
    for (sending, receiving) in &WAYS[..2] {
        println!("{sending} to {receiving}");
        let (near_party, party) = (case.near(), case.far());
        let mut sender = near_party.socket(*sending, &[Setting::SendHwm(500), Setting::Buffers(32 << 10)]);
        let endpoint = sender.bind(&case.road.to_bind());
        let mut receiver = party.socket(*receiving, &[Setting::RecvHwm(10), Setting::Buffers(32 << 10)]);
        receiver.connect(&endpoint);
        sender.await_peer();
        let numbers = Numbers { size: 1000, ..Numbers::plain(0, 1 << 20) };
        let sent = sender.send_numbers_within(numbers, QUIET);
        receiver.expect_numbers(0, TAKEN);
        end(party, receiver);
        sender.await_loss();
        let party = case.far();
        let mut receiver = party.socket(*receiving, NONE);
        receiver.connect(&endpoint);
        sender.await_peer();
        sender.send_numbers(sent, 100);
        let mut numbers = receiver.recv_numbers_within(0, 1, PATIENCE);
        let first = numbers[0];
        numbers.extend(receiver.recv_numbers_within(0, sent + 100 - first - 1, PATIENCE));
        assert!(runs(&numbers) == [first..=sent + 99], "{} sent: {}", sent + 100, Runs(&numbers));
        assert!((TAKEN..=sent - 400).contains(&first), "{sent} sent, goes on at {first}");
    }
}
