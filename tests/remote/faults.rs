//! What cannot be done is said, with whose doing it is.

use std::time::Duration;

use ringway::{
    Message, Router,
    actor::{Addr, AskError, Spec},
    bridge::remote::{Link, LinkEvent, Offer, PublishError, RemoteError},
};

use crate::{
    PATIENCE,
    cast::{
        Fail, Number, Numbers, OlderText, ROADS, Riddle, Road, Secret, Stage, Text, Watched, WrongAnswer, WrongText,
        connection, offer, publication,
    },
};

#[test]
fn each_thing_that_is_asked_in_vain_has_its_reason() {
    for road in ROADS {
        let stage = Stage::with(road, Spec::new(()), |publication| publication.body_max(100));
        let (mut client, link) = stage.link();
        assert_eq!(client.ask(link, Secret(1), PATIENCE).unwrap(), Err(RemoteError::NotOffered { message: "secret" }));
        let number = client.ask(link, Number(1), PATIENCE).unwrap();
        assert_eq!(number, Err(RemoteError::NotAsked { message: "number" }));
        let older = client.ask(link, OlderText(1), PATIENCE).unwrap();
        assert_eq!(older, Err(RemoteError::Version { message: "text", ours: 2, theirs: 3 }));
        let wrong = client.ask(link, WrongText((90, 1)), PATIENCE).unwrap();
        assert_eq!(wrong, Err(RemoteError::NotRead { message: "text" }));
        let wrong = client.ask(link, WrongAnswer("x".repeat(99)), PATIENCE).unwrap();
        assert_eq!(wrong, Err(RemoteError::AnswerNotRead { message: "text" }));
        let long = client.ask(link, Text("x".repeat(100)), PATIENCE).unwrap();
        assert_eq!(long, Err(RemoteError::TooLarge { most: 100 }));
        assert_eq!(client.ask(link, Text("x".into()), PATIENCE).unwrap(), Ok(1), "{road:?}: all goes on");
        assert_eq!(client.ask(link, Fail(()), PATIENCE).unwrap(), Err(RemoteError::Failed));
        // Which it was stopped for.
        assert_eq!(client.ask(link, Text("x".into()), PATIENCE).unwrap(), Err(RemoteError::Gone), "{road:?}");
    }
}

#[test]
fn either_side_waits_for_an_answer_no_longer_than_it_was_told_to() {
    for road in ROADS {
        let short = Duration::from_millis(20);
        let stage = Stage::with(road, Spec::new(()), |publication| publication.answer_limit(short));
        let (mut client, link) = stage.link();
        assert_eq!(client.ask(link, Riddle(()), PATIENCE).unwrap(), Err(RemoteError::NoAnswer), "{road:?}");
        let stage = Stage::new(road);
        let mut watched = stage.watched_link(|connection| connection.answer_limit(short));
        let answer = watched.client.ask(watched.link, Riddle(()), PATIENCE).unwrap();
        assert_eq!(answer, Err(RemoteError::NoAnswer), "{road:?}");
    }
}

#[test]
fn each_thing_that_is_told_in_vain_is_counted_and_has_its_reason() {
    for road in ROADS {
        let stage = Stage::new(road);
        let mut watched = stage.watched_link(|connection| connection);
        assert_eq!(watched.event(), LinkEvent::Joined);
        watched.client.tell(watched.link, Secret(1)).unwrap();
        watched.client.tell(watched.link, OlderText(1)).unwrap();
        watched.client.tell(watched.link, WrongText((90, 1))).unwrap();
        watched.client.tell(watched.link, Number(1)).unwrap();
        let faults = [
            RemoteError::NotOffered { message: "secret" },
            RemoteError::Version { message: "text", ours: 2, theirs: 3 },
            RemoteError::NotRead { message: "text" },
        ];
        for fault in faults {
            assert_eq!(watched.event(), LinkEvent::NotTold(fault), "{road:?}");
        }
        crate::cast::until("all are taken", || watched.gauge.read().taken == 4);
        let counts = watched.gauge.read();
        assert_eq!((counts.told, counts.refused, counts.lost), (4, 3, 0), "{road:?}");
        assert_eq!((stage.published.read().tells, stage.published.read().tells_refused), (1, 3), "{road:?}");
    }
}

