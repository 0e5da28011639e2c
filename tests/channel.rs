//! Channels from outside: what arrives, in which order, who is woken, and what comes back.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ringway::channel::{
    self, Ends, Kind, PopError, PushError, RecvError, RecvTimeoutError, SendError, SendTimeoutError, WaitPolicy,
};

const POLICIES: [WaitPolicy; 3] = [WaitPolicy::Spin, WaitPolicy::Adaptive, WaitPolicy::Park];

/// Items per storm; under Miri a step takes microseconds.
const STORM: u64 = if cfg!(miri) { 20 } else { 20_000 };
/// Rounds of a race that a single round may win or lose.
const ROUNDS: u64 = if cfg!(miri) { 3 } else { 100 };
/// How much of `full` to run under `policy`: a spinner that waits for a thread without a core waits a whole slice.
fn share_of(full: u64, policy: WaitPolicy) -> u64 {
    if policy == WaitPolicy::Spin { full.div_ceil(20) } else { full }
}

/// Longer than any wait of a test that succeeds.
const LONG: Duration = Duration::from_secs(60);

fn with_policy<T, K: Kind>((mut sender, mut receiver): Ends<T, K>, policy: WaitPolicy) -> Ends<T, K> {
    sender.set_policy(policy);
    receiver.set_policy(policy);
    (sender, receiver)
}

#[test]
fn everything_arrives_in_order_under_every_policy() {
    for policy in POLICIES {
        for capacity in [1, 2, 64] {
            let (mut sender, mut receiver) = with_policy(channel::spsc(capacity).unwrap(), policy);
            let items = share_of(STORM, policy);
            let sending = thread::spawn(move || (0..items).for_each(|item| sender.send(item).unwrap()));
            for item in 0..items {
                assert_eq!(receiver.recv(), Ok(item));
            }
            assert_eq!(receiver.recv(), Err(RecvError));
            sending.join().unwrap();
        }
    }
}

#[test]
fn a_ping_pong_wakes_both_sides_under_every_policy() {
    for policy in POLICIES {
        let (mut ping, mut pinged) = with_policy(channel::spsc(1).unwrap(), policy);
        let (mut pong, mut ponged) = with_policy(channel::spsc(1).unwrap(), policy);
        let echo = thread::spawn(move || {
            for item in &mut pinged {
                pong.send(item).unwrap();
            }
        });
        for item in 0..share_of(STORM / 10, policy) {
            ping.send(item).unwrap();
            assert_eq!(ponged.recv(), Ok(item));
        }
        drop(ping);
        echo.join().unwrap();
    }
}

/// Every item arrives once, and those of one sender reach each receiver in the order they were sent.
#[test]
fn a_crowd_shares_a_channel() {
    const HANDLES: u64 = 3;
    // `Spin` is left out: more spinning threads than cores measure the scheduler.
    for policy in [WaitPolicy::Adaptive, WaitPolicy::Park] {
        for capacity in [1, 3, 64] {
            let (sender, receiver) = with_policy(channel::mpmc(capacity).unwrap(), policy);
            let senders: Vec<_> = (0..HANDLES)
                .map(|source| {
                    let mut sender = sender.clone();
                    thread::spawn(move || {
                        (0..STORM / HANDLES).for_each(|item| sender.send((source, item)).unwrap());
                    })
                })
                .collect();
            let receivers: Vec<_> = (0..HANDLES)
                .map(|_| {
                    let mut receiver = receiver.clone();
                    thread::spawn(move || receiver.iter().collect::<Vec<_>>())
                })
                .collect();
            drop((sender, receiver));
            senders.into_iter().for_each(|sender| sender.join().unwrap());
            let mut all = Vec::new();
            for receiver in receivers {
                let received = receiver.join().unwrap();
                for source in 0..HANDLES {
                    assert!(received.iter().filter(|item| item.0 == source).is_sorted());
                }
                all.extend(received);
            }
            all.sort_unstable();
            let expected = (0..HANDLES).flat_map(|source| (0..STORM / HANDLES).map(move |item| (source, item)));
            assert!(all.into_iter().eq(expected));
        }
    }
}

