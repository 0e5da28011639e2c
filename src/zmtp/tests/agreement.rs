//! Whether to share memory: what is said, in which order, and what is not.

#![forbid(unsafe_code)]

use proptest::{collection::vec, prelude::*};

use super::{
    super::probe::{OFFER, hello_of, told_to},
    *,
};
use SocketType::{Dealer, Pull, Push, Router, Sub, XPub};

/// What [`OFFER`] is on the wire.
const OFFERED: &[u8] =
    b"\x04\x22\x0fX-RINGWAY-OFFER\x01\x01\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f";
const ACCEPTED: &[u8] = b"\x04\x13\x10X-RINGWAY-ANSWER\x01\x00";

fn sharing(socket_type: SocketType) -> Config {
    Config { shares_memory: true, ..Config::new(socket_type) }
}

/// A connection whose peer is ready, both having announced that they share memory.
fn announced(ours: SocketType, theirs: SocketType) -> Connection {
    let mut connection = Connection::new(Arc::new(sharing(ours)), Instant::now());
    let told = told(&mut connection, &[&hello_of(&sharing(theirs), 1)]);
    assert!(matches!(&told[..], [Told::Ready(peer)] if peer.shares_memory), "{told:?}");
    written(&mut connection);
    assert!(connection.is_agreeing());
    connection
}

/// One that has made its offer.
fn offered(ours: SocketType, theirs: SocketType) -> Connection {
    let mut connection = announced(ours, theirs);
    connection.send_offer(&OFFER);
    written(&mut connection);
    connection
}

/// One that has agreed.
fn agreed(ours: SocketType, theirs: SocketType) -> Connection {
    let mut connection = offered(ours, theirs);
    let all = told_to(&mut connection, [OFFERED, ACCEPTED], probe::agree);
    assert_eq!(all, [Told::Offer(OFFER), Told::Answer(Answer::Accepted)]);
    written(&mut connection);
    assert!(!connection.is_agreeing());
    connection
}

/// What one that has made its offer, and answers the peer's, makes of `bytes`: the same, however they are cut in two, and
/// byte by byte.
fn agreement_of(ours: SocketType, theirs: SocketType, bytes: &[u8]) -> Vec<Told> {
    let in_pieces = |pieces: &[&[u8]]| {
        let mut connection = offered(ours, theirs);
        let told = told_to(&mut connection, pieces.iter().copied(), probe::agree);
        (told, written(&mut connection))
    };
    let expected = in_pieces(&[bytes]);
    for cut in 1..bytes.len() {
        assert_eq!(in_pieces(&[&bytes[..cut], &bytes[cut..]]), expected, "cut at {cut}");
    }
    assert_eq!(in_pieces(&bytes.chunks(1).collect::<Vec<_>>()), expected, "byte by byte");
    expected.0
}

/// A command of this name with this data.
fn command_of(name: &[u8], data: &[u8]) -> Vec<u8> {
    let size = 1 + name.len() + data.len();
    [&[4, size as u8, name.len() as u8][..], name, data].concat()
}

fn offer_of(data: &[u8]) -> Vec<u8> {
    command_of(b"X-RINGWAY-OFFER", data)
}

fn answer_of(data: &[u8]) -> Vec<u8> {
    command_of(b"X-RINGWAY-ANSWER", data)
}

fn nothing() -> Vec<u8> {
    offer_of(&Offer::nothing().encode())
}

#[test]
fn the_announcement_is_a_property_of_ready() {
    let mut connection = Connection::new(Arc::new(sharing(Push)), Instant::now());
    told(&mut connection, &[&hello(Pull, 1)]);
    let bytes = written(&mut connection);
    assert_eq!(
        bytes[64..],
        *b"\x04\x30\x05READY\x0bSocket-Type\x00\x00\x00\x04PUSH\x10X-Ringway-Memory\x00\x00\x00\x011"
    );
    // Who does not announce it is not asked, and nor is who is not told.
    assert!(!connection.is_agreeing());
    let told = handshake(Pull, &bytes);
    assert!(matches!(&told[..], [Told::Ready(peer)] if peer.shares_memory && peer.properties.is_empty()));
}

