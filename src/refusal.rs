//! The system refuses a step that sharing memory takes, though it would not: for this crate's own tests of the whole.

#![forbid(unsafe_code)]

use crate::shm::{Step, refusal};

/// A step is refused while this exists.
#[derive(Debug)]
pub struct Refused(#[expect(dead_code, reason = "it is there to be dropped")] refusal::Refused);

/// Refuses `step` to the whole process from its time number `passes` on (the first is 0), with the system's number `code`,
/// until what is returned is dropped. Steps: `create`, `reserve`, `map`, `hide`, `seal`, `inspect`, `pair`, `pass`, `watch`.
///
/// # Panics
/// Panics if there is no such step.
pub fn refuse(step: &str, code: i32, passes: u32) -> Refused {
    let step = match step {
        "create" => Step::Create,
        "reserve" => Step::Reserve,
        "map" => Step::Map,
        "hide" => Step::Hide,
        "seal" => Step::Seal,
        "inspect" => Step::Inspect,
        "pair" => Step::Pair,
        "pass" => Step::Pass,
        "watch" => Step::Watch,
        other => panic!("there is no step {other:?}"),
    };
    Refused(refusal::refuse_after(step, code, passes))
}