#[test]
fn a_name_that_is_not_published_is_named_until_it_is() {
    for road in ROADS {
        let mut stage = Stage::new(road);
        let mut watched = Watched::open(&stage.here, stage.connection("scrieb"));
        let unknown = RemoteError::UnknownName { name: "scrieb".into() };
        assert_eq!(watched.event(), LinkEvent::TurnedAway(unknown.clone()), "{road:?}");
        assert_eq!(watched.client.ask(watched.link, Numbers(()), PATIENCE).unwrap(), Err(unknown), "{road:?}");
        watched.client.tell(watched.link, Number(4)).unwrap();
        stage.unpublish();
        let (_, publication) = publication(&stage.context, &stage.endpoint);
        let publication = publication.actor("scrieb", offer(stage.scribe)).unwrap();
        stage.there.client().unwrap().spawn(publication.spec()).unwrap();
        watched.until(|event| (*event == LinkEvent::Joined).then_some(()));
        assert_eq!(watched.client.ask(watched.link, Numbers(()), PATIENCE).unwrap(), Ok(vec![4]), "{road:?}");
    }
}

#[test]
fn where_nobody_answers_questions_fail_when_patience_is_over() {
    for endpoint in ["inproc://nowhere", "ipc:///nonexistent/nowhere", "tcp://127.0.0.1:1"] {
        let context = ringway::Context::new();
        let here = crate::cast::two();
        let connection = connection(&context, endpoint, "nobody").patience(Duration::from_millis(30));
        let mut client = here.client().unwrap();
        let link: Addr<Link> = client.spawn(connection.open().unwrap()).unwrap();
        for _ in 0..2 {
            let answer = client.ask(link, Numbers(()), PATIENCE).unwrap();
            assert_eq!(answer, Err(RemoteError::NotConnected), "{endpoint}");
        }
    }
}

#[test]
fn an_actor_without_room_says_so_to_who_asks_and_what_is_told_waits() {
    for road in ROADS {
        let stage = Stage::with(road, Spec::new(()).capacity(4), |publication| publication);
        let (mut client, link) = stage.link();
        assert_eq!(client.ask(link, Text("x".into()), PATIENCE).unwrap(), Ok(1));
        let until = stage.block();
        (0..9).for_each(|number| client.tell(link, Number(number)).unwrap());
        assert_eq!(client.ask(link, Text("x".into()), PATIENCE).unwrap(), Err(RemoteError::Full), "{road:?}");
        let secret = client.ask(link, Secret(1), PATIENCE).unwrap();
        assert_eq!(secret, Err(RemoteError::NotOffered { message: "secret" }), "{road:?}");
        drop(until);
        assert_eq!(stage.numbers(9), Vec::from_iter(0..9), "{road:?}");
    }
}

/// A publication that speaks as one of a later version may.
#[test]
fn another_version_of_the_protocol_is_named_on_both_sides() {
    let context = ringway::Context::new();
    let here = crate::cast::two();
    let mut router = Router::new(&context).unwrap();
    router.bind("inproc://later").unwrap();
    let mut watched = Watched::open(&here, connection(&context, "inproc://later", "scribe"));
    let hello = router.recv().unwrap();
    router
        .send([hello[0].clone(), ringway::Frame::from(&b"RWRA\x07\x0a"[..])].into_iter().collect::<Message>())
        .unwrap();
    let protocol = RemoteError::Protocol { ours: 1, theirs: 7 };
    assert_eq!(watched.event(), LinkEvent::TurnedAway(protocol.clone()));
    assert_eq!(watched.client.ask(watched.link, Numbers(()), PATIENCE).unwrap(), Err(protocol));
}

#[test]
fn names_are_looked_at_where_they_are_given() {
    let stage = Stage::new(Road::Inproc);
    let (_, publication) = publication(&stage.context, "inproc://names");
    let publication = publication.actor("a", Offer::new(stage.scribe)).unwrap();
    let taken = publication.actor("a", Offer::new(stage.scribe)).unwrap_err();
    assert_eq!(taken, PublishError::Taken { name: "a".into() });
    for len in [0, 256] {
        assert!(stage.connection(&"x".repeat(len)).open::<ringway::bridge::remote::Anything>().is_err());
        let (_, publication) = crate::cast::publication(&stage.context, &Road::Inproc.wildcard());
        let error = publication.actor("x".repeat(len), Offer::new(stage.scribe)).unwrap_err();
        assert_eq!(error, PublishError::NotAName { len });
    }
}

#[test]
fn a_link_that_is_stopped_ends_questions() {
    for road in ROADS {
        let stage = Stage::new(road);
        let (mut client, link) = stage.link();
        assert_eq!(client.ask(link, Text("x".into()), PATIENCE).unwrap(), Ok(1));
        let asking = std::thread::spawn({
            let mut client = stage.here.client().unwrap();
            move || client.ask(link, Riddle(()), PATIENCE)
        });
        crate::cast::until("it is asked", || stage.published.read().asks == 2);
        client.stop(link.id());
        assert_eq!(asking.join().unwrap(), Err(AskError::Gone), "{road:?}");
        crate::cast::until("its session has ended", || stage.published.read().parted == 1);
    }
}
