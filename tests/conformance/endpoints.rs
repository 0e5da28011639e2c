//! Who finds whom: names bound and connected, in either order, many to a socket.

use std::thread;

use ringway::{
    Context, Pair, Pull, Push, SocketType, WaitPolicy,
    socket::{BindError, ConnectError, DetachError, RecvError, SendFailure},
};

use crate::flavor::{A_WHILE, Flavor, PATIENCE, Receiver, Sender, eventually, numbered, pairs, settle};

fn pair(context: &Context) -> Pair {
    Pair::builder().send_hwm(3).recv_hwm(3).wait(WaitPolicy::Park).build(context).unwrap()
}

pub(crate) fn connect_before_bind_keeps_order(flavor: Flavor) {
    let context = flavor.context();
    let mut pushes: Vec<Push> = (0..3).map(|_| Push::new(&context).unwrap()).collect();
    for (peer, push) in (0..).zip(&mut pushes) {
        push.connect("inproc://early").unwrap();
        (0..100).for_each(|number| push.try_number(1000 * peer + number).unwrap());
    }
    let mut pull = Pull::new(&context).unwrap();
    pull.bind("inproc://early").unwrap();
    assert_eq!(pull.peers(), 3);
    let mut next = [0; 3];
    for _ in 0..300 {
        let number = pull.next_number();
        let peer = number as usize / 1000;
        assert_eq!(number % 1000, next[peer], "in order from each");
        next[peer] += 1;
    }
    assert_eq!(next, [100; 3]);
    pushes[1].try_number(7).unwrap();
    pull.expect_numbers([7]);
}

pub(crate) fn sockets_have_many_endpoints(flavor: Flavor) {
    let context = flavor.context();
    let mut hub = Pull::new(&context).unwrap();
    (0..5).for_each(|name| hub.bind(format!("inproc://in-{name}")).unwrap());
    let mut far: Vec<Push> = (0..5).map(|_| Push::new(&context).unwrap()).collect();
    for (name, push) in far.iter_mut().enumerate() {
        push.bind(format!("inproc://out-{name}")).unwrap();
        hub.connect(format!("inproc://out-{name}")).unwrap();
        push.connect(format!("inproc://in-{name}")).unwrap();
    }
    assert_eq!(hub.peers(), 10);
    let mut expected = 0;
    for (peer, push) in far.iter_mut().enumerate() {
        assert_eq!(push.peers(), 2);
        (0..10).for_each(|number| push.try_number(peer as u64 * 100 + number).unwrap());
        expected += (0..10).map(|number| peer as u64 * 100 + number).sum::<u64>();
    }
    let sum: u64 = (0..50).map(|_| hub.next_number()).sum();
    assert_eq!(sum, expected);
    assert_eq!(hub.try_recv(), Err(RecvError::Empty));
}

pub(crate) fn connecting_twice_makes_two_pipes(flavor: Flavor) {
    let context = flavor.context();
    let mut push = Push::builder().send_hwm(1).build(&context).unwrap();
    let mut pull = Pull::builder().recv_hwm(1).build(&context).unwrap();
    pull.bind("inproc://twice").unwrap();
    push.connect("inproc://twice").unwrap();
    push.connect("inproc://twice").unwrap();
    assert_eq!((push.peers(), pull.peers()), (2, 2));
    assert_eq!(push.fill(0), 4);
    let mut got: Vec<u64> = (0..4).map(|_| pull.next_number()).collect();
    got.sort_unstable();
    assert_eq!(got, [0, 1, 2, 3]);
    push.disconnect("inproc://twice").unwrap();
    eventually("both ends hear of it", || push.peers() == 0 && pull.try_recv().is_err() && pull.peers() == 0);
    assert_eq!(push.disconnect("inproc://twice"), Err(DetachError::NotAttached));
}

pub(crate) fn unbind_keeps_what_is_connected(flavor: Flavor) {
    let context = flavor.context();
    let (mut push, mut pull) = crate::flavor::pipeline(&context, "inproc://taken-back");
    push.try_number(0).unwrap();
    push.unbind("inproc://taken-back").unwrap();
    assert_eq!(push.unbind("inproc://taken-back"), Err(DetachError::NotAttached));
    push.try_number(1).unwrap();
    pull.expect_numbers([0, 1]);

    // Who connects now waits for the next to bind.
    let mut late = Pull::new(&context).unwrap();
    late.connect("inproc://taken-back").unwrap();
    push.try_number(2).unwrap();
    pull.expect_numbers([2]);
    assert_eq!(late.try_recv(), Err(RecvError::Empty));
    let mut other = Push::new(&context).unwrap();
    other.bind("inproc://taken-back").unwrap();
    other.try_number(3).unwrap();
    late.expect_numbers([3]);
}

pub(crate) fn disconnect_ends_the_connection(flavor: Flavor) {
    let context = flavor.context();
    let mut push = Push::new(&context).unwrap();
    let mut pulls: Vec<Pull> = (0..2).map(|_| Pull::new(&context).unwrap()).collect();
    for (peer, pull) in pulls.iter_mut().enumerate() {
        pull.bind(format!("inproc://left-{peer}")).unwrap();
        push.connect(format!("inproc://left-{peer}")).unwrap();
    }
    (0..10).for_each(|number| push.try_number(number).unwrap());
    push.disconnect("inproc://left-0").unwrap();
    assert_eq!(push.disconnect("inproc://left-0"), Err(DetachError::NotAttached));
    (10..20).for_each(|number| push.try_number(number).unwrap());
    // What it had been sent stays with it.
    pulls[0].expect_numbers([0, 2, 4, 6, 8]);
    pulls[1].expect_numbers([1, 3, 5, 7, 9].into_iter().chain(10..20));
    eventually("it has no peer", || {
        assert!(pulls[0].try_recv().is_err());
        pulls[0].peers() == 0
    });

    // Likewise where nobody has bound: what was sent is lost, and counted.
    push.connect("inproc://never").unwrap();
    push.disconnect("inproc://left-1").unwrap();
    (0..3).for_each(|number| push.try_number(number).unwrap());
    push.disconnect("inproc://never").unwrap();
    eventually("they are counted", || push.counters().undelivered == 3);
    assert_eq!(push.try_number(0), Err(SendFailure::NoPeer));
}

