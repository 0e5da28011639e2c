//! As many messages as go, from one publisher to many subscribers that one thread receives from, none of them missed.
//!
//! The receiving thread looks at each subscriber in turn and takes what is there, [`LOOK_MAX`] messages at most; it
//! checks every byte of every delivery, and that each subscriber gets each of its messages once and in order.

#![forbid(unsafe_code)]

use std::time::Duration;

use ringway::latency::Clock;

use super::ping_pong::GRACE;
use crate::{
    cli::Match,
    crew::Crew,
    end::{Crowd, Fan, Publisher, Terms},
    failure::Failure,
    payload::{Corrupt, Header, Ledger, check},
    pins::Pins,
};

/// How to run it.
#[derive(Clone, Debug)]
pub(crate) struct FanOut {
    pub(crate) subscribers: u16,
    /// Who wants what: everybody everything, or each its own topic, sent in turn.
    pub(crate) matching: Match,
    /// Messages published and counted, unless time is up before.
    pub(crate) count: u64,
    /// Messages before those.
    pub(crate) warmup: u64,
    /// Messages a call of the publisher.
    pub(crate) batch: u64,
    /// The publisher stops after this long.
    pub(crate) limit: Duration,
    pub(crate) pins: Pins,
}

/// What came out, as the receiving thread saw it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deliveries {
    /// Those that count: behind the warm-up, and the round of looks that ended with its last.
    pub(crate) deliveries: u64,
    /// All that came, the warm-up and the stops among them.
    pub(crate) all: u64,
    pub(crate) per_s: f64,
    /// Deliveries of one message.
    pub(crate) per_message: u16,
}

impl Deliveries {
    pub(crate) fn msgs_per_s(&self) -> f64 {
        self.per_s / f64::from(self.per_message)
    }
}

impl FanOut {
    pub(crate) fn run<F: Fan>(&self, fan: &F, terms: &Terms) -> Result<Deliveries, Failure> {
        let mut crew = Crew::new();
        let (mut publisher, mut crowd) = fan.fan(terms, self.subscribers, self.matching)?;
        let (plan, name, size) = (self.clone(), fan.name(), terms.size);
        crew.start("subscribers", self.pins.last(), move || plan.receive(&mut crowd, name, size).map(Some))?;
        let plan = self.clone();
        crew.start("publisher", self.pins.first(), move || plan.publish(&mut publisher).map(|()| None))?;
        let results = crew.finish(self.limit + GRACE)?;
        Ok(results.into_iter().flatten().next().expect("the receiver is one of the crew"))
    }

    /// Deliveries of one message.
    pub(crate) fn per_message(&self) -> u16 {
        if self.matching == Match::All { self.subscribers } else { 1 }
    }

    /// Senders in the headers: topics.
    fn topics(&self) -> u16 {
        if self.matching == Match::All { 1 } else { self.subscribers }
    }

    pub(crate) fn publish(&self, publisher: &mut impl Publisher) -> Result<(), Failure> {
        let clock = Clock::new();
        let end_ns = clock.now_ns() + self.limit.as_nanos() as u64;
        let (total, topics) = (self.warmup + self.count, u64::from(self.topics()));
        // Counted on and not divided: a division would cost as much as a send.
        let (mut topic, mut round) = (0, 0);
        let mut due = move || {
            let header = Header::new(topic as u16, round);
            topic += 1;
            if topic == topics {
                (topic, round) = (0, round + 1);
            }
            header
        };
        let mut next = 0;
        while next < total && clock.now_ns() < end_ns {
            let stretch_end = total.min(next + STRETCH.next_multiple_of(self.batch));
            while next < stretch_end {
                let len = self.batch.min(stretch_end - next);
                publisher.publish((0..len as usize).map(|_| due()))?;
                next += len;
            }
        }
        (0..self.topics()).try_for_each(|topic| publisher.publish([Header::stop(topic)].into_iter()))
    }