#[test]
fn the_announcement_lists_versions_and_is_made_once() {
    let ready_with = |values: &[&[u8]]| {
        let mut data = b"\x05READY\x0bSocket-Type\x00\x00\x00\x04PUSH".to_vec();
        for value in values {
            data.extend([b"\x10X-Ringway-Memory\x00\x00\x00", &[value.len() as u8][..], value].concat());
        }
        handshake(Pull, &[&greeting::ours(0, "NULL")[..], &[4, data.len() as u8], &data].concat())
    };
    for (versions, known) in
        [(&b"1"[..], true), (b"2 1", true), (b"1 2", true), (b"", false), (b"2", false), (b"11", false)]
    {
        let told = ready_with(&[versions]);
        assert!(matches!(&told[..], [Told::Ready(peer)] if peer.shares_memory == known), "{told:?}");
    }
    assert_eq!(ready_with(&[b"1", b"1"]), [Told::Failed(Error::MalformedMetadata)]);
}

#[test]
fn an_offer_and_an_answer_are_said_as_they_are_written_down() {
    let mut connection = announced(Push, Pull);
    let before = connection.outbox().queued();
    assert_eq!(connection.send_offer(&OFFER), before);
    assert_eq!(written(&mut connection), OFFERED);
    assert_eq!(told(&mut connection, &[OFFERED]), [Told::Offer(OFFER)]);
    connection.send_answer(Answer::Accepted);
    assert_eq!(written(&mut connection), ACCEPTED);
    assert!(connection.is_agreeing());
    assert_eq!(told(&mut connection, &[ACCEPTED]), [Told::Answer(Answer::Accepted)]);
    assert!(!connection.is_agreeing());

    let mut connection = announced(Push, Pull);
    connection.send_offer(&Offer::nothing());
    assert_eq!(written(&mut connection), offer_of(&[0; 18]));
    assert_eq!(told(&mut connection, &[OFFERED, b"\x04\x13\x10X-RINGWAY-ANSWER\x00\x03"]), {
        [Told::Offer(OFFER), Told::Answer(Answer::Declined(Obstacle::NothingOffered))]
    });
    assert!(connection.is_agreeing());
    connection.send_answer(Answer::Declined(Obstacle::TooManyDescriptors));
    assert_eq!(written(&mut connection), b"\x04\x13\x10X-RINGWAY-ANSWER\x00\x06");
    assert!(!connection.is_agreeing());
}

#[test]
fn the_position_of_an_offer_is_where_it_begins() {
    let mut connection = Connection::new(Arc::new(sharing(Push)), Instant::now());
    told(&mut connection, &[&hello_of(&sharing(Pull), 1)]);
    // The greeting and READY have not been written yet.
    let position = connection.send_offer(&OFFER);
    let bytes = written(&mut connection);
    assert_eq!(bytes[position as usize..], *OFFERED);
}

#[test]
fn messages_go_both_ways_once_it_is_agreed() {
    let mut connection = agreed(Pull, Push);
    assert_eq!(told(&mut connection, &[b"\x00\x01x"]), [Told::Message(message([b"x"]))]);
    // By the short way, too.
    assert_eq!(connection.receive_short(&mut &b"\x00\x01y"[..]), Some(&b"y"[..]));
    let mut connection = agreed(Push, Pull);
    connection.send(&message([b"x"]));
    assert_eq!(written(&mut connection), b"\x00\x01x");
    // The last word may be ours, and messages may come with what was received last before it.
    let mut connection = offered(Pull, Push);
    let input = [OFFERED, ACCEPTED, b"\x00\x01x"].concat();
    let all = told_to(&mut connection, [&input[..]], probe::agree);
    assert_eq!(all[2..], [Told::Message(message([b"x"]))]);
    let all = agreement_of(XPub, Sub, &[OFFERED, ACCEPTED, b"\x04\x0b\x09SUBSCRIBEa"].concat());
    assert_eq!(all[2..], [Told::Subscribe("a".into())]);
}

#[test]
fn the_short_way_opens_with_the_last_word() {
    let mut connection = offered(Pull, Push);
    told(&mut connection, &[OFFERED, ACCEPTED]);
    assert_eq!(connection.receive_short(&mut &b"\x00\x01x"[..]), None);
    connection.send_answer(Answer::Accepted);
    assert_eq!(connection.receive_short(&mut &b"\x00\x01x"[..]), Some(&b"x"[..]));
}

