//! Peers that go: what is still heard, what goes elsewhere, what is lost and counted.

use std::{thread, time::Duration};

use ringway::{Pull, Push, WaitPolicy, socket::SendFailure};

use crate::flavor::{
    A_WHILE, Dice, Flavor, PATIENCE, Peers, Receiver, Sender, marked_pipeline, numbered, pairs, pipeline,
};

pub(crate) fn pull_hears_all_that_was_sent_before(flavor: Flavor) {
    let context = flavor.context();
    let mut pull = Pull::builder().wait(WaitPolicy::Park).build(&context).unwrap();
    pull.bind(context.endpoint("heard")).unwrap();
    for round in 0..50 {
        let mut push = Push::new(&context).unwrap();
        push.connect(context.endpoint("heard")).unwrap();
        (0..round).for_each(|number| push.try_number(number).unwrap());
        drop(push);
        pull.expect_numbers(0..round);
    }
    context.eventually("all have left", || pull.try_recv().is_err() && pull.peers() == 0);
    // The same while it waits in a call.
    let receiver = thread::spawn(move || {
        pull.expect_numbers(0..500);
        pull
    });
    let mut push = Push::new(&context).unwrap();
    push.connect(context.endpoint("heard")).unwrap();
    (0..500).for_each(|number| push.send(numbered(number)).unwrap());
    drop(push);
    drop(receiver.join().unwrap());
    let sent = 49 * 50 / 2 + 500;
    context.settle(sent, sent);
}

pub(crate) fn send_goes_elsewhere_when_a_peer_leaves(flavor: Flavor) {
    let context = flavor.context();
    let mut push = Push::new(&context).unwrap();
    push.bind(context.endpoint("elsewhere")).unwrap();
    let connected = |so_far: usize| {
        let mut pull = Pull::new(&context).unwrap();
        pull.connect(context.endpoint("elsewhere")).unwrap();
        context.joined(&push, so_far + 1);
        pull
    };
    let (first, mut second) = (connected(0), connected(1));
    push.try_number(0).unwrap();
    push.try_number(1).unwrap();
    drop(first);
    if !flavor.tells_at_once() {
        context.joined(&push, 1);
    }
    (2..10).for_each(|number| push.try_number(number).unwrap());
    let mut received = vec![second.next_number()];
    while received.last() != Some(&9) {
        received.push(second.next_number());
    }
    // On a stream also what the first had been sent, if it was still here; before or after what the second had been sent then.
    if flavor.counts_to_the_end() {
        received.retain(|number| *number != 0);
    }
    assert!(received.ends_with(&[1, 2, 3, 4, 5, 6, 7, 8, 9]), "{received:?}");
    drop((push, second));
    let report = context.settle(10, if flavor.counts_to_the_end() { 10 } else { received.len() as u64 });
    if flavor.counts_every_loss() {
        assert_eq!(report.undelivered + report.unread, 1, "what the first had not taken");
    }
}

pub(crate) fn a_blocked_sender_turns_to_the_next_peer(flavor: Flavor) {
    for policy in [WaitPolicy::Park, WaitPolicy::Adaptive] {
        let context = flavor.context();
        let (mut push, pull) = marked_pipeline(&context, "turns-away", 1, 1);
        push.set_wait(policy);
        let held = push.fill(&context, 0, flavor.capacity(1, 1));
        let heavy = context.clone();
        let sender = thread::spawn(move || {
            (held..held + 8).for_each(|number| push.send(heavy.heavy(number)).unwrap());
            push
        });
        thread::sleep(A_WHILE);
        drop(pull);
        thread::sleep(A_WHILE);
        let mut next = Pull::new(&context).unwrap();
        next.connect(context.endpoint("turns-away")).unwrap();
        // On a stream it begins with what the first was not given.
        let first = next.next_number();
        let given = flavor.capacity(1, 1).less(1).at_most;
        let kept_from = if flavor.counts_to_the_end() { 0 } else { held };
        assert!(first == kept_from || !flavor.tells_at_once() && Some(first) <= given, "{first} of {held}");
        next.expect_numbers(first + 1..held + 8);
        drop((sender.join().unwrap(), next));
        context.settle(held + 8, held + 8 - first);
    }
}

pub(crate) fn disconnect_counts_what_was_unread(flavor: Flavor) {
    let context = flavor.context();
    let (mut push, mut pull) = pipeline(&context, "unread");
    (0..10).for_each(|number| push.try_number(number).unwrap());
    pull.expect_numbers(0..4);
    pull.disconnect(context.endpoint("unread")).unwrap();
    if flavor.counts_every_loss() {
        context.eventually("six are counted", || {
            // A sender that calls in hears that its peer has left.
            let _ = push.can_send();
            pull.counters().unread + push.counters().undelivered == 6
        });
    }
    assert!(pull.try_recv().is_err());
    context.eventually("the peer has left", || push.joined() == 0);
    assert_eq!(push.try_number(0), Err(SendFailure::NoPeer));
    drop((push, pull));
    context.settle(10, 4);
}

