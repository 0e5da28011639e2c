//! Peers that do not fit, peers that are none, and those beside them who notice nothing.

#![forbid(unsafe_code)]

use ringway::SocketType::{self, Dealer, Pair, Pub, Pull, Push, Rep, Req, Router, Sub};

use crate::{
    case::{Case, Maker, Stream},
    party::{Happening, QUIET, Setting, Socket},
};

const NONE: &[Setting] = &[];

/// The next thing of consequence a monitor tells is that nothing comes of a connection.
#[track_caller]
fn expect_refusal(socket: &mut dyn Socket) {
    let event = socket.await_one_of(&[Happening::Joined, Happening::Refused, Happening::Disconnected]);
    println!("{event:?}");
    assert!(event.what != Happening::Joined, "{event:?}");
}

/// A near socket that binds refuses a far one, which notices; and it goes on with one that fits.
#[track_caller]
fn refused_at_the_door(
    case: Case,
    near_kind: SocketType,
    (bad_kind, bad_settings): (SocketType, &[Setting]),
    good_kind: SocketType,
) {
    println!("{near_kind} refuses {bad_kind}");
    let (near_party, far_party) = (case.near(), case.far());
    let mut near = near_party.socket(near_kind, NONE);
    let endpoint = near.bind(&case.road.to_bind());
    let mut bad = far_party.socket(bad_kind, bad_settings);
    bad.connect(&endpoint);
    expect_refusal(&mut *near);
    expect_refusal(&mut *bad);
    let mut good = far_party.socket(good_kind, NONE);
    good.connect(&endpoint);
    near.await_event(Happening::Joined);
    serve(&mut *near, &mut *good, good_kind);
}

/// A near socket that connects finds a far one that does not fit, and goes on with another.
#[track_caller]
fn refused_where_it_goes(
    case: Case,
    near_kind: SocketType,
    (bad_kind, bad_settings): (SocketType, &[Setting]),
    good_kind: SocketType,
) {
    println!("{near_kind} finds {bad_kind}");
    let (near_party, far_party) = (case.near(), case.far());
    let mut bad = far_party.socket(bad_kind, bad_settings);
    let endpoint = bad.bind(&case.road.to_bind());
    let mut near = near_party.socket(near_kind, NONE);
    near.connect(&endpoint);
    expect_refusal(&mut *near);
    expect_refusal(&mut *bad);
    near.disconnect(&endpoint);
    let mut good = far_party.socket(good_kind, NONE);
    let endpoint = good.bind(&case.road.to_bind());
    near.connect(&endpoint);
    near.await_event(Happening::Joined);
    serve(&mut *near, &mut *good, good_kind);
}

/// A few messages, in the directions there are.
fn serve(near: &mut dyn Socket, good: &mut dyn Socket, good_kind: SocketType) {
    match good_kind {
        Push => {
            good.send_numbers(0, 10);
            near.expect_numbers(0, 10);
        }
        Pull => {
            near.send_numbers(0, 10);
            good.expect_numbers(0, 10);
        }
        Rep => {
            near.send(["question"]);
            good.expect(["question"]);
            good.send(["answer"]);
            near.expect(["answer"]);
        }
        Req => {
            good.send(["question"]);
            near.expect(["question"]);
            near.send(["answer"]);
            good.expect(["answer"]);
        }
        Dealer | Pair => {
            good.send(["there"]);
            let back = near.recv();
            near.send(&back);
            good.expect(["there"]);
        }
        Sub => {
            good.subscribe(b"");
            let heard = (0..1000).any(|_| {
                near.send(["news"]);
                good.recv_within(QUIET).is_some()
            });
            assert!(heard);
        }
        other => panic!("not known how to talk to {other}"),
    }
}

