//! Roads between two processes: this one, which measures, and a child of it, which has the other end.
//!
//! - `job`: what the child is to do, as its command line. `child`: the child, as this process has it. `control`: the
//!   lines the two exchange, as the child has them. `answer`: what the child does.
//!
//! Each process makes its half on the thread that uses it, pinned to that process's CPU, so that every thread the
//! library starts runs there as well.
//!
//! | line | from | means |
//! |---|---|---|
//! | `bound ENDPOINT…` | either | that end is bound; the other may connect |
//! | `done RESULT` | child | its part is done, with what it saw |
//! | `end` | parent | everything has arrived: the child may close its sockets and end |
//!
//! There is no other agreement, and none about time. A child that ends before it is done has failed, and what it wrote to
//! its standard error is why. A parent that is gone closes the pipe, which ends the child.

#![forbid(unsafe_code)]

pub(crate) mod answer;
pub(crate) mod child;
pub(crate) mod control;
pub(crate) mod job;

use self::{
    child::{Child, Talk},
    job::{Job, Part},
};
use crate::{
    crew::Crew,
    end::{FanHalves, Halves, Meet, Terms},
    failure::Failure,
    party::{Party, Visit, VisitFan},
    subject::{Fanned, Subject},
    work::{
        fan_out::{Deliveries, FanOut},
        idle::Idle,
        memory::{Memory, PerPair},
        one_way::{Flow, OneWay},
        ping_pong::{Checked, GRACE, PingPong, RoundTrips},
    },
};

/// A road, or a fan, whose other end is in a child process.
pub(crate) struct Apart {
    pub(crate) party: Party,
    /// Peers of the receiver that say nothing.
    pub(crate) silent: u16,
}

impl Subject for Apart {
    fn name(&self) -> String {
        self.party.name().unwrap_or_else(|failure| failure.to_string())
    }

    fn ping_pong(&self, plan: &PingPong, terms: &Terms) -> Result<RoundTrips, Failure> {
        if plan.pairs != 1 {
            return Err(Failure::Asked("there is one pair between two processes".to_owned()));
        }
        let job = Job::new(Part::Pong, self.party, self.silent, terms, &plan.pins);
        let (party, silent, terms, plan) = (self.party.sharing(), self.silent, *terms, plan.clone());
        Child::start(&job)?
            .run(plan.pins.first(), plan.limit + GRACE, move |talk| party.accept(silent, Ping { plan, terms, talk }))
    }

    fn one_way(&self, plan: &OneWay, terms: &Terms) -> Result<Flow, Failure> {
        let job = Job {
            warmup: plan.warmup,
            batch: plan.batch,
            senders: plan.senders,
            ..Job::new(Part::Receive, self.party, self.silent, terms, &plan.pins)
        };
        let (party, silent, terms, plan) = (self.party.sharing(), self.silent, *terms, plan.clone());
        Child::start(&job)?
            .run(plan.pins.first(), plan.limit + GRACE, move |talk| party.accept(silent, Send { plan, terms, talk }))
    }

    /// The other process's CPU time, all its threads together.
    fn idle(&self, plan: &Idle, terms: &Terms) -> Result<f64, Failure> {
        let job = Job::new(Part::Idle, self.party, self.silent, terms, &plan.pins);
        let (party, silent, terms, plan) = (self.party.sharing(), self.silent, *terms, plan.clone());
        Child::start(&job)?
            .run(plan.pins.first(), plan.time + GRACE, move |talk| party.accept(silent, Disturb { plan, terms, talk }))
    }

    fn memory(&self, _plan: &Memory, _terms: &Terms) -> Result<PerPair, Failure> {
        Err(Failure::Asked("between processes memory is counted per accepted peer: memory --peers".to_owned()))
    }
}

impl Fanned for Apart {
    fn name(&self) -> String {
        self.party.fan_name().unwrap_or_else(|failure| failure.to_string())
    }

