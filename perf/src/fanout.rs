//! One publisher to many subscribers: ours, and with feature `peers` libzmq's and the rings that everybody reads, taking
//! turns in one run.

#![forbid(unsafe_code)]

use serde_json::{Value, json};

use crate::{
    base::Base,
    cli::{Fanout, Match, Pattern},
    commands::show,
    end::Terms,
    failure::Failure,
    party::Party,
    pins::Pins,
    progress::Progress,
    report::{Columns, median, per_second, rounded, value_name},
    subject::Fanned,
};

pub(crate) fn run(asked: &Fanout) -> Result<(), Failure> {
    let pins = asked.place.pins();
    let fans = fans(asked, &asked.setup().route.terms(&pins))?;
    let progress = Progress::new(u64::from(asked.setup().reps()) * (fans.len() as u64 + 1));
    let seen = measure(asked, &fans, &pins, &progress)?;
    drop(progress);
    show(asked.json.as_ref(), &seen.text(asked), &seen.to_json(asked))
}

/// Ours first.
fn fans(asked: &Fanout, terms: &Terms) -> Result<Vec<Box<dyn Fanned>>, Failure> {
    let ours = party(asked).fan()?;
    #[cfg(feature = "peers")]
    if !asked.alone {
        let plain = (base(asked) == Base::Shared).then(|| Party { plain: true, ..party(asked) }.fan()).transpose()?;
        let peers = crate::peers::fans(asked.transport, terms, asked.matching, asked.subscribers)?;
        return Ok([ours].into_iter().chain(plain).chain(peers).collect());
    }
    let _ = terms;
    Ok(vec![ours])
}

/// Medians over the repetitions.
#[derive(Debug)]
pub(crate) struct Seen {
    /// Deliveries counted for the first.
    deliveries: u64,
    /// Ours, then the others, by name: deliveries and messages a second.
    rows: Vec<(String, f64, f64)>,
    /// Messages a second.
    floor_msgs_per_s: f64,
}

fn base(asked: &Fanout) -> Base {
    Base::of(asked.transport, asked.plain)
}

fn party(asked: &Fanout) -> Party {
    Party { plain: asked.plain, ..Party::ours(asked.transport, Pattern::PubSub, asked.drive) }
}

/// Ours alone: for the tour.
pub(crate) fn measure_ours(asked: &Fanout, pins: &Pins) -> Result<Seen, Failure> {
    measure(asked, &[party(asked).fan()?], pins, &Progress::hidden())
}

/// Lets the floor and every fan have a turn in each repetition.
fn measure(asked: &Fanout, fans: &[Box<dyn Fanned>], pins: &Pins, progress: &Progress) -> Result<Seen, Failure> {
    let (setup, plan) = (asked.setup(), asked.plan(pins));
    let terms = setup.route.terms(pins);
    let (floor, floor_plan) = (base(asked), setup.one_way(asked.batch, 1, pins));
    let (mut deliveries, mut floors, mut turns) = (0, Vec::new(), vec![(Vec::new(), Vec::new()); fans.len()]);
    for rep in 1..=setup.reps() {
        progress.step(&format!("repetition {rep}: floor"));
        floors.push(floor.flow(&floor_plan, &terms)?);
        progress.done();
        for (n, (fan, turn)) in fans.iter().zip(&mut turns).enumerate() {
            progress.step(&format!("repetition {rep}: {}", fan.name()));
            let seen = fan.fan_out(&plan, &terms)?;
            turn.0.push(seen.per_s);
            turn.1.push(seen.msgs_per_s());
            if n == 0 {
                deliveries += seen.deliveries;
            }
            progress.done();
        }
    }
    let rows = fans.iter().zip(&turns).map(|(fan, turn)| (fan.name(), median(&turn.0), median(&turn.1))).collect();
    Ok(Seen { deliveries, rows, floor_msgs_per_s: median(&floors) })
}

impl Seen {
    /// Ours: deliveries and messages a second.
    fn ours(&self) -> (f64, f64) {
        self.rows.first().map_or((0.0, 0.0), |(_, deliveries, messages)| (*deliveries, *messages))
    }

    /// The load, deliveries, messages, floor, and deliveries as a multiple of it.
    pub(crate) fn cells(&self, asked: &Fanout) -> [String; 5] {
        let (deliveries, messages) = self.ours();
        [
            title(asked),
            per_second(deliveries),
            per_second(messages),
            per_second(self.floor_msgs_per_s),
            format!("{:.2}", deliveries / self.floor_msgs_per_s),
        ]
    }

    /// Heading of [`cells`](Self::cells).
    pub(crate) const HEADING: [&str; 5] = ["fan-out", "deliveries", "messages", "floor", "× floor"];

    fn text(&self, asked: &Fanout) -> String {
        let mut table = Columns::new(&["library", "deliveries", "messages", "× ours", "× floor"]);
        table.row([format!("{}, one reader", base(asked).name()), per_second(self.floor_msgs_per_s)]);
        for (name, deliveries, messages) in &self.rows {
            table.row([
                name.clone(),
                per_second(*deliveries),
                per_second(*messages),
                format!("{:.2}", deliveries / self.ours().0),
                format!("{:.2}", deliveries / self.floor_msgs_per_s),
            ]);
        }
        format!(
            "{}, medians of {}; every subscriber is looked at in turn, up to 64 messages a look; nothing is dropped\n\n{}",
            title(asked),
            asked.setup().reps(),
            table.text()
        )
    }

    pub(crate) fn to_json(&self, asked: &Fanout) -> Value {
        let (ours, messages) = self.ours();
        let rows = self.rows.iter().map(|(name, deliveries, messages)| {
            json!({
                "name": name,
                "deliveries_per_s": rounded(*deliveries, 0),
                "msgs_per_s": rounded(*messages, 0),
                "vs_ours": rounded(deliveries / ours, 3),
                "vs_floor": rounded(deliveries / self.floor_msgs_per_s, 3),
            })
        });
        json!({
            "transport": value_name(asked.transport),
            "pattern": "pub-sub",
            "match": value_name(asked.matching),
            "subscribers": asked.subscribers,
            "size": asked.size,
            "count": self.deliveries,
            "wait": value_name(asked.wait),
            "batch": asked.batch,
            "deliveries_per_s": rounded(ours, 0),
            "msgs_per_s": rounded(messages, 0),
            "floor": base(asked).name(),
            "floor_msgs_per_s": rounded(self.floor_msgs_per_s, 0),
            "vs_floor": rounded(ours / self.floor_msgs_per_s, 3),
            "rows": rows.collect::<Vec<_>>(),
        })
    }
}

/// One load in a line.
pub(crate) fn title(asked: &Fanout) -> String {
    let topics = match asked.matching {
        Match::All => "all match",
        Match::Distinct => "distinct topics",
    };
    let Fanout { subscribers, size, batch, .. } = asked;
    let (transport, wait) = (value_name(asked.transport), value_name(asked.wait));
    format!("{transport} pub → {subscribers} sub, {topics}, {size} B, {batch} a call, {wait}")
}
