//! Ends made of Ringway's sockets.

#![forbid(unsafe_code)]

use std::{collections::VecDeque, error::Error, ops::Range, thread, time::Duration};

use ringway::{
    Context, Dealer, Frame, Message, Pair, Pub, Pull, Push, Rep, Req, Router, Sub, WaitPolicy,
    socket::{Builder, Loan, SendFailure, Sends},
};

use super::sockets::Kind;
use crate::{
    cli::Wait,
    end::{Meet, Rx, Terms, Tx},
    failure::Failure,
    payload::{Header, fill},
};

/// A socket with what it takes to send through it and to receive.
pub(crate) struct End<S> {
    pub(super) socket: S,
    size: usize,
    /// Messages are written in room that the socket lends.
    lends: bool,
    /// Whose connections somebody has to work for while company is waited for.
    context: Context,
    outgoing: VecDeque<Message>,
    incoming: Vec<Message>,
    /// Who a ROUTER heard last.
    sender: Frame,
    /// Sockets beside this one, connected to the same peer, that say nothing.
    pub(super) silent: Vec<Box<dyn Send>>,
    /// Peers to wait for that say nothing.
    pub(super) company: usize,
}

impl<S: ringway::socket::Socket> End<S> {
    pub(super) fn new(socket: Builder<S>, context: &Context, terms: &Terms) -> Result<Self, Failure> {
        Ok(Self {
            socket: socket.wait(policy(terms.wait)).build(context).map_err(broken)?,
            size: terms.size,
            lends: false,
            context: context.clone(),
            outgoing: VecDeque::new(),
            incoming: Vec::new(),
            sender: Frame::new(),
            silent: Vec::new(),
            company: 0,
        })
    }
}

/// The whole of message `header`, written where it is sent from.
#[inline(always)]
fn lend<S: Sends>(loan: Result<Loan<'_, S>, SendFailure>, header: Header) -> Result<(), Failure> {
    let mut loan = loan.map_err(broken)?;
    fill(&mut loan, header);
    loan.commit().map_err(broken)
}

impl<S> End<S> {
    /// Writes messages in room that the socket lends, if `lends`.
    pub(super) fn lending(mut self, lends: bool) -> Self {
        self.lends = lends;
        self
    }

    /// The whole of message `header`, written where it stays.
    #[inline(always)]
    fn message(&self, header: Header) -> Message {
        Frame::build(self.size, |bytes| fill(bytes, header)).into()
    }
}

pub(super) fn policy(wait: Wait) -> WaitPolicy {
    match wait {
        Wait::Spin => WaitPolicy::Spin,
        Wait::Adaptive => WaitPolicy::Adaptive,
        Wait::Park => WaitPolicy::Park,
    }
}

/// The sockets that send have the same methods, but no trait that names them.
macro_rules! sends {
    ($socket:ty) => {
        impl Tx for End<$socket> {
            #[inline(always)]
            fn send(&mut self, header: Header) -> Result<(), Failure> {
                if self.lends {
                    return lend(self.socket.loan(self.size), header);
                }
                let message = self.message(header);
                self.socket.send(message).map_err(broken)
            }

            fn send_batch(&mut self, sender: u16, mut sequence: Range<u64>) -> Result<(), Failure> {
                if self.lends {
                    return sequence.try_for_each(|n| self.send(Header::new(sender, n)));
                }
                self.send_all(sequence.map(|n| Header::new(sender, n)))
            }
        }

        impl End<$socket> {
            /// One call into the socket for all.
            pub(super) fn send_all(&mut self, headers: impl Iterator<Item = Header>) -> Result<(), Failure> {
                for header in headers {
                    let message = self.message(header);
                    self.outgoing.push_back(message);
                }
                self.socket.send_batch(&mut self.outgoing).map(drop).map_err(broken)
            }
        }
    };
}

/// Nothing to wait for but company.
macro_rules! meets {
    ($($socket:ty)+) => {
        $(impl Meet for End<$socket> {
            fn meet(&mut self) -> Result<(), Failure> {
                self.await_company();
                Ok(())
            }
        })+
    };
}

impl<S: Kind> End<S> {
    /// The one that talks is among those waited for. How long in vain, others know.
    fn await_company(&self) {
        while self.company > 0 && self.socket.connected() < 1 + self.company {
            self.context.drive(BETWEEN_LOOKS);
            thread::sleep(BETWEEN_LOOKS);
        }
    }
}