    fn fan_out(&self, plan: &FanOut, terms: &Terms) -> Result<Deliveries, Failure> {
        let job = Job {
            warmup: plan.warmup,
            batch: plan.batch,
            subscribers: plan.subscribers,
            matching: plan.matching,
            ..Job::new(Part::Subscribe, self.party, 0, terms, &plan.pins)
        };
        let (party, terms, plan) = (self.party.sharing(), *terms, plan.clone());
        Child::start(&job)?
            .run(plan.pins.first(), plan.limit + GRACE, move |talk| party.accept_fan(Publish { plan, terms, talk }))
    }
}

/// Pings until the plan is through.
struct Ping<'a> {
    plan: PingPong,
    terms: Terms,
    talk: &'a mut Talk,
}

impl Visit for Ping<'_> {
    type Out = RoundTrips;

    fn visit(self, halves: impl Halves) -> Result<RoundTrips, Failure> {
        let endpoints = self.talk.hear_bound()?;
        let mut near = halves.near(&self.terms, &endpoints)?;
        near.meet()?;
        let trips = self.plan.ping(&mut near, &Checked::new(halves.name(), &self.terms))?;
        self.talk.hear_driving("done", || halves.drive())?;
        Ok(trips)
    }
}

/// Sends until the plan is through; the child counts.
struct Send<'a> {
    plan: OneWay,
    terms: Terms,
    talk: &'a mut Talk,
}

impl Visit for Send<'_> {
    type Out = Flow;

    fn visit(self, halves: impl Halves) -> Result<Flow, Failure> {
        let endpoints = self.talk.hear_bound()?;
        let mut senders = halves.txs(&self.terms, &endpoints, self.plan.senders)?;
        senders.iter_mut().try_for_each(Meet::meet)?;
        if let [sender] = senders.as_mut_slice() {
            self.plan.send(sender, 0)?;
            return flow(&self.talk.hear_driving("done", || halves.drive())?);
        }
        let mut crew = Crew::new();
        for (n, mut sender) in senders.into_iter().enumerate() {
            let plan = self.plan.clone();
            // Given back, so that it is open until everything has arrived.
            crew.start("sender", plan.pins.sender(n), move || plan.send(&mut sender, n as u16).map(|()| sender))?;
        }
        let _open = crew.finish(self.plan.limit + GRACE)?;
        flow(&self.talk.hear_driving("done", || halves.drive())?)
    }
}

/// What a child's receiver counted.
fn flow(result: &str) -> Result<Flow, Failure> {
    let [messages, msgs_per_s] = control::numbers(result)?;
    Ok(Flow { messages: messages as u64, msgs_per_s })
}

/// Leaves the child's receiver in peace, or sends at a rate.
struct Disturb<'a> {
    plan: Idle,
    terms: Terms,
    talk: &'a mut Talk,
}

impl Visit for Disturb<'_> {
    type Out = f64;

    fn visit(self, halves: impl Halves) -> Result<f64, Failure> {
        let endpoints = self.talk.hear_bound()?;
        let mut senders = halves.txs(&self.terms, &endpoints, 1)?;
        senders[0].meet()?;
        self.plan.send(&mut senders[0])?;
        let [share] = control::numbers(&self.talk.hear_driving("done", || halves.drive())?)?;
        Ok(share)
    }
}

/// Publishes until the plan is through; the child counts.
struct Publish<'a> {
    plan: FanOut,
    terms: Terms,
    talk: &'a mut Talk,
}

impl VisitFan for Publish<'_> {
    type Out = Deliveries;

    fn visit(self, halves: impl FanHalves) -> Result<Deliveries, Failure> {
        let mut publisher = halves.publisher(&self.terms)?;
        self.talk.tell_bound(&publisher.endpoints)?;
        halves.gather(&mut publisher.end, self.plan.subscribers)?;
        self.plan.publish(&mut publisher.end)?;
        let [deliveries, all, per_s] = control::numbers(&self.talk.hear_driving("done", || halves.drive())?)?;
        let (deliveries, all) = (deliveries as u64, all as u64);
        Ok(Deliveries { deliveries, all, per_s, per_message: self.plan.per_message() })
    }
}
