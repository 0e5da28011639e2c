//! Ringway's own roads: sockets of each pattern over each transport, as ends that can be measured.

#![forbid(unsafe_code)]

use std::{
    collections::VecDeque,
    error::Error,
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
};

use ringway::{Context, Frame, Message, Pair, Pull, Push, WaitPolicy, socket::Builder};

use crate::{
    cli::{Pattern, Transport, Wait},
    end::{Both, Road, Rx, Terms, Tx},
    failure::Failure,
    payload::{Header, fill},
    report::value_name,
    subject::Subject,
};

/// The road of this transport and pattern.
pub(crate) fn of(transport: Transport, pattern: Pattern) -> Box<dyn Subject> {
    let sockets = Sockets { transport, context: Context::new(), next_endpoint: AtomicU64::new(0) };
    match pattern {
        Pattern::Pair => Box::new(Pairs(sockets)),
        Pattern::PushPull => Box::new(Pipelines(sockets)),
    }
}

/// PAIR both ways; one way, its first sender.
struct Pairs(Sockets);

/// PUSH to PULL; both ways, one of them each way.
struct Pipelines(Sockets);

/// A context and the endpoints made in it.
struct Sockets {
    transport: Transport,
    context: Context,
    next_endpoint: AtomicU64,
}

/// A socket with what it takes to send through it and to receive.
pub(crate) struct End<S> {
    socket: S,
    size: usize,
    outgoing: VecDeque<Message>,
    incoming: Vec<Message>,
}

impl Sockets {
    fn endpoint(&self) -> String {
        let number = self.next_endpoint.fetch_add(1, Ordering::Relaxed);
        match self.transport {
            Transport::Inproc => format!("inproc://perf-{number}"),
        }
    }

    fn name(&self, pattern: Pattern) -> String {
        format!("Ringway {} {}", value_name(self.transport), value_name(pattern))
    }

    fn push_pull(&self, terms: &Terms, senders: usize) -> Result<(Vec<End<Push>>, End<Pull>), Failure> {
        let endpoint = self.endpoint();
        let receiver = Pull::builder().recv_hwm(terms.high_water_mark as u32);
        let mut receiver = End::new(receiver, &self.context, terms)?;
        receiver.socket.bind(&endpoint).map_err(broken)?;
        let connected = || {
            let sender = Push::builder().send_hwm(terms.high_water_mark as u32);
            let mut sender = End::new(sender, &self.context, terms)?;
            sender.socket.connect(&endpoint).map_err(broken)?;
            Ok(sender)
        };
        Ok(((0..senders).map(|_| connected()).collect::<Result<_, Failure>>()?, receiver))
    }

    fn pair(&self, terms: &Terms) -> Result<(End<Pair>, End<Pair>), Failure> {
        let endpoint = self.endpoint();
        let high_water_mark = terms.high_water_mark as u32;
        let end = || {
            let socket = Pair::builder().send_hwm(high_water_mark).recv_hwm(high_water_mark);
            End::new(socket, &self.context, terms)
        };
        let (mut near, mut far) = (end()?, end()?);
        far.socket.bind(&endpoint).map_err(broken)?;
        near.socket.connect(&endpoint).map_err(broken)?;
        Ok((near, far))
    }
}

impl<S: ringway::socket::Socket> End<S> {
    fn new(socket: Builder<S>, context: &Context, terms: &Terms) -> Result<Self, Failure> {
        let policy = match terms.wait {
            Wait::Spin => WaitPolicy::Spin,
            Wait::Adaptive => WaitPolicy::Adaptive,
            Wait::Park => WaitPolicy::Park,
        };
        Ok(Self {
            socket: socket.wait(policy).build(context).map_err(broken)?,
            size: terms.size,
            outgoing: VecDeque::new(),
            incoming: Vec::new(),
        })
    }
}

impl<S> End<S> {
    /// The whole of message `header`, written where it stays.
    #[inline(always)]
    fn message(&self, header: Header) -> Message {
        Frame::build(self.size, |bytes| fill(bytes, header)).into()
    }
}

