//! Runs the suite, a process per file, and finds out what becomes of each test, also when one crashes or hangs.
//!
//! A process that dies, or has to be killed, takes down the test it was in only: another one goes on with what is left of
//! the file.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    fs::{self, File},
    io::Read,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::{
    library::preload,
    python::{home, python},
};

/// Whose libzmq the tests run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The one that comes with pyzmq.
    Stock,
    Ours,
}

/// What became of a test. With the reason, if any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    Skipped(String),
    /// Its process crashed, or was killed because nothing happened any more, is a failure too.
    Failed(String),
}

/// By pytest's names: `tests/test_poll.py::TestPoll::test_raw`. What happens to a whole file, when it is collected or when
/// its process ends, goes by the file's name.
pub(crate) type Outcomes = BTreeMap<String, Outcome>;

/// The suite's files, in order.
pub(crate) fn files(suite: &Path) -> Vec<String> {
    let chosen = env::var("RINGWAY_SUITE_FILES").ok();
    let is_wanted = |name: &str| chosen.as_ref().is_none_or(|list| list.split(' ').any(|word| word == name));
    let mut files = Vec::new();
    for entry in fs::read_dir(suite.join("tests")).expect("the suite has tests") {
        let name = entry.expect("the folder can be read").file_name().into_string().expect("an ordinary name");
        if let Some(stem) = name.strip_suffix(".py")
            && stem.starts_with("test_")
            && is_wanted(stem)
        {
            files.push(format!("tests/{name}"));
        }
    }
    files.sort();
    assert!(!files.is_empty(), "RINGWAY_SUITE_FILES names no file of the suite");
    files
}

/// Runs one file of the suite. What is printed on the way is kept in a log in `logs`. Tests stop themselves after a minute;
/// `is_hurried`, after some seconds.
pub(crate) fn run_file(side: Side, suite: &Path, file: &str, logs: &Path, is_hurried: bool) -> Outcomes {
    let name = Path::new(file).file_stem().and_then(|stem| stem.to_str()).expect("an ordinary name");
    let log = logs.join(format!("{name}.log"));
    let _ = fs::remove_file(&log);
    let mut outcomes = Outcomes::new();
    let mut done = BTreeSet::new();
    loop {
        let session = Session::run(side, suite, file, &done, &log, is_hurried);
        let is_new = |test: &&String| !done.contains(*test);
        let began = session.seen.keys().filter(is_new).count();
        done.extend(session.seen.keys().cloned());
        outcomes.extend(session.seen);
        let Some(complaint) = session.complaint else { return outcomes };
        if let Some(test) = session.running {
            outcomes.insert(test, Outcome::Failed(complaint));
            continue;
        }
        outcomes.insert(file.to_owned(), Outcome::Failed(complaint));
        // Unless it got anywhere it never will.
        if began == 0 || session.is_finished {
            return outcomes;
        }
    }
}

/// One process that runs tests.
struct Session {
    seen: Outcomes,
    /// The test it was in at last.
    running: Option<String>,
    /// Did it run all tests there were?
    is_finished: bool,
    /// Why it did not end as it should.
    complaint: Option<String>,
}

impl Session {
    fn new() -> Self {
        Self { seen: Outcomes::new(), running: None, is_finished: false, complaint: None }
    }

    fn run(side: Side, suite: &Path, file: &str, done: &BTreeSet<String>, log: &Path, is_hurried: bool) -> Self {
        let report = log.with_extension("report");
        let told = File::options().read(true).write(true).create(true).truncate(true).open(&report);
        let output = File::options().append(true).create(true).open(log).expect("cargo's folder can be written to");
        let mut command = Command::new(python());
        command.args(["-m", "pytest", "-p", "no:cacheprovider", "-p", "report", "-v", "-rsfE"]);
        for test in done {
            command.args(["--deselect", test]);
        }
        command.arg(file).current_dir(suite);
        command.env("PYTHONPATH", Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pyzmq_suite"));
        command.env("PYTHONDONTWRITEBYTECODE", "1").env("RINGWAY_SUITE_REPORT", &report);
        if is_hurried {
            command.env("ZMQ_TEST_TIMEOUT", "5");
        }
        if side == Side::Ours {
            preload(&mut command);
        }
        command.stdin(Stdio::null()).stdout(output.try_clone().expect("it is open")).stderr(output);
        // In a group of its own, so that what it starts can be ended along with it.
        let child = command.process_group(0).spawn().expect("python starts");
        let mut session = Self::new();
        session.follow(child, told.expect("cargo's folder can be written to"));
        session
    }

    /// Reads the report while it is written. Nobody tells when there is more: the file is looked at now and then.
    fn follow(&mut self, child: Child, mut told: File) {
        let mut group = Group(child);
        let mut text = Vec::new();
        let mut last = Instant::now();
        loop {
            let status = group.0.try_wait().expect("it is ours to wait for");
            let read = told.read_to_end(&mut text).expect("it can be read");
            let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |place| place + 1);
            for line in String::from_utf8_lossy(&text[..whole]).lines() {
                self.take(line);
            }
            text.drain(..whole);
            if let Some(status) = status {
                self.complaint = judge(status, self.is_finished);
                return;
            }
            if read > 0 {
                last = Instant::now();
            } else if last.elapsed() > patience() {
                self.complaint = Some(format!("nothing happened for {} s", patience().as_secs()));
                group.abort();
                return;
            }
            thread::sleep(PAUSE);
        }
    }