#[test]
fn each_of_many_receivers_that_take_one_item_is_woken() {
    for _ in 0..ROUNDS {
        let (mut sender, receiver) = with_policy(channel::mpmc(4).unwrap(), WaitPolicy::Park);
        let receivers: Vec<_> = (0..4)
            .map(|_| {
                let mut receiver = receiver.clone();
                thread::spawn(move || receiver.recv().unwrap())
            })
            .collect();
        sender.send_batch(&mut VecDeque::from([1, 2, 3, 4])).unwrap();
        assert_eq!(receivers.into_iter().map(|receiver| receiver.join().unwrap()).sum::<u32>(), 10);
    }
}

fn a_waiting_receiver_learns_that_the_sender_went<K: Kind>(ends: impl Fn() -> Ends<u8, K>)
where
    channel::Sender<u8, K>: Send + 'static,
{
    for policy in POLICIES {
        for _ in 0..share_of(ROUNDS, policy) {
            let (mut sender, mut receiver) = with_policy(ends(), policy);
            let sending = thread::spawn(move || sender.send(1).unwrap());
            assert_eq!(receiver.recv(), Ok(1));
            assert_eq!(receiver.recv(), Err(RecvError));
            assert_eq!(receiver.try_recv(), Err(PopError::Closed));
            assert_eq!(receiver.recv_timeout(LONG), Err(RecvTimeoutError::Closed));
            sending.join().unwrap();
        }
    }
}

fn a_waiting_sender_gets_its_item_back_when_the_receiver_goes<K: Kind>(ends: impl Fn() -> Ends<u8, K>)
where
    channel::Receiver<u8, K>: Send + 'static,
{
    for policy in POLICIES {
        for _ in 0..share_of(ROUNDS, policy) {
            let (mut sender, mut receiver) = with_policy(ends(), policy);
            sender.send(1).unwrap();
            let receiving = thread::spawn(move || assert_eq!(receiver.recv(), Ok(1)));
            let returned = (2..=u8::MAX).find_map(|item| sender.send(item).err()).unwrap();
            assert!(returned.into_inner() <= 4, "one was received, one more had room, perhaps one as it went");
            assert_eq!(sender.try_send(9), Err(PushError::Closed(9)));
            assert_eq!(sender.send_timeout(9, LONG), Err(SendTimeoutError::Closed(9)));
            receiving.join().unwrap();
        }
    }
}

#[test]
fn closing_wakes_who_waits() {
    a_waiting_receiver_learns_that_the_sender_went(|| channel::spsc(1).unwrap());
    a_waiting_receiver_learns_that_the_sender_went(|| channel::mpmc(1).unwrap());
    a_waiting_sender_gets_its_item_back_when_the_receiver_goes(|| channel::spsc(1).unwrap());
    a_waiting_sender_gets_its_item_back_when_the_receiver_goes(|| channel::mpmc(1).unwrap());
}