#[test]
fn nothing_but_heartbeats_comes_in_between() {
    const PING: &[u8] = b"\x04\x07\x04PING\x00\x00";
    for message in
        [&b"\x00\x01x"[..], b"\x01\x01x\x00\x00", b"\x00\x02\x01a", b"\x04\x0b\x09SUBSCRIBEa", b"\x04\x08\x06CANCELa"]
    {
        let fails = |before: &[u8]| {
            let told = agreement_of(XPub, Sub, &[before, message].concat());
            assert_eq!(*failure(&told), Error::MessageInAgreement);
            assert_eq!(failure(&told).fault(), Fault::PeerMisbehaved);
        };
        fails(b"");
        fails(OFFERED);
        fails(&[PING, OFFERED, PING].concat());
        // The peer has said everything, and has not heard our answer.
        let mut connection = offered(XPub, Sub);
        let told = told(&mut connection, &[&[OFFERED, ACCEPTED, message].concat()]);
        assert_eq!(*failure(&told), Error::MessageInAgreement);
    }
    // Somebody who takes no subscriptions does not know the command.
    let all = agreement_of(Pull, Push, &[PING, b"\x04\x0b\x09SUBSCRIBEa", OFFERED, PING, ACCEPTED, PING].concat());
    assert_eq!(all, [Told::Offer(OFFER), Told::Answer(Answer::Accepted)]);
}

#[test]
fn each_is_said_once() {
    let fails = |bytes: &[&[u8]], error: Error| {
        let told = agreement_of(Pull, Push, &bytes.concat());
        assert_eq!(*failure(&told), error);
        assert_eq!(failure(&told).fault(), Fault::PeerMisbehaved);
    };
    fails(&[OFFERED, OFFERED], Error::OfferedTwice);
    fails(&[OFFERED, ACCEPTED, OFFERED], Error::OfferedTwice);
    fails(&[OFFERED, ACCEPTED, b"\x00\x01x", OFFERED], Error::OfferedTwice);
    fails(&[OFFERED, ACCEPTED, ACCEPTED], Error::AnsweredTwice);
    fails(&[OFFERED, ACCEPTED, b"\x00\x01x", &answer_of(b"\x00\x01")], Error::AnsweredTwice);
}

#[test]
fn only_what_was_offered_is_answered() {
    // Before its own offer.
    assert_eq!(agreement_of(Pull, Push, ACCEPTED), [Told::Failed(Error::AnswerUnasked)]);
    // Before ours.
    let mut connection = announced(Pull, Push);
    assert_eq!(told(&mut connection, &[OFFERED, ACCEPTED])[1..], [Told::Failed(Error::AnswerUnasked)]);
    // Ours was of nothing.
    let mut connection = announced(Pull, Push);
    connection.send_offer(&Offer::nothing());
    assert_eq!(told(&mut connection, &[OFFERED, ACCEPTED])[1..], [Told::Failed(Error::AnswerUnasked)]);
}

#[test]
fn what_is_cut_off_is_malformed_and_what_is_longer_is_of_a_later_version() {
    let full = &OFFERED[18..];
    for size in 0..18 {
        let told = agreement_of(Pull, Push, &offer_of(&full[..size]));
        assert_eq!(told, [Told::Failed(Error::MalformedCommand)]);
    }
    let told =
        agreement_of(Pull, Push, &[&offer_of(&[full, b"more"].concat())[..], &answer_of(b"\x01\x07more")].concat());
    assert_eq!(told, [Told::Offer(OFFER), Told::Answer(Answer::Accepted)]);
    for data in [&b""[..], b"\x00", b"\x01", b"\x02\x00", b"\xff\x00"] {
        let told = agreement_of(Pull, Push, &[OFFERED, &answer_of(data)].concat());
        assert_eq!(*failure(&told), Error::MalformedCommand);
    }
    // Flags that are not known are not looked at; without the one that is there is no segment, whatever its size.
    let offer = |flags| offer_of(&[&[9, flags][..], &[1; 16]].concat());
    let size = 0x0101_0101_0101_0101;
    for (flags, segment_size) in [(0, None), (0xfe, None), (0xff, Some(size))] {
        let told = agreement_of(Pull, Push, &offer(flags));
        assert!(matches!(&told[..], [Told::Offer(offer)] if offer.version == 9 && offer.segment_size == segment_size));
    }
}