    fn take(&mut self, line: &str) {
        let fields: Vec<&str> = line.split('\t').collect();
        let why = || fields.get(3).map_or(String::new(), |why| (*why).to_owned());
        match fields[..] {
            ["started", test] => self.running = Some(test.to_owned()),
            ["ended", _] => self.running = None,
            ["finished"] => self.is_finished = true,
            // Of three phases: one that failed says more than one that was skipped, and that more than one that passed.
            ["told" | "collected", test, "failed", _] => {
                self.seen.insert(test.to_owned(), Outcome::Failed(why()));
            }
            ["told" | "collected", test, "skipped", _] => {
                if !matches!(self.seen.get(test), Some(Outcome::Failed(_))) {
                    self.seen.insert(test.to_owned(), Outcome::Skipped(why()));
                }
            }
            ["told", test, "passed", _] => {
                self.seen.entry(test.to_owned()).or_insert(Outcome::Passed);
            }
            // It failed, and is tried again.
            ["told", _, "rerun", _] => {}
            _ => panic!("report.py does not write: {line:?}"),
        }
    }
}

/// What is wrong with how a process ended. pytest has 1 when a test failed, and 5 when there was none to run.
fn judge(status: ExitStatus, is_finished: bool) -> Option<String> {
    match status.code() {
        Some(0 | 1 | 5) if is_finished => None,
        _ => Some(format!("its process died: {status}")),
    }
}

/// A process and all it started: ended, whatever happens.
struct Group(Child);

impl Group {
    /// Has it print where it is, and ends it.
    fn abort(&mut self) {
        let _ = kill_process_group(self.id(), Signal::ABORT);
        for _ in 0..40 {
            if self.0.try_wait().expect("it is ours to wait for").is_some() {
                return;
            }
            thread::sleep(PAUSE);
        }
    }

    fn id(&self) -> Pid {
        Pid::from_child(&self.0)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Some of it may have ended by itself.
        let _ = kill_process_group(self.id(), Signal::KILL);
        let _ = self.0.wait();
    }
}

/// An empty folder for what is printed by one run.
pub(crate) fn logs(name: &str) -> PathBuf {
    let logs = home().join(name);
    let _ = fs::remove_dir_all(&logs);
    fs::create_dir_all(&logs).expect("cargo's folder can be written to");
    logs
}

/// For how long nothing may happen. Most tests stop themselves after a minute, and say more than is known here.
fn patience() -> Duration {
    let seconds = env::var("RINGWAY_SUITE_PATIENCE").map_or(75, |text| text.parse().expect("a number of seconds"));
    Duration::from_secs(seconds)
}

/// Between two looks at a report.
const PAUSE: Duration = Duration::from_millis(25);

#[cfg(test)]
mod tests {
    use super::{Outcome, Session};

    fn outcome(phases: &[&str]) -> Outcome {
        let mut session = Session::new();
        session.take("started\ta.py::b");
        for phase in phases {
            session.take(&format!("told\ta.py::b\t{phase}\twhy"));
        }
        assert_eq!(session.running.as_deref(), Some("a.py::b"));
        session.take("ended\ta.py::b");
        assert_eq!(session.running, None);
        session.seen.remove("a.py::b").expect("it was told of")
    }

    #[test]
    fn the_worst_of_a_tests_phases_counts() {
        assert_eq!(outcome(&["passed", "passed", "passed"]), Outcome::Passed);
        assert_eq!(outcome(&["passed", "skipped", "passed"]), Outcome::Skipped("why".to_owned()));
        assert_eq!(outcome(&["passed", "passed", "failed"]), Outcome::Failed("why".to_owned()));
        assert_eq!(outcome(&["failed", "skipped"]), Outcome::Failed("why".to_owned()));
        // Tried again.
        assert_eq!(outcome(&["passed", "rerun", "passed", "passed", "passed", "passed"]), Outcome::Passed);
    }
}
