//! What is published reaches who has subscribed to its type.

use std::{sync::mpsc, time::Instant};

use ringway::actor::{Actor, Addr, Client, Ctx, Failure, Handle, Intensity, Published, Restarts, Spec};

use crate::{
    PATIENCE,
    cast::{PLACES, Puppet, act, blocked, puppet, two},
};

/// Published.
#[derive(Clone, Debug, PartialEq)]
struct Weather(u32);

/// Published, and not small.
#[derive(Clone, Debug, PartialEq)]
struct News(String);

/// Passes on what it hears of.
struct Reader(mpsc::Sender<String>);

impl Actor for Reader {
    type Args = mpsc::Sender<String>;

    /// Also when it is started again.
    fn start(told: Self::Args, ctx: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        ctx.subscribe::<Weather>();
        ctx.subscribe::<Weather>();
        Ok(Self(told))
    }
}

impl Handle<Weather> for Reader {
    type Reply = ();

    fn on(&mut self, weather: Weather, ctx: &mut Ctx<'_, Self>) {
        if weather == Weather(666) {
            return ctx.fail(Failure::new("as it was told"));
        }
        self.0.send(format!("{weather:?}")).unwrap();
    }
}

impl Handle<News> for Reader {
    type Reply = ();

    fn on(&mut self, news: News, _: &mut Ctx<'_, Self>) {
        self.0.send(format!("{news:?}")).unwrap();
    }
}

/// To read news, or no weather.
enum Read {
    News,
    NoWeather,
}

impl Handle<Read> for Reader {
    type Reply = ();

    fn on(&mut self, read: Read, ctx: &mut Ctx<'_, Self>) {
        match read {
            Read::News => ctx.subscribe::<News>(),
            Read::NoWeather => ctx.unsubscribe::<Weather>(),
        }
    }
}

fn reader(client: &mut Client, worker: usize) -> (Addr<Reader>, mpsc::Receiver<String>) {
    let (told, heard) = mpsc::channel();
    let often = Restarts { intensity: Intensity { restarts: 9, within: PATIENCE }, ..Restarts::default() };
    (client.spawn_on(worker, Spec::<Reader>::new(told).restarts(often)).unwrap(), heard)
}

/// Who publishes hears of subscriptions by way of messages: it is known of all of `readers` when this returns.
fn until_told(client: &mut Client, publisher: Addr<Puppet>, told: usize) -> usize {
    let deadline = Instant::now() + PATIENCE;
    for tries in 1.. {
        let publish = |ctx: &mut Ctx<'_, Puppet>| ctx.publish(&Weather(0));
        if client.ask(publisher, act(publish), PATIENCE).unwrap() == published(told, 0) {
            return tries;
        }
        assert!(Instant::now() < deadline);
    }
    unreachable!("it is tried for ever");
}

fn published(told: usize, full: usize) -> Published {
    let mut published = Published::default();
    (published.told, published.full) = (told, full);
    published
}

fn hears(heard: &mpsc::Receiver<String>, expected: &str) {
    // What it heard until all were known is left out.
    let heard = std::iter::from_fn(|| Some(heard.recv_timeout(PATIENCE).unwrap())).find(|heard| heard != "Weather(0)");
    assert_eq!(heard.unwrap(), expected);
}