#[test]
fn obstacles_have_their_numbers() {
    for number in 0..=255_u8 {
        let all = agreement_of(Pull, Push, &[&nothing()[..], &answer_of(&[0, number])].concat());
        let [Told::Offer(_), Told::Answer(Answer::Declined(obstacle))] = all[..] else { panic!("{all:?}") };
        assert_eq!(obstacle == Obstacle::Other, !(1..=11).contains(&number));
        let known = if obstacle == Obstacle::Other { 0 } else { number };
        assert_eq!(Answer::Declined(obstacle).encode(), [0, known]);
    }
}

#[test]
fn who_has_not_announced_it_says_nothing_that_is_known() {
    let bytes = [OFFERED, ACCEPTED, OFFERED, b"\x00\x01x"].concat();
    // The peer, neither, we.
    let mut connection = Connection::new(Arc::new(sharing(Pull)), Instant::now());
    told(&mut connection, &[&hello(Push, 1)]);
    let mut silent = ready(Pull, Push);
    let mut unasked = new(Pull);
    told(&mut unasked, &[&hello_of(&sharing(Push), 1)]);
    for connection in [&mut connection, &mut silent, &mut unasked] {
        assert!(!connection.is_agreeing() && connection.peer().is_some());
        assert_eq!(told(connection, &[&bytes]), [Told::Message(message([b"x"]))]);
    }
}

#[test]
fn agreeing_has_the_time_of_the_handshake() {
    let start = Instant::now();
    let new = || {
        let mut connection = Connection::new(Arc::new(sharing(Pull)), start);
        told(&mut connection, &[&hello_of(&sharing(Push), 1)]);
        connection.send_offer(&OFFER);
        connection
    };
    let mut connection = new();
    assert_eq!(connection.deadline(), Some(start + HANDSHAKE_TIMEOUT));
    assert_eq!(connection.handle_timeout(start + HANDSHAKE_TIMEOUT - Duration::from_nanos(1)), Ok(()));
    let error = Error::HandshakeTimedOut { after: HANDSHAKE_TIMEOUT };
    assert_eq!(connection.handle_timeout(start + HANDSHAKE_TIMEOUT), Err(error.clone()));
    assert_eq!(told(&mut connection, &[OFFERED]), [Told::Failed(error)]);
    // It ends with the last word, whose ever that is.
    for we_are_last in [false, true] {
        let mut connection = new();
        told(&mut connection, &[OFFERED]);
        if !we_are_last {
            connection.send_answer(Answer::Accepted);
        }
        assert!(connection.deadline().is_some());
        told(&mut connection, &[ACCEPTED]);
        if we_are_last {
            assert!(connection.deadline().is_some());
            connection.send_answer(Answer::Accepted);
        }
        assert_eq!(connection.deadline(), None);
        assert_eq!(connection.handle_timeout(start + 2 * HANDSHAKE_TIMEOUT), Ok(()));
    }
}

#[test]
#[should_panic(expected = "one offer is made")]
fn who_offers_twice_is_wrong() {
    offered(Pull, Push).send_offer(&OFFER);
}

#[test]
#[should_panic(expected = "when both have offered")]
fn who_answers_too_early_is_wrong() {
    offered(Pull, Push).send_answer(Answer::Accepted);
}

#[test]
#[should_panic(expected = "one answer is given")]
fn who_answers_twice_is_wrong() {
    agreed(Pull, Push).send_answer(Answer::Accepted);
}

fn segment_of(data: &[u8]) -> Vec<u8> {
    command_of(b"X-RINGWAY-SEGMENT", data)
}

fn segment_answer_of(data: &[u8]) -> Vec<u8> {
    command_of(b"X-RINGWAY-SEGMENT-ANSWER", data)
}

/// What announces segment number `generation`.
fn segment(generation: u32) -> Vec<u8> {
    segment_of(&[&generation.to_be_bytes()[..], &[0, 1, 2, 3, 4, 5, 6, 7]].concat())
}

