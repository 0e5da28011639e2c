//! What a peer may make us hold.

#![forbid(unsafe_code)]

use super::*;
use SocketType::{Pub, Pull, Push, Sub};

fn limited(socket_type: SocketType, limits: Limits) -> Arc<Config> {
    Arc::new(Config { limits, ..Config::new(socket_type) })
}

/// A ready PULL with these limits.
fn pull(limits: Limits) -> Connection {
    ready_with(limited(Pull, limits), Push, 1)
}

/// Frames of these sizes as one message.
fn frames(sizes: &[usize]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (index, &size) in sizes.iter().enumerate() {
        let (header, len) = frame::header(u8::from(index + 1 < sizes.len()), size);
        bytes.extend(&header[..len]);
        bytes.resize(bytes.len() + size, index as u8);
    }
    bytes
}

#[test]
fn the_size_of_a_message_is_the_sum_of_its_frames() {
    let limits = Limits { message_size: 300, ..Limits::default() };
    for sizes in [&[300][..], &[1, 299], &[100, 100, 100], &[0, 300, 0], &[255], &[]] {
        let told = told(&mut pull(limits), &[&frames(sizes), &frames(&[1])]);
        assert_eq!(told.len(), usize::from(!sizes.is_empty()) + 1, "{sizes:?}: {told:?}");
    }
    for sizes in [&[301][..], &[1, 300], &[100, 100, 101], &[300, 0, 1], &[299, 1 << 40]] {
        // The last header is enough.
        let bytes = if sizes.contains(&(1 << 40)) { header_of_a_giant(299) } else { frames(sizes) };
        let error = Error::MessageTooLarge { limit: 300 };
        assert_eq!(error.fault(), Fault::PeerMisbehaved);
        assert_eq!(told(&mut pull(limits), &[&bytes]), [Told::Failed(error)], "{sizes:?}");
    }
}

/// A frame of so many bytes, then the header of one of 2^40.
fn header_of_a_giant(first: usize) -> Vec<u8> {
    let mut bytes = frames(&[first, 0]);
    bytes.truncate(bytes.len() - 2);
    bytes.extend(b"\x02\0\0\x01\0\0\0\0\0");
    bytes
}

#[test]
fn limits_below_a_short_frame_hold_on_the_short_way_too() {
    for limit in [0, 1, 56, 57, 254, 255] {
        let mut connection = pull(Limits { message_size: limit, ..Limits::default() });
        for size in [0, limit as usize] {
            assert_eq!(told(&mut connection, &[&frames(&[size])]).len(), 1);
        }
        let told = told(&mut connection, &[&frames(&[limit as usize + 1])]);
        assert_eq!(told, [Told::Failed(Error::MessageTooLarge { limit })]);
    }
}

#[test]
fn the_frames_of_a_message_are_counted() {
    let limits = Limits { frames: 3, ..Limits::default() };
    assert_eq!(told(&mut pull(limits), &[&frames(&[0; 3]), &frames(&[0; 3])]).len(), 2);
    assert_eq!(told(&mut pull(limits), &[&frames(&[0; 4])]), [Told::Failed(Error::TooManyFrames { limit: 3 })]);
    // As many as there may be by default, through every doubling of the list.
    let most = Limits::default().frames;
    let told = told(&mut pull(Limits::default()), &[&frames(&vec![0; most])]);
    assert!(matches!(&told[..], [Told::Message(message)] if message.len() == most));
}

#[test]
fn commands_and_topics_have_their_limits() {
    let limits = Limits { command_size: 20, topic_size: 8, ..Limits::default() };
    let publisher = || {
        // Whose READY has more than 20 bytes would not get so far.
        let mut connection = ready(Pub, Sub);
        connection.config = limited(Pub, limits);
        connection
    };
    assert_eq!(told(&mut publisher(), &[b"\x04\x12\x09SUBSCRIBE12345678"]), [Told::Subscribe("12345678".into())]);
    assert_eq!(told(&mut publisher(), &[b"\x00\x09\x0112345678"]), [Told::Subscribe("12345678".into())]);
    let error = Error::TopicTooLong { limit: 8 };
    assert_eq!(told(&mut publisher(), &[b"\x04\x13\x09SUBSCRIBE123456789"]), [Told::Failed(error.clone())]);
    assert_eq!(told(&mut publisher(), &[b"\x04\x10\x06CANCEL123456789"]), [Told::Failed(error.clone())]);
    assert_eq!(told(&mut publisher(), &[b"\x00\x0a\x01123456789"]), [Told::Failed(error)]);
    let error = Error::CommandTooLarge { limit: 20 };
    assert_eq!(told(&mut publisher(), &[b"\x04\x15"]), [Told::Failed(error.clone())]);
    assert_eq!(told(&mut publisher(), &[b"\x06\x7f\xff\xff\xff\xff\xff\xff\xff"]), [Told::Failed(error.clone())]);
    // In the handshake too.
    let mut connection = Connection::new(limited(Pub, limits), Instant::now());
    assert_eq!(told(&mut connection, &[&hello(Sub, 1)]), [Told::Failed(error)]);
}

