//! Heartbeats and time-outs, with simulated time.

#![forbid(unsafe_code)]

use super::*;
use SocketType::{Pull, Push};

const SECOND: Duration = Duration::from_secs(1);

/// Two connections and the time; what goes between them takes no time.
struct Pair {
    now: Instant,
    push: Connection,
    pull: Connection,
}

impl Pair {
    fn new(push: Heartbeat, pull: Heartbeat) -> Self {
        let now = Instant::now();
        let connection =
            |socket_type, heartbeat| Connection::new(Arc::new(Config { heartbeat, ..Config::new(socket_type) }), now);
        let mut pair = Self { now, push: connection(Push, push), pull: connection(Pull, pull) };
        for _ in 0..4 {
            pair.exchange();
        }
        assert!(pair.push.peer().is_some() && pair.pull.peer().is_some());
        pair
    }

    /// Both write, both read what the other wrote. How many messages PULL got.
    fn exchange(&mut self) -> usize {
        self.exchange_one_way(false) + self.exchange_one_way(true)
    }

    fn exchange_one_way(&mut self, from_push: bool) -> usize {
        let (from, to) = if from_push { (&mut self.push, &mut self.pull) } else { (&mut self.pull, &mut self.push) };
        let bytes = written(from);
        if !bytes.is_empty() {
            to.heard(self.now);
        }
        told(to, &[&bytes]).iter().filter(|told| matches!(told, Told::Message(_))).count()
    }

    /// Goes on to `PUSH`'s next deadline and lets it do what is due.
    fn push_times_out(&mut self) -> Result<(), Error> {
        self.now = self.push.deadline().unwrap();
        self.push.handle_timeout(self.now)
    }
}

fn every(interval: Duration) -> Heartbeat {
    Heartbeat { interval: Some(interval), timeout: None, ttl: Duration::ZERO }
}

#[test]
fn the_handshake_has_its_time() {
    let now = Instant::now();
    let mut connection = Connection::new(config(Pull), now);
    let at = now + 30 * SECOND;
    assert_eq!(connection.deadline(), Some(at));
    // A byte now and then does not prolong it.
    let hello = hello(Push, 1);
    for (second, byte) in hello[..20].chunks(1).enumerate() {
        connection.heard(now + SECOND * second as u32);
        assert_eq!(told(&mut connection, &[byte]), []);
    }
    assert_eq!(connection.deadline(), Some(at));
    connection.handle_timeout(at - Duration::from_nanos(1)).unwrap();
    let error = Error::HandshakeTimedOut { after: 30 * SECOND };
    assert_eq!(connection.handle_timeout(at), Err(error.clone()));
    assert_eq!(error.fault(), Fault::TimedOut);
    assert_eq!(told(&mut connection, &[b"x"]), [Told::Failed(error)]);
}

#[test]
fn without_heartbeats_and_time_outs_nothing_is_ever_due() {
    let config = Arc::new(Config { handshake_timeout: None, ..Config::new(Pull) });
    let mut connection = Connection::new(config, Instant::now());
    assert_eq!(connection.deadline(), None);
    told(&mut connection, &[&hello(Push, 1)]);
    assert_eq!(connection.deadline(), None);
    connection.handle_timeout(Instant::now() + 1_000_000 * SECOND).unwrap();
    // Nor with ones that are out of the clock's range.
    let never = Heartbeat { interval: Some(Duration::MAX), timeout: Some(Duration::MAX), ttl: Duration::MAX };
    let config = Config { handshake_timeout: Some(Duration::MAX), heartbeat: never, ..Config::new(Pull) };
    assert_eq!(ready_with(Arc::new(config), Push, 1).deadline(), None);
    let zero = Heartbeat { interval: Some(Duration::ZERO), ..Heartbeat::default() };
    let config = Config { heartbeat: zero, ..Config::new(Pull) };
    assert_eq!(ready_with(Arc::new(config), Push, 1).deadline(), None);
}

