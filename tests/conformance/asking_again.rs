//! Requests that are sent again: when the peer that was asked leaves, and when time is over.

use std::{thread, time::Instant};

use ringway::{Rep, Req, WaitPolicy, socket::RecvError};

use crate::{
    flavor::{A_WHILE, Flavor, PATIENCE, Receiver, parts},
    requests::{SOON, connected, rep, router},
};

pub(crate) fn a_request_is_sent_again_when_its_peer_leaves(flavor: Flavor) {
    for policy in [WaitPolicy::Park, WaitPolicy::Adaptive, WaitPolicy::Spin] {
        let context = flavor.context();
        let names = ["one", "two", "three"];
        let [mut one, mut two, mut three] = names.map(|name| rep(&context, name));
        let mut asking = context.present(Req::builder().resend(2).wait(policy)).build(&context).unwrap();
        for (number, name) in names.into_iter().enumerate() {
            asking.connect(context.endpoint(name)).unwrap();
            context.joined(&asking, number + 1);
        }
        let asker = thread::spawn(move || {
            let reply = asking.request(parts(["to", "all"])).unwrap();
            (reply, asking)
        });
        assert_eq!(one.next(), parts(["to", "all"]));
        drop(one);
        assert_eq!(two.next(), parts(["to", "all"]));
        drop(two);
        assert_eq!(three.next(), parts(["to", "all"]));
        three.send("reply").unwrap();
        let (reply, mut asking) = asker.join().unwrap();
        assert_eq!(reply, "reply".into());
        // The next request has all its attempts; none is left after them.
        asking.send("next").unwrap();
        assert_eq!(three.next(), "next".into());
        drop(three);
        assert_eq!(asking.recv_timeout(A_WHILE), Err(RecvError::TimedOut), "it waits for somebody to ask");
    }
}

pub(crate) fn a_request_is_sent_again_when_time_is_over(flavor: Flavor) {
    for policy in [WaitPolicy::Park, WaitPolicy::Adaptive, WaitPolicy::Spin] {
        let context = flavor.context();
        let names = ["silent", "awake"];
        let [mut silent, mut awake] = names.map(|name| rep(&context, name));
        let asking = Req::builder().reply_timeout(SOON).resend(1000).wait(policy).build(&context).unwrap();
        let mut asking = connected(&context, asking, &names);
        let asker = thread::spawn(move || (asking.request("anybody?").unwrap(), asking));
        assert_eq!(silent.next(), "anybody?".into());
        assert_eq!(awake.next(), "anybody?".into());
        awake.send("I").unwrap();
        let (reply, mut asking) = asker.join().unwrap();
        assert_eq!(reply, "I".into());
        // The late one is for nobody, and is not the reply to the next request.
        silent.send("late").unwrap();
        asking.send("next").unwrap();
        let entered = Instant::now();
        let reply = loop {
            for rep in [&mut silent, &mut awake] {
                if let Ok(request) = rep.try_recv() {
                    rep.send(request).unwrap();
                }
            }
            if let Ok(reply) = asking.try_recv() {
                break reply;
            }
            assert!(entered.elapsed() < PATIENCE);
        };
        assert!(reply == "next".into(), "{reply:?}");
    }
}

pub(crate) fn a_request_waits_for_a_peer_to_be_sent_again(flavor: Flavor) {
    for policy in [WaitPolicy::Park, WaitPolicy::Adaptive] {
        let context = flavor.context();
        let mut asking = Req::builder().resend(1).wait(policy).build(&context).unwrap();
        asking.bind(context.endpoint("lonely")).unwrap();
        let connected = || {
            let mut rep = Rep::new(&context).unwrap();
            rep.connect(context.endpoint("lonely")).unwrap();
            rep
        };
        let mut first = connected();
        let asker = thread::spawn(move || asking.request("hello?"));
        assert_eq!(first.next(), "hello?".into());
        drop(first);
        thread::sleep(A_WHILE);
        let mut second = connected();
        assert_eq!(second.next(), "hello?".into());
        second.send("here").unwrap();
        assert_eq!(asker.join().unwrap(), Ok("here".into()));
    }
}

