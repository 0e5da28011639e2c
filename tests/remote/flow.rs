//! Nothing that is told is dropped: who sends more than is taken finds the link full.

use ringway::{
    actor::{Spec, TellError},
    bridge::remote::{LinkEvent, RemoteError},
};

use crate::{
    PATIENCE,
    cast::{Number, Numbers, ROADS, Stage, Text, Watched, until},
};

#[test]
fn who_tells_faster_than_is_taken_finds_the_link_full() {
    for road in ROADS {
        for (window, terms) in [(8, 64), (64, 8), (1, 1)] {
            let stage = Stage::with(road, Spec::new(()).capacity(4), |publication| publication.window(terms));
            let connection = stage.connection("scribe").window(window);
            let mut watched = Watched::open_with(&stage.here, connection, |spec| spec.capacity(4));
            let until = stage.block();
            let next = fill(&mut watched, window.into());
            // What the actor has not come to is in the window; the rest in the link's mailbox.
            let most = u64::from(window) + 4;
            assert!((u64::from(window)..=most).contains(&next), "{road:?}, {window}, {terms}: {next}");
            assert_eq!(watched.client.try_tell(watched.link, Number(99)), Err(TellError::Full(Number(99))));
            drop(until);
            for number in next..next + 200 {
                watched.client.tell(watched.link, Number(number)).unwrap();
            }
            let next = next + 200;
            crate::cast::until("all are taken", || watched.gauge.read().taken == next);
            let numbers = stage.there.client().unwrap().ask(stage.scribe, Numbers(()), PATIENCE).unwrap();
            assert!(numbers == Vec::from_iter(0..next), "{road:?}, {window}, {terms}");
            let counts = watched.gauge.read();
            assert_eq!((counts.told, counts.lost, counts.refused), (next, 0, 0));
        }
    }
}

/// Tells numbers from 0 on until the link is full, for as long as none of them is taken: how many.
fn fill(watched: &mut Watched, window: u64) -> u64 {
    let mut next = 0;
    let mut tell = |watched: &mut Watched| {
        let has_room = watched.client.try_tell(watched.link, Number(next)).is_ok();
        next += u64::from(has_room);
        has_room
    };
    until("the window is used up", || {
        tell(watched);
        watched.gauge.read().told == window
    });
    // From here on it takes no mail.
    while tell(watched) {}
    next
}

/// What waits in the window is credited when it is taken, though nothing comes behind it.
#[test]
fn what_is_taken_is_soon_known_to_be() {
    for road in ROADS {
        let stage = Stage::new(road);
        let mut watched = stage.watched_link(|connection| connection);
        for count in 1..=20 {
            watched.client.tell(watched.link, Number(count)).unwrap();
            until("it is taken", || watched.gauge.read().taken == count);
        }
    }
}

/// Others fill the actor's mailbox, so nothing of this link is before it when there is room: its credit is all that follows.
#[test]
fn what_waited_for_others_alone_is_known_to_be_taken() {
    for road in ROADS {
        let stage = Stage::with(road, Spec::new(()).capacity(4), |publication| publication);
        let mut watched = stage.watched_link(|connection| connection);
        let other = stage.watched_link(|connection| connection);
        assert_eq!((watched.event(), other.event()), (LinkEvent::Joined, LinkEvent::Joined));
        let until_then = stage.block();
        let asking = Vec::from_iter((0..4).map(|_| {
            let (mut client, other) = (stage.here.client().unwrap(), other.link);
            std::thread::spawn(move || client.ask(other, Text("x".into()), PATIENCE).unwrap())
        }));
        until("the actor is full", || stage.published.read().asks == 4);
        watched.client.tell(watched.link, Number(7)).unwrap();
        // By the time this is answered that has come, and waits.
        let behind_it = watched.client.ask(watched.link, Text("x".into()), PATIENCE).unwrap();
        assert_eq!(behind_it, Err(RemoteError::Full), "{road:?}");
        drop(until_then);
        asking.into_iter().for_each(|asking| assert_eq!(asking.join().unwrap(), Ok(1), "{road:?}"));
        until("it is taken", || watched.gauge.read().taken == 1);
    }
}

#[test]
fn many_questions_wait_for_their_turn() {
    for road in ROADS {
        let stage = Stage::with(road, Spec::new(()).capacity(1_000), |publication| publication.questions(2));
        let mut threads = Vec::new();
        let watched = stage.watched_link(|connection| connection.questions(4));
        for _ in 0..8 {
            let (mut client, link) = (stage.here.client().unwrap(), watched.link);
            threads.push(std::thread::spawn(move || {
                for len in 0..100 {
                    let answer = client.ask(link, crate::cast::Text("x".repeat(len)), PATIENCE).unwrap();
                    assert_eq!(answer, Ok(len));
                }
            }));
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let counts = watched.gauge.read();
        assert_eq!((counts.asked, counts.answered, counts.failed), (800, 800, 0), "{road:?}");
    }
}

#[test]
fn a_link_that_is_full_can_be_stopped_and_so_can_its_runtime() {
    for by_runtime in [false, true] {
        let (context, here) = (ringway::Context::new(), crate::cast::two());
        let connection = crate::cast::connection(&context, "tcp://127.0.0.1:1", "nobody").window(2);
        let mut watched = Watched::open_with(&here, connection, |spec| spec.capacity(4));
        let told = fill(&mut watched, 2);
        if !by_runtime {
            watched.client.stop(watched.link.id());
            watched.client.wait_for_end(watched.link.id(), PATIENCE).unwrap();
        }
        let report = here.shutdown(PATIENCE);
        assert_eq!((report.killed, report.stuck), (0, 0), "{by_runtime}");
        assert_eq!(watched.gauge.read().lost, 2, "what was with it");
        assert!(report.counts.dead_letters >= told - 2, "what it had not come to: {}", report.counts.dead_letters);
    }
}

/// It ends by force, and none of its code runs any more.
#[test]
fn what_a_link_has_is_lost_however_it_ends() {
    let (context, here) = (ringway::Context::new(), crate::cast::two());
    let connection = crate::cast::connection(&context, "tcp://127.0.0.1:1", "nobody");
    let mut watched = Watched::open(&here, connection);
    (0..9).for_each(|number| watched.client.tell(watched.link, Number(number)).unwrap());
    until("it has them", || watched.gauge.read().told == 9);
    let beside = watched.client.spawn_beside(watched.link.id(), Spec::<crate::cast::Scribe>::new(())).unwrap();
    let until_then = crate::cast::block(&mut watched.client, beside);
    let report = here.shutdown(std::time::Duration::ZERO);
    drop(until_then);
    assert!(report.stuck > 0, "its worker does not come to it in time");
    until("it has ended", || watched.gauge.read().lost == 9);
}
