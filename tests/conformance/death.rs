//! Pipes that die under their sockets, at any step. For the flavor that can be killed; `severed` does it to streams.

use std::{thread, time::Duration};

use ringway::{Pull, Push, WaitPolicy, socket::SendFailure};

use crate::flavor::{Dice, Flavor, number, numbered, pairs};

pub(crate) fn both_ends_hear_of_a_death_and_losses_add_up(flavor: Flavor) {
    for steps in 0..60 {
        let context = flavor.context();
        let (mut here, mut there) = pairs(&context, "dies");
        context.kill_a_pipe_after(steps);
        let mut sent = [0, 0];
        let mut received = 0;
        context.eventually("both ends hear of it", || {
            let (mut ended, timeout) = (0, Duration::from_millis(1));
            for (side, pair) in [&mut here, &mut there].into_iter().enumerate() {
                match pair.send_timeout(numbered(sent[side]), timeout) {
                    Ok(()) => sent[side] += 1,
                    Err(error) => ended += u32::from(!matches!(error.reason, SendFailure::Full)),
                }
                while pair.try_recv().is_ok() {
                    received += 1;
                }
                ended += u32::from(pair.peers() == 0);
            }
            ended == 4
        });
        drop((here, there));
        context.settle(sent[0] + sent[1], received);
    }
}

pub(crate) fn a_stream_goes_on_over_other_pipes(flavor: Flavor) {
    const MESSAGES: u64 = 300;
    for seed in 0..30 {
        let context = flavor.context();
        let mut dice = Dice(seed);
        let mut push = Push::builder().send_hwm(10).wait(WaitPolicy::Park).build(&context).unwrap();
        push.bind(context.endpoint("goes-on")).unwrap();
        let mut pull = Pull::builder().recv_hwm(10).wait(WaitPolicy::Park).build(&context).unwrap();
        let connects = 4;
        (0..connects).for_each(|_| pull.connect(context.endpoint("goes-on")).unwrap());
        let sender = thread::spawn(move || {
            for number in 0..MESSAGES {
                push.send(numbered(number)).unwrap();
            }
            push
        });
        let mut seen = Vec::new();
        for _ in 0..connects - 1 {
            context.kill_a_pipe_after(dice.roll(40));
            for _ in 0..dice.roll(60) {
                seen.extend(pull.recv_timeout(Duration::from_millis(20)).ok().as_ref().map(number));
            }
        }
        while !sender.is_finished() {
            seen.extend(pull.recv_timeout(Duration::from_millis(20)).ok().as_ref().map(number));
            if pull.peers() == 0 {
                // All of them died.
                let _ = pull.connect(context.endpoint("goes-on"));
            }
        }
        let push = sender.join().unwrap();
        let lost = |push: &Push, pull: &Pull| push.counters().undelivered + pull.counters().unread;
        context.eventually("every message is received or counted", || {
            seen.extend(pull.try_recv().ok().as_ref().map(number));
            seen.len() as u64 + lost(&push, &pull) == MESSAGES
        });
        let received = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), received, "none twice");
        drop((push, pull));
        context.settle(MESSAGES, received as u64);
    }
}
