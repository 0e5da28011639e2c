//! What a connection that shares memory takes on either side: PUSH sockets in this process, and a PULL in the other that has
//! accepted them. Idle: connected, and nothing sent.

#![forbid(unsafe_code)]

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::taken::Taken;
use crate::{
    apart::{
        child::{Child, Talk},
        job::{Job, Part},
    },
    cli::{Memory, Pattern},
    end::{Halves, Meet, Terms},
    failure::Failure,
    heap,
    party::{Party, Visit},
    pins::Pins,
    report::{Columns, rounded},
};

/// Of one connection, on average.
pub(super) struct Shared {
    measured: u16,
    connecting: Taken,
    accepting: Taken,
}

impl Shared {
    /// Of at most so many connections.
    pub(super) fn measure(asked: &Memory, peers: u16, descriptors: u16, pins: &Pins) -> Result<Self, Failure> {
        let party = Party { pattern: Some(Pattern::PushPull), ..asked.route.ours() };
        let held = peers.min(descriptors / DESCRIPTORS_EACH).max(1);
        let terms = asked.route.terms(pins);
        let job = Job { senders: usize::from(held), ..Job::new(Part::Host, party, held - 1, &terms, pins) };
        heap::start();
        let measured = Child::start(&job)?
            .run(pins.first(), WITHIN, move |talk| party.sharing().accept(0, Hold { talk, terms, held }));
        heap::stop();
        measured
    }

    pub(super) fn text(&self) -> String {
        let mut table =
            Columns::new(&["a connection that shares memory", "heap", "segment", "descriptors", "mappings"]);
        for (name, taken) in [("connecting side", self.connecting), ("accepting side", self.accepting)] {
            table.row([
                name.to_owned(),
                format!("{:.0} B", taken.heap_bytes),
                format!("{:.0} B", taken.segment_bytes),
                format!("{:.1}", taken.descriptors),
                format!("{:.1}", taken.mappings),
            ]);
        }
        let mut text = format!("idle, from {} of them\n\n{}\n", self.measured, table.text());
        for links in SUMS {
            text += &format!(
                "  {links} of them: {:.1} MB on both sides together, {:.0} and {:.0} descriptors\n",
                self.both_bytes() * links as f64 / 1e6,
                self.connecting.descriptors * links as f64,
                self.accepting.descriptors * links as f64,
            );
        }
        text
    }

    pub(super) fn to_json(&self) -> Value {
        let side = |taken: &Taken| {
            json!({
                "heap_bytes": rounded(taken.heap_bytes, 0),
                "segment_bytes": rounded(taken.segment_bytes, 0),
                "descriptors": rounded(taken.descriptors, 2),
                "mappings": rounded(taken.mappings, 2),
            })
        };
        json!({
            "measured_links": self.measured,
            "connecting": side(&self.connecting),
            "accepting": side(&self.accepting),
            "both_sides_bytes": rounded(self.both_bytes(), 0),
        })
    }

    /// Each segment is one side's, though both have it mapped.
    fn both_bytes(&self) -> f64 {
        [self.connecting, self.accepting].iter().map(|taken| taken.heap_bytes + taken.segment_bytes).sum()
    }
}

/// Makes the connections, and asks the other side as well.
struct Hold<'a> {
    talk: &'a mut Talk,
    terms: Terms,
    held: u16,
}

impl Visit for Hold<'_> {
    type Out = Shared;

    fn visit(self, halves: impl Halves) -> Result<Shared, Failure> {
        let Self { talk, terms, held } = self;
        let endpoints = talk.hear_bound()?;
        let there = ask(talk, "memory")?;
        let here = Taken::now();
        let mut connected = halves.txs(&terms, &endpoints, usize::from(held))?;
        connected.iter_mut().try_for_each(Meet::meet)?;
        talk.tell("connected")?;
        let with_all_there = Taken::of_line(&talk.hear_driving("memory", || halves.drive())?)?;
        let with_all_here = settled(here, held)?;
        Ok(Shared {
            measured: held,
            connecting: with_all_here.each(here, held),
            accepting: with_all_there.each(there, held),
        })
    }
}

fn ask(talk: &mut Talk, line: &str) -> Result<Taken, Failure> {
    talk.tell(line)?;
    Taken::of_line(&talk.hear("memory")?)
}

/// What is taken once both segments of each connection are mapped, as the accepting side may know first.
fn settled(before: Taken, held: u16) -> Result<Taken, Failure> {
    let end = Instant::now() + SETTLED_WITHIN;
    loop {
        let now = Taken::now();
        if now.mappings - before.mappings >= 2.0 * f64::from(held) {
            return Ok(now);
        }
        if Instant::now() > end {
            return Err(Failure::Asked("connections that should share memory do not".to_owned()));
        }
        thread::sleep(BETWEEN_LOOKS);
    }
}

/// The stream, a doorbell of each side, the other's process; as many in its sender's hands for a moment.
const DESCRIPTORS_EACH: u16 = 8;

/// For all of them.
const WITHIN: Duration = Duration::from_secs(300);

const SETTLED_WITHIN: Duration = Duration::from_secs(10);

const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// Connections whose sum is told.
const SUMS: [u32; 2] = [1_000, 10_000];
