//! What a child does: its half of the road, and its part of the work.

#![forbid(unsafe_code)]

use std::time::Duration;

use super::{
    control::Control,
    job::{Job, Part},
};
use crate::{
    crew::Crew,
    end::{FanHalves, Halves, Meet, Terms},
    failure::Failure,
    links::serve::{self, Serve},
    party::{Visit, VisitFan},
    work::{
        fan_out::FanOut,
        idle::{self, Account},
        one_way::OneWay,
        ping_pong::{Checked, pong},
    },
    zmq::Api,
};

/// Runs the part on a thread pinned to the child's CPU.
pub(crate) fn run(job: &Job) -> Result<(), Failure> {
    let control = Control::new()?;
    if let Some(load) = &job.load {
        Api::load(load)?;
    }
    let (job, cpu) = (job.clone(), job.pin.last());
    let mut crew = Crew::new();
    crew.start("peer", cpu, move || answer(&job, &control))?;
    crew.finish(FOREVER).map(drop)
}

fn answer(job: &Job, control: &Control) -> Result<(), Failure> {
    let answer = Answer { job, control, terms: job.terms() };
    match job.part {
        Part::Pong | Part::Receive | Part::Idle => job.party.accept(job.silent, answer),
        Part::Subscribe => job.party.accept_fan(answer),
        Part::Accept => serve::accept(job, control),
        Part::Echo | Part::Sink | Part::Host => {
            job.party.accept(job.silent, Serve { job, control, terms: job.terms() })
        }
    }
}

struct Answer<'a> {
    job: &'a Job,
    control: &'a Control,
    terms: Terms,
}

impl Visit for Answer<'_> {
    type Out = ();

    fn visit(self, halves: impl Halves) -> Result<(), Failure> {
        let Self { job, control, terms } = self;
        let (name, size) = (halves.name(), terms.size);
        if job.part == Part::Pong {
            let mut far = halves.far(&terms)?;
            control.tell_bound(&far.endpoints)?;
            far.end.meet()?;
            pong(&mut far.end, &Checked::new(name, &terms))?;
            return control.tell_done("");
        }
        let mut receiver = halves.rx(&terms)?;
        control.tell_bound(&receiver.endpoints)?;
        receiver.end.meet()?;
        let result = if job.part == Part::Idle {
            idle::receive(&mut receiver.end, name, size, Account::Process)?.to_string()
        } else {
            let flow = flow(job).receive(&mut receiver.end, name, size)?;
            format!("{} {}", flow.messages, flow.msgs_per_s)
        };
        control.tell_done(&result)
    }
}

impl VisitFan for Answer<'_> {
    type Out = ();

    fn visit(self, halves: impl FanHalves) -> Result<(), Failure> {
        let Self { job, control, terms } = self;
        let endpoints = control.hear_bound()?;
        let mut crowd = halves.crowd(&terms, &endpoints, job.subscribers, job.matching)?;
        let seen = fan(job).receive(&mut crowd, halves.name(), terms.size)?;
        control.tell_done(&format!("{} {} {}", seen.deliveries, seen.all, seen.per_s))
    }
}

/// What a receiver has to know of the load; how much there is of it, the sender knows.
fn flow(job: &Job) -> OneWay {
    let Job { warmup, batch, senders, .. } = *job;
    OneWay { count: 0, warmup, batch, senders, limit: FOREVER, pins: job.pin.clone() }
}

/// As [`flow`], of subscribers.
fn fan(job: &Job) -> FanOut {
    let Job { subscribers, matching, warmup, batch, .. } = *job;
    FanOut { subscribers, matching, count: 0, warmup, batch, limit: FOREVER, pins: job.pin.clone() }
}

/// The parent knows how long anything may take, and ends the child.
const FOREVER: Duration = Duration::from_secs(10 * 86_400);
