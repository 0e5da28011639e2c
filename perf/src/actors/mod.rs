//! Actor libraries, each doing the same cases, taking turns in one run.
//!
//! - `library`: the seam between cases and libraries. `cases`: what is done.
//! - `ringway`: ours. `actix`, `kameo`, `ractor`: the others (feature `peers`). `tokio`: the threads of the last two.
//! - `subject`: any of them as one value. `seen`: what came out.

#[cfg(feature = "peers")]
mod actix;
mod cases;
#[cfg(feature = "peers")]
mod kameo;
mod library;
#[cfg(feature = "peers")]
mod ractor;
mod ringway;
mod seen;
mod subject;
#[cfg(feature = "peers")]
mod tokio;

use ::ringway::wait::WaitPolicy;
use serde_json::Value;

use self::{
    cases::Plan,
    library::{Cores, Setting},
    seen::{Floor, Seen, Turn},
    subject::Subject,
};
use crate::{
    cli::{Actors, Case},
    commands::{show, warn_of_spinning},
    failure::Failure,
    pins::Pins,
    progress::Progress,
};

pub(crate) fn run(asked: &Actors) -> Result<(), Failure> {
    let (pins, plan) = (asked.place.pins(), plan(asked)?);
    warn_of_spinning(plan.cores() == Cores::Both, &pins);
    let seen = measure(asked, &plan, Subject::ALL, &pins)?;
    show(asked.json.as_ref(), &seen.text(), &seen.to_json())
}

/// Ours alone, as fast as it waits on these CPUs: a row of a table, and JSON.
pub(crate) fn measure_ours(asked: &Actors, pins: &Pins) -> Result<(Vec<String>, Value), Failure> {
    let wait = if pins.share_cpu() { WaitPolicy::Adaptive } else { WaitPolicy::Spin };
    let seen = measure(asked, &plan(asked)?, &[Subject::Ringway(wait)], pins)?;
    Ok((seen.cells(), seen.to_json()))
}

/// Heading of the rows.
pub(crate) const HEADING: [&str; 5] = ["actors", "each", "rate", "floor", "× floor"];

fn plan(asked: &Actors) -> Result<Plan, Failure> {
    let (actors, count) = asked.size();
    if asked.case == Case::Big && actors < 2 {
        return Err(Failure::Asked("--case big needs two --actors: each talks to others".to_owned()));
    }
    Ok(Plan { case: asked.case, actors, count })
}

/// Lets the floor and every subject have a turn in each repetition.
fn measure(asked: &Actors, plan: &Plan, subjects: &[Subject], pins: &Pins) -> Result<Seen, Failure> {
    let (reps, floor) = (asked.reps(), Floor::of(plan.case));
    let progress = Progress::new(u64::from(reps) * (subjects.len() as u64 + 1));
    let mut seen = Seen::new(*plan, reps, pins, subjects);
    for rep in 1..=reps {
        progress.step(&format!("repetition {rep}: floor"));
        seen.floors.extend(floor.measure(pins, &asked.place)?);
        progress.done();
        for (subject, row) in subjects.iter().zip(&mut seen.rows) {
            progress.step(&format!("repetition {rep}: {}", subject.name()));
            let named = |why| Failure::Of { who: subject.name(), why: Box::new(why) };
            row.turns.push(turn(*subject, plan, pins).map_err(named)?);
            progress.done();
        }
    }
    Ok(seen)
}

/// What is counted has a run of its own: counting takes time.
fn turn(subject: Subject, plan: &Plan, pins: &Pins) -> Result<Turn, Failure> {
    let setting = Setting { cores: plan.cores(), pins: pins.clone(), wait: subject.wait() };
    let time = subject.run(plan, &setting, false)?.time;
    let heap_bytes = match plan.case {
        Case::Spawn => subject.run(plan, &setting, true)?.heap_bytes,
        _ => None,
    };
    Ok(Turn { time, heap_bytes })
}