/// The sockets that send have the same methods, but no trait that names them.
macro_rules! sends {
    ($socket:ty) => {
        impl Tx for End<$socket> {
            #[inline(always)]
            fn send(&mut self, header: Header) -> Result<(), Failure> {
                let message = self.message(header);
                self.socket.send(message).map_err(broken)
            }

            fn send_batch(&mut self, sender: u16, sequence: Range<u64>) -> Result<(), Failure> {
                for n in sequence {
                    let message = self.message(Header::new(sender, n));
                    self.outgoing.push_back(message);
                }
                self.socket.send_batch(&mut self.outgoing).map(drop).map_err(broken)
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

sends!(Pair);
sends!(Push);
receives!(Pair);
receives!(Pull);

/// A message of any number of frames but one shows as empty, which no check passes.
#[inline(always)]
fn see_whole(message: &Message, see: &mut impl FnMut(&[u8])) {
    match message.frames() {
        [frame] => see(frame),
        _ => see(&[]),
    }
}

impl Road for Pairs {
    type End = End<Pair>;
    type Tx = End<Pair>;
    type Rx = End<Pair>;

    fn name(&self) -> String {
        self.0.name(Pattern::Pair)
    }

    fn pair(&self, terms: &Terms) -> Result<(End<Pair>, End<Pair>), Failure> {
        self.0.pair(terms)
    }

    fn funnel(&self, terms: &Terms, senders: usize) -> Result<(Vec<End<Pair>>, End<Pair>), Failure> {
        if senders != 1 {
            return Err(Failure::Asked(format!("a pair has one sender, not {senders}")));
        }
        let (near, far) = self.0.pair(terms)?;
        Ok((vec![near], far))
    }
}

impl Road for Pipelines {
    type End = Both<End<Push>, End<Pull>>;
    type Tx = End<Push>;
    type Rx = End<Pull>;

    fn name(&self) -> String {
        self.0.name(Pattern::PushPull)
    }

    fn pair(&self, terms: &Terms) -> Result<(Self::End, Self::End), Failure> {
        let (mut there, arriving) = self.0.push_pull(terms, 1)?;
        let (mut back, returning) = self.0.push_pull(terms, 1)?;
        Ok((Both { tx: there.remove(0), rx: returning }, Both { tx: back.remove(0), rx: arriving }))
    }

    fn funnel(&self, terms: &Terms, senders: usize) -> Result<(Vec<End<Push>>, End<Pull>), Failure> {
        self.0.push_pull(terms, senders)
    }
}

#[cold]
fn broken(error: impl Error + Send + Sync + 'static) -> Failure {
    Failure::road("Ringway", error)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::ValueEnum;

    use super::*;
    use crate::{
        pins::Pins,
        work::{one_way::OneWay, ping_pong::PingPong},
    };

    fn every_road(mut f: impl FnMut(&dyn Subject, &Terms, &Pins)) {
        let pins = Pins::choose();
        for &pattern in Pattern::value_variants() {
            for wait in [Wait::Adaptive, Wait::Park] {
                for size in [8, 64, 4_096] {
                    let terms = Terms { size, wait, relax: pins.relax(), high_water_mark: 10 };
                    f(of(Transport::Inproc, pattern).as_ref(), &terms, &pins);
                }
            }
        }
    }

    #[test]
    fn every_byte_comes_there_and_back() {
        every_road(|road, terms, pins| {
            let limit = Duration::from_secs(5);
            let plan = PingPong { count: 50, warmup: 5, rate: None, limit, pins: pins.clone(), pairs: 1 };
            assert_eq!(road.ping_pong(&plan, terms).unwrap().recorder.len(), 50, "{} {terms:?}", road.name());
        });
    }

    #[test]
    fn every_message_comes_once_single_and_batched() {
        every_road(|road, terms, pins| {
            for batch in [1, 16] {
                let limit = Duration::from_secs(5);
                let plan = OneWay { count: 500, warmup: 10, batch, senders: 1, limit, pins: pins.clone() };
                assert!(road.one_way(&plan, terms).unwrap().messages > 400, "{} {terms:?}", road.name());
            }
        });
    }

    #[test]
    fn many_senders_each_keep_their_order() {
        let pins = Pins::choose();
        let terms = Terms { size: 32, wait: Wait::Adaptive, relax: pins.relax(), high_water_mark: 10 };
        let limit = Duration::from_secs(5);
        let plan = OneWay { count: 1_000, warmup: 10, batch: 1, senders: 4, limit, pins };
        assert!(of(Transport::Inproc, Pattern::PushPull).one_way(&plan, &terms).unwrap().messages > 900);
        assert!(of(Transport::Inproc, Pattern::Pair).one_way(&plan, &terms).is_err());
    }
}