#[test]
fn what_is_published_reaches_all_who_subscribed_on_both_workers() {
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    let readers = [0, 1, 1].map(|worker| reader(&mut client, worker));
    for worker in [0, 1] {
        let publisher = puppet(&mut client, worker);
        until_told(&mut client, publisher, 3);
        let publish = |ctx: &mut Ctx<'_, Puppet>| (ctx.publish(&Weather(21)), ctx.publish(&News("none".into())));
        let told = client.ask(publisher, act(publish), PATIENCE).unwrap();
        assert_eq!(told, (published(3, 0), published(0, 0)));
        readers.iter().for_each(|(_, heard)| hears(heard, "Weather(21)"));
    }
    // By a client, and a second topic.
    client.ask(readers[1].0, Read::News, PATIENCE).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while client.publish(&News("good".into())).unwrap() != published(1, 0) {
        assert!(Instant::now() < deadline);
    }
    hears(&readers[1].1, r#"News("good")"#);
    assert_eq!(client.publish(&Weather(3)).unwrap(), published(3, 0));
    readers.iter().for_each(|(_, heard)| hears(heard, "Weather(3)"));
}

#[test]
fn who_unsubscribes_or_ends_is_told_no_more() {
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    for [here, there] in PLACES {
        let publisher = puppet(&mut client, here);
        let (one, heard) = reader(&mut client, there);
        let (other, other_heard) = reader(&mut client, there);
        until_told(&mut client, publisher, 2);
        client.ask(one, Read::NoWeather, PATIENCE).unwrap();
        until_told(&mut client, publisher, 1);
        client.ask(publisher, act(|ctx| ctx.publish(&Weather(1))), PATIENCE).unwrap();
        hears(&other_heard, "Weather(1)");
        client.stop(other.id());
        client.wait_for_end(other.id(), PATIENCE).unwrap();
        until_told(&mut client, publisher, 0);
        client.stop(one.id());
        client.wait_for_end(one.id(), PATIENCE).unwrap();
        assert!(heard.iter().all(|heard| heard == "Weather(0)"));
    }
}

#[test]
fn who_is_started_again_has_its_subscription_once() {
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    for [here, there] in PLACES {
        let publisher = puppet(&mut client, here);
        let (one, heard) = reader(&mut client, there);
        until_told(&mut client, publisher, 1);
        for nth in 1..4 {
            let publish = move |ctx: &mut Ctx<'_, Puppet>| [666, nth].map(|number| ctx.publish(&Weather(number)));
            assert_eq!(client.ask(publisher, act(publish), PATIENCE).unwrap(), [published(1, 0); 2]);
            hears(&heard, &format!("Weather({nth})"));
        }
        client.stop(one.id());
        client.wait_for_end(one.id(), PATIENCE).unwrap();
        assert_eq!(heard.try_recv(), Err(mpsc::TryRecvError::Disconnected), "nothing came twice");
    }
    assert_eq!(runtime.shutdown(PATIENCE).counts.restarts, 9);
}

impl Handle<Weather> for crate::cast::Scribe {
    type Reply = ();

    fn on(&mut self, _: Weather, _: &mut Ctx<'_, Self>) {}
}

struct Subscribe;

impl Handle<Subscribe> for crate::cast::Scribe {
    type Reply = ();

    fn on(&mut self, _: Subscribe, ctx: &mut Ctx<'_, Self>) {
        ctx.subscribe::<Weather>();
    }
}

#[test]
fn who_has_no_room_does_not_get_it_and_that_is_counted() {
    let runtime = two().start().unwrap();
    let mut client = runtime.client().unwrap();
    let mut dropped = 0;
    for [here, there] in [[0, 1], [1, 0]] {
        let publisher = puppet(&mut client, here);
        let (reader, heard) = reader(&mut client, here);
        until_told(&mut client, publisher, 1);
        let (scribe, until) = blocked(&mut client, there, 3);
        client.tell(scribe, Subscribe).unwrap();
        drop(until);
        until_told(&mut client, publisher, 2);
        let (_, until) = {
            let (until, block) = mpsc::channel();
            client.tell(scribe, crate::cast::Block(block)).unwrap();
            (scribe, until)
        };
        // Some of its credit may not have come back when it blocks: more than there can be is full.
        let publish = |ctx: &mut Ctx<'_, Puppet>| (1..=20).map(|nth| ctx.publish(&Weather(nth))).collect::<Vec<_>>();
        let told = client.ask(publisher, act(publish), PATIENCE).unwrap();
        let full = told.iter().map(|published| published.full).sum::<usize>();
        assert!(told.iter().all(|published| published.told + published.full == 2), "{told:?}");
        assert!(full >= 17, "{full}");
        dropped += full as u64;
        (1..=20).for_each(|nth| hears(&heard, &format!("Weather({nth})")));
        drop(until);
        client.stop(scribe.id());
        client.stop(reader.id());
        client.wait_for_end(scribe.id(), PATIENCE).unwrap();
        client.wait_for_end(reader.id(), PATIENCE).unwrap();
        until_told(&mut client, publisher, 0);
    }
    assert_eq!(runtime.shutdown(PATIENCE).counts.dropped, dropped);
}