pub(crate) fn a_request_waits_for_room_to_be_sent_again(flavor: Flavor) {
    for policy in [WaitPolicy::Park, WaitPolicy::Adaptive] {
        let context = flavor.context();
        let mut full = context.narrow(Rep::builder().recv_hwm(1)).build(&context).unwrap();
        let mut dying = rep(&context, "dying");
        full.bind(context.endpoint("full")).unwrap();
        let asking = context.present(context.narrow(Req::builder().send_hwm(1).resend(1).wait(policy)));
        let mut asking = connected(&context, asking.build(&context).unwrap(), &["full", "dying"]);
        context.joined(&asking, 2);
        // Fills the one; the other always has room.
        let mut in_a_row = 0;
        while in_a_row < 3 {
            asking.send(context.heavy(0)).unwrap();
            in_a_row = match dying.recv_timeout(SOON) {
                Ok(_) => {
                    dying.send("x").unwrap();
                    in_a_row + 1
                }
                Err(_) => 0,
            };
        }
        context.eventually("the next goes to the one with room", || {
            asking.send("request").unwrap();
            let Ok(request) = dying.recv_timeout(SOON) else { return false };
            // One that fills may have come late.
            let is_it = request == "request".into();
            if !is_it {
                dying.send("x").unwrap();
            }
            is_it
        });
        drop(dying);
        let asker = thread::spawn(move || asking.recv());
        thread::sleep(A_WHILE);
        loop {
            let request = full.next();
            full.send(request.clone()).unwrap();
            if request == "request".into() {
                break;
            }
        }
        assert_eq!(asker.join().unwrap(), Ok("request".into()));
    }
}

pub(crate) fn attempts_end(flavor: Flavor) {
    for policy in [WaitPolicy::Park, WaitPolicy::Adaptive, WaitPolicy::Spin] {
        let context = flavor.context();
        let mut silent = rep(&context, "silent");
        let ask = |resend| {
            let asking = Req::builder().reply_timeout(SOON).resend(resend).wait(policy).build(&context).unwrap();
            connected(&context, asking, &["silent"])
        };
        for resend in [0, 1, 3] {
            let mut asking = ask(resend);
            let entered = Instant::now();
            asking.send("request").unwrap();
            assert_eq!(asking.recv(), Err(RecvError::NoReply));
            assert!(entered.elapsed() >= SOON * (resend + 1));
            assert_eq!(asking.counters().messages_sent, u64::from(resend) + 1);
            assert_eq!(asking.recv(), Err(RecvError::NoRequest));
            for _ in 0..=resend {
                assert_eq!(silent.next(), "request".into());
                silent.send("late").unwrap();
            }
            // Usable, and a late reply is not taken for another's.
            let replied = |silent: &mut Rep| {
                while let Ok(request) = silent.recv_timeout(SOON / 5) {
                    silent.send(request).unwrap();
                }
            };
            context.eventually("a reply comes in time", || {
                asking.send("next").unwrap();
                replied(&mut silent);
                let result = asking.recv();
                assert!(result == Ok("next".into()) || result == Err(RecvError::NoReply));
                replied(&mut silent);
                result.is_ok()
            });
            // Nothing of this one's is left.
            drop((asking, silent));
            silent = rep(&context, "silent");
        }
        // A shorter wait ends first, and the request goes on.
        let mut asking = Req::builder().reply_timeout(PATIENCE).build(&context).unwrap();
        asking.connect(context.endpoint("silent")).unwrap();
        asking.send("request").unwrap();
        assert_eq!(asking.recv_timeout(SOON), Err(RecvError::TimedOut));
        assert_eq!(silent.next(), "request".into());
        silent.send("reply").unwrap();
        assert_eq!(asking.next(), "reply".into());
        // Nobody there at all: every attempt takes its time.
        let mut asking = ask(2);
        asking.send("request").unwrap();
        drop(silent);
        assert_eq!(asking.recv(), Err(RecvError::NoReply));
        // By looking only.
        let mut silent = rep(&context, "silent");
        let mut asking = ask(1);
        asking.send("request").unwrap();
        context.eventually("it is given up", || match asking.try_recv() {
            Err(RecvError::Empty) => false,
            result => {
                assert_eq!(result, Err(RecvError::NoReply));
                true
            }
        });
        assert_eq!(silent.next(), "request".into());
    }
}

pub(crate) fn late_replies_count(flavor: Flavor) {
    let context = flavor.context();
    let (mut slow, mut silent) = (router(&context, "slow"), router(&context, "silent"));
    let asking = Req::builder().reply_timeout(SOON).resend(1000).build(&context).unwrap();
    let mut asking = connected(&context, asking, &["slow", "silent"]);
    let asker = thread::spawn(move || asking.request("request").unwrap());
    let request = slow.next();
    assert_eq!(silent.next()[1], request[1], "the same number");
    slow.send(request).unwrap();
    assert_eq!(asker.join().unwrap(), "request".into());
}