pub(crate) fn disconnect_of_a_pipe_without_a_seat(flavor: Flavor) {
    let context = flavor.context();
    let (mut here, mut first, mut second) = (pair(&context), pair(&context), pair(&context));
    first.bind("inproc://first").unwrap();
    second.bind("inproc://second").unwrap();
    here.connect("inproc://first").unwrap();
    // Waits until the first has left.
    here.connect("inproc://second").unwrap();
    second.try_number(7).unwrap();
    here.disconnect("inproc://second").unwrap();
    eventually("the other side hears of it", || second.try_number(8) == Err(SendFailure::NoPeer));
    drop(first);
    eventually("the first has left", || here.try_number(9) == Err(SendFailure::NoPeer));
    assert_eq!(here.try_recv(), Err(RecvError::Empty));
    drop((here, second));
    context.shutdown(PATIENCE);
}

pub(crate) fn pair_serves_its_second_connector_when_the_first_has_left(flavor: Flavor) {
    let context = flavor.context();
    let (mut here, mut first, mut second) = (pair(&context), pair(&context), pair(&context));
    here.bind("inproc://one-at-a-time").unwrap();
    first.connect("inproc://one-at-a-time").unwrap();
    second.connect("inproc://one-at-a-time").unwrap();
    assert_eq!(second.fill(100), 3, "its own mark while it waits");
    assert_eq!(first.fill(0), 6);
    assert_eq!(here.peers(), 1);
    here.expect_numbers(0..3);
    here.try_number(50).unwrap();
    first.expect_numbers([50]);
    // The second waits in a call while the first leaves.
    let waiting = thread::spawn(move || {
        let message = second.recv_timeout(PATIENCE);
        (second, message)
    });
    thread::sleep(A_WHILE);
    drop(first);
    here.expect_numbers(3..6);
    here.expect_numbers(100..103);
    here.send(numbered(51)).unwrap();
    let (mut second, message) = waiting.join().unwrap();
    assert_eq!(message, Ok(numbered(51)));
    assert_eq!(second.fill(200), 6, "both marks now");
    here.expect_numbers(200..206);
}

pub(crate) fn pair_connector_that_gives_up_waiting(flavor: Flavor) {
    let context = flavor.context();
    let (mut here, mut first) = pairs(&context, "inproc://queue");
    let mut second = pair(&context);
    second.connect("inproc://queue").unwrap();
    assert_eq!(second.fill(0), 3);
    drop(second);
    let mut third = pair(&context);
    third.connect("inproc://queue").unwrap();
    assert_eq!(third.fill(10), 3);
    first.try_number(1).unwrap();
    here.expect_numbers([1]);
    drop(first);
    // What the second sent may still be heard, or is counted; the third is served after it either way.
    let mut heard = 0;
    while let number = here.next_number()
        && number < 10
    {
        assert_eq!(number, heard);
        heard += 1;
    }
    here.expect_numbers(11..13);
    drop((here, third));
    settle(&context, 7, 4 + heard);
}

pub(crate) fn incompatible_connectors_wait_for_their_kind(flavor: Flavor) {
    let context = flavor.context();
    let (mut push, mut pair_early, mut pull) =
        (Push::new(&context).unwrap(), pair(&context), Pull::new(&context).unwrap());
    pair_early.connect("inproc://kinds").unwrap();
    push.connect("inproc://kinds").unwrap();
    pair_early.try_number(1).unwrap();
    push.try_number(2).unwrap();
    pull.bind("inproc://kinds").unwrap();
    pull.expect_numbers([2]);
    assert_eq!(pull.peers(), 1);
    assert_eq!(pair(&context).connect("inproc://kinds"), Err(ConnectError::Incompatible(SocketType::Pull)));
    assert_eq!(pair(&context).bind("inproc://kinds"), Err(BindError::AddrInUse));
    drop(pull);
    let mut pair_late = pair(&context);
    pair_late.bind("inproc://kinds").unwrap();
    pair_late.expect_numbers([1]);
}

pub(crate) fn names_are_used_again(flavor: Flavor) {
    let context = flavor.context();
    for round in 0..100 {
        let (mut push, mut pull) = crate::flavor::pipeline(&context, "inproc://again");
        push.try_number(round).unwrap();
        pull.expect_numbers([round]);
        if round % 2 == 0 {
            drop(push);
        } else {
            push.unbind("inproc://again").unwrap();
        }
    }
    // Contexts do not share names.
    let other = flavor.context();
    let mut here = Push::new(&context).unwrap();
    let mut there = Push::new(&other).unwrap();
    here.bind("inproc://same").unwrap();
    there.bind("inproc://same").unwrap();
    assert_eq!(Push::new(&other).unwrap().bind("inproc://same"), Err(BindError::AddrInUse));
}