#[test]
fn closing_waits_for_the_last_handle() {
    let (mut sender, receiver) = channel::mpmc(4).unwrap();
    let mut other = sender.clone();
    let mut receiver_too = receiver.clone();
    drop(receiver);
    sender.send(1).unwrap();
    drop(sender);
    other.send(2).unwrap();
    drop(other);
    assert_eq!(receiver_too.iter().collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn a_channel_holds_exactly_its_capacity() {
    for capacity in [1, 3, 100] {
        let (mut sender, mut receiver) = channel::spsc(capacity).unwrap();
        assert_eq!((sender.capacity(), receiver.capacity()), (capacity, capacity));
        (0..capacity).for_each(|item| sender.try_send(item).unwrap());
        assert_eq!(sender.try_send(capacity), Err(PushError::Full(capacity)));
        assert_eq!(receiver.try_recv(), Ok(0));
        sender.try_send(capacity).unwrap();
        assert_eq!(receiver.try_iter().collect::<Vec<_>>(), (1..=capacity).collect::<Vec<_>>());
        assert_eq!(receiver.try_recv(), Err(PopError::Empty));
    }
}

#[test]
fn time_outs_are_kept_under_every_policy() {
    let timeout = Duration::from_millis(20);
    for policy in POLICIES {
        let (mut sender, mut receiver) = with_policy(channel::spsc(1).unwrap(), policy);
        let start = Instant::now();
        assert_eq!(receiver.recv_timeout(timeout), Err(RecvTimeoutError::Timeout));
        assert!(start.elapsed() >= timeout);
        sender.send(1).unwrap();
        let start = Instant::now();
        assert_eq!(sender.send_timeout(2, timeout), Err(SendTimeoutError::Timeout(2)));
        assert!(start.elapsed() >= timeout);
        assert_eq!(receiver.wait_counters().timeouts, 1);
        assert_eq!(sender.wait_counters().timeouts, 1);
    }
}

#[test]
fn a_zero_timeout_looks_once_and_a_huge_one_waits() {
    for policy in POLICIES {
        let (mut sender, mut receiver) = with_policy(channel::spsc(1).unwrap(), policy);
        assert_eq!(receiver.recv_timeout(Duration::ZERO), Err(RecvTimeoutError::Timeout));
        assert_eq!(sender.send_timeout(1, Duration::ZERO), Ok(()));
        assert_eq!(sender.send_timeout(2, Duration::ZERO), Err(SendTimeoutError::Timeout(2)));
        assert_eq!(receiver.recv_timeout(Duration::ZERO), Ok(1));
        let sending = thread::spawn(move || sender.send(3).unwrap());
        assert_eq!(receiver.recv_timeout(Duration::MAX), Ok(3));
        sending.join().unwrap();
    }
}

/// Time-outs and arrivals race; nothing is lost or delivered twice.
#[test]
fn time_outs_lose_nothing() {
    for policy in [WaitPolicy::Adaptive, WaitPolicy::Park] {
        let (sender, receiver) = with_policy(channel::mpmc(2).unwrap(), policy);
        let senders: Vec<_> = (0..2)
            .map(|_| {
                let mut sender = sender.clone();
                thread::spawn(move || {
                    for mut item in 0..STORM / 20 {
                        while let Err(SendTimeoutError::Timeout(back)) =
                            sender.send_timeout(item, Duration::from_micros(item % 50))
                        {
                            item = back;
                        }
                    }
                })
            })
            .collect();
        let receivers: Vec<_> = (0..2)
            .map(|index| {
                let mut receiver = receiver.clone();
                thread::spawn(move || {
                    let (mut sum, mut turn) = (0, index);
                    loop {
                        turn += 1;
                        match receiver.recv_timeout(Duration::from_micros(turn % 50)) {
                            Ok(item) => sum += item,
                            Err(RecvTimeoutError::Timeout) => {}
                            Err(RecvTimeoutError::Closed) => return sum,
                        }
                    }
                })
            })
            .collect();
        drop((sender, receiver));
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        let sum: u64 = receivers.into_iter().map(|receiver| receiver.join().unwrap()).sum();
        let each = STORM / 20;
        assert_eq!(sum, each * (each - 1));
    }
}

#[test]
fn batches_arrive_whole_and_in_order() {
    for policy in POLICIES {
        let (mut sender, mut receiver) = with_policy(channel::spsc(16).unwrap(), policy);
        let sending = thread::spawn(move || {
            let mut items: VecDeque<_> = (0..STORM).collect();
            assert_eq!(sender.send_batch(&mut items), Ok(STORM as usize));
            assert!(items.is_empty());
        });
        let mut received = Vec::new();
        while let Ok(len) = receiver.recv_batch(&mut received, 10) {
            assert!((1..=10).contains(&len));
        }
        assert!(received.into_iter().eq(0..STORM));
        sending.join().unwrap();
    }
}

#[test]
fn batches_that_find_no_room_keep_their_rest() {
    let (mut sender, mut receiver) = channel::spsc(3).unwrap();
    let mut items: VecDeque<_> = (0..5).collect();
    assert_eq!(sender.try_send_batch(&mut items), Ok(3));
    assert_eq!(sender.try_send_batch(&mut items), Err(PushError::Full(())));
    assert_eq!(items, [3, 4]);
    let mut received = Vec::new();
    assert_eq!(receiver.try_recv_batch(&mut received, 0), Ok(0));
    assert_eq!(receiver.try_recv_batch(&mut received, 2), Ok(2));
    assert_eq!(receiver.recv_batch(&mut received, usize::MAX), Ok(1));
    assert_eq!(receiver.try_recv_batch(&mut received, 1), Err(PopError::Empty));
    assert_eq!(received, [0, 1, 2]);
    drop(receiver);
    assert_eq!(sender.try_send_batch(&mut items), Err(PushError::Closed(())));
    assert_eq!(sender.send_batch(&mut items), Err(SendError(())));
    assert_eq!(items, [3, 4]);
    assert_eq!(sender.try_send_batch(&mut VecDeque::new()), Ok(0));
}

#[test]
fn stray_unparks_do_no_harm() {
    for policy in [WaitPolicy::Adaptive, WaitPolicy::Park] {
        let (mut sender, mut receiver) = with_policy(channel::spsc(1).unwrap(), policy);
        let waiting = thread::current();
        let sending = thread::spawn(move || {
            for item in 0..STORM / 50 {
                waiting.unpark();
                sender.send(item).unwrap();
                waiting.unpark();
            }
        });
        for item in 0..STORM / 50 {
            assert_eq!(receiver.recv(), Ok(item));
        }
        sending.join().unwrap();
    }
}

#[test]
fn handles_move_between_threads() {
    let (mut sender, mut receiver) = with_policy(channel::spsc(1).unwrap(), WaitPolicy::Park);
    let sending = thread::spawn(move || (0..ROUNDS).for_each(|item| sender.send(item).unwrap()));
    for item in 0..ROUNDS {
        // Each receive waits on a thread of its own, so that the wake must find the new one.
        receiver = thread::spawn(move || {
            assert_eq!(receiver.recv(), Ok(item));
            receiver
        })
        .join()
        .unwrap();
    }
    sending.join().unwrap();
}

#[test]
fn items_nobody_took_are_dropped_once() {
    struct Counted(Arc<AtomicUsize>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let dropped = Arc::new(AtomicUsize::new(0));
    let (mut sender, mut receiver) = channel::mpmc(8).unwrap();
    (0..5).for_each(|_| assert!(sender.send(Counted(dropped.clone())).is_ok()));
    drop(receiver.recv());
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
    drop(receiver);
    drop(sender.send(Counted(dropped.clone())));
    drop(sender);
    assert_eq!(dropped.load(Ordering::Relaxed), 6);
}

#[test]
fn counters_tell_how_it_waited() {
    let (mut sender, mut receiver) = channel::spsc(1).unwrap();
    assert_eq!(receiver.policy(), WaitPolicy::Adaptive);
    receiver.set_policy(WaitPolicy::Spin);
    assert_eq!(receiver.recv_timeout(Duration::from_millis(2)), Err(RecvTimeoutError::Timeout));
    assert_eq!(receiver.wait_counters().parks, 0);
    receiver.set_policy(WaitPolicy::Park);
    assert_eq!(receiver.recv_timeout(Duration::from_millis(2)), Err(RecvTimeoutError::Timeout));
    let counters = receiver.wait_counters();
    assert!(counters.parks >= 1 && counters.timeouts == 2 && counters.spins_paid == 0);
    assert!(counters.expected_wait > Duration::ZERO && counters.spin_budget > Duration::ZERO);
    sender.send(1).unwrap();
    assert_eq!(receiver.recv(), Ok(1));
    assert_eq!(receiver.wait_counters().parks, counters.parks);
}

#[test]
fn an_adaptive_receiver_stops_spinning_for_what_does_not_come() {
    let (_sender, mut receiver) = channel::spsc::<()>(1).unwrap();
    for _ in 0..20 {
        // Far beyond any budget.
        assert_eq!(receiver.recv_timeout(Duration::from_millis(2)), Err(RecvTimeoutError::Timeout));
    }
    let counters = receiver.wait_counters();
    assert!(counters.parks >= 10 && counters.spins_missed <= 10, "{counters:?}");
}
