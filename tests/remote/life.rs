//! Ends are told: of the actor, of the publication, of the link.

use std::sync::mpsc;

use ringway::{
    actor::{Addr, Client},
    bridge::remote::{Link, LinkEvent, RemoteEnded, RemoteError, RemoteReason, Watch},
};

use crate::{
    PATIENCE,
    cast::{Fail, Leave, Number, Numbers, ROADS, Riddle, Stage, Text, connection, until, witness},
};

/// Watches what `link` stands for.
fn watched(client: &mut Client, link: Addr<Link>) -> mpsc::Receiver<RemoteEnded> {
    let (witness, seen) = witness(client);
    client.tell(link, Watch::new(witness.recipient())).unwrap();
    seen
}

fn reason(seen: &mpsc::Receiver<RemoteEnded>) -> RemoteReason {
    let ended = seen.recv_timeout(PATIENCE).expect("the end is told");
    assert_eq!(ended.name, "scribe");
    ended.reason
}

#[test]
fn who_watches_is_told_once_how_the_actor_ended() {
    for road in ROADS {
        for fails in [false, true] {
            let stage = Stage::new(road);
            let (mut client, link) = stage.link();
            let seen = [watched(&mut client, link), watched(&mut client, link)];
            assert_eq!(client.ask(link, Text("x".into()), PATIENCE).unwrap(), Ok(1));
            match fails {
                true => assert_eq!(client.ask(link, Fail(()), PATIENCE).unwrap(), Err(RemoteError::Failed)),
                false => client.tell(link, Leave(())).unwrap(),
            }
            for seen in &seen {
                match (fails, reason(seen)) {
                    (true, RemoteReason::Failed(text)) => assert!(text.contains("as it was told to"), "{text}"),
                    (false, reason) => assert_eq!(reason, RemoteReason::Stopped, "{road:?}"),
                    (true, other) => panic!("{road:?}: {other:?}"),
                }
            }
            // Who comes later, too.
            assert_ne!(reason(&watched(&mut client, link)), RemoteReason::LinkLost);
            assert_eq!(client.ask(link, Text("x".into()), PATIENCE).unwrap(), Err(RemoteError::Gone), "{road:?}");
            client.stop(link.id());
            client.wait_for_end(link.id(), PATIENCE).unwrap();
            assert!(seen.iter().all(|seen| seen.try_recv().is_err()), "{road:?}: told twice");
        }
    }
}

#[test]
fn who_watches_what_is_not_there_is_told_so() {
    for road in ROADS {
        let stage = Stage::new(road);
        let mut client = stage.here.client().unwrap();
        let link =
            client.spawn(stage.connection("scrieb").open::<ringway::bridge::remote::Anything>().unwrap()).unwrap();
        let seen = watched(&mut client, link);
        assert_eq!(seen.recv_timeout(PATIENCE).unwrap().reason, RemoteReason::Gone, "{road:?}");
    }
    let context = ringway::Context::new();
    let here = crate::cast::two();
    let mut client = here.client().unwrap();
    let nowhere = connection(&context, "tcp://127.0.0.1:1", "scribe").patience(std::time::Duration::from_millis(20));
    let link = client.spawn(nowhere.open().unwrap()).unwrap();
    for _ in 0..2 {
        let reason = reason(&watched(&mut client, link));
        assert_eq!(reason, RemoteReason::NotReached(RemoteError::NotConnected), "of the actor nothing is known");
    }
}

#[test]
fn who_watches_what_has_no_room_for_the_link_is_told_that() {
    for road in ROADS {
        let stage = Stage::with(road, ringway::actor::Spec::new(()), |publication| publication.sessions(1));
        let mut first = stage.watched_link(|connection| connection);
        assert_eq!(first.event(), LinkEvent::Joined);
        let mut second = stage.watched_link(|connection| connection);
        let seen = watched(&mut second.client, second.link);
        assert_eq!(reason(&seen), RemoteReason::NotReached(RemoteError::Busy), "{road:?}");
        assert_eq!(second.event(), LinkEvent::TurnedAway(RemoteError::Busy), "{road:?}");
        assert_eq!(reason(&watched(&mut second.client, second.link)), RemoteReason::NotReached(RemoteError::Busy));
        assert_eq!(first.client.ask(first.link, Text("x".into()), PATIENCE).unwrap(), Ok(1), "{road:?}: it is there");
    }
}

#[test]
fn a_link_that_ends_tells_who_watches_through_it() {
    let stage = Stage::new(crate::cast::Road::Tcp);
    let (mut client, link) = stage.link();
    let seen = watched(&mut client, link);
    client.stop(link.id());
    assert_eq!(reason(&seen), RemoteReason::LinkEnded);
}

#[test]
fn a_publication_that_ends_ends_questions_and_one_that_comes_back_is_found() {
    for road in ROADS {
        let mut stage = Stage::new(road);
        let mut link = stage.watched_link(|connection| connection);
        for round in 0..3_u64 {
            assert_eq!(link.event(), LinkEvent::Joined, "{road:?}, {round}");
            link.client.tell(link.link, Number(2 * round)).unwrap();
            until("it is taken", || link.gauge.read().taken == 2 * round + 1);
            let seen = watched(&mut link.client, link.link);
            let asking = std::thread::spawn({
                let (mut client, to) = (stage.here.client().unwrap(), link.link);
                move || client.ask(to, Riddle(()), PATIENCE)
            });
            until("it is asked", || link.gauge.read().asked == 2 * round + 1 && stage.published.read().asks >= 1);
            stage.unpublish();
            assert_eq!(asking.join().unwrap().unwrap(), Err(RemoteError::LinkLost), "{road:?}, {round}");
            assert_eq!(reason(&seen), RemoteReason::LinkLost, "{road:?}, {round}");
            assert_eq!(link.event(), LinkEvent::Lost { tells: 0, questions: 1 }, "{road:?}, {round}");
            // What is said meanwhile waits.
            link.client.tell(link.link, Number(2 * round + 1)).unwrap();
            let asking = std::thread::spawn({
                let (mut client, to) = (stage.here.client().unwrap(), link.link);
                move || client.ask(to, Numbers(()), PATIENCE)
            });
            until("it waits", || link.gauge.read().asked == 2 * round + 2);
            stage.publish_again();
            let numbers = asking.join().unwrap().unwrap().unwrap();
            assert_eq!(numbers, Vec::from_iter(0..2 * round + 2), "{road:?}, {round}");
        }
    }
}

#[test]
fn a_hook_that_panics_is_told_no_more_and_the_link_goes_on() {
    for road in ROADS {
        let mut stage = Stage::new(road);
        let (told, events) = mpsc::channel();
        let connection = stage.connection("scribe").on_event(move |event| {
            told.send(event).unwrap();
            panic!("as hooks are not to");
        });
        let gauge = connection.gauge();
        let mut client = stage.here.client().unwrap();
        let link: Addr<Link> = client.spawn(connection.open().unwrap()).unwrap();
        let seen = watched(&mut client, link);
        assert_eq!(client.ask(link, Text("four".into()), PATIENCE).unwrap(), Ok(4), "{road:?}");
        stage.unpublish();
        assert_eq!(reason(&seen), RemoteReason::LinkLost, "{road:?}");
        assert_eq!(events.try_iter().collect::<Vec<_>>(), [LinkEvent::Joined], "{road:?}");
        stage.publish_again();
        assert_eq!(client.ask(link, Text("four".into()), PATIENCE).unwrap(), Ok(4), "{road:?}");
        assert_eq!((gauge.read().joined, gauge.read().parted), (2, 1), "{road:?}");
    }
}
