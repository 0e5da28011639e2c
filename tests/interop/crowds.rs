//! Many peers at one socket.

#![forbid(unsafe_code)]

use std::collections::HashMap;

use ringway::SocketType::{Dealer, Pull, Push, Router, Sub, XPub};

use crate::{
    case::Case,
    party::{Numbers, PATIENCE, Setting, Socket},
};

const CROWD: usize = 200;
const EACH: u64 = 10;
const UNLIMITED: &[Setting] = &[Setting::SendHwm(0), Setting::RecvHwm(0)];

/// Two hundred talk to one and each is answered, by name.
pub(crate) fn dealers_at_a_router(case: Case) {
    for (routes, deals) in [(case.near, case.far), (case.far, case.near)] {
        println!("{routes:?} routes");
        let (routing_party, dealing_party) = (routes.party(), deals.party());
        let mut router = routing_party.socket(Router, UNLIMITED);
        let endpoint = router.bind(&case.road.to_bind());
        let mut dealers: Vec<Box<dyn Socket>> = (0..CROWD).map(|_| dealing_party.socket(Dealer, &[])).collect();
        for dealer in &mut dealers {
            dealer.connect(&endpoint);
            dealer.send_numbers(0, EACH);
        }
        let mut next: HashMap<Vec<u8>, u64> = HashMap::new();
        for _ in 0..CROWD as u64 * EACH {
            let message = router.recv();
            let expected = next.entry(message[0].clone()).or_default();
            assert_eq!(message[1], expected.to_le_bytes());
            *expected += 1;
        }
        assert_eq!(next.len(), CROWD);
        for (index, id) in next.keys().enumerate() {
            let numbers = Numbers { before: vec![id.clone()], ..Numbers::plain(EACH * index as u64, EACH) };
            assert_eq!(router.send_numbers_within(numbers, PATIENCE), EACH);
        }
        let mut answered: Vec<u64> = Vec::new();
        for dealer in &mut dealers {
            let numbers = dealer.recv_numbers_within(0, EACH, PATIENCE);
            assert!(numbers.iter().copied().eq(numbers[0]..numbers[0] + EACH));
            answered.extend(numbers);
        }
        answered.sort_unstable();
        assert!(answered.into_iter().eq(0..EACH * CROWD as u64));
    }
}

/// Two hundred hear one, and one hears two hundred.
pub(crate) fn a_crowd_is_told_and_tells(case: Case) {
    for (centre, around) in [(case.near, case.far), (case.far, case.near)] {
        println!("{centre:?} in the middle");
        let (central_party, outer_party) = (centre.party(), around.party());
        let mut publisher = central_party.socket(XPub, &[Setting::SendHwm(0), Setting::RecvHwm(0), Setting::Verbose]);
        let told_at = publisher.bind(&case.road.to_bind());
        let mut collector = central_party.socket(Pull, &[Setting::RecvHwm(0)]);
        let tell_at = collector.bind(&case.road.to_bind());
        let mut crowd: Vec<(Box<dyn Socket>, Box<dyn Socket>)> = (0..CROWD)
            .map(|_| {
                let (mut ear, mut mouth) = (outer_party.socket(Sub, &[]), outer_party.socket(Push, &[]));
                ear.subscribe(b"");
                ear.connect(&told_at);
                mouth.connect(&tell_at);
                (ear, mouth)
            })
            .collect();
        (0..CROWD).for_each(|_| publisher.expect([b"\x01"]));
        publisher.send_numbers(0, EACH);
        for (index, (ear, mouth)) in crowd.iter_mut().enumerate() {
            ear.expect_numbers(0, EACH);
            mouth.send_numbers(index as u64, 1);
        }
        let mut told = collector.recv_numbers_within(0, CROWD as u64, PATIENCE);
        told.sort_unstable();
        assert!(told.into_iter().eq(0..CROWD as u64));
    }
}
