//! The works in Python: a small program of plain pyzmq, as it is, and with another library in place of the libzmq that
//! pyzmq brings along.

#![forbid(unsafe_code)]

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use super::{seen::Seen, work::Work};
use crate::{
    apart::child::Child,
    cli::{CapiCalls, Transport},
    failure::Failure,
    pins::Pins,
    report::value_name,
    work::ping_pong::GRACE,
};

/// A python3 that has pyzmq.
pub(super) struct Python {
    program: PathBuf,
}

impl Python {
    /// Fails if there is no such program, or it has no pyzmq.
    pub(super) fn new(program: &Path) -> Result<Self, Failure> {
        let unusable = |why: String| Failure::Library { path: program.to_owned(), why };
        let output = Command::new(program)
            .args(["-c", "import zmq"])
            .stdin(Stdio::null())
            .output()
            .map_err(|error| unusable(error.to_string()))?;
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr);
            let last = words.lines().last().unwrap_or("it ended without a word");
            return Err(unusable(format!("it has no pyzmq: {last}")));
        }
        Ok(Self { program: program.to_owned() })
    }

    /// One measurement, with `instead` in place of pyzmq's libzmq.
    pub(super) fn turn(
        &self,
        work: &Work,
        instead: Option<&PathBuf>,
        hwm: usize,
        limit: Duration,
        pins: &Pins,
    ) -> Result<Seen, Failure> {
        // What the loader cannot find it would leave out, with a word on standard error.
        if let Some(path) = instead.filter(|path| !path.is_file()) {
            return Err(Failure::Library { path: path.clone(), why: "there is no such file".to_owned() });
        }
        let start = |side: &str| Child::of(self.command(side, work, instead, hwm, limit, pins)?);
        // Its warm-up comes on top, and Python begins slowly.
        let within = 2 * limit + 2 * GRACE;
        if work.transport == Transport::Inproc {
            return seen(&start("both")?.run(None, within, |talk| talk.hear("done"))?, "{}");
        }
        let (far, near) = (start("far")?, start("near")?);
        let ((bound_in, bound), (arrived_in, arrived)) = (mpsc::channel(), mpsc::channel());
        // Each has a process; what fails on one side ends the channels, and so the other's part.
        let near = thread::spawn(move || {
            near.run(None, within, move |near| {
                let endpoints: Vec<String> = bound.recv().map_err(|_| Failure::PeerEnded)?;
                near.tell_bound(&endpoints)?;
                let result = near.hear("done")?;
                // Its socket stays open until everything has arrived.
                arrived.recv().map_err(|_| Failure::PeerEnded)?;
                Ok(result)
            })
        });
        let far = far.run(None, within, move |far| {
            bound_in.send(far.hear_bound()?).map_err(|_| Failure::PeerEnded)?;
            let result = far.hear("done")?;
            arrived_in.send(()).map_err(|_| Failure::PeerEnded)?;
            Ok(result)
        });
        let near = near.join().unwrap_or_else(|_| Err(Failure::Panicked { thread: "near".to_owned() }));
        // The side that failed first says more; the other says that it was left alone.
        let (near, far) = match (near, far) {
            (Ok(near), Ok(far)) => (near, far),
            (Err(failure), Ok(_) | Err(Failure::PeerEnded | Failure::Stuck { .. })) | (_, Err(failure)) => {
                return Err(failure);
            }
        };
        seen(&near, &far)
    }

    fn command(
        &self,
        side: &str,
        work: &Work,
        instead: Option<&PathBuf>,
        hwm: usize,
        limit: Duration,
        pins: &Pins,
    ) -> Result<Command, Failure> {
        let Work { kind, transport, pattern, size, calls } = *work;
        let calls = match calls {
            CapiCalls::Recv => "recv",
            CapiCalls::Poll => "poller",
            CapiCalls::Asyncio => "asyncio",
            CapiCalls::Msg => return Err(Failure::Asked("pyzmq has messages of its own".to_owned())),
        };
        let cpu = |cpu: Option<usize>| cpu.map_or_else(|| "-1".to_owned(), |cpu| cpu.to_string());
        let mut command = Command::new(&self.program);
        command.args(["-c", PROGRAM]);
        let mut add = |flag: &str, value: String| {
            command.arg(format!("--{flag}={value}"));
        };
        add("side", side.to_owned());
        add("work", value_name(kind));
        add("transport", value_name(transport));
        add("pattern", value_name(pattern));
        add("calls", calls.to_owned());
        add("size", size.to_string());
        add("hwm", hwm.to_string());
        add("seconds", limit.as_secs_f64().to_string());
        add("near-cpu", cpu(pins.first()));
        add("far-cpu", cpu(pins.last()));
        if let Some(path) = instead {
            add("underneath", path.display().to_string());
            command.env("LD_PRELOAD", path);
        }
        Ok(command)
    }
}

/// Both sides' results in one; what was sent must have been received.
fn seen(near: &str, far: &str) -> Result<Seen, Failure> {
    let read = |line: &str| -> Result<Value, Failure> {
        serde_json::from_str(line).map_err(|_| Failure::Control { line: line.to_owned() })
    };
    let (mut near, far) = (read(near)?, read(far)?);
    if let Some(sent) = near["sent"].as_u64() {
        for name in ["received", "msgs_per_s"] {
            if near.get(name).is_none() {
                near[name] = far[name].clone();
            }
        }
        if near["received"].as_u64() != Some(sent) {
            return Err(Failure::road("pyzmq", format!("{} of {sent} messages arrived", near["received"])));
        }
        near["count"] = json!(sent);
    }
    Seen::from_line(&near.to_string())
}

/// Of ours: see there.
const PROGRAM: &str = include_str!("../../python/through_pyzmq.py");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_python_without_pyzmq_says_so() {
        let failure = Python::new(Path::new("/nonexistent/python3")).map(drop).unwrap_err();
        assert!(failure.to_string().contains("/nonexistent/python3"), "{failure}");
        let failure = Python::new(Path::new("false")).map(drop).unwrap_err();
        assert!(failure.to_string().contains("no pyzmq"), "{failure}");
    }

    #[test]
    fn what_was_sent_must_have_been_received() {
        let near = r#"{"sent": 5, "version": "4.3.5"}"#;
        let flow = seen(near, r#"{"received": 5, "msgs_per_s": 7.0}"#).unwrap();
        assert!(matches!(flow, Seen::Flow { messages: 5, .. }), "{flow:?}");
        let failure = seen(near, r#"{"received": 4, "msgs_per_s": 7.0}"#).unwrap_err();
        assert!(failure.to_string().contains("4 of 5"), "{failure}");
    }
}
