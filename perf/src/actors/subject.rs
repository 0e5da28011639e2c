//! A library of any kind as one value: who takes part.

#![forbid(unsafe_code)]

use super::{
    actix::Actix,
    cases::Plan,
    kameo::Kameo,
    library::{Library, Setting, Took},
    ractor::Ractor,
};
use crate::failure::Failure;

/// A library.
#[derive(Clone, Copy, Debug)]
pub(super) enum Subject {
    Actix,
    Ractor,
    Kameo,
}

/// Ours first.
pub(super) fn all() -> Vec<Subject> {
    vec![Subject::Actix, Subject::Ractor, Subject::Kameo]
}

impl Subject {
    pub(super) fn name(self) -> String {
        match self {
            Self::Actix => Actix::NAME.to_owned(),
            Self::Ractor => Ractor::NAME.to_owned(),
            Self::Kameo => Kameo::NAME.to_owned(),
        }
    }

    pub(super) fn is_ours(self) -> bool {
        false
    }

    /// The case, compiled for it: dispatch happens once a run, never a message.
    pub(super) fn run(self, plan: &Plan, setting: &Setting, counts_heap: bool) -> Result<Took, Failure> {
        match self {
            Self::Actix => plan.run::<Actix>(setting, counts_heap),
            Self::Ractor => plan.run::<Ractor>(setting, counts_heap),
            Self::Kameo => plan.run::<Kameo>(setting, counts_heap),
        }
    }

    pub(super) fn failed(self, why: Failure) -> Failure {
        Failure::Of { who: self.name(), why: Box::new(why) }
    }
}
