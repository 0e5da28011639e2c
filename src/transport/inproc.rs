//! `inproc://name`: a registry of names in which binding and connecting sockets find each other, in either order.
//!
//! Connecting makes the pipe at once, so that the connecting socket can send. If nobody has bound the name yet, the far
//! end waits here; binding collects it. A socket that closes with messages still waiting here leaves them for its
//! linger time.

#![forbid(unsafe_code)]

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc as Counted,
    time::{Duration, Instant},
};

use crate::{
    Endpoint, Frame, SocketType,
    monitor::{EventKind, PeerId, Sink},
    pipe::{Directions, End, Hub, Joined, Profile, Side, Tie, conflating_pair, local_pair},
    sync::{Arc, Mutex, full_fence},
};

/// The names of a context.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    names: Mutex<Names>,
    /// Makes the pipes, in a context for tests. Behind the names: their pipes need it to the last.
    #[cfg(feature = "awkward-pipes")]
    courier: Option<crate::pipe::Courier>,
}

#[derive(Debug, Default)]
struct Names {
    /// A name stays as long as somebody has bound it or something waits for it.
    by_name: HashMap<Box<str>, Name>,
    /// The names of what lingers, by when that is over.
    expiries: BTreeMap<Expiry, Box<str>>,
    /// Tells equal instants apart.
    next_expiry: u64,
}

type Expiry = (Instant, u64);

/// A name that somebody has bound, or that somebody waits for.
#[derive(Debug, Default)]
struct Name {
    bound: Option<Bound>,
    /// Far ends of pipes whose connecting side is there already, first come first.
    pending: Vec<Pending>,
}

/// The socket that has bound a name.
#[derive(Clone, Debug)]
struct Bound {
    hub: Arc<Hub>,
    /// As who it is there.
    profile: Counted<Profile>,
}

#[derive(Debug)]
struct Pending {
    end: End,
    /// The type of the socket that connected.
    socket_type: SocketType,
    /// Until when the messages in it are kept, once that socket is gone. `None` while it is there, and for a time the
    /// clock does not reach.
    kept_until: Option<Expiry>,
}

/// Somebody else has bound the name.
#[derive(Debug)]
pub(crate) struct NameInUse;

/// The socket that has bound the name is of a type that does not talk to ours.
#[derive(Debug)]
pub(crate) struct Mismatch(pub(crate) SocketType);

impl Registry {
    /// Names whose pipes are of the awkward flavor.
    #[cfg(feature = "awkward-pipes")]
    pub(crate) fn awkward(seed: u64) -> Self {
        Self { courier: Some(crate::pipe::Courier::new(seed)), ..Self::default() }
    }

    #[cfg(feature = "awkward-pipes")]
    pub(crate) fn courier(&self) -> Option<&crate::pipe::Courier> {
        self.courier.as_ref()
    }

    /// Gives `name` to the socket behind `hub`, and to it the pipes that wait for the name. Those of sockets it does not
    /// talk to go on waiting.
    pub(crate) fn bind(&self, name: &str, hub: &Arc<Hub>) -> Result<(), NameInUse> {
        let bound = Bound { hub: hub.clone(), profile: hub.profile() };
        let socket_type = hub.socket_type();
        self.drop_expired();
        let mut names = self.names.lock();
        let entry = names.by_name.entry(name.into()).or_default();
        if entry.bound.is_some() {
            return Err(NameInUse);
        }
        entry.bound = Some(bound.clone());
        // Told under the lock: whoever connects is heard of later.
        Self::tell(hub, || EventKind::Listening { endpoint: Endpoint::Inproc(name.into()), descriptor: None });
        let ours: Vec<Pending> =
            entry.pending.extract_if(.., |pending| pending.socket_type.talks_to(socket_type)).collect();
        for theirs in &entry.pending {
            Self::tell_incompatible(name, hub, theirs.socket_type);
            if let Some(connected) = theirs.end.tie().hub(Side::First) {
                Self::tell_incompatible(name, connected, socket_type);
            }
        }
        for expiry in ours.iter().filter_map(|pending| pending.kept_until) {
            names.expiries.remove(&expiry);
        }
        // Under the lock, so that a connect after this one finds its place behind those that waited.
        let refused: Vec<Joined> = ours.into_iter().map(|pending| Self::seat(pending.end, &bound)).collect();
        drop(names);
        drop(refused);
        Ok(())
    }