#[test]
fn a_larger_segment_is_announced_and_answered_as_it_is_written_down() {
    let mut connection = agreed(Push, Pull);
    assert!(connection.grows());
    connection.send(&message([b"x"]));
    let before = connection.outbox().queued();
    assert_eq!(connection.send_successor(0x0001_0203_0405_0607), Some((1, before)));
    assert_eq!(written(&mut connection)[3..], segment(1));
    // One at a time.
    assert_eq!(connection.send_successor(1), None);
    let answer = |answer| SuccessorAnswer { generation: 1, answer };
    let declined = answer(Answer::Declined(Obstacle::MemoryMax));
    assert_eq!(told(&mut connection, &[&segment_answer_of(b"\0\0\0\x01\x00\x0b")]), [Told::SuccessorAnswer(declined)]);
    assert_eq!(connection.send_successor(1).map(|(generation, _)| generation), Some(2));
    assert!(told(&mut connection, &[&segment_answer_of(b"\0\0\0\x02\x01\x00more")]).len() == 1);
    written(&mut connection);
    // And the other way.
    let successor = Successor { generation: 1, size: 0x0001_0203_0405_0607 };
    assert_eq!(told(&mut connection, &[&segment(1)]), [Told::Successor(successor)]);
    connection.send_successor_answer(Answer::Accepted);
    assert_eq!(written(&mut connection), segment_answer_of(b"\0\0\0\x01\x01\x00"));
    assert_eq!(told(&mut connection, &[&segment(2)]), [Told::Successor(Successor { generation: 2, ..successor })]);
}

#[test]
fn segments_and_answers_out_of_turn_end_the_connection() {
    let after = |bytes: &[&[u8]], expected: Error| {
        let bytes = [&[OFFERED, ACCEPTED][..], bytes].concat().concat();
        let told = agreement_of(Pull, Push, &bytes);
        assert_eq!(told.last(), Some(&Told::Failed(expected)), "{told:?}");
    };
    after(&[&segment(0)], Error::SegmentOutOfTurn);
    after(&[&segment(2)], Error::SegmentOutOfTurn);
    after(&[&segment(1), &segment(1)], Error::SegmentOutOfTurn);
    after(&[&segment(1), &segment(3)], Error::SegmentOutOfTurn);
    after(&[&segment_answer_of(b"\0\0\0\x01\x01\x00")], Error::SegmentOutOfTurn);
    after(&[&segment_answer_of(b"\0\0\0\x00\x01\x00")], Error::SegmentOutOfTurn);
    for cut in 0..12 {
        after(&[&segment_of(&[0; 12][..cut])], Error::MalformedCommand);
    }
    for cut in 0..6 {
        after(&[&segment_answer_of(&[0; 6][..cut])], Error::MalformedCommand);
    }
    after(&[&segment_answer_of(b"\0\0\0\x01\x02\x00")], Error::MalformedCommand);
    let mut connection = agreed(Push, Pull);
    connection.send_successor(1);
    let told = told(&mut connection, &[&segment_answer_of(b"\0\0\0\x02\x01\x00")]);
    assert_eq!(told, [Told::Failed(Error::SegmentOutOfTurn)]);
}

/// Memory that is not shared is not replaced, nor is that of who cannot.
#[test]
fn segments_where_none_is_shared_end_the_connection() {
    let unasked = [Told::Failed(Error::SegmentUnasked)];
    assert_eq!(agreement_of(Pull, Push, &segment(1)), unasked);
    assert_eq!(agreement_of(Pull, Push, &[OFFERED, &segment(1)].concat())[1..], unasked);
    let declined = answer_of(b"\x00\x05");
    assert_eq!(agreement_of(Pull, Push, &[OFFERED, &declined, &segment(1)].concat())[2..], unasked);
    let unable = offer_of(&Offer { features: !GROWS, ..OFFER }.encode());
    assert_eq!(agreement_of(Pull, Push, &[&unable, ACCEPTED, &segment(1)].concat())[2..], unasked);
    let mut connection = offered(Push, Pull);
    told_to(&mut connection, [&unable[..], ACCEPTED], probe::agree);
    assert!(!connection.is_agreeing() && !connection.grows());
    assert_eq!(connection.send_successor(1), None);
    // To who never agrees it is a command nobody knows.
    let mut connection = Connection::new(Arc::new(Config::new(Push)), Instant::now());
    told(&mut connection, &[&hello(Pull, 1)]);
    assert_eq!(told(&mut connection, &[&segment(1)]), []);
}