pub(crate) fn a_leaving_receiver_counts_what_was_unread(flavor: Flavor) {
    let context = flavor.context();
    let (mut here, mut there) = pairs(&context, "both-leave");
    (0..7).for_each(|number| here.try_number(number).unwrap());
    (0..5).for_each(|number| there.try_number(number).unwrap());
    there.expect_numbers(0..2);
    drop(there);
    // What it had sent is still heard.
    here.expect_numbers(0..5);
    drop(here);
    let report = context.settle(12, 7);
    assert!(report.undelivered + report.unread == 5 || !flavor.counts_every_loss());
}

pub(crate) fn linger_keeps_messages_for_a_later_bind(flavor: Flavor) {
    let context = flavor.context();
    for linger in [Duration::from_secs(3600), Duration::MAX] {
        let mut push = Push::builder().linger(linger).build(&context).unwrap();
        push.connect(context.endpoint("kept")).unwrap();
        (0..10).for_each(|number| push.try_number(number).unwrap());
        drop(push);
        let mut pull = Pull::new(&context).unwrap();
        pull.bind(context.endpoint("kept")).unwrap();
        pull.expect_numbers(0..10);
        context.eventually("nobody is left", || pull.try_recv().is_err() && pull.peers() == 0);
    }
    context.settle(20, 20);
}

pub(crate) fn linger_that_is_over_counts_what_was_lost(flavor: Flavor) {
    let context = flavor.context();
    let mut push = Push::builder().linger(Duration::from_millis(1)).build(&context).unwrap();
    push.connect(context.endpoint("over")).unwrap();
    (0..10).for_each(|number| push.try_number(number).unwrap());
    drop(push);
    thread::sleep(Duration::from_millis(5));
    let mut pull = Pull::new(&context).unwrap();
    pull.bind(context.endpoint("over")).unwrap();
    assert!(pull.try_recv().is_err());
    assert_eq!(pull.peers(), 0);
    drop(pull);
    assert_eq!(context.settle(10, 0).undelivered, 10);
}

pub(crate) fn no_linger_drops_at_once(flavor: Flavor) {
    let context = flavor.context();
    let mut push = Push::new(&context).unwrap();
    push.set_linger(Duration::ZERO);
    push.connect(context.endpoint("at-once")).unwrap();
    (0..10).for_each(|number| push.try_number(number).unwrap());
    drop(push);
    let mut pull = Pull::new(&context).unwrap();
    pull.bind(context.endpoint("at-once")).unwrap();
    assert_eq!(pull.peers(), 0);
    drop(pull);
    assert_eq!(context.settle(10, 0).undelivered, 10);

    // A context that ends does not wait for a name nobody can bind any more.
    let context = flavor.context();
    let mut push = Push::builder().linger(Duration::MAX).build(&context).unwrap();
    push.connect(context.endpoint("never")).unwrap();
    (0..10).for_each(|number| push.try_number(number).unwrap());
    drop(push);
    // On a stream, somebody else may: then so long as the shutdown does.
    let patience = if flavor.has_names_of_its_own() { PATIENCE } else { A_WHILE };
    let report = context.shutdown(patience);
    assert_eq!((report.sockets_left, report.undelivered), (0, 10));
}

pub(crate) fn leaving_in_midstream_adds_up(flavor: Flavor) {
    let rounds = if cfg!(miri) { 3 } else { flavor.many(150) };
    // Longer than it takes to connect.
    let timeout = Duration::from_millis(if flavor.tells_at_once() { 5 } else { 200 });
    for seed in 0..rounds {
        let context = flavor.context();
        let mut dice = Dice(seed);
        let mut push = Push::builder().send_hwm(4).wait(WaitPolicy::Park).build(&context).unwrap();
        push.bind(context.endpoint("midstream")).unwrap();
        let sender = thread::spawn(move || {
            let mut sent = 0;
            while push.send_timeout(numbered(sent), timeout).is_ok() || push.peers() > 0 {
                sent = push.counters().messages_sent;
            }
            push.counters().messages_sent
        });
        let mut received = 0;
        for _ in 0..5 {
            let mut pull = Pull::builder().recv_hwm(4).build(&context).unwrap();
            pull.connect(context.endpoint("midstream")).unwrap();
            for _ in 0..dice.roll(200) {
                if sender.is_finished() && pull.peers() == 0 {
                    break;
                }
                received += u64::from(pull.recv_timeout(Duration::from_millis(20)).is_ok());
            }
        }
        context.settle(sender.join().unwrap(), received);
    }
}

pub(crate) fn counters_add_up(flavor: Flavor) {
    let context = flavor.context();
    let (mut push, mut pull) = pipeline(&context, "counted");
    for number in 0..100 {
        push.try_number(number).unwrap();
    }
    pull.expect_numbers(0..60);
    let (out, into) = (push.counters(), pull.counters());
    assert_eq!((out.messages_sent, out.bytes_sent, out.undelivered), (100, 800, 0));
    assert_eq!((into.messages_received, into.bytes_received, into.unread), (60, 480, 0));
    assert_eq!((out.peers_joined, into.peers_joined), (1, 1));
    pull.disconnect(context.endpoint("counted")).unwrap();
    if flavor.counts_every_loss() {
        context.eventually("forty are lost", || {
            let _ = push.can_send();
            push.counters().undelivered + pull.counters().unread == 40
        });
    }
    push.unbind(context.endpoint("counted")).unwrap();
    assert_eq!(push.counters().messages_sent, 100);
    drop((push, pull));
    context.settle(100, 60);
}
