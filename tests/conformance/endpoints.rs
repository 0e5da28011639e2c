//! Who finds whom: names bound and connected, in either order, many to a socket.

use std::thread;

use ringway::{
    Pair, Pull, Push, SocketType, WaitPolicy,
    socket::{BindError, ConnectError, DetachError, RecvError, SendFailure},
};

use crate::flavor::{
    A_WHILE, Flavor, PATIENCE, Peers, Receiver, Sender, World, assert_all_once, numbered, pairs, pipeline,
};

fn pair(context: &World) -> Pair {
    context.narrow(Pair::builder().send_hwm(3).recv_hwm(3).wait(WaitPolicy::Park)).build(context).unwrap()
}

pub(crate) fn connect_before_bind_keeps_order(flavor: Flavor) {
    let context = flavor.context();
    let mut pushes: Vec<Push> = (0..3).map(|_| Push::new(&context).unwrap()).collect();
    for (peer, push) in (0..).zip(&mut pushes) {
        push.connect(context.endpoint("early")).unwrap();
        (0..100).for_each(|number| push.try_number(1000 * peer + number).unwrap());
    }
    let mut pull = Pull::new(&context).unwrap();
    pull.bind(context.endpoint("early")).unwrap();
    context.joined(&pull, 3);
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
    (0..5).for_each(|name| hub.bind(context.endpoint(&format!("in-{name}"))).unwrap());
    let mut far: Vec<Push> = (0..5).map(|_| Push::new(&context).unwrap()).collect();
    for (name, push) in far.iter_mut().enumerate() {
        push.bind(context.endpoint(&format!("out-{name}"))).unwrap();
        hub.connect(context.endpoint(&format!("out-{name}"))).unwrap();
        push.connect(context.endpoint(&format!("in-{name}"))).unwrap();
    }
    context.joined(&hub, 10);
    let mut expected = 0;
    for (peer, push) in far.iter_mut().enumerate() {
        context.joined(push, 2);
        (0..10).for_each(|number| push.try_number(peer as u64 * 100 + number).unwrap());
        expected += (0..10).map(|number| peer as u64 * 100 + number).sum::<u64>();
    }
    let sum: u64 = (0..50).map(|_| hub.next_number()).sum();
    assert_eq!(sum, expected);
    assert_eq!(hub.try_recv(), Err(RecvError::Empty));
}

pub(crate) fn connecting_twice_makes_two_pipes(flavor: Flavor) {
    let context = flavor.context();
    let mut push = context.narrow(Push::builder().send_hwm(1)).build(&context).unwrap();
    let mut pull = context.narrow(Pull::builder().recv_hwm(1)).build(&context).unwrap();
    pull.bind(context.endpoint("twice")).unwrap();
    push.connect(context.endpoint("twice")).unwrap();
    push.connect(context.endpoint("twice")).unwrap();
    context.joined(&push, 2);
    context.joined(&pull, 2);
    let held = push.fill(&context, 0, flavor.capacity(1, 1).times(2));
    assert_all_once((0..held).map(|_| pull.next_number()).collect(), 0..held);
    push.disconnect(context.endpoint("twice")).unwrap();
    context.eventually("both ends hear of it", || push.peers() == 0 && pull.try_recv().is_err() && pull.peers() == 0);
    assert_eq!(push.disconnect(context.endpoint("twice")), Err(DetachError::NotAttached));
}

pub(crate) fn unbind_keeps_what_is_connected(flavor: Flavor) {
    let context = flavor.context();
    let (mut push, mut pull) = pipeline(&context, "taken-back");
    push.try_number(0).unwrap();
    push.unbind(context.endpoint("taken-back")).unwrap();
    assert_eq!(push.unbind(context.endpoint("taken-back")), Err(DetachError::NotAttached));
    push.try_number(1).unwrap();
    pull.expect_numbers([0, 1]);

    // Who connects now waits for the next to bind.
    let mut late = Pull::new(&context).unwrap();
    late.connect(context.endpoint("taken-back")).unwrap();
    push.try_number(2).unwrap();
    pull.expect_numbers([2]);
    assert_eq!(late.try_recv(), Err(RecvError::Empty));
    let mut other = Push::new(&context).unwrap();
    other.bind(context.endpoint("taken-back")).unwrap();
    other.send(numbered(3)).unwrap();
    late.expect_numbers([3]);
}

pub(crate) fn disconnect_ends_the_connection(flavor: Flavor) {
    let context = flavor.context();
    let mut push = Push::new(&context).unwrap();
    let mut pulls: Vec<Pull> = (0..2).map(|_| Pull::new(&context).unwrap()).collect();
    for (peer, pull) in pulls.iter_mut().enumerate() {
        pull.bind(context.endpoint(&format!("left-{peer}"))).unwrap();
        push.connect(context.endpoint(&format!("left-{peer}"))).unwrap();
        context.joined(pull, 1);
        context.joined(&push, peer + 1);
    }
    (0..10).for_each(|number| push.try_number(number).unwrap());
    push.disconnect(context.endpoint("left-0")).unwrap();
    assert_eq!(push.disconnect(context.endpoint("left-0")), Err(DetachError::NotAttached));
    (10..20).for_each(|number| push.try_number(number).unwrap());
    // What it had been sent stays with it.
    pulls[0].expect_numbers([0, 2, 4, 6, 8]);
    pulls[1].expect_numbers([1, 3, 5, 7, 9].into_iter().chain(10..20));
    context.eventually("it has no peer", || {
        assert!(pulls[0].try_recv().is_err());
        pulls[0].peers() == 0
    });

    // Likewise where nobody has bound: what was sent is lost, and counted.
    push.connect(context.endpoint("never")).unwrap();
    push.disconnect(context.endpoint("left-1")).unwrap();
    (0..3).for_each(|number| push.try_number(number).unwrap());
    push.disconnect(context.endpoint("never")).unwrap();
    context.eventually("they are counted", || push.counters().undelivered == 3);
    assert_eq!(push.try_number(0), Err(SendFailure::NoPeer));
}

