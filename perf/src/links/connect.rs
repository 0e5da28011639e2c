//! Many peers at once: how long until each of them has connected and its first message has arrived.

#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{between_processes, library, parties, terms};
use crate::{
    apart::{
        child::{Child, Talk},
        job::{Job, Part},
    },
    cli::{Connect, Pattern},
    commands::show,
    end::{Halves, Terms, Tx},
    failure::Failure,
    party::{Party, Visit},
    payload::Header,
    pins::Pins,
    progress::Progress,
    report::{Columns, median, rounded, value_name},
};

pub(crate) fn run(asked: &Connect) -> Result<(), Failure> {
    let links = &asked.links;
    between_processes(links.transport)?;
    let (pins, peers) = (links.place.pins(), asked.peers);
    let parties = parties(links.transport, links.drive, Pattern::PushPull, links.is_alone());
    let terms = terms(links, &pins);
    let mut seconds = vec![Vec::new(); parties.len()];
    let progress = Progress::new(u64::from(links.reps()));
    for rep in 1..=links.reps() {
        progress.step(&format!("repetition {rep}"));
        for (&party, seconds) in parties.iter().zip(&mut seconds) {
            seconds.push(once(party, peers, &terms, &pins)?.as_secs_f64());
        }
        progress.done();
    }
    drop(progress);
    let figures: Vec<f64> = seconds.iter().map(|seconds| median(seconds)).collect();
    let mut table = Columns::new(&["library", "all connected", "each", "× ours"]);
    let mut rows: Vec<Value> = Vec::new();
    for (&party, &figure) in parties.iter().zip(&figures) {
        let ratio = figure / figures[0];
        let each = format!("{:.1} µs", figure * 1e6 / f64::from(peers));
        table.row([library(party), format!("{:.1} ms", figure * 1e3), each, format!("{ratio:.2}")]);
        rows.push(json!({ "name": library(party), "seconds": rounded(figure, 6), "vs_ours": rounded(ratio, 3) }));
    }
    let transport = value_name(links.transport);
    let json = json!({
        "transport": transport,
        "peers": peers,
        "context": value_name(links.drive),
        "seconds": rounded(figures[0], 6),
        "rows": rows,
    });
    let text = format!(
        "{transport}, {peers} PUSH to one PULL, until the first message of each has arrived, medians of {}\n\n{}",
        links.reps(),
        table.text()
    );
    show(asked.json.as_ref(), &text, &json)
}

fn once(party: Party, peers: u16, terms: &Terms, pins: &Pins) -> Result<Duration, Failure> {
    let job = Job { senders: usize::from(peers), ..Job::new(Part::Sink, party, 0, terms, pins) };
    let terms = *terms;
    Child::start(&job)?.run(pins.first(), WITHIN, move |talk| party.accept(0, Rush { peers, terms, talk }))
}

struct Rush<'a> {
    peers: u16,
    terms: Terms,
    talk: &'a mut Talk,
}

impl Visit for Rush<'_> {
    type Out = Duration;

    fn visit(self, halves: impl Halves) -> Result<Duration, Failure> {
        let endpoints = self.talk.hear_bound()?;
        let begin = Instant::now();
        let mut senders = halves.txs(&self.terms, &endpoints, usize::from(self.peers))?;
        for (n, sender) in senders.iter_mut().enumerate() {
            sender.send(Header::new(n as u16, 0))?;
        }
        self.talk.hear_driving("done", || halves.drive())?;
        Ok(begin.elapsed())
    }
}

/// Connections that got lost in a full backlog are tried again after seconds.
const WITHIN: Duration = Duration::from_secs(120);