#[test]
fn an_answered_ping_keeps_the_connection() {
    let mut pair = Pair::new(every(SECOND), Heartbeat::default());
    let begun = pair.now;
    for round in 1..=100 {
        pair.push_times_out().unwrap();
        assert_eq!(pair.now, begun + SECOND * round);
        // The PING, and its PONG.
        pair.exchange();
        pair.exchange();
        assert!(pair.pull.deadline().is_none());
    }
}

#[test]
fn an_unanswered_ping_ends_the_connection_after_the_time_out() {
    for (timeout, expected) in [(None, SECOND), (Some(3 * SECOND), 3 * SECOND), (Some(SECOND / 4), SECOND / 4)] {
        let mut pair = Pair::new(Heartbeat { timeout, ..every(SECOND) }, Heartbeat::default());
        let begun = pair.now;
        let error = loop {
            match pair.push_times_out() {
                Ok(()) => {
                    drop(written(&mut pair.push));
                    pair.push.wrote(pair.now);
                }
                Err(error) => break error,
            }
        };
        assert_eq!(error, Error::HeartbeatTimedOut { after: expected });
        assert_eq!(pair.now, begun + SECOND + expected);
    }
}

#[test]
fn any_byte_is_a_sign_of_life() {
    let mut pair = Pair::new(Heartbeat::default(), Heartbeat::default());
    let heartbeat = every(SECOND);
    let mut pull = ready_with(Arc::new(Config { heartbeat, ..Config::new(Pull) }), Push, 1);
    pair.push.send(&vec![7; 100].into());
    // One byte of the message a second, and never an answer to a PING.
    for byte in written(&mut pair.push).chunks(1).take(100) {
        let now = pull.deadline().unwrap();
        pull.handle_timeout(now).unwrap();
        pull.heard(now);
        assert_eq!(told(&mut pull, &[byte]), []);
    }
}

#[test]
fn a_ping_behind_a_long_message_waits_while_the_writing_gets_on() {
    let mut pair = Pair::new(every(SECOND), Heartbeat::default());
    pair.push.send(&vec![7; 1_000_000].into());
    let begun = pair.now;
    pair.push_times_out().unwrap();
    assert!(pair.push.times_writing());
    for _ in 0..100 {
        pair.now += SECOND / 2;
        pair.push.outbox_mut().advance(10_000);
        pair.push.wrote(pair.now);
        pair.push.handle_timeout(pair.now).unwrap();
    }
    // The whole is written, and from now on it is for the peer to answer.
    assert!(pair.push.outbox().len() < 1000);
    written(&mut pair.push);
    pair.push.wrote(pair.now);
    assert!(!pair.push.times_writing());
    assert_eq!(pair.now, begun + 51 * SECOND);
    let error = loop {
        if let Err(error) = pair.push_times_out() {
            break error;
        }
    };
    assert_eq!(error, Error::HeartbeatTimedOut { after: SECOND });
    assert_eq!(pair.now, begun + 52 * SECOND);
}

#[test]
fn a_ping_does_not_queue_behind_another() {
    let mut pair = Pair::new(Heartbeat { timeout: Some(1000 * SECOND), ..every(SECOND) }, Heartbeat::default());
    for _ in 0..100 {
        pair.push_times_out().unwrap();
    }
    assert_eq!(written(&mut pair.push), b"\x04\x07\x04PING\x00\x00");
    pair.push_times_out().unwrap();
    assert_eq!(written(&mut pair.push).len(), 9);
}

#[test]
fn a_program_that_was_held_up_sends_one_ping() {
    let mut pair = Pair::new(Heartbeat { timeout: Some(1000 * SECOND), ..every(SECOND) }, Heartbeat::default());
    let late = pair.now + 100 * SECOND;
    pair.push.handle_timeout(late).unwrap();
    pair.push.handle_timeout(late).unwrap();
    assert_eq!(written(&mut pair.push).len(), 9);
    assert_eq!(pair.push.deadline(), Some(late + SECOND));
}

