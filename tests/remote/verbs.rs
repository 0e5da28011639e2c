//! The verbs there are for local actors, through a link.

use std::{sync::mpsc, time::Duration};

use ringway::{
    actor::{Actor, Addr, AskError, Ctx, Failure, Handle, Policy, Runtime, Spec},
    bridge::remote::{Accepts, Link, RemoteError},
};

use crate::{
    PATIENCE,
    cast::{Number, Numbers, ROADS, Riddle, Solve, Stage, Text},
};

#[test]
fn what_is_told_arrives_in_order_and_what_is_asked_is_answered() {
    for road in ROADS {
        let stage = Stage::new(road);
        let (mut client, link) = stage.link();
        (0..5_000).for_each(|number| client.tell(link, Number(number)).unwrap());
        // Behind all that: but not before there is room.
        let numbers = loop {
            match client.ask(link, Numbers(()), PATIENCE).unwrap() {
                Ok(numbers) => break numbers,
                Err(RemoteError::Full) => {}
                Err(error) => panic!("{road:?}: {error}"),
            }
        };
        assert!(numbers == Vec::from_iter(0..5_000), "{road:?}: {}", numbers.len());
        assert_eq!(client.ask(link, Text("four".into()), PATIENCE).unwrap(), Ok(4));
        for runtime in [stage.here, stage.there] {
            let report = runtime.shutdown(PATIENCE);
            assert_eq!((report.killed, report.stuck, report.counts.failures), (0, 0, 0), "{road:?}");
        }
    }
}

/// Uses what actors have: tells by each verb, asks, tells a test of the answers.
struct User {
    link: Addr<Link<Writing>>,
    seen: mpsc::Sender<Result<Result<usize, RemoteError>, AskError>>,
}

struct Writing;

impl Accepts<Number> for Writing {}
impl Accepts<Text> for Writing {}

impl Actor for User {
    type Args = (Addr<Link<Writing>>, mpsc::Sender<Result<Result<usize, RemoteError>, AskError>>);

    fn start((link, seen): Self::Args, ctx: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        ctx.try_tell(link, Number(1))?;
        ctx.tell(link, Number(2), Policy::Defer)?;
        ctx.try_tell(link.recipient::<Number>(), Number(3))?;
        ctx.ask(link, Text("seven..".into()), PATIENCE, Answer)?;
        Ok(Self { link, seen })
    }
}

struct Answer(Result<Result<usize, RemoteError>, AskError>);

impl Handle<Answer> for User {
    type Reply = ();

    fn on(&mut self, Answer(answer): Answer, ctx: &mut Ctx<'_, Self>) {
        if answer == Ok(Ok(7)) {
            ctx.ask(self.link, Text(String::new()), PATIENCE, Answer).unwrap();
        }
        self.seen.send(answer).unwrap();
    }
}

#[test]
fn an_actor_tells_and_asks_through_a_link_as_it_does_others() {
    for road in ROADS {
        let stage = Stage::new(road);
        let mut client = stage.here.client().unwrap();
        let link = client.spawn_on(0, stage.connection("scribe").open::<Writing>().unwrap()).unwrap();
        for worker in 0..2 {
            let (to, seen) = mpsc::channel();
            client.spawn_on(worker, Spec::<User>::new((link, to))).unwrap();
            assert_eq!(seen.recv_timeout(PATIENCE).unwrap(), Ok(Ok(7)), "{road:?} on {worker}");
            assert_eq!(seen.recv_timeout(PATIENCE).unwrap(), Ok(Ok(0)), "{road:?} on {worker}");
        }
        assert_eq!(stage.numbers(6), [1, 2, 3, 1, 2, 3], "{road:?}");
    }
}

#[test]
fn an_answer_may_come_later_or_too_late() {
    for road in ROADS {
        let stage = Stage::new(road);
        let (mut client, link) = stage.link();
        // There is a session, so the question below is not one that waits for it.
        assert_eq!(client.ask(link, Text("x".into()), PATIENCE).unwrap(), Ok(1));
        assert_eq!(client.ask(link, Riddle(()), Duration::from_millis(50)), Err(AskError::TimedOut), "{road:?}");
        let solving = std::thread::spawn({
            let (mut there, scribe) = (stage.there.client().unwrap(), stage.scribe);
            move || {
                let mut solved = 0;
                while solved < 2 {
                    solved += there.ask(scribe, Solve(12), PATIENCE).unwrap();
                    std::thread::yield_now();
                }
            }
        });
        assert_eq!(client.ask(link, Riddle(()), PATIENCE).unwrap(), Ok(Some(12)), "{road:?}");
        solving.join().unwrap();
    }
}

#[test]
fn many_links_and_clients_at_once() {
    for road in ROADS {
        let stage = Stage::new(road);
        let threads: Vec<_> = (0..4_u64)
            .map(|thread| {
                let (mut client, link) = stage.link();
                std::thread::spawn(move || {
                    for nth in 0..500 {
                        client.tell(link, Number(thread * 1_000 + nth)).unwrap();
                        if nth % 50 == 0 {
                            let answer = client.ask(link, Text("ab".into()), PATIENCE).unwrap();
                            assert!(matches!(answer, Ok(2) | Err(RemoteError::Full)), "{answer:?}");
                        }
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let numbers = stage.numbers(2_000);
        for thread in 0..4 {
            let own: Vec<_> = numbers.iter().copied().filter(|number| number / 1_000 == thread).collect();
            assert_eq!(own, Vec::from_iter(thread * 1_000..thread * 1_000 + 500), "{road:?}");
        }
    }
}

#[test]
fn a_link_may_be_there_before_its_publication() {
    use crate::cast::{Road, connection, offer, publication, two};
    for road in ROADS {
        let context = ringway::Context::new();
        let (here, there): (Runtime, Runtime) = (two(), two());
        // An endpoint that is free.
        let endpoint = match road {
            Road::Inproc => road.wildcard(),
            _ => publication(&context, &road.wildcard()).0,
        };
        let mut client = here.client().unwrap();
        let link: Addr<Link> = client.spawn(connection(&context, &endpoint, "scribe").open().unwrap()).unwrap();
        client.tell(link, Number(5)).unwrap();
        let asking = std::thread::spawn(move || client.ask(link, Text("ab".into()), PATIENCE));
        let mut owner = there.client().unwrap();
        let scribe = owner.spawn_on(1, Spec::new(())).unwrap();
        let publication = publication(&context, &endpoint).1.actor("scribe", offer(scribe)).unwrap();
        owner.spawn(publication.spec()).unwrap();
        assert_eq!(asking.join().unwrap().unwrap(), Ok(2), "{road:?}");
        // The question came behind it.
        assert_eq!(owner.ask(scribe, Numbers(()), PATIENCE).unwrap(), [5], "{road:?}");
    }
}