pub(crate) fn types_that_do_not_talk(case: Case) {
    for (near, bad, good) in [
        (Pull, Pull, Push),
        (Push, Push, Pull),
        (Pair, Push, Pair),
        (Pub, Pub, Sub),
        (Router, Pull, Dealer),
        (Rep, Rep, Req),
        (Pull, Dealer, Push),
    ] {
        refused_at_the_door(case, near, (bad, NONE), good);
        if !matches!(near, Router | Rep | Pub) {
            refused_where_it_goes(case, near, (bad, NONE), good);
        }
    }
    refused_where_it_goes(case, Req, (Req, NONE), Rep);
}

/// Who asks for a mechanism we do not speak is refused, and who speaks none is not.
pub(crate) fn other_mechanisms(case: Case) {
    refused_at_the_door(case, Pull, (Push, &[Setting::PlainClient]), Push);
    refused_at_the_door(case, Pull, (Push, &[Setting::PlainServer]), Push);
    refused_where_it_goes(case, Push, (Pull, &[Setting::PlainServer]), Pull);
    refused_where_it_goes(case, Push, (Pull, &[Setting::PlainClient]), Pull);
}

/// A message longer than allowed ends its sender's connection, and no other.
pub(crate) fn messages_that_are_too_long(case: Case) {
    let (near_party, far_party) = (case.near(), case.far());
    let mut near = near_party.socket(Pull, &[Setting::MaxMessageSize(1000)]);
    let endpoint = near.bind(&case.road.to_bind());
    let mut good = far_party.socket(Push, NONE);
    good.connect(&endpoint);
    near.await_event(Happening::Joined);
    let mut bad = far_party.socket(Push, NONE);
    bad.connect(&endpoint);
    near.await_event(Happening::Joined);
    bad.send([vec![1; 1000]]);
    near.expect([vec![1; 1000]]);
    bad.send([vec![2; 1001]]);
    near.await_event(Happening::Disconnected);
    good.send_numbers(0, 100);
    near.expect_numbers(0, 100);
    drop(bad);
    assert!(near.events_for(QUIET).iter().filter(|event| event.what == Happening::Disconnected).count() <= 1);
}

/// What the world sends to an open port, while a peer is served.
pub(crate) fn strangers_at_the_door(case: Case) {
    const NOISE: [&[u8]; 8] = [
        b"",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        // An older ZMTP, 2.0: a PUSH with no id.
        b"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x01\x08\x00\x00",
        // A greeting, and then nothing that is a command.
        b"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x03\x01NULL\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00hello",
        // One whose peer speaks first and is no socket.
        b"SSH-2.0-OpenSSH_9.2\r\n",
    ];
    let (near_party, far_party) = (case.near(), case.far());
    let mut near = near_party.socket(Pull, NONE);
    let endpoint = near.bind(&case.road.to_bind());
    let mut far = far_party.socket(Push, NONE);
    far.connect(&endpoint);
    near.await_event(Happening::Joined);
    let mut strangers = Vec::new();
    let mut sent = 0;
    for round in 0..5 {
        for noise in NOISE {
            let mut stranger = Stream::connect(&endpoint);
            stranger.write(noise);
            strangers.push((noise, stranger));
            far.send_numbers(sent, 20);
            near.expect_numbers(sent, 20);
            sent += 20;
        }
        println!("round {round}: {} strangers", strangers.len());
    }
    if case.near == Maker::Ringway {
        for (noise, mut stranger) in strangers.drain(..) {
            // One that says nothing, or too little to tell, has its time.
            if noise.len() > 10 && noise[..10] != [0xFF; 10] {
                println!("waits until \"{}\" is shown the door", noise.escape_ascii());
                stranger.read_to_end().expect("closed");
            }
        }
    }
    drop(strangers);
    far.send_numbers(sent, 100);
    near.expect_numbers(sent, 100);
    let mut later = far_party.socket(Push, NONE);
    later.connect(&endpoint);
    later.send(["as before"]);
    near.expect(["as before"]);
    assert!(far.events_for(QUIET).iter().all(|event| event.what != Happening::Disconnected));
}
