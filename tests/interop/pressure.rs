//! Peers that do not read: the sender is stopped, at a number that is bounded, and goes on when they do.

#![forbid(unsafe_code)]

use std::time::Instant;

use ringway::SocketType::{Dealer, Pair, Pull, Push, Router};

use crate::{
    case::Case,
    party::{Numbers, PATIENCE, QUIET, Runs, Setting, Socket},
};

const MARK: u32 = 100;
const SIZE: usize = 4096;
/// What kernels hold between two sockets that asked for so much each, and libraries for one read and one write: with a
/// margin, as kernels give more than asked for.
const BUFFER: u32 = 64 << 10;
const BETWEEN: u64 = 16 * BUFFER as u64 / SIZE as u64;

const SENDER: &[Setting] = &[Setting::SendHwm(MARK), Setting::Buffers(BUFFER)];
const RECEIVER: &[Setting] = &[Setting::RecvHwm(MARK), Setting::Buffers(BUFFER)];

/// Sends until there is no room for a while. Returns how many were taken.
fn fill(from: &mut dyn Socket, first: u64) -> u64 {
    let numbers = Numbers { size: SIZE, ..Numbers::plain(first, 1 << 20) };
    from.send_numbers_within(numbers, QUIET)
}

fn stop_and_go(from: &mut dyn Socket, to: &mut dyn Socket) {
    from.await_peer();
    let mut sent = fill(from, 0);
    println!("{sent} taken with nobody reading");
    assert!((2 * u64::from(MARK)..=2 * u64::from(MARK) + BETWEEN).contains(&sent), "{sent} taken with nobody reading");
    let mut taken = 0;
    for _ in 0..5 {
        let part = (sent - taken) / 2;
        to.expect_numbers(taken, part);
        taken += part;
        let more = fill(from, sent);
        assert!(more > 0, "goes on when there is room");
        sent += more;
    }
    to.expect_numbers(taken, sent - taken);
    to.expect_nothing();
}

pub(crate) fn a_sender_is_stopped_and_goes_on(case: Case) {
    for (sending, receiving) in [(Push, Pull), (Dealer, Dealer), (Pair, Pair)] {
        case.linked((sending, SENDER), (receiving, RECEIVER), stop_and_go);
        case.linked((receiving, RECEIVER), (sending, SENDER), |near, far| stop_and_go(far, near));
    }
}

/// A mandatory router waits for the one that is full, and only for that.
pub(crate) fn a_router_is_stopped_by_the_full_only(case: Case) {
    for (routes, deals) in [(case.near, case.far), (case.far, case.near)] {
        println!("{routes:?} routes");
        let (routing_party, dealing_party) = (routes.party(), deals.party());
        let mut router =
            routing_party.socket(Router, &[Setting::Mandatory, Setting::SendHwm(MARK), Setting::Buffers(BUFFER)]);
        let endpoint = router.bind(&case.road.to_bind());
        let mut dealers = [&b"idle"[..], b"busy"].map(|id| {
            let settings = [Setting::RoutingId(id), Setting::RecvHwm(MARK), Setting::Buffers(BUFFER)];
            let mut dealer = dealing_party.socket(Dealer, &settings);
            dealer.connect(&endpoint);
            dealer.send(["hello"]);
            router.expect([id, b"hello"]);
            dealer
        });
        let to_idle = Numbers { size: SIZE, before: vec![b"idle".to_vec()], ..Numbers::plain(0, 1 << 20) };
        let sent = router.send_numbers_within(to_idle, QUIET);
        assert!(sent <= 2 * u64::from(MARK) + BETWEEN, "{sent} taken with nobody reading");
        for first in (0..500).step_by(50) {
            let to_busy = Numbers { size: SIZE, before: vec![b"busy".to_vec()], ..Numbers::plain(first, 50) };
            assert_eq!(router.send_numbers_within(to_busy, PATIENCE), 50);
            dealers[1].expect_numbers(first, 50);
        }
        dealers[0].expect_numbers(0, sent);
    }
}

/// Work goes to who takes it; one that does not keeps its share.
pub(crate) fn a_full_worker_is_passed_over(case: Case) {
    for (sends, receives) in [(case.near, case.far), (case.far, case.near)] {
        println!("{sends:?} sends");
        let (sending_party, receiving_party) = (sends.party(), receives.party());
        let mut source = sending_party.socket(Push, SENDER);
        let endpoint = source.bind(&case.road.to_bind());
        let mut workers = [(); 2].map(|()| {
            let mut worker = receiving_party.socket(Pull, RECEIVER);
            worker.connect(&endpoint);
            source.await_peer();
            worker
        });
        let (mut sent, mut taken) = (0, Vec::new());
        while taken.len() < 2000 {
            let numbers = Numbers { size: SIZE, ..Numbers::plain(sent, 50) };
            let more = source.send_numbers_within(numbers, QUIET);
            sent += more;
            taken.extend(workers[0].recv_numbers_within(0, 50, QUIET));
        }
        let since = Instant::now();
        while (taken.len() as u64) < sent && since.elapsed() < PATIENCE {
            workers.iter_mut().for_each(|worker| taken.extend(worker.recv_numbers_within(0, 50, QUIET)));
        }
        taken.sort_unstable();
        assert!(taken.iter().copied().eq(0..sent), "each of {sent} once: {}", Runs(&taken));
    }
}
