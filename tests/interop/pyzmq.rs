//! pyzmq, the latest there is, in processes of its own that run `peer.py`.
//!
//! It is installed once, in a virtual environment under the target directory: needs a python3 with the module venv, and
//! the package index (PyPI).

#![forbid(unsafe_code)]
#![allow(clippy::disallowed_types, reason = "no model runs it")]

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Output, Stdio},
    sync::{Arc, Mutex, OnceLock, mpsc},
    thread,
    time::Duration,
};

use ringway::SocketType;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value as Json, json};

use crate::{
    choices::{Value, choices, millis},
    events,
    party::{Event, Numbers, PATIENCE, Parts, Party, Setting, Socket, pattern, seed_of},
};

/// A process with pyzmq.
pub(crate) struct Pyzmq {
    process: Arc<Process>,
}

struct Process {
    inner: Mutex<Inner>,
    pid: Pid,
}

struct Inner {
    child: Child,
    /// `None` once it was told that there is no more.
    commands: Option<ChildStdin>,
    answers: mpsc::Receiver<String>,
    is_dead: bool,
}

struct Remote {
    process: Arc<Process>,
    number: u64,
    is_closed: bool,
}

/// While it exists the process stands still, and its kernel goes on accepting what is sent to it.
pub(crate) struct Stopped {
    process: Arc<Process>,
}

/// Frames that are shorter are told as they are.
const PATTERN_MIN: usize = 64;

/// The python of the virtual environment, which is made if there is none yet.
fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let home = tmp.join("interop-pyzmq");
        let python = home.join("bin/python");
        if !python.exists() {
            // Made elsewhere and moved: what is there is whole, also when two runs begin at once.
            let draft = tmp.join(format!("interop-pyzmq-{}", std::process::id()));
            run(
                Command::new("python3").args(["-m", "venv"]).arg(&draft),
                "Install python3 with its module venv (Debian: python3-venv).",
            );
            run(
                Command::new(draft.join("bin/python")).args(["-m", "pip", "install", "--quiet", "--upgrade", "pyzmq"]),
                "The package index (PyPI) must be within reach.",
            );
            if std::fs::rename(&draft, &home).is_err() {
                let _ = std::fs::remove_dir_all(&draft);
            }
        }
        python
    })
}

fn run(command: &mut Command, advice: &str) -> Output {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|why| panic!("{command:?}: {why}. {advice}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed: {}. {advice}\n{said}", output.status);
    output
}

impl Pyzmq {
    pub(crate) fn new() -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/peer.py");
        let mut child = Command::new(python())
            .args(["-u", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python starts");
        let (told, answers) = mpsc::channel();
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| told.send(line)));
        let pid = Pid::from_child(&child);
        let commands = child.stdin.take();
        let inner = Mutex::new(Inner { child, commands, answers, is_dead: false });
        Self { process: Arc::new(Process { inner, pid }) }
    }

    /// What runs there.
    pub(crate) fn version(&self) -> String {
        self.process.ask(json!({"op": "version"}), Duration::ZERO).to_string()
    }

    pub(crate) fn stop(&self) -> Stopped {
        kill_process(self.process.pid, Signal::STOP).expect("it runs");
        Stopped { process: self.process.clone() }
    }
}

impl Party for Pyzmq {
    fn socket(&self, kind: SocketType, settings: &[Setting]) -> Box<dyn Socket> {
        let option = |(name, value): (&str, Value)| match value {
            Value::Int(value) => json!([name, value]),
            Value::Wide(value) => json!([name, value]),
            Value::Bytes(value) => json!([name, {"hex": hex(&value)}]),
        };
        let options: Vec<Json> =
            choices(settings).into_iter().map(|choice| option((choice.name, choice.value))).collect();
        let command = json!({"op": "socket", "kind": kind.to_string(), "options": options});
        let number = self.process.ask(command, Duration::ZERO).as_u64().expect("a number");
        Box::new(Remote { process: self.process.clone(), number, is_closed: false })
    }

    fn kill(&self) {
        self.process.kill();
    }

    fn leave(self: Box<Self>) {
        self.process.ask(json!({"op": "end"}), PATIENCE);
    }
}

impl Drop for Pyzmq {
    /// Whatever sockets are left: the process is gone.
    fn drop(&mut self) {
        self.process.kill();
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = kill_process(self.process.pid, Signal::CONT);
    }
}

impl Process {
    /// Does what `command` says, which itself may wait so long.
    fn ask(&self, command: Json, wait: Duration) -> Json {
        let mut inner = self.lock();
        assert!(!inner.is_dead, "the peer is dead, and asked: {command}");
        let line = format!("{command}\n");
        let answer = inner
            .commands
            .as_mut()
            .map(|commands| commands.write_all(line.as_bytes()))
            .filter(Result::is_ok)
            .and_then(|_| inner.answers.recv_timeout(wait + 2 * PATIENCE).ok());
        let Some(answer) = answer else {
            drop(inner);
            // It says what it was at, on the standard error that is ours too.
            let _ = kill_process(self.pid, Signal::ABORT);
            self.lock().child.wait().expect("ended");
            self.kill();
            panic!("the peer does not answer: {command:.300}");
        };
        let mut answer: Json = serde_json::from_str(&answer).expect("JSON");
        if let Some(error) = answer.get("error") {
            panic!("the peer says {error} to {command:.300}");
        }
        answer["ok"].take()
    }