    /// Connects the socket behind `hub` to `name`, bound or not, which calls its peer `peer_name`, or nothing if that is
    /// empty. The pipe's tie tells it from others.
    pub(crate) fn connect(&self, name: &Counted<str>, hub: &Arc<Hub>, peer_name: Frame) -> Result<Arc<Tie>, Mismatch> {
        let socket_type = hub.socket_type();
        self.drop_expired();
        let mut names = self.names.lock();
        let entry = names.by_name.entry((&**name).into()).or_default();
        if let Some(bound) = &entry.bound
            && let theirs = bound.profile.socket_type
            && !theirs.talks_to(socket_type)
        {
            Self::tell_incompatible(name, &bound.hub, socket_type);
            Self::tell_incompatible(name, hub, theirs);
            return Err(Mismatch(theirs));
        }
        let endpoint = Endpoint::Inproc(name.clone());
        let tie = Tie::through(Some(endpoint.clone()), peer_name, hub.clone());
        let bound = entry.bound.as_ref().map(|bound| &*bound.profile);
        let directions = Directions {
            forth: socket_type.sends() && bound.is_none_or(|bound| bound.socket_type.receives()),
            back: socket_type.receives() && bound.is_none_or(|bound| bound.socket_type.sends()),
        };
        let sides = [tie.profile(Side::First), bound];
        let conflates = sides.into_iter().flatten().any(|profile| profile.conflates);
        let (near, far) = if conflates { conflating_pair(&tie, directions) } else { self.pipe(&tie, directions) };
        // The near end first: it brings our part of the limits, without which the pipe has no room at all.
        let near = Self::join(near, hub);
        let far = match &entry.bound {
            Some(bound) => Self::seat(far, bound),
            None => {
                entry.pending.push(Pending { end: far, socket_type, kept_until: None });
                Self::tell(hub, || EventKind::Connecting { endpoint, peer: PeerId::new(tie.number()) });
                Joined::Waiting
            }
        };
        drop(names);
        drop((near, far));
        Ok(tie)
    }

    /// Takes `name` back. Pipes stay. Returns whether the socket behind `hub` had it.
    pub(crate) fn unbind(&self, name: &str, hub: &Arc<Hub>) -> bool {
        let mut names = self.names.lock();
        let Some(entry) = names.by_name.get_mut(name) else { return false };
        if !entry.bound.as_ref().is_some_and(|bound| Arc::ptr_eq(&bound.hub, hub)) {
            return false;
        }
        let bound = entry.bound.take();
        // Told under the lock: whoever came here has been heard of.
        Self::tell(hub, || EventKind::Unbound { endpoint: Endpoint::Inproc(name.into()), descriptor: None });
        names.forget_unused(name);
        drop(names);
        drop(bound);
        true
    }

    /// The connecting side of `tie` has closed: if the far end waits here, it stays for `linger` if there are messages
    /// in it.
    pub(crate) fn abandon(&self, name: &str, tie: &Arc<Tie>, linger: Duration) {
        let dropped = self.names.lock().abandon(name, tie, linger);
        drop(dropped);
        self.drop_expired();
    }

    /// Drops everything that waits: nobody will bind any more.
    pub(crate) fn clear(&self) {
        let names = std::mem::take(&mut *self.names.lock());
        drop(names);
    }

    fn pipe(&self, tie: &Arc<Tie>, directions: Directions) -> (End, End) {
        #[cfg(feature = "awkward-pipes")]
        if let Some(courier) = &self.courier {
            return courier.pair(tie, directions);
        }
        local_pair(tie, directions)
    }

    /// Lets `bound` have `far`, the end of a pipe that was made by connecting.
    fn seat(far: End, bound: &Bound) -> Joined {
        far.tie().introduce(Side::Second, bound.hub.clone(), bound.profile.clone());
        Self::join(far, &bound.hub)
    }

    /// Tells the monitors of `hub` what `event` makes, if there are any.
    fn tell(hub: &Hub, event: impl FnOnce() -> EventKind) {
        if hub.monitors().is_watched() {
            hub.monitors().tell(event());
        }
    }

    /// A socket of type `socket_type` and the one behind `hub` have met at `name`.
    fn tell_incompatible(name: &str, hub: &Hub, socket_type: SocketType) {
        Self::tell(hub, || EventKind::Incompatible { endpoint: Endpoint::Inproc(name.into()), socket_type });
    }

