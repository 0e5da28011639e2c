//! What a socket has bound and connected to, whatever the road.

#![forbid(unsafe_code)]

use std::{sync::Arc as Counted, time::Duration};

use super::error::{BindError, ConnectError, DetachError};
use crate::{
    Endpoint, Frame,
    context::Membership,
    monitor::{BindFailure, EventKind, Sink},
    pipe::{Crew, Hub, Tie},
    sync::Arc,
    transport::{
        options::StreamOptions,
        stream::{Listener, Origin, Session},
    },
};

/// See the module.
#[derive(Debug)]
pub(super) struct Attachments {
    bound: Vec<Bound>,
    connected: Vec<(Endpoint, Connection)>,
    /// What was bound or connected to last, as it turned out.
    last: Option<Endpoint>,
    options: StreamOptions,
    /// Since there is a stream: of those to come.
    origin: Option<Counted<Origin>>,
}

#[derive(Debug)]
struct Bound {
    /// As it was given.
    endpoint: Endpoint,
    /// `None`: a name of the context.
    listener: Option<Counted<Listener>>,
}

#[derive(Debug)]
enum Connection {
    Inproc(Arc<Tie>),
    Stream(Counted<Session>),
}

impl Bound {
    /// As it turned out.
    fn actual(&self) -> &Endpoint {
        self.listener.as_ref().map_or(&self.endpoint, |listener| listener.endpoint())
    }

    fn is_at(&self, endpoint: &Endpoint) -> bool {
        self.endpoint == *endpoint || self.actual() == endpoint
    }
}

impl Attachments {
    pub(super) fn new(options: StreamOptions) -> Self {
        Self { bound: Vec::new(), connected: Vec::new(), last: None, options, origin: None }
    }

    /// Changes what is chosen about streams, for endpoints to come.
    pub(super) fn set_options(&mut self, options: &StreamOptions, hub: &Arc<Hub>) {
        if self.options != *options {
            self.options = options.clone();
        }
        if let Some(origin) = &self.origin
            && !origin.is_of(options, &hub.profile())
        {
            self.origin = Some(origin.successor(options.clone()));
        }
    }

    /// What connections over streams share; the first that asks makes it.
    fn origin(&mut self, membership: &Membership, hub: &Arc<Hub>) -> Counted<Origin> {
        let make = || Origin::new(hub.clone(), self.options.clone(), membership.streams().clone());
        self.origin.get_or_insert_with(make).clone()
    }

    pub(super) fn bind(
        &mut self,
        endpoint: Endpoint,
        membership: &Membership,
        hub: &Arc<Hub>,
    ) -> Result<(), BindFailure> {
        let listener = match &endpoint {
            Endpoint::Inproc(name) => {
                membership.names().bind(name, hub).map_err(|_| BindFailure::AddrInUse)?;
                None
            }
            Endpoint::Tcp(_) | Endpoint::Ipc(_) => Some(Listener::bind(&self.origin(membership, hub), &endpoint)?),
        };
        let bound = Bound { endpoint, listener };
        self.last = Some(bound.actual().clone());
        self.bound.push(bound);
        Ok(())
    }

    pub(super) fn connect(
        &mut self,
        endpoint: Endpoint,
        peer_name: Frame,
        membership: &Membership,
        hub: &Arc<Hub>,
    ) -> Result<(), ConnectError> {
        let connection = match &endpoint {
            Endpoint::Inproc(name) => {
                let tie = membership.names().connect(name, hub, peer_name);
                Connection::Inproc(tie.map_err(|mismatch| ConnectError::Incompatible(mismatch.0))?)
            }
            Endpoint::Tcp(_) | Endpoint::Ipc(_) => {
                let origin = self.origin(membership, hub);
                Connection::Stream(Session::connect(&origin, endpoint.clone(), peer_name)?)
            }
        };
        self.last = Some(endpoint.clone());
        self.connected.push((endpoint, connection));
        Ok(())
    }

    /// Forgets connections that are over: those of a socket that reconnects for ever would pile up.
    pub(super) fn forget_old(&mut self) {
        self.connected.retain(|(_, connection)| match connection {
            Connection::Inproc(tie) => !tie.is_over(),
            Connection::Stream(session) => !session.is_over(),
        });
    }

