//! Options of either side: memory is shared, need not be, must not be, or cannot be.

use std::{thread, time::Duration};

use ringway::{
    Context, Message, Pair, Pull, Push, Sub, XPub,
    monitor::{
        EventKind, HandshakeFailure, Road,
        UpgradeFailure::{AtPeer, ForbiddenHere, Here, PeerUnable},
        UpgradeObstacle::{Conflates, NoMemory},
    },
    refusal::refuse,
    socket::{Builder, RingSize, SharedMemory},
};

use crate::{
    link::{Holdings, Pairs, alone, anywhere, outcome, publish},
    raw::{PATIENCE, watch::Watch},
};

#[test]
fn memory_is_shared_unless_something_is_in_the_way() {
    let _alone = alone();
    for choices in [
        [SharedMemory::Allow, SharedMemory::Allow],
        [SharedMemory::Require, SharedMemory::Allow],
        [SharedMemory::Allow, SharedMemory::Require],
        [SharedMemory::Require, SharedMemory::Require],
    ] {
        let before = Holdings::now();
        let mut pairs = Pairs::new(choices.map(|choice| Pair::builder().shared_memory(choice)));
        assert_eq!(pairs.outcomes(), [Ok(()); 2]);
        assert_eq!(Holdings::now().segments, before.segments + 4, "each side has two");
        pairs.talk(Road::SharedMemory);
        drop(pairs);
        before.return_to();
        let [bound, connected] = choices;
        let builders = (XPub::builder().shared_memory(bound), Sub::builder().shared_memory(connected));
        assert_eq!(publish(builders.0, builders.1), [Ok(()); 2]);
        before.return_to();
    }
}

#[test]
fn rings_may_be_of_different_sizes() {
    let _alone = alone();
    for sizes in [[4096, 1 << 26], [1 << 20, 4096], [4096, 4096]] {
        let before = Holdings::now();
        let builder = |size| Pair::builder().ipc_ring_size(RingSize::new(size).unwrap()).ipc_memory_max(0);
        let mut pairs = Pairs::new(sizes.map(builder));
        assert_eq!(pairs.outcomes(), [Ok(()); 2]);
        pairs.talk(Road::SharedMemory);
        drop(pairs);
        before.return_to();
    }
}

#[test]
fn who_forbids_it_has_the_stream() {
    let _alone = alone();
    let forbidden = || Pair::builder().shared_memory(SharedMemory::Forbid);
    for (builders, expected) in [
        ([forbidden(), Pair::builder()], [Err(ForbiddenHere), Err(PeerUnable)]),
        ([Pair::builder(), forbidden()], [Err(PeerUnable), Err(ForbiddenHere)]),
        ([forbidden(), forbidden()], [Err(ForbiddenHere); 2]),
    ] {
        let before = Holdings::now();
        let mut pairs = Pairs::new(builders);
        assert_eq!(pairs.outcomes(), expected);
        pairs.talk(Road::Stream);
        assert_eq!(Holdings::now().segments, before.segments);
        drop(pairs);
        before.return_to();
    }
    let outcomes = publish(XPub::builder().shared_memory(SharedMemory::Forbid), Sub::builder());
    assert_eq!(outcomes, [Err(ForbiddenHere), Err(PeerUnable)]);
    let outcomes = publish(XPub::builder(), Sub::builder().shared_memory(SharedMemory::Forbid));
    assert_eq!(outcomes, [Err(PeerUnable), Err(ForbiddenHere)]);
}

#[test]
fn who_keeps_the_newest_only_has_the_stream() {
    let _alone = alone();
    let before = Holdings::now();
    for (conflates, expected) in [
        ([true, false], [Err(Here(Conflates)), Err(AtPeer(Conflates))]),
        ([false, true], [Err(AtPeer(Conflates)), Err(Here(Conflates))]),
        ([true, true], [Err(Here(Conflates)); 2]),
    ] {
        let contexts = [Context::new(), Context::new()];
        let (pull, push) = (Pull::builder(), Push::builder());
        let mut pull = if conflates[0] { pull.conflate() } else { pull }.build(&contexts[0]).unwrap();
        let mut push = if conflates[1] { push.conflate() } else { push }.build(&contexts[1]).unwrap();
        let mut watches = [Watch::new(pull.monitor()), Watch::new(push.monitor())];
        let endpoint = anywhere();
        pull.bind(&endpoint).unwrap();
        push.connect(&endpoint).unwrap();
        assert_eq!([0, 1].map(|side: usize| outcome(&mut watches[side])), expected);
        for number in 0..20_u8 {
            push.send(&[number][..]).unwrap();
            assert_eq!(pull.recv_timeout(PATIENCE).unwrap(), Message::from(&[number][..]));
        }
        assert_eq!(push.peer_list()[0].road, Road::Stream);
        drop((pull, push, watches, contexts));
        before.return_to();
    }
}