    pub(crate) fn receive(&self, crowd: &mut impl Crowd, fan: String, size: usize) -> Result<Deliveries, Failure> {
        let clock = Clock::new();
        let mut ledgers = vec![Ledger::new(1); usize::from(self.subscribers)];
        let mut fault = None;
        let warm = self.warmup * u64::from(self.per_message());
        let start_ns = clock.now_ns();
        let (mut running, mut arrived, mut begin) = (ledgers.len(), 0, (0, start_ns));
        while running > 0 {
            let mut found = 0;
            for (n, ledger) in ledgers.iter_mut().enumerate() {
                if ledger.is_complete() {
                    continue;
                }
                let topic = if self.matching == Match::All { 0 } else { n as u16 };
                found += crowd.look(n, LOOK_MAX, |bytes| {
                    if let Err(corrupt) = check(bytes, size).and_then(|header| note(ledger, topic, header)) {
                        fault.get_or_insert(corrupt);
                    }
                })?;
                running -= usize::from(ledger.is_complete());
            }
            if let Some(corrupt) = fault {
                return Err(Failure::Corrupt { road: fan, corrupt });
            }
            if found == 0 && running > 0 {
                crowd.wait()?;
            }
            arrived += found as u64;
            if begin.0 == 0 && arrived > warm {
                begin = (arrived, clock.now_ns());
            }
        }
        if begin.0 == arrived {
            // All that counts came in one round with the last of the warm-up.
            begin = (0, start_ns);
        }
        // The stops are among them, as a message each.
        let deliveries = arrived - begin.0;
        let elapsed_s = (clock.now_ns() - begin.1).max(1) as f64 / 1e9;
        let per_s = deliveries as f64 / elapsed_s;
        Ok(Deliveries { deliveries, all: arrived, per_s, per_message: self.per_message() })
    }
}

/// Notes a message of a subscriber that wants `topic` alone.
#[inline(always)]
fn note(ledger: &mut Ledger, topic: u16, header: Header) -> Result<(), Corrupt> {
    if header.sender() != topic {
        return Err(Corrupt::Sender { header });
    }
    ledger.note(Header::new(0, header.sequence()))
}

/// Messages taken from a subscriber before it is the next one's turn.
const LOOK_MAX: usize = 64;

/// Messages between two looks at the clock.
const STRETCH: u64 = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cli::{Drive, Pattern, Transport, Wait},
        party::Party,
    };

    #[test]
    fn every_subscriber_gets_each_of_its_messages_once() {
        let pins = Pins::choose();
        let fan = Party::ours(Transport::Inproc, Pattern::PubSub, Drive::Default).fan().unwrap();
        for matching in [Match::All, Match::Distinct] {
            for (batch, size, subscribers, wait) in [
                (1, 8, 1, Wait::Adaptive),
                (1, 64, 16, Wait::Park),
                (7, 100, 5, Wait::Spin),
                (16, 4_096, 3, Wait::Adaptive),
            ] {
                let wait = if pins.share_cpu() { Wait::Park } else { wait };
                let terms = Terms { size, wait, relax: pins.relax(), high_water_mark: 10 };
                // Longer than it takes on any machine: what is not sent does not come.
                let limit = Duration::from_secs(60);
                let plan = FanOut { subscribers, matching, count: 1_000, warmup: 50, batch, limit, pins: pins.clone() };
                let seen = fan.fan_out(&plan, &terms).unwrap();
                let stops = u64::from(subscribers);
                assert_eq!(seen.all, 1_050 * u64::from(plan.per_message()) + stops, "{plan:?} {seen:?}");
                // How many of them count depends on what came in one round with the last of the warm-up.
                assert!((1..=seen.all).contains(&seen.deliveries), "{plan:?} {seen:?}");
            }
        }
    }

    #[test]
    fn a_message_of_another_topic_is_noticed() {
        let mut ledger = Ledger::new(1);
        note(&mut ledger, 3, Header::new(3, 0)).unwrap();
        assert!(note(&mut ledger, 3, Header::new(2, 1)).is_err());
        assert!(note(&mut ledger, 3, Header::new(3, 2)).is_err());
    }
}