    /// As [`ask`](Self::ask), if anybody is there, and whatever comes of it.
    fn mention(&self, command: &Json) {
        let mut inner = self.lock();
        if inner.is_dead {
            return;
        }
        let line = format!("{command}\n");
        if inner.commands.as_mut().is_some_and(|commands| commands.write_all(line.as_bytes()).is_ok()) {
            let _ = inner.answers.recv_timeout(PATIENCE);
        }
    }

    fn kill(&self) {
        let mut inner = self.lock();
        if !inner.is_dead {
            inner.is_dead = true;
            inner.commands = None;
            let _ = inner.child.kill();
            let _ = inner.child.wait();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Remote {
    fn ask(&self, mut command: Json, wait: Duration) -> Json {
        command["socket"] = self.number.into();
        self.process.ask(command, wait)
    }
}

impl Socket for Remote {
    fn bind(&mut self, endpoint: &str) -> String {
        let endpoint = self.ask(json!({"op": "bind", "endpoint": endpoint}), Duration::ZERO);
        endpoint.as_str().expect("an endpoint").to_owned()
    }

    fn unbind(&mut self, endpoint: &str) {
        self.ask(json!({"op": "unbind", "endpoint": endpoint}), Duration::ZERO);
    }

    fn connect(&mut self, endpoint: &str) {
        self.ask(json!({"op": "connect", "endpoint": endpoint}), Duration::ZERO);
    }

    fn connect_as(&mut self, endpoint: &str, id: &[u8]) {
        self.ask(json!({"op": "set", "name": "CONNECT_ROUTING_ID", "value": {"hex": hex(id)}}), Duration::ZERO);
        self.connect(endpoint);
    }

    fn disconnect(&mut self, endpoint: &str) {
        self.ask(json!({"op": "disconnect", "endpoint": endpoint}), Duration::ZERO);
    }

    fn send_within(&mut self, parts: Parts, patience: Duration) -> bool {
        let command = json!({"op": "send", "frames": to_json(&parts), "ms": millis(patience)});
        self.ask(command, patience).as_bool().expect("yes or no")
    }

    fn recv_within(&mut self, patience: Duration) -> Option<Parts> {
        let answer = self.ask(json!({"op": "recv", "ms": millis(patience)}), patience);
        answer.as_array().map(|frames| frames.iter().map(from_json).collect())
    }

    fn subscribe(&mut self, topic: &[u8]) {
        self.ask(json!({"op": "set", "name": "SUBSCRIBE", "value": {"hex": hex(topic)}}), Duration::ZERO);
    }

    fn unsubscribe(&mut self, topic: &[u8]) {
        self.ask(json!({"op": "set", "name": "UNSUBSCRIBE", "value": {"hex": hex(topic)}}), Duration::ZERO);
    }

    fn event_within(&mut self, patience: Duration) -> Option<Event> {
        let answer = self.ask(json!({"op": "event", "ms": millis(patience)}), patience);
        let number = |name: &str| answer[name].as_u64().map(|number| number as u32);
        Some(events::event(number("event")? as u16, number("value")?, answer["endpoint"].as_str()?))
    }

    fn nudge(&mut self) {
        self.ask(json!({"op": "nudge"}), Duration::ZERO);
    }

    fn close(mut self: Box<Self>) {
        self.is_closed = true;
        self.ask(json!({"op": "close", "linger": null}), Duration::ZERO);
    }

    fn send_numbers_within(&mut self, numbers: Numbers, patience: Duration) -> u64 {
        let Numbers { first, count, size, before } = numbers;
        let command = json!({
            "op": "send_numbers", "before": to_json(&before), "first": first, "count": count, "size": size,
            "ms": millis(patience),
        });
        self.ask(command, 2 * patience).as_u64().expect("a number")
    }

    fn recv_numbers_within(&mut self, before: usize, count: u64, patience: Duration) -> Vec<u64> {
        let command = json!({"op": "recv_numbers", "before": before, "count": count, "ms": millis(patience)});
        let runs: Vec<(u64, u64)> = serde_json::from_value(self.ask(command, 2 * patience)).expect("runs");
        runs.into_iter().flat_map(|(first, count)| first..first + count).collect()
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        if !self.is_closed {
            self.process.mention(&json!({"op": "close", "socket": self.number, "linger": 0}));
        }
    }
}

fn to_json(parts: &Parts) -> Vec<Json> {
    let frame = |part: &Vec<u8>| match seed_of(part) {
        Some(seed) if part.len() >= PATTERN_MIN && is_pattern(part, seed) => json!({"size": part.len(), "seed": seed}),
        _ => json!({"hex": hex(part)}),
    };
    parts.iter().map(frame).collect()
}

fn from_json(frame: &Json) -> Vec<u8> {
    match (frame["size"].as_u64(), frame["seed"].as_u64(), frame["hex"].as_str()) {
        (Some(size), Some(seed), _) => pattern(size as usize, seed as u32),
        (_, _, Some(hex)) => unhex(hex),
        _ => panic!("not a frame: {frame}"),
    }
}

fn is_pattern(part: &[u8], seed: u32) -> bool {
    seed < 1 << 31 && part == pattern(part.len(), seed)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |digit: u8| (digit as char).to_digit(16).expect("a digit") as u8;
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}