/// Tries again at once, each time.
fn impatient(builder: Builder<Pair>) -> Builder<Pair> {
    builder.reconnect_interval(Duration::from_millis(1)).reconnect_interval_max(Duration::from_millis(1))
}

/// The side that must have it turns the other away; the side that connects tries on, and comes in once nothing is in the way.
#[test]
fn who_requires_it_goes_on_trying() {
    let _alone = alone();
    for [bound, connected] in
        [[SharedMemory::Require, SharedMemory::Allow], [SharedMemory::Allow, SharedMemory::Require]]
    {
        let before = Holdings::now();
        let refused = refuse("create", libc::ENOMEM, 0);
        let quick = impatient(Pair::builder());
        let mut pairs = Pairs::new([Pair::builder().shared_memory(bound), quick.shared_memory(connected)]);
        let requires = usize::from(connected == SharedMemory::Require);
        for _ in 0..3 {
            let told = pairs.watches[requires].handshake_failed();
            let EventKind::HandshakeFailed { reason: HandshakeFailure::SharedMemoryRequired(why), .. } = told else {
                panic!("{told}");
            };
            assert_eq!(why, Here(NoMemory));
        }
        drop(refused);
        for watch in &mut pairs.watches {
            watch.wait_for("memory is shared", |kind| matches!(kind, EventKind::Upgraded { .. }));
        }
        pairs.talk(Road::SharedMemory);
        drop(pairs);
        before.return_to();
    }
}

/// One requires it and the other forbids it: they never meet, and nothing heaps up meanwhile.
#[test]
fn who_requires_it_never_meets_who_forbids_it() {
    let _alone = alone();
    let before = Holdings::now();
    for [bound, connected] in
        [[SharedMemory::Require, SharedMemory::Forbid], [SharedMemory::Forbid, SharedMemory::Require]]
    {
        let quick = impatient(Pair::builder()).linger(Duration::ZERO);
        let mut pairs = Pairs::new([Pair::builder().shared_memory(bound), quick.shared_memory(connected)]);
        pairs.connected.send("never").unwrap();
        let requires = usize::from(connected == SharedMemory::Require);
        let mut most = Holdings::now();
        for nth in 0..50 {
            let told = pairs.watches[requires].handshake_failed();
            let EventKind::HandshakeFailed { reason: HandshakeFailure::SharedMemoryRequired(why), .. } = told else {
                panic!("{told}");
            };
            assert_eq!(why, PeerUnable);
            let now = Holdings::now();
            if nth == 10 {
                most = now;
            }
            assert!(nth < 10 || now.descriptors <= most.descriptors + 8, "{now:?} after {most:?}");
        }
        assert!(pairs.bound.try_recv().is_err());
        drop(pairs);
        before.return_to();
    }
}

/// Links that end by themselves and begin again take what they had with them.
#[test]
fn nothing_is_left_of_many_links() {
    let _alone = alone();
    let contexts = [Context::new(), Context::new()];
    let mut bound = Pull::new(&contexts[0]).unwrap();
    let endpoint = anywhere();
    bound.bind(&endpoint).unwrap();
    let mut watch = Watch::new(bound.monitor());
    let one = |bound: &mut Pull, watch: &mut Watch| {
        let mut push = Push::new(&contexts[1]).unwrap();
        push.connect(&endpoint).unwrap();
        push.send("here").unwrap();
        assert_eq!(bound.recv_timeout(PATIENCE).unwrap(), Message::from("here"));
        drop(push);
        watch.disconnected();
    };
    one(&mut bound, &mut watch);
    thread::yield_now();
    let before = Holdings::now();
    for _ in 0..50 {
        one(&mut bound, &mut watch);
    }
    before.return_to();
}