#[test]
fn an_announced_giant_takes_no_memory_before_it_comes() {
    let mut connection = pull(Limits::default());
    assert_eq!(told(&mut connection, &[b"\x02\x7f\xff\xff\xff\xff\xff\xff\xff"]), []);
    assert_eq!(connection.held(), 0);
    assert_eq!(connection.body(), Ok(None));
    assert_eq!(connection.held(), 0);
    for sent in 1..1000 {
        assert_eq!(told(&mut connection, &[&[0; 1000]]), []);
        connection.body().unwrap().unwrap();
        assert!(connection.held() <= frame::GROWTH_MIN + 2 * 1000 * sent);
    }
}

#[test]
fn memory_that_is_not_to_be_had_ends_the_connection() {
    let mut connection = pull(Limits::default());
    // More than there is: what has come is believed, and the whole is asked for.
    connection.decoder.trust(usize::MAX);
    let bytes = b"\x02\x7f\xff\xff\xff\xff\xff\xff\xffx";
    let told = told(&mut connection, &[bytes]);
    assert!(matches!(failure(&told), Error::OutOfMemory { .. }));
    assert_eq!(failure(&told).fault(), Fault::OutOfMemory);
}

#[test]
fn a_large_frame_is_read_to_its_place() {
    for size in [frame::DIRECT_MIN, 100_000, 64 << 20] {
        let mut connection = pull(Limits::default());
        let whole = frames(&[3, size]);
        let (first, mut rest) = whole.split_at(5 + 9 + 100);
        assert_eq!(told(&mut connection, &[first]), []);
        let mut reads = 0;
        while let Some(space) = connection.body().unwrap() {
            let read = space.len().min(rest.len()).min(150_000);
            assert!(read > 0);
            space[..read].copy_from_slice(&rest[..read]);
            connection.body_received(read);
            rest = &rest[read..];
            reads += 1;
            if rest.is_empty() {
                break;
            }
            // A little comes the other way now and then.
            let (some, more) = rest.split_at(rest.len().min(reads % 3));
            if rest.len() > 3 {
                assert_eq!(told(&mut connection, &[some]), []);
                rest = more;
            }
        }
        let told = told(&mut connection, &[rest]);
        let expected = message([&[0; 3], &vec![1; size]]);
        assert!(told == [Told::Message(expected)], "{size}");
        assert!(connection.body().unwrap().is_none());
        // The message stands alone in exactly its memory.
        assert_eq!(connection.held(), 0);
    }
}

#[test]
fn the_next_frame_of_a_size_is_placed_at_once() {
    let mut connection = pull(Limits::default());
    let whole = frames(&[1 << 20]);
    assert_eq!(told(&mut connection, &[&whole[..1000], &whole[1000..]]).len(), 1);
    assert_eq!(told(&mut connection, &[&whole[..1000]]), []);
    assert_eq!(connection.held(), 1 << 20);
}

#[test]
fn unread_answers_to_pings_do_not_pile_up() {
    let mut connection = ready(Pull, Push);
    let ping = b"\x04\x07\x04PING\x00\x00";
    for _ in 0..1000 {
        assert_eq!(told(&mut connection, &[ping]), []);
    }
    assert_eq!(connection.outbox().len(), 7 * heartbeat::PONGS_MAX);
    written(&mut connection);
    assert_eq!(told(&mut connection, &[ping]), []);
    assert_eq!(written(&mut connection), b"\x04\x05\x04PONG");
}
