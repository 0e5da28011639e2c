//! What was sent just before a socket was closed.

#![forbid(unsafe_code)]

use std::{thread, time::Duration};

use ringway::SocketType::{Dealer, Pair, Pub, Pull, Push, Rep, Req, Router, Sub};

use crate::{
    case::{Binds, Case, Maker, Road},
    party::{Numbers, PATIENCE, Party, Setting, Socket},
};

const LONG: Duration = Duration::from_secs(50);
const LINGERS: &[Setting] = &[Setting::SendHwm(0), Setting::Linger(LONG)];
const NONE: &[Setting] = &[];
const MANY: u64 = 5000;

/// Closes the socket and leaves, while the other side goes on.
fn leave(party: Box<dyn Party>, socket: Box<dyn Socket>) -> thread::JoinHandle<()> {
    socket.close();
    thread::spawn(|| party.leave())
}

/// libzmq that reads no more because its application does not, and is told that its peer has closed, forgets what is left
/// in the kernel. A Unix-domain socket tells at once, TCP after the last byte.
fn receives(case: Case, maker: Maker) -> Vec<Setting> {
    let forgets = maker != Maker::Ringway && case.road != Road::Tcp;
    if forgets { vec![Setting::RecvHwm(0)] } else { Vec::new() }
}

fn both_ways(case: Case) -> [(Maker, Maker); 2] {
    [(case.near, case.far), (case.far, case.near)]
}

pub(crate) fn what_was_sent_arrives(case: Case) {
    for (leaves, stays) in both_ways(case) {
        for (sending, receiving) in [(Push, Pull), (Dealer, Dealer), (Pair, Pair)] {
            for binds in Binds::EITHER {
                println!("{leaves:?}'s {sending} leaves {stays:?}'s {receiving}, {binds:?} binds");
                let (leaving_party, staying_party) = (leaves.party(), stays.party());
                let mut leaver = leaving_party.socket(sending, LINGERS);
                let mut stayer = staying_party.socket(receiving, &receives(case, stays));
                case.link(&mut *leaver, &mut *stayer, binds);
                leaver.await_peer();
                let numbers = Numbers { size: 100, ..Numbers::plain(0, MANY) };
                assert_eq!(leaver.send_numbers_within(numbers, PATIENCE), MANY);
                let leaving = leave(leaving_party, leaver);
                stayer.expect_numbers(0, MANY);
                leaving.join().expect("left");
                stayer.expect_nothing();
            }
        }
    }
}

/// Closed before anybody is there to take it.
pub(crate) fn what_was_sent_to_nobody_waits(case: Case) {
    for (leaves, stays) in both_ways(case) {
        println!("{leaves:?} leaves");
        let (leaving_party, staying_party) = (leaves.party(), stays.party());
        let mut leaver = leaving_party.socket(Push, LINGERS);
        let endpoint = case.road.unbound();
        leaver.connect(&endpoint);
        leaver.send_numbers(0, 500);
        let leaving = leave(leaving_party, leaver);
        let mut stayer = staying_party.socket(Pull, NONE);
        stayer.bind(&endpoint);
        stayer.expect_numbers(0, 500);
        leaving.join().expect("left");
    }
}

/// The last word of a server, a router and a publisher.
pub(crate) fn last_words_arrive(case: Case) {
    for (leaves, stays) in both_ways(case) {
        println!("{leaves:?} leaves");
        let staying_party = stays.party();

        let leaving_party = leaves.party();
        let (mut rep, mut req) = (leaving_party.socket(Rep, LINGERS_LONG), staying_party.socket(Req, NONE));
        case.link(&mut *rep, &mut *req, Binds::Near);
        req.send(["question"]);
        rep.expect(["question"]);
        rep.send(["last word"]);
        let leaving = leave(leaving_party, rep);
        req.expect(["last word"]);
        leaving.join().expect("left");

        let leaving_party = leaves.party();
        let (mut router, mut dealer) =
            (leaving_party.socket(Router, LINGERS), staying_party.socket(Dealer, &receives(case, stays)));
        case.link(&mut *router, &mut *dealer, Binds::Near);
        dealer.send(["question"]);
        let id = router.recv().remove(0);
        let numbers = Numbers { size: 100, before: vec![id], ..Numbers::plain(0, MANY) };
        assert_eq!(router.send_numbers_within(numbers, PATIENCE), MANY);
        let leaving = leave(leaving_party, router);
        dealer.expect_numbers(0, MANY);
        leaving.join().expect("left");

        let leaving_party = leaves.party();
        let (mut publisher, mut sub) =
            (leaving_party.socket(Pub, LINGERS), staying_party.socket(Sub, &[Setting::RecvHwm(0)]));
        case.link(&mut *publisher, &mut *sub, Binds::Near);
        sub.subscribe(b"");
        let heard = (0..1000).any(|_| {
            publisher.send([(1_u64 << 40).to_le_bytes()]);
            sub.recv_within(PATIENCE / 1000).is_some()
        });
        assert!(heard);
        let numbers = Numbers { size: 100, ..Numbers::plain(0, MANY) };
        assert_eq!(publisher.send_numbers_within(numbers, PATIENCE), MANY);
        let leaving = leave(leaving_party, publisher);
        let mut first = sub.recv();
        while first[0].len() == 8 {
            first = sub.recv();
        }
        assert_eq!(first[0][..8], [0; 8]);
        sub.expect_numbers(1, MANY - 1);
        leaving.join().expect("left");
    }
}

const LINGERS_LONG: &[Setting] = &[Setting::Linger(LONG)];
