//! `inproc://name`: a registry of names in which binding and connecting sockets find each other, in either order.
//!
//! Connecting makes the pipe at once, so that the connecting socket can send. If nobody has bound the name yet, the far
//! end waits here; binding collects it. A socket that closes with messages still waiting here leaves them for its
//! linger time.

#![forbid(unsafe_code)]

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use crate::{
    SocketType,
    pipe::{Directions, End, Hub, Joined, Side, Tie, local_pair},
    sync::{Arc, Mutex},
};

/// The names of a context.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    names: Mutex<HashMap<Box<str>, Name>>,
}

/// A name that somebody has bound, or that somebody waits for.
#[derive(Debug, Default)]
struct Name {
    bound: Option<Bound>,
    /// Far ends of pipes whose connecting side is there already, first come first.
    pending: Vec<Pending>,
}

#[derive(Debug)]
struct Bound {
    hub: Arc<Hub>,
    socket_type: SocketType,
}

#[derive(Debug)]
struct Pending {
    end: End,
    /// The type of the socket that connected.
    socket_type: SocketType,
    /// Until when the messages in it are kept, once that socket is gone.
    kept_until: Option<Instant>,
}

/// Somebody else has bound the name.
#[derive(Debug)]
pub(crate) struct NameInUse;

/// The socket that has bound the name is of a type that does not talk to ours.
#[derive(Debug)]
pub(crate) struct Mismatch(pub(crate) SocketType);

impl Registry {
    /// Gives `name` to the socket behind `hub`, and to it the pipes that wait for the name. Those of sockets it does not
    /// talk to go on waiting.
    pub(crate) fn bind(&self, name: &str, hub: &Arc<Hub>, socket_type: SocketType) -> Result<(), NameInUse> {
        let mut names = self.names.lock();
        let expired = Self::expired(&mut names);
        let entry = names.entry(name.into()).or_default();
        if entry.bound.is_some() {
            drop(names);
            drop(expired);
            return Err(NameInUse);
        }
        entry.bound = Some(Bound { hub: hub.clone(), socket_type });
        let (ours, others) = std::mem::take(&mut entry.pending)
            .into_iter()
            .partition(|pending| pending.socket_type.talks_to(socket_type));
        entry.pending = others;
        // Under the lock, so that a connect after this one finds its place behind those that waited.
        let ours: Vec<Pending> = ours;
        let refused: Vec<Joined> = ours.into_iter().map(|pending| Self::seat(pending.end, hub)).collect();
        drop(names);
        drop((expired, refused));
        Ok(())
    }

    /// Connects the socket behind `hub` to `name`, bound or not. The pipe's tie tells it from others.
    pub(crate) fn connect(&self, name: &str, hub: &Arc<Hub>, socket_type: SocketType) -> Result<Arc<Tie>, Mismatch> {
        let mut names = self.names.lock();
        let expired = Self::expired(&mut names);
        let entry = names.entry(name.into()).or_default();
        if let Some(bound) = &entry.bound
            && !bound.socket_type.talks_to(socket_type)
        {
            let mismatch = Mismatch(bound.socket_type);
            drop(names);
            drop(expired);
            return Err(mismatch);
        }
        let tie = Tie::new(hub.clone());
        let directions = Directions { forth: socket_type.sends(), back: socket_type.receives() };
        let (near, far) = local_pair(&tie, directions);
        // The near end first: it brings our part of the limits, without which the pipe has no room at all.
        let near = hub.join(near);
        let far = match &entry.bound {
            Some(bound) => Self::seat(far, &bound.hub),
            None => {
                entry.pending.push(Pending { end: far, socket_type, kept_until: None });
                Joined::Waiting
            }
        };
        drop(names);
        drop((expired, near, far));
        Ok(tie)
    }

