//! Connect, talk once, close: one connection after the other.
//!
//! A cycle of a library is a new socket, a connection with its handshake, a message there and back, which shows that both
//! sides have it, and the socket's end. Of its accepting side alone it is the handshake of a bare socket, and its end. Of
//! bare sockets it is a connection, a byte from the accepting side, and the end.

#![forbid(unsafe_code)]

use std::{
    io::Read,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{between_processes, library, parties, terms, zmtp};
use crate::{
    apart::{
        child::{Child, Talk},
        job::{Job, Part},
    },
    cli::{Churn, Pattern, Transport},
    commands::show,
    end::{Halves, Meet, Rx, Terms, Tx},
    failure::Failure,
    floor::raw::{Stream, broken},
    party::{Party, Visit},
    payload::{Header, check},
    pins::Pins,
    progress::Progress,
    report::{Columns, median, per_second, rounded, value_name},
    work::ping_pong::GRACE,
};

pub(crate) fn run(asked: &Churn) -> Result<(), Failure> {
    between_processes(asked.links.transport)?;
    let pins = asked.links.place.pins();
    let seen = measure(asked, &pins)?;
    let mut table = Columns::new(&["connect, talk once, close", "cycles", "each", "× ours", "× bare"]);
    let (ours, bare) = (seen[0].1, seen.last().map_or(0.0, |last| last.1));
    let mut rows: Vec<Value> = Vec::new();
    for (name, per_s) in &seen {
        let each = format!("{:.1} µs", 1e6 / per_s);
        table.row([
            name.clone(),
            per_second(*per_s),
            each,
            format!("{:.2}", per_s / ours),
            format!("{:.2}", per_s / bare),
        ]);
        rows.push(json!({
            "name": name,
            "cycles_per_s": rounded(*per_s, 0),
            "vs_ours": rounded(per_s / ours, 3),
            "vs_bare": rounded(per_s / bare, 3),
        }));
    }
    let json = json!({
        "transport": value_name(asked.links.transport),
        "context": value_name(asked.links.drive),
        "wait": value_name(asked.links.wait),
        "cycles_per_s": rounded(ours, 0),
        "floor_cycles_per_s": rounded(bare, 0),
        "rows": rows,
    });
    let transport = value_name(asked.links.transport);
    let text = format!("{transport}, one after the other, medians of {}\n\n{}", asked.links.reps(), table.text());
    show(asked.json.as_ref(), &text, &json)
}

/// Cycles a second: ours first, bare sockets last; each library also with its accepting side alone.
fn measure(asked: &Churn, pins: &Pins) -> Result<Vec<(String, f64)>, Failure> {
    let links = &asked.links;
    let parties = parties(links.transport, links.drive, Pattern::DealerRouter, links.is_alone());
    let terms = terms(links, pins);
    let mut names = Vec::new();
    let mut figures: Vec<Vec<f64>> = Vec::new();
    let progress = Progress::new(u64::from(links.reps()));
    for rep in 1..=links.reps() {
        progress.step(&format!("repetition {rep}"));
        let mut turn = Vec::new();
        for &party in &parties {
            turn.push((library(party), cycles(party, &terms, asked.time(), pins)?));
        }
        for &party in &parties {
            let party = Party { pattern: Some(Pattern::PushPull), ..party };
            turn.push((format!("{}, accepting", library(party)), accepted(party, &terms, asked.time(), pins)?));
        }
        turn.push(("bare socket".to_owned(), bare(links.transport, asked.time(), pins)?));
        names = turn.iter().map(|(name, _)| name.clone()).collect();
        figures.push(turn.into_iter().map(|(_, per_s)| per_s).collect());
        progress.done();
    }
    let of = |n: usize| median(&figures.iter().map(|turn| turn[n]).collect::<Vec<_>>());
    Ok(names.into_iter().enumerate().map(|(n, name)| (name, of(n))).collect())
}

/// Of a library, both sides.
fn cycles(party: Party, terms: &Terms, time: Duration, pins: &Pins) -> Result<f64, Failure> {
    let job = Job::new(Part::Echo, party, 0, terms, pins);
    let terms = *terms;
    Child::start(&job)?.run(pins.first(), time + GRACE, move |talk| party.accept(0, Cycles { terms, time, talk }))
}

struct Cycles<'a> {
    terms: Terms,
    time: Duration,
    talk: &'a mut Talk,
}

impl Visit for Cycles<'_> {
    type Out = f64;

    fn visit(self, halves: impl Halves) -> Result<f64, Failure> {
        let endpoints = self.talk.hear_bound()?;
        let cycle = |header: Header| {
            let mut near = halves.near(&self.terms, &endpoints)?;
            near.meet()?;
            near.send(header)?;
            let mut arrived = Ok(header);
            near.recv(|bytes| arrived = check(bytes, self.terms.size))?;
            match arrived {
                Ok(arrived) if arrived == header => Ok(()),
                Ok(_) => Err(Failure::road(halves.name(), "another message came back")),
                Err(corrupt) => Err(Failure::Corrupt { road: halves.name(), corrupt }),
            }
        };
        let per_s = rate(self.time, |n| cycle(Header::new(0, n)))?;
        cycle(Header::stop(0))?;
        self.talk.hear_driving("done", || halves.drive())?;
        Ok(per_s)
    }
}

/// Of a library's accepting side, with bare sockets that connect.
fn accepted(party: Party, terms: &Terms, time: Duration, pins: &Pins) -> Result<f64, Failure> {
    let job = Job::new(Part::Host, party, 0, terms, pins);
    Child::start(&job)?.run(pins.first(), time + GRACE, move |talk| {
        let endpoints = talk.hear_bound()?;
        rate(time, |_| zmtp::Peer::connect(&endpoints[0]).map(drop).map_err(broken))
    })
}

/// Of bare sockets.
pub(crate) fn bare(transport: Transport, time: Duration, pins: &Pins) -> Result<f64, Failure> {
    let terms = Terms { size: super::SIZE, wait: crate::cli::Wait::Park, relax: pins.relax(), high_water_mark: 1 };
    let job = Job::new(Part::Accept, Party::raw(transport), 0, &terms, pins);
    Child::start(&job)?.run(pins.first(), time + GRACE, move |talk| {
        let endpoints = talk.hear_bound()?;
        let connect = || {
            let mut stream = Stream::connect(&endpoints[0])?;
            stream.read_exact(&mut [0])?;
            Ok(stream)
        };
        let per_s = rate(time, |_| connect().map(drop).map_err(broken))?;
        let mut last = connect().map_err(broken)?;
        std::io::Write::write_all(&mut last, &[1]).map_err(broken)?;
        talk.hear("done")?;
        Ok(per_s)
    })
}

/// How often a second `cycle` goes through, after a few that do not count.
fn rate(time: Duration, mut cycle: impl FnMut(u64) -> Result<(), Failure>) -> Result<f64, Failure> {
    (0..WARMUP).try_for_each(&mut cycle)?;
    let begin = Instant::now();
    let mut done = 0;
    while begin.elapsed() < time {
        cycle(WARMUP + done)?;
        done += 1;
    }
    Ok(done as f64 / begin.elapsed().as_secs_f64())
}

const WARMUP: u64 = 20;
