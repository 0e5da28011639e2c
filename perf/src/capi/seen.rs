//! What comes out of one turn, and how the process that measured tells it.

#![forbid(unsafe_code)]

use ringway::latency::Summary;
use serde_json::{Value, json};

use crate::{
    failure::Failure,
    report::{median, medians, rounded},
    work::{one_way::Flow, ping_pong::RoundTrips},
};

/// Of one turn, or the medians of several.
#[derive(Clone, Debug)]
pub(super) enum Seen {
    Trips { summary: Summary, rate_per_s: f64, version: String },
    Flow { messages: u64, msgs_per_s: f64, version: String },
}

impl Seen {
    pub(super) fn trips(trips: &RoundTrips, version: String) -> Self {
        Self::Trips { summary: trips.recorder.summary(), rate_per_s: trips.rate_per_s, version }
    }

    pub(super) fn flow(flow: Flow, version: String) -> Self {
        Self::Flow { messages: flow.messages, msgs_per_s: flow.msgs_per_s, version }
    }

    /// In one line.
    pub(super) fn line(&self) -> String {
        let mut object = json!({ "version": self.version() });
        self.add_to(&mut object, 0);
        object.to_string()
    }

    /// What [`line`](Self::line) gave.
    pub(super) fn from_line(line: &str) -> Result<Self, Failure> {
        let unread = || Failure::Control { line: line.to_owned() };
        let object: Value = serde_json::from_str(line).map_err(|_| unread())?;
        let number = |name: &str| object[name].as_f64().ok_or_else(unread);
        let version = object["version"].as_str().unwrap_or_default().to_owned();
        if object.get("p50_ns").is_none() {
            let messages = number("count")? as u64;
            return Ok(Self::Flow { messages, msgs_per_s: number("msgs_per_s")?, version });
        }
        let mut summary = Summary::default();
        let ns = |name: &str| number(name).map(|ns| ns as u64);
        summary.count = ns("count")?;
        summary.p50_ns = ns("p50_ns")?;
        summary.p90_ns = ns("p90_ns")?;
        summary.p99_ns = ns("p99_ns")?;
        summary.p999_ns = ns("p999_ns")?;
        summary.p9999_ns = ns("p9999_ns")?;
        summary.max_ns = ns("max_ns")?;
        summary.mean_ns = number("mean_ns")?;
        Ok(Self::Trips { summary, rate_per_s: number("rate_per_s")?, version })
    }

    /// Of turns of one work; of at least one.
    pub(super) fn median(all: &[Self]) -> Self {
        let version = all[0].version().to_owned();
        let rate = |seen: &Self| match seen {
            Self::Trips { rate_per_s, .. } => *rate_per_s,
            Self::Flow { msgs_per_s, .. } => *msgs_per_s,
        };
        let rate_per_s = median(&all.iter().map(rate).collect::<Vec<_>>());
        let summary = |seen: &Self| match seen {
            Self::Trips { summary, .. } => Some(*summary),
            Self::Flow { .. } => None,
        };
        let summaries: Vec<Summary> = all.iter().filter_map(summary).collect();
        if summaries.is_empty() {
            let count = |seen: &Self| match seen {
                Self::Trips { .. } => 0,
                Self::Flow { messages, .. } => *messages,
            };
            return Self::Flow { messages: all.iter().map(count).sum(), msgs_per_s: rate_per_s, version };
        }
        Self::Trips { summary: medians(&summaries), rate_per_s, version }
    }

    /// The more, the faster: messages a second, or what the median round trip would give of them.
    pub(super) fn speed(&self) -> f64 {
        match self {
            Self::Trips { summary, .. } => 1e9 / summary.p50_ns.max(1) as f64,
            Self::Flow { msgs_per_s, .. } => *msgs_per_s,
        }
    }

    /// Of libzmq, as the library says it.
    pub(super) fn version(&self) -> &str {
        match self {
            Self::Trips { version, .. } | Self::Flow { version, .. } => version,
        }
    }

    /// Adds the fields that `latency` or `throughput` has.
    pub(super) fn add_to(&self, object: &mut Value, size: usize) {
        match self {
            Self::Trips { summary, rate_per_s, .. } => {
                let Summary { p50_ns, p90_ns, p99_ns, p999_ns, p9999_ns, max_ns, mean_ns, count, .. } = *summary;
                object["count"] = json!(count);
                object["p50_ns"] = json!(p50_ns);
                object["p90_ns"] = json!(p90_ns);
                object["p99_ns"] = json!(p99_ns);
                object["p999_ns"] = json!(p999_ns);
                object["p9999_ns"] = json!(p9999_ns);
                object["max_ns"] = json!(max_ns);
                object["mean_ns"] = json!(rounded(mean_ns, 1));
                object["rate_per_s"] = json!(rounded(*rate_per_s, 1));
            }
            Self::Flow { messages, msgs_per_s, .. } => {
                object["count"] = json!(messages);
                object["msgs_per_s"] = json!(rounded(*msgs_per_s, 0));
                object["bytes_per_s"] = json!(rounded(msgs_per_s * size as f64, 0));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_process_tells_another_reads() {
        let mut summary = Summary::default();
        (summary.count, summary.p50_ns, summary.max_ns, summary.mean_ns) = (3, 100, 900, 120.5);
        let trips = Seen::Trips { summary, rate_per_s: 5.5, version: "4.3.4".to_owned() };
        assert_eq!(format!("{:?}", Seen::from_line(&trips.line()).unwrap()), format!("{trips:?}"));
        let flow = Seen::Flow { messages: 9, msgs_per_s: 1_000.0, version: "4.3.5".to_owned() };
        assert_eq!(format!("{:?}", Seen::from_line(&flow.line()).unwrap()), format!("{flow:?}"));
        assert!(Seen::from_line("{}").is_err() && Seen::from_line("done").is_err());
    }

    #[test]
    fn medians_are_of_each_figure() {
        let flow = |msgs_per_s| Seen::Flow { messages: 1, msgs_per_s, version: String::new() };
        let Seen::Flow { messages, msgs_per_s, .. } = Seen::median(&[flow(1.0), flow(9.0), flow(2.0)]) else {
            panic!("another kind")
        };
        assert_eq!((messages, msgs_per_s), (3, 2.0));
    }
}