    /// Lets `hub` have `end`, with what every new peer gets in the pipe: here and not when the application calls in, so
    /// that peers hear of an idle socket.
    fn join(mut end: End, hub: &Arc<Hub>) -> Joined {
        let (tie, side) = (end.tie().clone(), end.side());
        let Some(hello) = tie.profile(side).and_then(|profile| profile.hello.as_ref()) else { return hub.join(end) };
        // The first message of its way, so there is room for it whatever the mark says.
        if end.push_copy(hello).is_ok() {
            hub.count_hello();
        }
        let joined = hub.join(end);
        full_fence();
        tie.tell_consumer(side);
        joined
    }

    /// Drops what has been kept for long enough, without the lock: it holds messages.
    fn drop_expired(&self) {
        let expired = self.names.lock().take_expired();
        drop(expired);
    }
}

impl Names {
    fn abandon(&mut self, name: &str, tie: &Arc<Tie>, linger: Duration) -> Option<Pending> {
        let pending = &mut self.by_name.get_mut(name)?.pending;
        let place = pending.iter().position(|pending| Arc::ptr_eq(pending.end.tie(), tie))?;
        if linger.is_zero() || pending[place].end.exhausted() {
            let dropped = pending.remove(place);
            self.forget_unused(name);
            return Some(dropped);
        }
        // A linger too long for the clock is as good as for ever.
        if let Some(until) = Instant::now().checked_add(linger) {
            let expiry = (until, self.next_expiry);
            self.next_expiry += 1;
            pending[place].kept_until = Some(expiry);
            self.expiries.insert(expiry, name.into());
        }
        None
    }

    fn take_expired(&mut self) -> Vec<Pending> {
        let mut expired = Vec::new();
        while let Some(first) = self.expiries.first_entry()
            && first.key().0 <= Instant::now()
        {
            let (expiry, name) = first.remove_entry();
            if let Some(entry) = self.by_name.get_mut(&name) {
                expired.extend(entry.pending.extract_if(.., |pending| pending.kept_until == Some(expiry)));
            }
            self.forget_unused(&name);
        }
        expired
    }

    fn forget_unused(&mut self, name: &str) {
        if self.by_name.get(name).is_some_and(|entry| entry.bound.is_none() && entry.pending.is_empty()) {
            self.by_name.remove(name);
        }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use crate::pipe::{Crew, HubOptions, Outward, Profile};

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
                registry.names.lock().by_name.shrink_to_fit();
            }
        }
    }

    fn crew(socket_type: SocketType) -> (Arc<Hub>, Crew) {
        let profile = Profile { socket_type, routing_id: Frame::new(), hello: None, conflates: false };
        let hub = Hub::new(profile, HubOptions { send_hwm: 0, recv_hwm: 0, seats: 8 }, Arc::default());
        (hub.clone(), Crew::new(hub, Outward::Balanced))
    }

    /// Leaves a message at `name` that has been kept for long enough.
    fn expire_at(registry: &std::sync::Arc<Registry>, name: &str) {
        let (hub, mut crew) = crew(SocketType::Push);
        let tie = registry.connect(&name.into(), &hub, Frame::new()).unwrap();
        let key = crew.writable().unwrap();
        let mut message = Frame::from_owner(Reentrant(std::sync::Arc::downgrade(registry))).into();
        crew.send_to(key, &mut message).unwrap();
        drop(crew);
        registry.abandon(name, &tie, Duration::from_secs(3600));
        let mut names = registry.names.lock();
        let now = (Instant::now(), u64::MAX);
        names.expiries = BTreeMap::from([(now, name.into())]);
        names.by_name.get_mut(name).unwrap().pending[0].kept_until = Some(now);
    }

    #[test]
    fn payloads_are_dropped_without_the_lock_when_a_bind_or_connect_fails() {
        let registry = std::sync::Arc::new(Registry::default());
        let (sink, _crew) = crew(SocketType::Pull);

        registry.bind("bound", &sink).unwrap();
        expire_at(&registry, "one");
        assert!(registry.bind("bound", &sink).is_err());
        expire_at(&registry, "other");
        assert!(registry.connect(&"bound".into(), &sink, Frame::new()).is_err());
    }
}
