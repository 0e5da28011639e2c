//! Processes that fork: what the child inherits answers with an error and is not touched; the parent's connections go on
//! whatever becomes of the child; and who dies is missed, though a child has its descriptors.
//!
//! Three processes take part: the test, with which the second is connected; the second, the *parent*, this program run again
//! with a role; and its child. Contents: [`parent`] the second and third; here the first.

#![cfg(all(target_os = "linux", not(any(loom, shuttle, miri))))]

#[path = "../raw/mod.rs"]
mod raw;

mod parent;

use std::{
    env,
    io::ErrorKind,
    net::TcpStream,
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixStream},
    },
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use ringway::{
    Context, Frame, Message, Router,
    monitor::{EventKind, Road},
    socket::SharedMemory,
};

use crate::raw::{PATIENCE, temporary_path, watch::Watch};

/// Which part the second process plays.
const ROLE: &str = "RINGWAY_FORK_ROLE";
/// Where it connects to.
const ENDPOINT: &str = "RINGWAY_FORK_ENDPOINT";

/// The second process's side.
#[test]
fn second() {
    parent::play();
}

/// The test's side: answers each message with the same, until there is one that says something else.
struct Home {
    context: Context,
    router: Router,
    watch: Watch,
    parent: Child,
}

impl Home {
    fn new(role: &str, endpoint: &str, choice: SharedMemory) -> Self {
        let context = Context::new();
        let mut router = Router::builder().shared_memory(choice).build(&context).unwrap();
        let watch = Watch::new(router.monitor());
        router.bind(endpoint).unwrap();
        let parent = Command::new(env::current_exe().unwrap())
            .args(["--exact", "second", "--nocapture"])
            .env(ROLE, role)
            .env(ENDPOINT, router.last_endpoint().unwrap().to_string())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self { context, router, watch, parent }
    }

    /// Echoes until a message `begins` with that. Returns the rest of it.
    #[track_caller]
    fn echo_until(&mut self, begins: &str) -> String {
        self.echo_until_whose(begins).1
    }

    /// Likewise, and whose it is.
    #[track_caller]
    fn echo_until_whose(&mut self, begins: &str) -> (Frame, String) {
        loop {
            let message = self.router.recv_timeout(PATIENCE).expect("it goes on");
            let text = String::from_utf8_lossy(message[1].as_bytes()).into_owned();
            if let Some(rest) = text.strip_prefix(begins) {
                return (message[0].clone(), rest.to_owned());
            }
            self.router.send(message).unwrap();
        }
    }

    fn tell(&mut self, whom: Frame, what: &'static str) {
        self.router.send([whom, Frame::from(what)].into_iter().collect::<Message>()).unwrap();
    }

    #[track_caller]
    fn succeeds(mut self) {
        assert!(self.parent.wait().unwrap().success());
        let told = self.watch.told.iter().filter(|kind| matches!(kind, EventKind::HandshakeSucceeded { .. })).count();
        assert_eq!(told, 1, "it was one connection all the time");
        drop(self.router);
        self.context.shutdown(PATIENCE);
    }
}

fn ipc() -> String {
    format!("ipc://{}", temporary_path().display())
}

/// All that a child does to what it has inherited is denied, and does the parent no harm; nor does how the child ends.
#[test]
fn a_child_is_denied_and_the_parent_goes_on() {
    for (choice, road) in [(SharedMemory::Require, Road::SharedMemory), (SharedMemory::Forbid, Road::Stream)] {
        let mut home = Home::new("denied", &ipc(), choice);
        let (whose, count) = home.echo_until_whose("count ");
        let count: u64 = count.parse().unwrap();
        let info = home.router.peer_list()[0].clone();
        assert_eq!(info.road, road);
        assert_eq!((info.received.messages, info.sent.messages), (count + 1, count));
        home.tell(whose, "counted");
        home.watch.disconnected();
        home.succeeds();
    }
}

/// The parent is killed while a child sleeps that has all its descriptors.
#[test]
fn a_parent_that_dies_is_missed() {
    let mut longest = Duration::ZERO;
    for _ in 0..5 {
        let mut home = Home::new("leaves", &ipc(), SharedMemory::Require);
        let child: i32 = home.echo_until("child ").parse().unwrap();
        let begun = Instant::now();
        home.parent.kill().unwrap();
        home.watch.disconnected();
        longest = longest.max(begun.elapsed());
        home.parent.wait().unwrap();
        assert!(is_alive(child), "its end would end the connection by itself");
        kill(child);
    }
    eprintln!("missed after {longest:?} at the most");
    assert!(longest < Duration::from_secs(2), "{longest:?}");
}

/// The parent closes while a child sleeps that has all its descriptors: the peer hears of it at once, over any road.
#[test]
fn a_parent_that_closes_is_missed() {
    let ways = ["closes", "closes at once"];
    for (way, endpoint, choice) in ways.into_iter().flat_map(|way| {
        [
            (way, ipc(), SharedMemory::Require),
            (way, ipc(), SharedMemory::Forbid),
            (way, "tcp://127.0.0.1:*".into(), SharedMemory::Allow),
        ]
    }) {
        let mut home = Home::new(way, &endpoint, choice);
        let (whose, child) = home.echo_until_whose("child ");
        let child: i32 = child.parse().unwrap();
        home.tell(whose, "close");
        home.watch.disconnected();
        assert!(home.parent.wait().unwrap().success());
        assert!(is_alive(child), "its end would end the connection by itself");
        kill(child);
    }
}

/// The parent takes endpoints back while a child sleeps that has all its descriptors: nobody is kept waiting there.
#[test]
fn where_a_parent_has_unbound_nobody_is_let_in() {
    let mut home = Home::new("unbinds", &ipc(), SharedMemory::Require);
    let (whose, rest) = home.echo_until_whose("child ");
    let words: Vec<&str> = rest.split(' ').collect();
    let &[child, tcp, ipc] = &words[..] else { panic!("{rest}") };
    let child = child.parse().unwrap();
    let refused = TcpStream::connect(tcp.strip_prefix("tcp://").unwrap()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    let name = SocketAddr::from_abstract_name(ipc.strip_prefix("ipc://@").unwrap()).unwrap();
    let refused = UnixStream::connect_addr(&name).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    assert!(is_alive(child), "its end would close them by itself");
    home.tell(whose, "close");
    assert!(home.parent.wait().unwrap().success());
    kill(child);
}

fn is_alive(process: i32) -> bool {
    // SAFETY: signal 0 does nothing.
    unsafe { libc::kill(process, 0) == 0 }
}

fn kill(process: i32) {
    // SAFETY: it is a process of ours, which has not ended.
    unsafe { libc::kill(process, libc::SIGKILL) };
}

/// A message of a text.
fn text(text: impl Into<String>) -> Message {
    Message::from(text.into())
}
