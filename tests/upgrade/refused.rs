//! Each step the system may refuse, to one side or to both.

use ringway::{
    Pair, Sub, XPub,
    monitor::UpgradeFailure::{self, AtPeer, Here},
    monitor::UpgradeObstacle::{self, DescriptorsMissing, MapRefused, NoDoorbell, NoMemory, Other, TooManyDescriptors},
    refusal::refuse,
};

use crate::link::{Holdings, Outcome, Pairs, alone, publish, road};

/// What is refused, with which number, and what that is called. Both sides make what they offer before either looks at the
/// other's, so what is refused from the second time on is refused to one of them; a mapping is of one's own the first two
/// times, and of the other's the next two.
const STEPS: [(&str, i32, [u32; 2], UpgradeObstacle); 14] = [
    ("create", libc::EMFILE, [0, 1], TooManyDescriptors),
    ("create", libc::ENFILE, [0, 1], TooManyDescriptors),
    ("create", libc::ENOMEM, [0, 1], NoMemory),
    ("create", libc::ENOSYS, [0, 1], Other),
    ("reserve", libc::ENOSPC, [0, 1], NoMemory),
    ("reserve", libc::EPERM, [0, 1], Other),
    ("map", libc::ENOMEM, [0, 1], NoMemory),
    ("map", libc::EACCES, [2, 3], MapRefused),
    ("hide", libc::EINVAL, [0, 1], Other),
    ("hide", libc::EINVAL, [2, 3], MapRefused),
    ("seal", libc::EPERM, [0, 1], Other),
    ("inspect", libc::EACCES, [0, 1], MapRefused),
    ("pair", libc::EMFILE, [0, 1], TooManyDescriptors),
    ("pair", libc::EACCES, [0, 1], NoDoorbell),
];

#[track_caller]
fn is_told_to(outcomes: [Outcome; 2], expected: [UpgradeFailure; 2]) {
    let is = |a: usize, b: usize| outcomes[a] == Err(expected[0]) && outcomes[b] == Err(expected[1]);
    assert!(is(0, 1) || is(1, 0), "{outcomes:?} in place of {expected:?}");
}

#[test]
fn what_is_refused_to_both_sides_leaves_the_stream() {
    let _alone = alone();
    for (step, code, [passes, _], obstacle) in STEPS {
        let before = Holdings::now();
        let refused = refuse(step, code, passes);
        let mut pairs = Pairs::new([Pair::builder(), Pair::builder()]);
        is_told_to(pairs.outcomes(), [Here(obstacle); 2]);
        drop(refused);
        pairs.talk(road(Err(Here(obstacle))));
        drop(pairs);
        before.return_to();
        let refused = refuse(step, code, passes);
        is_told_to(publish(XPub::builder(), Sub::builder()), [Here(obstacle); 2]);
        drop(refused);
        before.return_to();
    }
}

#[test]
fn what_is_refused_to_one_side_is_told_to_the_other() {
    let _alone = alone();
    for (step, code, [_, passes], obstacle) in STEPS {
        let before = Holdings::now();
        let refused = refuse(step, code, passes);
        let mut pairs = Pairs::new([Pair::builder(), Pair::builder()]);
        is_told_to(pairs.outcomes(), [Here(obstacle), AtPeer(obstacle)]);
        drop(refused);
        pairs.talk(road(Err(Here(obstacle))));
        drop(pairs);
        before.return_to();
    }
}

/// The offer comes, and nothing with it.
#[test]
fn descriptors_that_are_not_let_go_leave_the_stream() {
    let _alone = alone();
    for (passes, expected) in [(0, [TooManyDescriptors; 2]), (1, [TooManyDescriptors, DescriptorsMissing])] {
        let before = Holdings::now();
        let refused = refuse("pass", libc::ETOOMANYREFS, passes);
        let mut pairs = Pairs::new([Pair::builder(), Pair::builder()]);
        is_told_to(pairs.outcomes(), expected.map(Here));
        drop(refused);
        pairs.talk(road(Err(Here(TooManyDescriptors))));
        drop(pairs);
        before.return_to();
    }
}

/// Only that the death of a process is seen at once depends on it.
#[test]
fn a_process_that_cannot_be_watched_shares_memory_all_the_same() {
    let _alone = alone();
    for passes in [0, 1] {
        let before = Holdings::now();
        let refused = refuse("watch", libc::ESRCH, passes);
        let mut pairs = Pairs::new([Pair::builder(), Pair::builder()]);
        assert_eq!(pairs.outcomes(), [Ok(()); 2]);
        drop(refused);
        pairs.talk(road(Ok(())));
        drop(pairs);
        before.return_to();
    }
}