pub(crate) fn disconnect_of_a_pipe_without_a_seat(flavor: Flavor) {
    let context = flavor.context();
    let (mut here, mut first, mut second) = (pair(&context), pair(&context), pair(&context));
    first.bind(context.endpoint("first")).unwrap();
    second.bind(context.endpoint("second")).unwrap();
    here.connect(context.endpoint("first")).unwrap();
    context.joined(&first, 1);
    // Waits until the first has left.
    here.connect(context.endpoint("second")).unwrap();
    context.eventually("the second has a peer", || second.try_number(7).is_ok());
    here.disconnect(context.endpoint("second")).unwrap();
    context.eventually("the other side hears of it", || second.try_number(8) == Err(SendFailure::NoPeer));
    if flavor.connectors_come_back() {
        here.disconnect(context.endpoint("first")).unwrap();
    }
    drop(first);
    context.eventually("the first has left", || here.try_number(9) == Err(SendFailure::NoPeer));
    assert_eq!(here.try_recv(), Err(RecvError::Empty));
    drop((here, second));
    context.shutdown(PATIENCE);
}

pub(crate) fn pair_serves_its_second_connector_when_the_first_has_left(flavor: Flavor) {
    let context = flavor.context();
    let (mut here, mut first, mut second) = (pair(&context), pair(&context), pair(&context));
    here.bind(context.endpoint("one-at-a-time")).unwrap();
    first.connect(context.endpoint("one-at-a-time")).unwrap();
    context.joined(&here, 1);
    second.connect(context.endpoint("one-at-a-time")).unwrap();
    // Its own mark while it waits; on a stream, what the connection takes beside.
    let waiting = flavor.own_part(3).up_to(flavor.unseated_capacity(3, 3));
    let second_sent = second.fill(&context, 100, waiting);
    let first_sent = first.fill(&context, 0, flavor.capacity(3, 3));
    assert_eq!(here.joined(), 1);
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
    here.expect_numbers(3..first_sent);
    here.expect_numbers(100..100 + second_sent);
    here.send(numbered(51)).unwrap();
    let (mut second, message) = waiting.join().unwrap();
    assert_eq!(message, Ok(numbered(51)));
    // Both marks now.
    let held = second.fill(&context, 200, flavor.capacity(3, 3));
    here.expect_numbers(200..200 + held);
}

pub(crate) fn pair_connector_that_gives_up_waiting(flavor: Flavor) {
    let context = flavor.context();
    let (mut here, mut first) = pairs(&context, "queue");
    let mut second = pair(&context);
    second.connect(context.endpoint("queue")).unwrap();
    (0..3).for_each(|number| second.send(numbered(number)).unwrap());
    drop(second);
    let mut third = pair(&context);
    third.connect(context.endpoint("queue")).unwrap();
    (10..13).for_each(|number| third.send(numbered(number)).unwrap());
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
    context.settle(7, 4 + heard);
}

pub(crate) fn incompatible_connectors_wait_for_their_kind(flavor: Flavor) {
    let context = flavor.context();
    let (mut push, mut pair_early, mut pull) =
        (Push::new(&context).unwrap(), pair(&context), Pull::new(&context).unwrap());
    pair_early.connect(context.endpoint("kinds")).unwrap();
    push.connect(context.endpoint("kinds")).unwrap();
    pair_early.try_number(1).unwrap();
    push.try_number(2).unwrap();
    pull.bind(context.endpoint("kinds")).unwrap();
    pull.expect_numbers([2]);
    assert_eq!(pull.joined(), 1);
    let mut misfit = pair(&context);
    let refused = misfit.connect(context.endpoint("kinds"));
    if flavor.refuses_misfits_at_once() {
        assert_eq!(refused, Err(ConnectError::Incompatible(SocketType::Pull)));
    } else {
        // It goes on trying: somebody else may bind the endpoint some day.
        assert_eq!(refused, Ok(()));
        misfit.disconnect(context.endpoint("kinds")).unwrap();
    }
    assert_eq!(pair(&context).bind(context.endpoint("kinds")), Err(BindError::AddrInUse));
    drop(pull);
    let mut pair_late = pair(&context);
    pair_late.bind(context.endpoint("kinds")).unwrap();
    pair_late.expect_numbers([1]);
}

pub(crate) fn names_are_used_again(flavor: Flavor) {
    let context = flavor.context();
    for round in 0..flavor.many(100).max(10) {
        let (mut push, mut pull) = pipeline(&context, "again");
        push.try_number(round).unwrap();
        pull.expect_numbers([round]);
        if round % 2 == 0 {
            drop(push);
        } else {
            push.unbind(context.endpoint("again")).unwrap();
        }
    }
    // Contexts do not share names of their own; what belongs to the machine they do.
    let other = flavor.context();
    let mut here = Push::new(&context).unwrap();
    let mut there = Push::new(&other).unwrap();
    let endpoint = context.endpoint("same");
    here.bind(&endpoint).unwrap();
    if flavor.has_names_of_its_own() {
        there.bind(&endpoint).unwrap();
        assert_eq!(Push::new(&other).unwrap().bind(&endpoint), Err(BindError::AddrInUse));
    } else {
        assert_eq!(there.bind(&endpoint), Err(BindError::AddrInUse));
        assert_eq!(Push::new(&context).unwrap().bind(&endpoint), Err(BindError::AddrInUse));
    }
}
