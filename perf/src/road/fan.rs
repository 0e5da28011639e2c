//! PUB to many SUB that one thread receives from.

#![forbid(unsafe_code)]

use ringway::{
    Message, Pub, Sub,
    poll::{Events, Interest, Poller},
    socket::RecvError,
};

use super::{
    Sockets,
    ends::{End, SUBSCRIBED_WITHIN, broken, policy, see_whole},
};
use crate::{
    cli::{Match, Wait},
    end::{Bound, Crowd, FanHalves, Publisher, Relax, Terms},
    failure::Failure,
    payload::Header,
};

/// PUB to many SUB.
pub(crate) struct Fans(pub(crate) Sockets);

/// The subscribers, each looked at in turn; when none has anything, the thread spins or waits for all of them.
pub(crate) struct Subscribers {
    sockets: Vec<Sub>,
    incoming: Vec<Message>,
    relax: Relax,
    /// None where it spins.
    poller: Option<(Poller, Events)>,
}

impl FanHalves for Fans {
    type Publisher = End<Pub>;
    type Crowd = Subscribers;

    fn name(&self) -> String {
        format!("Ringway {}PUB/SUB", self.0.plainly())
    }

    fn drive(&self) -> bool {
        self.0.drive()
    }

    fn publisher(&self, terms: &Terms) -> Result<Bound<End<Pub>>, Failure> {
        self.0.bind::<Pub>(terms)
    }

    fn crowd(
        &self,
        terms: &Terms,
        endpoints: &[String],
        subscribers: u16,
        matching: Match,
    ) -> Result<Subscribers, Failure> {
        let subscriber = |n| {
            let mut socket = self.0.connect::<Sub>(terms, &endpoints[0])?.socket;
            match matching {
                Match::All => socket.subscribe(""),
                Match::Distinct => socket.subscribe(Header::topic(n)),
            }
            Ok(socket)
        };
        let mut sockets = (0..subscribers).map(subscriber).collect::<Result<Vec<_>, Failure>>()?;
        let mut poller = None;
        if terms.wait != Wait::Spin {
            let (poller, _) = poller.insert((Poller::with_policy(policy(terms.wait)), Events::new()));
            for socket in &mut sockets {
                poller.add(socket, Interest::READABLE, 0).map_err(broken)?;
            }
        }
        Ok(Subscribers { sockets, incoming: Vec::new(), relax: terms.relax, poller })
    }

    fn gather(&self, publisher: &mut End<Pub>, subscribers: u16) -> Result<(), Failure> {
        publisher.socket.wait_for_subscribers(usize::from(subscribers), SUBSCRIBED_WITHIN).map_err(broken)
    }
}

impl Publisher for End<Pub> {
    #[inline]
    fn publish(&mut self, mut headers: impl ExactSizeIterator<Item = Header>) -> Result<(), Failure> {
        match (headers.len(), headers.next()) {
            (_, None) => Ok(()),
            (1, Some(header)) => crate::end::Tx::send(self, header),
            (_, Some(first)) => self.send_all([first].into_iter().chain(headers)),
        }
    }
}

impl Crowd for Subscribers {
    fn look(&mut self, subscriber: usize, max: usize, mut see: impl FnMut(&[u8])) -> Result<usize, Failure> {
        match self.sockets[subscriber].try_recv_batch(&mut self.incoming, max) {
            Ok(received) => {
                self.incoming.drain(..).for_each(|message| see_whole(&message, &mut see));
                Ok(received)
            }
            Err(RecvError::Empty) => Ok(0),
            Err(error) => Err(broken(error)),
        }
    }

    fn wait(&mut self) -> Result<(), Failure> {
        match &mut self.poller {
            None => self.relax.once(),
            Some((poller, events)) => _ = poller.wait(events, None).map_err(broken)?,
        }
        Ok(())
    }
}
