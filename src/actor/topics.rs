//! What is published, and to whom it goes: a type is a topic.
//!
//! Each worker has a list of all subscribers of the runtime, so that to publish is to look here and to tell. Lists are changed by jobs,
//! which go the way of messages: what an actor publishes after it was told that another has subscribed reaches that one.

#![forbid(unsafe_code)]

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    fmt,
};

use super::{
    Recipient,
    address::ActorId,
    core::Core,
    credit::Denied,
    deadletter::Loss,
    message,
    tell::{Sealed, placed::Placed},
};

/// See the module.
#[derive(Default)]
pub(super) struct Topics(HashMap<TypeId, Box<dyn Subscribers>, ahash::RandomState>);

impl fmt::Debug for Topics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topics").field("len", &self.0.len()).finish()
    }
}

/// Of one topic, whatever its type: a `Vec<Recipient<_>>`.
trait Subscribers: Any {
    fn remove(&mut self, id: ActorId);
    fn as_any(&mut self) -> &mut dyn Any;
}

impl<E: Send + 'static> Subscribers for Vec<Recipient<E>> {
    fn remove(&mut self, id: ActorId) {
        self.retain(|subscriber| subscriber.id() != id);
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}

/// Whom something published has reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Published {
    /// Subscribers who have it on its way to them.
    pub told: usize,
    /// Subscribers who had no room, and do not get it. Counted as [dropped](super::Counts::dropped), too.
    pub full: usize,
}

impl Core {
    /// `subscriber` is told what is published of `E` from now on, by each worker as soon as it hears of it.
    pub(super) fn subscribe<E: Clone + Send + 'static>(&mut self, subscriber: Recipient<E>) {
        if let Some(rare) = self.rare(subscriber.id().place)
            && !rare.topics.contains(&TypeId::of::<E>())
        {
            rare.topics.push(TypeId::of::<E>());
            self.on_all(move |core| {
                let list =
                    core.topics.0.entry(TypeId::of::<E>()).or_insert_with(|| Box::new(Vec::<Recipient<E>>::new()));
                if let Some(list) = list.as_any().downcast_mut::<Vec<Recipient<E>>>() {
                    list.push(subscriber);
                }
            });
        }
    }

    pub(super) fn unsubscribe<E: 'static>(&mut self, id: ActorId) {
        if let Some(rare) = self.rare(id.place) {
            rare.topics.retain(|&topic| topic != TypeId::of::<E>());
        }
        self.unsubscribe_all(id, vec![TypeId::of::<E>()]);
    }

    /// The actor is told none of those any more.
    pub(super) fn unsubscribe_all(&mut self, id: ActorId, topics: Vec<TypeId>) {
        if topics.is_empty() {
            return;
        }
        self.on_all(move |core| {
            for topic in &topics {
                if let Some(list) = core.topics.0.get_mut(topic) {
                    list.remove(id);
                }
            }
        });
    }

    /// Has all workers do it, this one at once.
    fn on_all(&mut self, job: impl Fn(&mut Core) + Clone + Send + 'static) {
        for number in 0..self.shared.bells.len() as u32 {
            let job = job.clone();
            self.have(number, move |core| job(core));
        }
    }

    /// Tells all who have subscribed to `E`, as far as they have room.
    pub(super) fn publish<E: Clone + Send + 'static>(&mut self, event: &E) -> Published {
        let mut published = Published::default();
        let mut nth = 0;
        // By its place in the list: an event's `clone` is its own code, but cannot reach the list.
        while let Some(&subscriber) = self.subscribers::<E>().and_then(|list| list.get(nth)) {
            nth += 1;
            let (id, capacity) = subscriber.place();
            // Before there is credit for it, which would be lost if it panics.
            let event = event.clone();
            match self.admit(id, capacity) {
                Ok(route) => {
                    message::post(self, route, subscriber.verb(), id.place, event);
                    published.told += 1;
                }
                Err(Denied::Full) => {
                    self.lose_there(
                        self.number(id),
                        message::of_verb(subscriber.verb(), id.place, event),
                        Loss::Dropped,
                    );
                    published.full += 1;
                }
                // It has ended, and its worker says so to all.
                Err(Denied::Gone) => {}
            }
        }
        published
    }

    fn subscribers<E: 'static>(&mut self) -> Option<&mut Vec<Recipient<E>>> {
        self.topics.0.get_mut(&TypeId::of::<E>())?.as_any().downcast_mut()
    }
}