    /// Takes `name` back. Pipes stay. Returns whether the socket behind `hub` had it.
    pub(crate) fn unbind(&self, name: &str, hub: &Arc<Hub>) -> bool {
        let mut names = self.names.lock();
        let Some(entry) = names.get_mut(name) else { return false };
        if !entry.bound.as_ref().is_some_and(|bound| Arc::ptr_eq(&bound.hub, hub)) {
            return false;
        }
        entry.bound = None;
        if entry.pending.is_empty() {
            names.remove(name);
        }
        true
    }

    /// The connecting side of `tie` has closed: if the far end waits here, it stays for `linger` if there are messages
    /// in it.
    pub(crate) fn abandon(&self, name: &str, tie: &Arc<Tie>, linger: Duration) {
        let mut names = self.names.lock();
        let Some(entry) = names.get_mut(name) else { return };
        let Some(place) = entry.pending.iter().position(|pending| Arc::ptr_eq(pending.end.tie(), tie)) else { return };
        let dropped = if linger.is_zero() || entry.pending[place].end.exhausted() {
            Some(entry.pending.remove(place))
        } else {
            // A linger too long for the clock is as good as for ever.
            entry.pending[place].kept_until = Instant::now().checked_add(linger);
            None
        };
        if entry.bound.is_none() && entry.pending.is_empty() {
            names.remove(name);
        }
        let expired = Self::expired(&mut names);
        drop(names);
        drop((dropped, expired));
    }

    /// Drops everything that waits: nobody will bind any more.
    pub(crate) fn clear(&self) {
        let names = std::mem::take(&mut *self.names.lock());
        drop(names);
    }

    /// Lets `hub` have `far`, the end of a pipe that was made by connecting.
    fn seat(far: End, hub: &Arc<Hub>) -> Joined {
        far.tie().introduce(Side::Second, hub.clone());
        hub.join(far)
    }

    /// Takes out what has been kept for long enough. To be dropped without the lock: it holds messages.
    fn expired(names: &mut HashMap<Box<str>, Name>) -> Vec<Pending> {
        let is_over = |pending: &mut Pending| pending.kept_until.is_some_and(|until| until <= Instant::now());
        names.values_mut().flat_map(|name| name.pending.extract_if(.., is_over)).collect()
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use crate::{
        Frame,
        pipe::{Crew, HubOptions},
    };

    /// A payload whose destructor needs the registry.
    struct Reentrant(std::sync::Weak<Registry>);

    impl AsRef<[u8]> for Reentrant {
        fn as_ref(&self) -> &[u8] {
            b"reentrant"
        }
    }

    impl Drop for Reentrant {
        fn drop(&mut self) {
            if let Some(registry) = self.0.upgrade() {
                // Would wait for ever if this thread held the lock.
                registry.names.lock().shrink_to_fit();
            }
        }
    }

    fn crew() -> (Arc<Hub>, Crew) {
        let hub = Hub::new(HubOptions { send_hwm: 0, recv_hwm: 0, seats: 8 }, Arc::default());
        (hub.clone(), Crew::new(hub))
    }

    /// Leaves a message at `name` that has been kept for long enough.
    fn expire_at(registry: &std::sync::Arc<Registry>, name: &str) {
        let (hub, mut crew) = crew();
        let tie = registry.connect(name, &hub, SocketType::Push).unwrap();
        let key = crew.writable().unwrap();
        let mut message = Frame::from_owner(Reentrant(std::sync::Arc::downgrade(registry))).into();
        crew.send_to(key, &mut message).unwrap();
        drop(crew);
        registry.abandon(name, &tie, Duration::from_secs(3600));
        let mut names = registry.names.lock();
        names.get_mut(name).unwrap().pending[0].kept_until = Some(Instant::now());
    }

    #[test]
    fn payloads_are_dropped_without_the_lock_when_a_bind_or_connect_fails() {
        let registry = std::sync::Arc::new(Registry::default());
        let (hub, _crew) = crew();
        registry.bind("bound", &hub, SocketType::Pull).unwrap();
        expire_at(&registry, "one");
        assert!(registry.bind("bound", &hub, SocketType::Pull).is_err());
        expire_at(&registry, "other");
        assert!(registry.connect("bound", &hub, SocketType::Pull).is_err());
    }
}