    pub(super) fn unbind(
        &mut self,
        endpoint: &Endpoint,
        membership: &Membership,
        hub: &Arc<Hub>,
    ) -> Result<(), DetachError> {
        let place = self.bound.iter().position(|bound| bound.is_at(endpoint)).ok_or(DetachError::NotAttached)?;
        Self::release(self.bound.swap_remove(place), membership, hub);
        Ok(())
    }

    fn release(bound: Bound, membership: &Membership, hub: &Arc<Hub>) {
        match (&bound.endpoint, &bound.listener) {
            (_, Some(listener)) => {
                let descriptor = listener.descriptor();
                listener.close();
                if hub.monitors().is_watched() {
                    hub.monitors().tell(EventKind::Unbound { endpoint: bound.actual().clone(), descriptor });
                }
            }
            (Endpoint::Inproc(name), None) => _ = membership.names().unbind(name, hub),
            (_, None) => {}
        }
    }

    pub(super) fn disconnect(
        &mut self,
        endpoint: &Endpoint,
        membership: &Membership,
        hub: &Arc<Hub>,
        crew: &mut Crew,
    ) -> Result<(), DetachError> {
        let gone: Vec<_> = self.connected.extract_if(.., |(connected, _)| connected == endpoint).collect();
        if gone.is_empty() {
            return Err(DetachError::NotAttached);
        }
        // First, so that no pipe comes in the place of one that goes.
        gone.iter().for_each(|(_, connection)| connection.retire());
        let ties: Vec<_> = gone.iter().filter_map(|(_, connection)| connection.tie()).collect();
        // Those without a seat first: one of them could take the seat of a pipe that goes.
        ties.iter().for_each(|tie| drop(hub.leave_queue(tie)));
        crew.drop_pipes(|end| ties.iter().any(|tie| Arc::ptr_eq(tie, end.tie())));
        gone.iter().for_each(|(endpoint, connection)| connection.abandon(endpoint, membership, Duration::ZERO));
        Ok(())
    }

    /// The socket closes: nobody can connect any more. What it has connected to follows when its pipes are closed.
    pub(super) fn unbind_all(&mut self, membership: &Membership, hub: &Arc<Hub>) {
        self.bound.drain(..).for_each(|bound| Self::release(bound, membership, hub));
    }

    /// The pipes are closed.
    pub(super) fn leave_all(&mut self, membership: &Membership, linger: Duration) {
        for (endpoint, connection) in self.connected.drain(..) {
            connection.retire();
            connection.abandon(&endpoint, membership, linger);
        }
        if let Some(origin) = &self.origin {
            origin.close();
        }
    }

    /// What a monitor is told of the endpoints bound.
    pub(super) fn listening(&self) -> impl Iterator<Item = EventKind> {
        self.bound.iter().map(|bound| EventKind::Listening {
            endpoint: bound.actual().clone(),
            descriptor: bound.listener.as_ref().and_then(|listener| listener.descriptor()),
        })
    }

    pub(super) fn last(&self) -> Option<&Endpoint> {
        self.last.as_ref()
    }
}

impl Connection {
    /// It is not to be made again.
    fn retire(&self) {
        if let Self::Stream(session) = self {
            session.retire();
        }
    }

    fn tie(&self) -> Option<Arc<Tie>> {
        match self {
            Self::Inproc(tie) => Some(tie.clone()),
            Self::Stream(session) => session.tie(),
        }
    }

    /// Its near end is closed: what waits for an endpoint nobody has bound waits so long. (A stream knows its linger.)
    fn abandon(&self, endpoint: &Endpoint, membership: &Membership, linger: Duration) {
        match (self, endpoint) {
            (Self::Inproc(tie), Endpoint::Inproc(name)) => membership.names().abandon(name, tie, linger),
            (Self::Stream(session), _) => session.look_again(),
            _ => {}
        }
    }
}

/// For [`BindError`]s, told to monitors as well.
pub(super) fn tell_bind_failure(hub: &Hub, endpoint: Endpoint, reason: BindFailure) -> BindError {
    if hub.monitors().is_watched() {
        hub.monitors().tell(EventKind::BindFailed { endpoint, reason });
    }
    reason.into()
}
