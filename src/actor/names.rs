//! Actors by name, with their types.

#![forbid(unsafe_code)]

use std::{
    any::{TypeId, type_name},
    collections::HashMap,
    fmt,
};

use super::{Actor, Addr, address::ActorId};
use crate::sync::Mutex;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Names(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    by_name: HashMap<String, Entry>,
    by_id: HashMap<ActorId, Vec<String>>,
}

#[derive(Debug)]
struct Entry {
    id: ActorId,
    capacity: u32,
    actor: TypeId,
    actor_name: &'static str,
}

/// Why a name was not given, or leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameError {
    /// Another actor has it, which lives.
    Taken(ActorId),
    /// Nobody has it.
    Unknown,
    /// Who has it is an actor of this other type.
    OtherType(&'static str),
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken(id) => write!(f, "the actor {id} has that name"),
            Self::Unknown => f.write_str("no actor has that name"),
            Self::OtherType(name) => write!(f, "who has that name is a {name}"),
        }
    }
}

impl std::error::Error for NameError {}

impl Names {
    pub(super) fn give<A: Actor>(&self, name: String, addr: Addr<A>) -> Result<(), NameError> {
        let mut book = self.0.lock();
        match book.by_name.get(&name) {
            // It says so again in each of its lives.
            Some(entry) if entry.id == addr.id => return Ok(()),
            Some(entry) => return Err(NameError::Taken(entry.id)),
            None => {}
        }
        let entry =
            Entry { id: addr.id, capacity: addr.capacity, actor: TypeId::of::<A>(), actor_name: type_name::<A>() };
        book.by_id.entry(addr.id).or_default().push(name.clone());
        book.by_name.insert(name, entry);
        Ok(())
    }

    pub(super) fn find<A: Actor>(&self, name: &str) -> Result<Addr<A>, NameError> {
        let book = self.0.lock();
        let entry = book.by_name.get(name).ok_or(NameError::Unknown)?;
        if entry.actor != TypeId::of::<A>() {
            return Err(NameError::OtherType(entry.actor_name));
        }
        Ok(Addr::new(entry.id, entry.capacity))
    }

    /// The actor has ended: its names are to be had.
    pub(super) fn forget(&self, id: ActorId) {
        let mut book = self.0.lock();
        for name in book.by_id.remove(&id).unwrap_or_default() {
            book.by_name.remove(&name);
        }
    }
}
