//! A road of any type as one object, so that many can be measured in turn.

#![forbid(unsafe_code)]

use crate::{
    end::{Fan, Road, Terms},
    failure::Failure,
    work::{
        fan_out::{Deliveries, FanOut},
        idle::Idle,
        memory::{Memory, PerPair},
        one_way::{Flow, OneWay},
        ping_pong::{PingPong, RoundTrips},
    },
};

/// Every loop, compiled for one road: dispatch happens once a run, never a message.
pub(crate) trait Subject {
    #[cfg_attr(not(feature = "peers"), allow(dead_code, reason = "only comparisons name their subjects"))]
    fn name(&self) -> String;
    fn ping_pong(&self, plan: &PingPong, terms: &Terms) -> Result<RoundTrips, Failure>;
    fn one_way(&self, plan: &OneWay, terms: &Terms) -> Result<Flow, Failure>;
    fn idle(&self, plan: &Idle, terms: &Terms) -> Result<f64, Failure>;
    fn memory(&self, plan: &Memory, terms: &Terms) -> Result<PerPair, Failure>;
}

impl<R: Road> Subject for R {
    fn name(&self) -> String {
        Road::name(self)
    }

    fn ping_pong(&self, plan: &PingPong, terms: &Terms) -> Result<RoundTrips, Failure> {
        plan.run(self, terms)
    }

    fn one_way(&self, plan: &OneWay, terms: &Terms) -> Result<Flow, Failure> {
        plan.run(self, terms)
    }

    fn idle(&self, plan: &Idle, terms: &Terms) -> Result<f64, Failure> {
        plan.run(self, terms)
    }

    fn memory(&self, plan: &Memory, terms: &Terms) -> Result<PerPair, Failure> {
        plan.run(self, terms)
    }
}

/// A fan of any type as one object.
pub(crate) trait Fanned {
    fn name(&self) -> String;
    fn fan_out(&self, plan: &FanOut, terms: &Terms) -> Result<Deliveries, Failure>;
}

impl<F: Fan> Fanned for F {
    fn name(&self) -> String {
        Fan::name(self)
    }

    fn fan_out(&self, plan: &FanOut, terms: &Terms) -> Result<Deliveries, Failure> {
        plan.run(self, terms)
    }
}