fn any_offer() -> impl Strategy<Value = Offer> {
    let fields = (any::<u8>(), any::<Option<u64>>(), any::<u32>(), any::<u32>());
    fields.prop_map(|(version, segment_size, recv_hwm, features)| Offer { version, segment_size, recv_hwm, features })
}

fn any_answer() -> impl Strategy<Value = Answer> {
    (0..=12_u8).prop_map(|number| if number == 12 { Answer::Accepted } else { Answer::parse(&[0, number]).unwrap() })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 200 }))]

    #[test]
    fn what_is_said_comes_back(offer in any_offer(), answer in any_answer(), more in vec(any::<u8>(), 0..9)) {
        prop_assert_eq!(Offer::parse(&[&offer.encode()[..], &more].concat()), Ok(offer));
        prop_assert_eq!(Answer::parse(&[&answer.encode()[..], &more].concat()), Ok(answer));
    }

    /// Two ends, whatever they offer and however their bytes are cut, learn the same, and messages follow.
    #[test]
    fn two_ends_come_to_agree(
        offers in [any_offer(), any_offer()],
        answers in [any_answer(), any_answer()],
        sizes in vec(1..50_usize, 1..30),
    ) {
        let mut ends = [Dealer, Router].map(|kind| Connection::new(Arc::new(sharing(kind)), Instant::now()));
        // What is not offered is not accepted.
        let answers = [0, 1].map(|end| match answers[end] {
            Answer::Accepted if offers[1 - end].segment_size.is_none() => Answer::Declined(Obstacle::NothingOffered),
            answer => answer,
        });
        let mut learnt = [Vec::new(), Vec::new()];
        let mut sizes = sizes.iter().cycle();
        let mut sent = [false; 2];
        let mut quiet = 0;
        while quiet < 2 {
            for end in [0, 1] {
                let bytes = drained_by(ends[end].outbox_mut(), *sizes.next().unwrap());
                quiet = if bytes.is_empty() { quiet + 1 } else { 0 };
                let other = 1 - end;
                learnt[other].extend(told_to(&mut ends[other], [&bytes[..]], |connection, told| match told {
                    Told::Ready(_) => drop(connection.send_offer(&offers[other])),
                    Told::Offer(_) => connection.send_answer(answers[other]),
                    _ => {}
                }));
                if ends[other].peer().is_some() && !ends[other].is_agreeing() && !sent[other] {
                    sent[other] = true;
                    ends[other].send(&message([b"x"]));
                }
            }
        }
        for end in [0, 1] {
            let [Told::Ready(_), rest @ ..] = &learnt[end][..] else { panic!("{learnt:?}") };
            let (offer, answer) = (offers[1 - end], answers[1 - end]);
            prop_assert_eq!(rest, [Told::Offer(offer), Told::Answer(answer), Told::Message(message([b"x"]))]);
        }
    }

    #[test]
    fn whatever_comes_does_no_harm(
        steps in vec((0..11_u8, vec(any::<u8>(), 0..24)), 0..8),
        sizes in vec(1..50_usize, 1..6),
    ) {
        let bytes: Vec<u8> = steps.iter().flat_map(|(kind, data)| match kind {
            0 => offer_of(data),
            1 => answer_of(data),
            2 => OFFERED.to_vec(),
            3 => ACCEPTED.to_vec(),
            4 => b"\x00\x01x".to_vec(),
            5 => command_of(b"PING", data),
            8 => segment_of(data),
            9 => segment_answer_of(data),
            10 => segment(data.len() as u32 % 3),
            6 => nothing(),
            _ => data.clone(),
        }).collect();
        let (mut whole, mut pieces) = (offered(Router, Dealer), offered(Router, Dealer));
        let expected = told_to(&mut whole, [&bytes[..]], probe::agree);
        let mut cut = Vec::new();
        let (mut rest, mut sizes) = (&bytes[..], sizes.iter().cycle());
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
            cut.push(piece);
            rest = after;
        }
        prop_assert_eq!(&told_to(&mut pieces, cut, probe::agree), &expected);
        prop_assert_eq!(written(&mut whole), written(&mut pieces));
        // No message before both have said all they have to.
        let at = |wanted: fn(&Told) -> bool| expected.iter().position(wanted);
        if let Some(first) = at(|told| matches!(told, Told::Message(_))) {
            prop_assert!(at(|told| matches!(told, Told::Answer(_))).is_some_and(|answer| answer < first));
        }
    }
}
