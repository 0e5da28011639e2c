//! A library of any kind as one value: who takes part.

#![forbid(unsafe_code)]

use ringway::wait::WaitPolicy;

#[cfg(feature = "peers")]
use super::{actix::Actix, kameo::Kameo, ractor::Ractor};
use super::{
    cases::Plan,
    library::{Library, Setting, Took},
    ringway::Ringway,
};
use crate::failure::Failure;

/// A library, and how its threads wait if it has several ways.
#[derive(Clone, Copy, Debug)]
pub(super) enum Subject {
    Ringway(WaitPolicy),
    #[cfg(feature = "peers")]
    Actix,
    #[cfg(feature = "peers")]
    Ractor,
    #[cfg(feature = "peers")]
    Kameo,
}

impl Subject {
    /// Ours first.
    #[cfg(not(feature = "peers"))]
    pub(super) const ALL: &[Self] = &[Self::Ringway(WaitPolicy::Spin), Self::Ringway(WaitPolicy::Adaptive)];

    /// Ours first.
    #[cfg(feature = "peers")]
    pub(super) const ALL: &[Self] =
        &[Self::Ringway(WaitPolicy::Spin), Self::Ringway(WaitPolicy::Adaptive), Self::Actix, Self::Ractor, Self::Kameo];

    pub(super) fn name(self) -> String {
        match self {
            Self::Ringway(wait) => format!("{} {wait:?}", Ringway::NAME),
            #[cfg(feature = "peers")]
            Self::Actix => Actix::NAME.to_owned(),
            #[cfg(feature = "peers")]
            Self::Ractor => Ractor::NAME.to_owned(),
            #[cfg(feature = "peers")]
            Self::Kameo => Kameo::NAME.to_owned(),
        }
    }

    /// How its threads wait: the others have one way.
    pub(super) fn wait(self) -> WaitPolicy {
        match self {
            Self::Ringway(wait) => wait,
            #[cfg(feature = "peers")]
            _ => WaitPolicy::default(),
        }
    }

    /// The case, compiled for it: dispatch happens once a run, never a message.
    pub(super) fn run(self, plan: &Plan, setting: &Setting, counts_heap: bool) -> Result<Took, Failure> {
        match self {
            Self::Ringway(_) => plan.run::<Ringway>(setting, counts_heap),
            #[cfg(feature = "peers")]
            Self::Actix => plan.run::<Actix>(setting, counts_heap),
            #[cfg(feature = "peers")]
            Self::Ractor => plan.run::<Ractor>(setting, counts_heap),
            #[cfg(feature = "peers")]
            Self::Kameo => plan.run::<Kameo>(setting, counts_heap),
        }
    }
}
