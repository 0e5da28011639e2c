//! iceoryx2: publishers that lend memory of their own, which subscribers in other processes read in place.
//!
//! A road is a service with one publisher and one subscriber; nothing is overwritten, and a publisher waits in the
//! library's own way for a subscriber that is full. Who spins looks again; who does not is told of each message by the event service of
//! the same name and sleeps there. Messages are written and checked in place.

use std::{
    error::Error,
    ops::Range,
    process, slice,
    sync::{
        Once,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use iceoryx2::{
    port::{listener::Listener, notifier::Notifier, publisher::Publisher, subscriber::Subscriber},
    prelude::{
        Alignment, BackpressureStrategy, LogLevel, Node, NodeBuilder, PortFactory, ServiceName, SignalHandlingMode,
        ipc, set_log_level,
    },
    service::port_factory::{event, publish_subscribe},
};

use super::shared_slots;
use crate::{
    cli::{Match, Wait},
    end::{Both, Bound, Crowd, FanHalves, Halves, Meet, Publisher as Publishes, Relax, Rx, Terms, Tx},
    failure::Failure,
    payload::{Header, fill},
};

/// Roads of iceoryx2's services.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Services;

/// One service, as one side has it: what tells how many there are at the other. All of it is this side's alone, node included.
struct Place {
    messages: publish_subscribe::PortFactory<ipc::Service, [u8], ()>,
    /// Of the same name; `None` for who spins.
    events: Option<event::PortFactory<ipc::Service>>,
    /// Last: what it made goes first.
    _node: Node<ipc::Service>,
}

/// A publisher.
pub(crate) struct Sender {
    port: Publisher<ipc::Service, [u8], ()>,
    notifier: Option<Notifier<ipc::Service>>,
    place: Place,
    size: usize,
    receivers: usize,
}

/// A subscriber.
pub(crate) struct Receiver {
    port: Subscriber<ipc::Service, [u8], ()>,
    listener: Option<Listener<ipc::Service>>,
    /// Kept for the port.
    _place: Place,
    relax: Relax,
}

/// Subscribers of one service.
pub(crate) struct Subscribers {
    ports: Vec<Subscriber<ipc::Service, [u8], ()>>,
    listener: Option<Listener<ipc::Service>>,
    /// Kept for the ports.
    _place: Place,
    relax: Relax,
}

// SAFETY: what ports of one node share among themselves is not made for several threads; here all of them are in one value, and no
// other value has anything of that node, so whatever they share is with one thread at a time.
unsafe impl Send for Sender {}
// SAFETY: as of Sender.
unsafe impl Send for Receiver {}
// SAFETY: as of Sender.
unsafe impl Send for Subscribers {}

impl Place {
    fn new(name: &str, terms: &Terms, subscribers: usize) -> Result<Self, Failure> {
        static QUIET: Once = Once::new();
        // What goes wrong is told by errors.
        QUIET.call_once(|| set_log_level(LogLevel::Fatal));
        let node = NodeBuilder::new().signal_handling_mode(SignalHandlingMode::Disabled).create::<ipc::Service>();
        let node = node.map_err(broken)?;
        let name = ServiceName::new(name).map_err(broken)?;
        let messages = node
            .service_builder(&name)
            .publish_subscribe::<[u8]>()
            .payload_alignment(Alignment::new(LINE_BYTES).expect("a power of two"))
            .enable_safe_overflow(false)
            .subscriber_max_buffer_size(shared_slots(terms))
            .subscriber_max_borrowed_samples(1)
            .history_size(0)
            .max_publishers(1)
            .max_subscribers(subscribers)
            .open_or_create()
            .map_err(broken)?;
        let events = match terms.wait {
            Wait::Spin => None,
            Wait::Adaptive | Wait::Park => Some(node.service_builder(&name).event().open_or_create().map_err(broken)?),
        };
        Ok(Self { messages, events, _node: node })
    }

    fn sender(self, terms: &Terms, receivers: usize) -> Result<Sender, Failure> {
        let port = self.messages.publisher_builder();
        let port = port.initial_max_slice_len(terms.size).max_loaned_samples(1);
        let port = port.backpressure_strategy(BackpressureStrategy::RetryUntilDelivered).create().map_err(broken)?;
        let notifier =
            self.events.as_ref().map(|events| events.notifier_builder().create().map_err(broken)).transpose()?;
        Ok(Sender { port, notifier, place: self, size: terms.size, receivers })
    }

    fn subscriber(&self) -> Result<Subscriber<ipc::Service, [u8], ()>, Failure> {
        self.messages.subscriber_builder().create().map_err(broken)
    }

    fn listener(&self) -> Result<Option<Listener<ipc::Service>>, Failure> {
        self.events.as_ref().map(|events| events.listener_builder().create().map_err(broken)).transpose()
    }

    fn receiver(self, terms: &Terms) -> Result<Receiver, Failure> {
        let (listener, port) = (self.listener()?, self.subscriber()?);
        Ok(Receiver { port, listener, _place: self, relax: terms.relax })
    }

    /// Are there as many subscribers, who can be told?
    fn is_complete(&self, receivers: usize) -> bool {
        let told = self.events.as_ref().is_none_or(|events| events.dynamic_config().number_of_listeners() > 0);
        told && self.messages.dynamic_config().number_of_subscribers() >= receivers
    }
}

impl Sender {
    /// Until it is on its way to everybody: a subscriber that has not looked for the first time gets nothing once its buffer is full,
    /// though others are waited for.
    #[inline(always)]
    fn write(&mut self, header: Header) -> Result<(), Failure> {
        loop {
            match self.try_write(header)? {
                recipients if recipients == self.receivers => return Ok(()),
                0 => thread::yield_now(),
                some => return Err(Failure::road(NAME, format!("a message went to {some} of {}", self.receivers))),
            }
        }
    }

    #[inline(always)]
    fn try_write(&mut self, header: Header) -> Result<usize, Failure> {
        let mut sample = self.port.loan_slice_uninit(self.size).map_err(broken)?;
        let payload = sample.payload_mut();
        // SAFETY: of the same memory, which the system has filled with zeros or a message before this one.
        let bytes = unsafe { slice::from_raw_parts_mut(payload.as_mut_ptr().cast::<u8>(), payload.len()) };
        fill(bytes, header);
        // SAFETY: filled.
        let sample = unsafe { sample.assume_init() };
        sample.send().map_err(broken)
    }

    #[inline(always)]
    fn tell(&self) -> Result<(), Failure> {
        self.notifier.as_ref().map_or(Ok(()), |notifier| notifier.notify().map(drop).map_err(broken))
    }
}

impl Tx for Sender {
    #[inline(always)]
    fn send(&mut self, header: Header) -> Result<(), Failure> {
        self.write(header)?;
        self.tell()
    }

    fn send_batch(&mut self, sender: u16, mut sequence: Range<u64>) -> Result<(), Failure> {
        sequence.try_for_each(|n| self.write(Header::new(sender, n)))?;
        self.tell()
    }
}

impl Meet for Sender {
    fn meet(&mut self) -> Result<(), Failure> {
        let end = Instant::now() + MET_WITHIN;
        while !self.place.is_complete(self.receivers) {
            if Instant::now() > end {
                return Err(Failure::Asked("iceoryx2: nobody has subscribed".to_owned()));
            }
            thread::sleep(BETWEEN_LOOKS);
        }
        Ok(())
    }
}

impl Publishes for Sender {
    fn publish(&mut self, headers: impl ExactSizeIterator<Item = Header>) -> Result<(), Failure> {
        for header in headers {
            self.write(header)?;
        }
        self.tell()
    }
}

/// Sleeps until there are events, and no longer than [`LOST_AFTER`].
fn hear(listener: &Listener<ipc::Service>) -> Result<(), Failure> {
    listener.timed_wait(|_| {}, LOST_AFTER).map(drop).map_err(broken)
}

/// Once in some hundred runs one way both sides came to stand still, the buffer full and its reader asleep, and it was not seen why.
/// So it looks again after this time; that finds nothing as a rule, and costs nothing to speak of.
const LOST_AFTER: Duration = Duration::from_millis(20);

impl Rx for Receiver {
    #[inline(always)]
    fn recv(&mut self, mut see: impl FnMut(&[u8])) -> Result<(), Failure> {
        loop {
            if let Some(sample) = self.port.receive().map_err(broken)? {
                see(sample.payload());
                return Ok(());
            }
            match &self.listener {
                Some(listener) => hear(listener)?,
                None => self.relax.once(),
            }
        }
    }

    fn recv_batch(&mut self, max: usize, mut see: impl FnMut(&[u8])) -> Result<usize, Failure> {
        self.recv(&mut see)?;
        let mut received = 1;
        while received < max {
            let Some(sample) = self.port.receive().map_err(broken)? else { break };
            see(sample.payload());
            received += 1;
        }
        Ok(received)
    }
}

impl Meet for Receiver {
    fn meet(&mut self) -> Result<(), Failure> {
        Ok(())
    }
}

impl Crowd for Subscribers {
    fn look(&mut self, subscriber: usize, max: usize, mut see: impl FnMut(&[u8])) -> Result<usize, Failure> {
        for received in 0..max {
            let Some(sample) = self.ports[subscriber].receive().map_err(broken)? else { return Ok(received) };
            see(sample.payload());
        }
        Ok(max)
    }

    fn wait(&mut self) -> Result<(), Failure> {
        match &self.listener {
            Some(listener) => hear(listener),
            None => {
                self.relax.once();
                Ok(())
            }
        }
    }
}

impl Halves for Services {
    type Near = Both<Sender, Receiver>;
    type Far = Both<Sender, Receiver>;
    type Tx = Sender;
    type Rx = Receiver;

    fn name(&self) -> String {
        NAME.to_owned()
    }

    fn far(&self, terms: &Terms) -> Result<Bound<Self::Far>, Failure> {
        let names = [free_name(), free_name()];
        let end = Both {
            rx: Place::new(&names[0], terms, 1)?.receiver(terms)?,
            tx: Place::new(&names[1], terms, 1)?.sender(terms, 1)?,
        };
        Ok(Bound { end, endpoints: names.into() })
    }

    fn near(&self, terms: &Terms, endpoints: &[String]) -> Result<Self::Near, Failure> {
        let tx = Place::new(&endpoints[0], terms, 1)?.sender(terms, 1)?;
        Ok(Both { tx, rx: Place::new(&endpoints[1], terms, 1)?.receiver(terms)? })
    }

    fn rx(&self, terms: &Terms) -> Result<Bound<Receiver>, Failure> {
        let name = free_name();
        Ok(Bound { end: Place::new(&name, terms, 1)?.receiver(terms)?, endpoints: vec![name] })
    }

    fn txs(&self, terms: &Terms, endpoints: &[String], senders: usize) -> Result<Vec<Sender>, Failure> {
        if senders != 1 {
            return Err(Failure::Asked(format!("{NAME} is measured with one publisher, not {senders}")));
        }
        Ok(vec![Place::new(&endpoints[0], terms, 1)?.sender(terms, 1)?])
    }
}

impl FanHalves for Services {
    type Publisher = Sender;
    type Crowd = Subscribers;

    fn name(&self) -> String {
        NAME.to_owned()
    }

    fn publisher(&self, terms: &Terms) -> Result<Bound<Sender>, Failure> {
        let name = free_name();
        Ok(Bound { end: Place::new(&name, terms, SUBSCRIBERS_MAX)?.sender(terms, 1)?, endpoints: vec![name] })
    }

    fn crowd(
        &self,
        terms: &Terms,
        endpoints: &[String],
        subscribers: u16,
        matching: Match,
    ) -> Result<Subscribers, Failure> {
        if matching != Match::All {
            return Err(Failure::Asked(format!("subscribers of {NAME} see everything")));
        }
        let place = Place::new(&endpoints[0], terms, SUBSCRIBERS_MAX)?;
        let listener = place.listener()?;
        let ports = (0..subscribers).map(|_| place.subscriber()).collect::<Result<_, Failure>>()?;
        Ok(Subscribers { ports, listener, _place: place, relax: terms.relax })
    }

    fn gather(&self, publisher: &mut Sender, subscribers: u16) -> Result<(), Failure> {
        publisher.receivers = usize::from(subscribers);
        publisher.meet()
    }
}

/// A service's name that nobody has yet.
fn free_name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("ringway-perf/{}/{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

#[cold]
fn broken(error: impl Error + Send + Sync + 'static) -> Failure {
    Failure::road(NAME, error)
}

const NAME: &str = "iceoryx2";

/// A service is made for so many at the most.
pub(super) const SUBSCRIBERS_MAX: usize = 16;

/// Of payload, where copies and checks are fastest.
const LINE_BYTES: usize = 64;

/// Before what is measured begins, when there is nothing to disturb.
const BETWEEN_LOOKS: Duration = Duration::from_millis(1);

/// The other process may still be starting.
const MET_WITHIN: Duration = Duration::from_secs(10);
