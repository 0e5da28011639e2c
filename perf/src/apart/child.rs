//! The child process as its parent has it.

#![forbid(unsafe_code)]

use std::{
    env,
    io::{BufRead, BufReader, Read, Write},
    process::{self, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    control::{BOUND, END, rest, words},
    job::Job,
};
use crate::{crew::Crew, failure::Failure};

/// A child under way. Killed when dropped.
pub(crate) struct Child {
    process: process::Child,
}

/// The control channel, as a parent has it.
pub(crate) struct Talk {
    to: ChildStdin,
    from: mpsc::Receiver<String>,
    /// The child has been told to end.
    ended: Arc<AtomicBool>,
}

impl Child {
    pub(crate) fn start(job: &Job) -> Result<Self, Failure> {
        Self::again(job.arguments())
    }

    /// This program once more.
    pub(crate) fn again(arguments: Vec<String>) -> Result<Self, Failure> {
        let mut command = Command::new(env::current_exe().map_err(Failure::Child)?);
        command.args(arguments);
        Self::of(command)
    }

    /// Anything that speaks the lines. Its CPUs are the ones this thread may use: the one that starts children is not
    /// pinned.
    pub(crate) fn of(mut command: Command) -> Result<Self, Failure> {
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(Self { process: piped.spawn().map_err(Failure::Child)? })
    }

    /// Runs this process's part on a thread pinned to `cpu`, then lets the child end. A child that fails ends this
    /// process's part as well, and the other way round; what the child has to say about it is told first.
    pub(crate) fn run<T: Send + 'static>(
        mut self,
        cpu: Option<usize>,
        limit: Duration,
        part: impl FnOnce(&mut Talk) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let result = self.try_run(cpu, limit, part);
        result.map_err(|failure| self.explain(failure))
    }

    fn try_run<T: Send + 'static>(
        &mut self,
        cpu: Option<usize>,
        limit: Duration,
        part: impl FnOnce(&mut Talk) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let to = self.process.stdin.take().expect("a pipe, and a child runs once");
        let lines = self.process.stdout.take().expect("as above");
        let (lines_in, from) = mpsc::channel();
        let ended = Arc::new(AtomicBool::new(false));
        let mut talk = Talk { to, from, ended: ended.clone() };
        let mut crew = Crew::new();
        crew.start("child", None, move || listen(lines, &lines_in, &ended).map(|()| None))?;
        crew.start("near", cpu, move || {
            let result = part(&mut talk)?;
            talk.ended.store(true, Ordering::Relaxed);
            talk.tell(END)?;
            // The pipe stays open until the child has ended.
            Ok(Some((result, talk)))
        })?;
        let results = crew.finish(limit)?;
        let status = self.process.wait().map_err(Failure::Child)?;
        if !status.success() {
            return Err(Failure::PeerEnded);
        }
        let (result, _talk) = results.into_iter().flatten().next().expect("the near thread gives one");
        Ok(result)
    }

    /// A child that has failed is about to say why and to end; one that has not is ended here.
    fn explain(&mut self, failure: Failure) -> Failure {
        let patience = Instant::now() + LAST_WORDS_WITHIN;
        while matches!(self.process.try_wait(), Ok(None)) && Instant::now() < patience {
            thread::sleep(Duration::from_millis(5));
        }
        let _ = self.process.kill();
        let mut words = String::new();
        if let Some(mut stderr) = self.process.stderr.take() {
            // Ends with the process; text that is none is not worth another failure.
            let _ = stderr.read_to_string(&mut words);
        }
        match words.trim() {
            "" => failure,
            words => Failure::Peer { words: words.to_owned(), here: Box::new(failure) },
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Neither does anything to one that has ended and was waited for.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Hands the child's lines on until it ends, as it may when it was told to.
fn listen(lines: ChildStdout, lines_in: &mpsc::Sender<String>, ended: &AtomicBool) -> Result<(), Failure> {
    for line in BufReader::new(lines).lines().map_while(Result::ok) {
        // This process's part has failed if nobody listens, which is told elsewhere.
        let _ = lines_in.send(line);
    }
    if ended.load(Ordering::Relaxed) { Ok(()) } else { Err(Failure::PeerEnded) }
}

impl Talk {
    pub(crate) fn tell(&mut self, line: &str) -> Result<(), Failure> {
        writeln!(self.to, "{line}").map_err(Failure::Child)
    }

    pub(crate) fn tell_bound(&mut self, endpoints: &[String]) -> Result<(), Failure> {
        self.tell(&format!("{BOUND} {}", endpoints.join(" ")))
    }

    /// Waits for a line that begins with `word`, and gives the rest.
    pub(crate) fn hear(&self, word: &str) -> Result<String, Failure> {
        rest(&self.from.recv().map_err(|_| Failure::PeerEnded)?, word)
    }

    /// As [`hear`](Self::hear); meanwhile `drive` works for connections nobody else works for, as long as it says so.
    pub(crate) fn hear_driving(&self, word: &str, drive: impl Fn() -> bool) -> Result<String, Failure> {
        while drive() {
            match self.from.try_recv() {
                Ok(line) => return rest(&line, word),
                Err(mpsc::TryRecvError::Empty) => {}
                Err(mpsc::TryRecvError::Disconnected) => return Err(Failure::PeerEnded),
            }
        }
        self.hear(word)
    }

    pub(crate) fn hear_bound(&self) -> Result<Vec<String>, Failure> {
        self.hear(BOUND).map(|rest| words(&rest))
    }
}

/// A child that fails has this long to say why, after its sockets are gone.
const LAST_WORDS_WITHIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    /// Something that is a child as far as pipes and processes go.
    fn child(script: &str) -> Child {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Child::of(command).unwrap()
    }

    #[test]
    fn lines_go_both_ways_and_the_child_ends_when_told() {
        let limit = Duration::from_secs(20);
        let heard = child("read line; echo done $line; read end; test $end = end").run(None, limit, |talk| {
            talk.tell("5 6")?;
            talk.hear("done")
        });
        assert_eq!(heard.unwrap(), "5 6");
    }

    #[test]
    fn a_child_that_fails_ends_it_and_says_why() {
        let blocked = |_: &mut Talk| -> Result<(), Failure> {
            loop {
                thread::park();
            }
        };
        let failure = child("echo no such road >&2; exit 1").run(None, Duration::from_secs(20), blocked).unwrap_err();
        assert!(failure.to_string().contains("no such road"), "{failure}");
    }

    #[test]
    fn a_child_that_fails_at_its_end_has_failed() {
        let failure = child("read end; exit 1").run(None, Duration::from_secs(20), |_| Ok(())).unwrap_err();
        assert!(matches!(failure, Failure::PeerEnded), "{failure}");
    }

    #[test]
    fn a_child_is_killed_with_its_parents_part() {
        let stuck = child("read never; exec sleep 1000");
        let pid = stuck.process.id();
        let failure = stuck.run(None, Duration::from_secs(20), |_| Err::<(), _>(Failure::Asked("no".to_owned())));
        assert!(matches!(failure, Err(Failure::Asked(_))));
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    }
}