/// What is published before somebody has subscribed goes nowhere.
impl Meet for End<Pub> {
    fn meet(&mut self) -> Result<(), Failure> {
        self.socket.wait_for_subscribers(1, SUBSCRIBED_WITHIN).map_err(broken)
    }
}

/// As [`sends`], for those that send one at a time.
macro_rules! sends_singly {
    ($socket:ty) => {
        impl Tx for End<$socket> {
            #[inline(always)]
            fn send(&mut self, header: Header) -> Result<(), Failure> {
                if self.lends {
                    return lend(self.socket.loan(self.size), header);
                }
                let message = self.message(header);
                self.socket.send(message).map_err(broken)
            }
        }
    };
}

/// As [`sends`].
macro_rules! receives {
    ($socket:ty) => {
        impl Rx for End<$socket> {
            #[inline(always)]
            fn recv(&mut self, mut see: impl FnMut(&[u8])) -> Result<(), Failure> {
                let message = self.socket.recv().map_err(broken)?;
                see_whole(&message, &mut see);
                Ok(())
            }

            fn recv_batch(&mut self, max: usize, mut see: impl FnMut(&[u8])) -> Result<usize, Failure> {
                let received = self.socket.recv_batch(&mut self.incoming, max).map_err(broken)?;
                self.incoming.drain(..).for_each(|message| see_whole(&message, &mut see));
                Ok(received)
            }
        }
    };
}

/// As [`sends_singly`].
macro_rules! receives_singly {
    ($socket:ty) => {
        impl Rx for End<$socket> {
            #[inline(always)]
            fn recv(&mut self, mut see: impl FnMut(&[u8])) -> Result<(), Failure> {
                let message = self.socket.recv().map_err(broken)?;
                see_whole(&message, &mut see);
                Ok(())
            }
        }
    };
}

meets!(Pair Push Pull Sub Dealer Req Rep Router);
sends!(Pair);
sends!(Push);
sends!(Pub);
sends!(Dealer);
sends_singly!(Req);
sends_singly!(Rep);
receives!(Pair);
receives!(Pull);
receives!(Sub);
receives!(Dealer);
receives_singly!(Req);
receives_singly!(Rep);

/// Back to whom it heard last.
impl Tx for End<Router> {
    #[inline(always)]
    fn send(&mut self, header: Header) -> Result<(), Failure> {
        if self.lends {
            return lend(self.socket.loan(&self.sender, self.size), header);
        }
        let mut message = self.message(header);
        message.push_front(self.sender.clone());
        self.socket.send(message).map_err(broken)
    }
}

/// Every message bears its sender's id and a body.
impl Rx for End<Router> {
    #[inline(always)]
    fn recv(&mut self, mut see: impl FnMut(&[u8])) -> Result<(), Failure> {
        let message = self.socket.recv().map_err(broken)?;
        if let [id, _] = message.frames() {
            self.sender = id.clone();
        }
        see_body(&message, &mut see);
        Ok(())
    }

    fn recv_batch(&mut self, max: usize, mut see: impl FnMut(&[u8])) -> Result<usize, Failure> {
        let received = self.socket.recv_batch(&mut self.incoming, max).map_err(broken)?;
        self.incoming.drain(..).for_each(|message| see_body(&message, &mut see));
        Ok(received)
    }
}

/// A message of any number of frames but one shows as empty, which no check passes.
#[inline(always)]
pub(super) fn see_whole(message: &Message, see: &mut impl FnMut(&[u8])) {
    match message.frames() {
        [frame] => see(frame),
        _ => see(&[]),
    }
}

/// As [`see_whole`], of what comes behind an id.
#[inline(always)]
fn see_body(message: &Message, see: &mut impl FnMut(&[u8])) {
    match message.frames() {
        [id, body] if !id.is_empty() => see(body),
        _ => see(&[]),
    }
}

#[cold]
pub(crate) fn broken(error: impl Error + Send + Sync + 'static) -> Failure {
    Failure::road("Ringway", error)
}

/// Before what is measured begins, when there is nothing to disturb.
const BETWEEN_LOOKS: Duration = Duration::from_millis(1);

/// Within the process a publisher knows of a subscription before `connect` returns; the other process may still be
/// starting.
pub(super) const SUBSCRIBED_WITHIN: Duration = Duration::from_secs(10);
