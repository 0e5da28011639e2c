//! Where connections come in.

#![forbid(unsafe_code)]

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use mio::Interest;

use super::{Origin, Session};
use crate::{
    Endpoint, fork,
    monitor::{AcceptFailure, BindFailure, EventKind},
    reactor::{Id, Reactor, Readiness, Source},
    sync::Mutex,
    transport::socket::{self, Acceptor, ByteStream},
};

/// An endpoint a socket has bound. Each connection that comes in becomes a [`Session`].
#[derive(Debug)]
pub(crate) struct Listener {
    id: Id,
    origin: Arc<Origin>,
    reactor: Reactor,
    endpoint: Endpoint,
    /// `None` once it is closed.
    acceptor: Mutex<Option<Acceptor>>,
}

/// When the system has no descriptor left, the next attempt comes so much later: nothing tells when it has.
const AGAIN_AFTER: Duration = Duration::from_millis(100);
/// Connections accepted before others have their turn.
const ACCEPTED_AT_ONCE: usize = 64;

impl Listener {
    /// Listens at `endpoint`. Blocks if its host is a name that has to be resolved.
    ///
    /// # Errors
    /// The system says why not.
    pub(crate) fn bind(origin: &Arc<Origin>, endpoint: &Endpoint) -> Result<Arc<Self>, BindFailure> {
        let reactor = origin.reactor().map_err(|error| BindFailure::of(&error))?;
        let acceptor = socket::listen(endpoint, &origin.options)?;
        let endpoint = acceptor.endpoint().clone();
        origin.streams.one_more();
        let mut made = None;
        reactor.add(|id| {
            let listener = Arc::new(Self {
                id,
                origin: origin.clone(),
                reactor: reactor.clone(),
                endpoint,
                acceptor: Mutex::new(Some(acceptor)),
            });
            made = Some(listener.clone());
            listener
        });
        let listener: Arc<Self> = made.expect("the reactor has just asked for it");
        // First: whoever connects is heard of later.
        origin.tell(|| EventKind::Listening { endpoint: listener.endpoint.clone(), descriptor: listener.descriptor() });
        listener.register().map_err(|error| {
            listener.close();
            BindFailure::of(&error)
        })?;
        Ok(listener)
    }

    fn register(&self) -> io::Result<()> {
        match &*self.acceptor.lock() {
            Some(acceptor) => self.reactor.register(acceptor, self.id, Interest::READABLE),
            None => Ok(()),
        }
    }

    pub(super) fn origin(&self) -> &Arc<Origin> {
        &self.origin
    }

    pub(super) fn reactor(&self) -> &Reactor {
        &self.reactor
    }

    /// Where it listens: as libzmq spells it, with numbers for wildcards and names.
    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The number of its descriptor, if it is not closed.
    pub(crate) fn descriptor(&self) -> Option<i32> {
        self.acceptor.lock().as_ref().and_then(Acceptor::descriptor)
    }

    /// Nobody can connect here any more; who has, stays.
    pub(crate) fn close(&self) {
        let acceptor = self.acceptor.lock().take();
        if let Some(acceptor) = acceptor {
            self.reactor.deregister(&acceptor);
            self.reactor.remove(self.id);
            if fork::has_forked() {
                // Who was forked off has it, too, and would have others wait for nobody.
                acceptor.shut();
            }
            drop(acceptor);
            self.origin.streams.one_less();
        }
    }

    /// Accepts what has come in.
    fn accept(&self) {
        for _ in 0..ACCEPTED_AT_ONCE {
            // Its own statement: what is accepted may have to do with this listener's lock.
            let accepted = match &*self.acceptor.lock() {
                Some(acceptor) => acceptor.accept(),
                None => return,
            };
            match accepted {
                Ok(stream) => match self.admit(&stream) {
                    Ok(()) => Session::accept(stream, self),
                    Err(reason) => self.refused(reason),
                },
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => {
                    self.refused(AcceptFailure::of(&error));
                    self.reactor.set_alarm(self.id, Some(Instant::now() + AGAIN_AFTER));
                    return;
                }
            }
        }
        self.reactor.visit(self.id);
    }

    /// Takes the connection among those there are, if its peer is let in.
    fn admit(&self, stream: &ByteStream) -> Result<(), AcceptFailure> {
        if let Some(list) = &self.origin.options.ipc_allow
            && let Some(peer) = stream.peer_credentials().map_err(|error| AcceptFailure::of(&error))?
            && !list.allows(peer)
        {
            return Err(AcceptFailure::NotAllowed(peer));
        }
        if self.origin.admit() { Ok(()) } else { Err(AcceptFailure::TooManyPeers) }
    }

    fn refused(&self, reason: AcceptFailure) {
        self.origin.near.links().count_refused();
        self.origin.tell(|| EventKind::AcceptFailed { endpoint: self.endpoint.clone(), reason });
    }
}

impl Source for Listener {
    fn ready(&self, _: Readiness) {
        self.accept();
    }

    fn visit(&self) {
        self.accept();
    }

    fn alarm(&self, _: Instant) -> Option<Instant> {
        self.accept();
        None
    }

    fn end(&self) {
        self.close();
    }
}
