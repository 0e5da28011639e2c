//! PAIR whose pinging end waits through a poller that also holds sockets on which nothing happens.

#![forbid(unsafe_code)]

use ringway::{
    Pair,
    poll::{Events, Interest, Poller},
    socket::RecvError,
};

use super::{
    Pairs, Sockets,
    ends::{End, broken, policy, see_whole},
};
use crate::{
    cli::{Drive, Transport},
    end::{Road, Rx, Terms, Together, Tx},
    failure::Failure,
    payload::Header,
    subject::Subject,
};

/// PAIR within the process, whose pinging end waits for itself and so many idle sockets.
pub(crate) fn watched(idle: u16) -> Box<dyn Subject> {
    Box::new(Watched { pairs: Together(Pairs(Sockets::new(Transport::Inproc, Drive::Default, 0))), idle })
}

struct Watched {
    pairs: Together<Pairs>,
    idle: u16,
}

/// An end that receives what its poller says is there.
pub(crate) struct Watching {
    end: End<Pair>,
    poller: Poller,
    events: Events,
    /// Connected to each other two by two; the first of each is registered.
    _idle: Vec<(Pair, Pair)>,
}

impl Tx for Watching {
    #[inline(always)]
    fn send(&mut self, header: Header) -> Result<(), Failure> {
        self.end.send(header)
    }
}

impl Rx for Watching {
    #[inline]
    fn recv(&mut self, mut see: impl FnMut(&[u8])) -> Result<(), Failure> {
        loop {
            self.poller.wait(&mut self.events, None).map_err(broken)?;
            for event in &self.events {
                if event.data != OURS {
                    return Err(Failure::road("Ringway poller", "a socket on which nothing happens is ready"));
                }
                match self.end.socket.try_recv() {
                    Ok(message) => {
                        see_whole(&message, &mut see);
                        return Ok(());
                    }
                    Err(RecvError::Empty) => {}
                    Err(error) => return Err(broken(error)),
                }
            }
        }
    }
}

impl Road for Watched {
    type Near = Watching;
    type Far = End<Pair>;
    type Tx = Watching;
    type Rx = End<Pair>;

    fn name(&self) -> String {
        format!("Ringway pair beside {} idle sockets", self.idle)
    }

    fn pair(&self, terms: &Terms) -> Result<(Watching, End<Pair>), Failure> {
        let (mut end, far) = self.pairs.pair(terms)?;
        let mut poller = Poller::with_policy(policy(terms.wait));
        let idle = |_| {
            let (near, far) = self.pairs.pair(terms)?;
            Ok((near.socket, far.socket))
        };
        let mut idle = (0..self.idle).map(idle).collect::<Result<Vec<_>, Failure>>()?;
        for (near, _) in &mut idle {
            poller.add(near, Interest::READABLE, IDLE).map_err(broken)?;
        }
        poller.add(&mut end.socket, Interest::READABLE, OURS).map_err(broken)?;
        Ok((Watching { end, poller, events: Events::new(), _idle: idle }, far))
    }

    fn funnel(&self, terms: &Terms, senders: usize) -> Result<(Vec<Watching>, End<Pair>), Failure> {
        if senders != 1 {
            return Err(Failure::Asked(format!("a pair has one sender, not {senders}")));
        }
        let (near, far) = self.pair(terms)?;
        Ok((vec![near], far))
    }
}

/// What events carry: of the socket that is used, and of the others.
const OURS: u64 = 1;
const IDLE: u64 = 0;