#[test]
fn the_peers_ttl_is_honoured_beyond_16_bits_of_milliseconds() {
    // 656 units are 64 ms to who multiplies in 16 bits.
    for (bytes, ttl) in [([0, 1], 100), ([0, 10], 1000), ([2, 0x90], 65_600), ([0xff, 0xff], 6_553_500)] {
        let mut pair = Pair::new(Heartbeat::default(), Heartbeat::default());
        let ttl = Duration::from_millis(ttl);
        assert_eq!(told(&mut pair.push, &[&[b"\x04\x07\x04PING", &bytes[..]].concat()]), []);
        assert_eq!(pair.push.deadline(), Some(pair.now + ttl));
        pair.push.handle_timeout(pair.now + ttl - Duration::from_nanos(1)).unwrap();
        // Anything heard prolongs it.
        pair.now += ttl / 2;
        pair.push.heard(pair.now);
        assert_eq!(pair.push.deadline(), Some(pair.now + ttl));
        assert_eq!(pair.push_times_out(), Err(Error::TtlExpired { ttl }));
    }
}

#[test]
fn while_nothing_is_due_the_clock_need_not_be_looked_at() {
    let mut pair = Pair::new(Heartbeat::default(), Heartbeat::default());
    assert_eq!(pair.push.deadline(), None);
    pair.now += 1000 * SECOND;
    told(&mut pair.push, &[b"\x04\x07\x04PING\x00\x0a"]);
    pair.push.heard(pair.now);
    assert_eq!(pair.push.deadline(), Some(pair.now + SECOND));
    pair.push.handle_timeout(pair.now).unwrap();
}

#[test]
fn a_ping_without_a_ttl_takes_the_last_one_back() {
    let mut pair = Pair::new(Heartbeat::default(), Heartbeat::default());
    told(&mut pair.push, &[b"\x04\x07\x04PING\x00\x0a"]);
    assert!(pair.push.deadline().is_some());
    told(&mut pair.push, &[b"\x04\x07\x04PING\x00\x00"]);
    assert_eq!(pair.push.deadline(), None);
}

#[test]
fn no_ttl_above_655_is_sent() {
    let sent = |ttl| {
        let mut pair = Pair::new(Heartbeat { ttl, ..every(SECOND) }, Heartbeat::default());
        pair.push_times_out().unwrap();
        let bytes = written(&mut pair.push);
        assert_eq!(bytes[..7], *b"\x04\x07\x04PING");
        u16::from_be_bytes([bytes[7], bytes[8]])
    };
    assert_eq!(sent(Duration::ZERO), 0);
    // Rounded up, so that a short one is not none.
    assert_eq!(sent(Duration::from_nanos(1)), 1);
    assert_eq!(sent(Duration::from_millis(100)), 1);
    assert_eq!(sent(Duration::from_millis(101)), 2);
    assert_eq!(sent(Duration::from_millis(65_500)), 655);
    assert_eq!(sent(Duration::from_millis(65_600)), 655);
    assert_eq!(sent(Duration::MAX), 655);
}

#[test]
fn a_silent_pair_lives_on_heartbeats_alone() {
    let heartbeat = Heartbeat { ttl: 2 * SECOND, ..every(SECOND) };
    let mut pair = Pair::new(heartbeat, heartbeat);
    for _ in 0..1000 {
        let deadlines = [pair.push.deadline(), pair.pull.deadline()];
        pair.now = deadlines.into_iter().flatten().min().unwrap();
        pair.push.handle_timeout(pair.now).unwrap();
        pair.pull.handle_timeout(pair.now).unwrap();
        pair.exchange();
        pair.exchange();
    }
    // Then PULL falls silent. PUSH's PING and PULL's TTL are due to end it; the nearer does.
    let heard = pair.now;
    let error = loop {
        match pair.push_times_out() {
            Ok(()) => drop(written(&mut pair.push)),
            Err(error) => break error,
        }
    };
    assert_eq!(error, Error::HeartbeatTimedOut { after: SECOND });
    assert_eq!(pair.now, heard + 2 * SECOND);
}
