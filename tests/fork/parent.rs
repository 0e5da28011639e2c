//! The process that forks, and its child.

use std::{env, fs, io, time::Duration};

use ringway::{
    Context, Dealer, Message, Monitor, Pair, Poller, Pull, monitor,
    poll::{AddError, Events, Interest, PollError},
    socket::{BindError, ConnectError, Descriptor, DetachError, RecvError, SendFailure},
};

use crate::{ENDPOINT, ROLE, ipc, raw::PATIENCE, text};

/// Plays the role there is, if there is one.
pub(crate) fn play() {
    let (Ok(role), Ok(endpoint)) = (env::var(ROLE), env::var(ENDPOINT)) else { return };
    // One that closes at once says no farewell.
    let linger = if role == "closes at once" { Duration::ZERO } else { PATIENCE };
    let mut parent = Parent::new(&endpoint, linger);
    parent.talk();
    match &*role {
        "denied" => parent.goes_on(),
        "leaves" => parent.leaves(),
        "closes" | "closes at once" => parent.closes(),
        "unbinds" => parent.unbinds(),
        other => panic!("there is no role {other:?}"),
    }
}

/// All there is to inherit.
struct Parent {
    context: Context,
    /// Connected with the test.
    dealer: Dealer,
    /// What it has sent, each of which came back.
    count: u64,
    bound: Pull,
    inproc: [Pair; 2],
    monitor: Monitor,
    poller: Poller,
    #[expect(dead_code, reason = "it is there to be inherited, and dropped")]
    descriptor: Descriptor,
}

impl Parent {
    fn new(endpoint: &str, linger: Duration) -> Self {
        let context = Context::new();
        let mut dealer = Dealer::builder().linger(linger).build(&context).unwrap();
        dealer.connect(endpoint).unwrap();
        let mut bound = Pull::new(&context).unwrap();
        bound.bind(ipc()).unwrap();
        let mut inproc = [Pair::new(&context).unwrap(), Pair::new(&context).unwrap()];
        inproc[0].bind("inproc://here").unwrap();
        inproc[1].connect("inproc://here").unwrap();
        let monitor = dealer.monitor();
        let mut poller = Poller::new();
        poller.add(&mut bound, Interest::READABLE, 7).unwrap();
        let descriptor = inproc[0].descriptor(Interest::READABLE).unwrap();
        Self { context, dealer, count: 0, bound, inproc, monitor, poller, descriptor }
    }

    fn talk(&mut self) {
        for _ in 0..100 {
            // Some are longer than crosses a ring in one go.
            let body = vec![self.count as u8; [10, 1_000, 50_000][self.count as usize % 3]];
            self.dealer.send(body.clone()).unwrap();
            assert_eq!(self.dealer.recv_timeout(PATIENCE).unwrap(), Message::from(body));
            self.count += 1;
        }
        self.inproc[1].send("inside").unwrap();
        assert_eq!(self.inproc[0].recv_timeout(PATIENCE).unwrap(), Message::from("inside"));
    }

    fn goes_on(mut self) {
        let path = self.bound.last_endpoint().unwrap().to_string().strip_prefix("ipc://").unwrap().to_owned();
        for end in [End::Dropping, End::Exiting, End::Killed, End::Dropping] {
            // Something is on its way, which the child must not take.
            self.dealer.send("on its way").unwrap();
            self.count += 1;
            let child = fork(|| self.in_child(end));
            let status = wait(child);
            let expected = if end == End::Killed { libc::SIGKILL } else { 0 };
            assert_eq!(status, expected, "the child has found something wrong ({end:?}): {}", status >> 8);
            assert_eq!(self.dealer.recv_timeout(PATIENCE).unwrap(), Message::from("on its way"));
            self.talk();
            // Nobody has taken the path away, nor what leads there.
            assert!(fs::exists(&path).unwrap());
            let mut push = ringway::Push::new(&self.context).unwrap();
            push.connect(format!("ipc://{path}")).unwrap();
            push.send("through the path").unwrap();
            let mut events = Events::new();
            assert_eq!(self.poller.wait(&mut events, Some(PATIENCE)).unwrap(), 1);
            assert_eq!(self.bound.recv_timeout(PATIENCE).unwrap(), Message::from("through the path"));
        }
        self.lends();
        self.dealer.send(text(format!("count {}", self.count))).unwrap();
        assert_eq!(self.dealer.recv_timeout(PATIENCE).unwrap(), Message::from("counted"));
        drop(self.dealer);
        drop(self.bound);
        assert!(!fs::exists(&path).unwrap(), "its own is taken away");
    }

    /// Forks a child while it holds a loan, which the child writes to, to no effect.
    fn lends(&mut self) {
        let mut loan = Some(self.dealer.loan(100).unwrap());
        loan.as_mut().unwrap().fill(1);
        let child = fork(|| {
            let mut checks = Checks(0);
            let mut loan = loan.take().unwrap();
            checks.that(loan.len() == 100);
            loan.fill(2);
            checks.that(loan.iter().all(|byte| *byte == 2));
            loan.truncate(50);
            checks.that(*loan == [2; 50]);
            checks.that(loan.commit().is_err_and(|error| error.reason == SendFailure::Forked));
            // SAFETY: it ends the process, and nothing of it is run.
            unsafe { libc::_exit(0) }
        });
        assert_eq!(wait(child), 0, "the child has found something wrong");
        let mut loan = loan.unwrap();
        assert_eq!(*loan, [1; 100]);
        loan[..50].fill(3);
        loan.commit().unwrap();
        self.count += 1;
        assert_eq!(self.dealer.recv_timeout(PATIENCE).unwrap(), Message::from([[3; 50], [1; 50]].concat()));
    }

    /// Forks a child that sleeps with all there is, and waits to be killed.
    fn leaves(mut self) {
        let child = fork(sleep);
        self.dealer.send(text(format!("child {child}"))).unwrap();
        sleep();
    }

    /// Forks a child that sleeps with all there is, and closes.
    fn closes(mut self) {
        let child = fork(sleep);
        self.dealer.send(text(format!("child {child}"))).unwrap();
        // It is read, however it is closed.
        assert_eq!(self.dealer.recv_timeout(PATIENCE).unwrap(), Message::from("close"));
        drop(self);
    }

    /// Forks a child that sleeps with all there is, and takes its endpoints back.
    fn unbinds(mut self) {
        self.bound.bind("tcp://127.0.0.1:*").unwrap();
        let tcp = self.bound.last_endpoint().unwrap().to_string();
        self.bound.bind(format!("ipc://@ringway-fork-{}", std::process::id())).unwrap();
        let ipc = self.bound.last_endpoint().unwrap().to_string();
        let child = fork(sleep);
        self.bound.unbind(&tcp).unwrap();
        self.bound.unbind(&ipc).unwrap();
        self.dealer.send(text(format!("child {child} {tcp} {ipc}"))).unwrap();
        assert_eq!(self.dealer.recv_timeout(PATIENCE).unwrap(), Message::from("close"));
    }

    /// What the child finds of it. Ends the process, with the number of the first thing that is wrong.
    fn in_child(&mut self, end: End) -> ! {
        let mut checks = Checks(0);
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        checks.that(!maps.contains("/memfd:ringway"));
        // 2: messages.
        checks.that(self.dealer.try_recv() == Err(RecvError::Forked));
        checks.that(self.dealer.recv() == Err(RecvError::Forked));
        checks.that(self.dealer.recv_timeout(PATIENCE) == Err(RecvError::Forked));
        checks.that(self.dealer.recv_batch(&mut Vec::new(), 10) == Err(RecvError::Forked));
        let refused = self.dealer.send("never");
        checks.that(
            refused.is_err_and(|error| error.reason == SendFailure::Forked && error.message == Message::from("never")),
        );
        checks.that(self.dealer.try_send("never").is_err_and(|error| error.reason == SendFailure::Forked));
        checks.that(self.dealer.try_reserve().is_err_and(|failure| failure == SendFailure::Forked));
        // 9: in process, and what is bound.
        checks.that(self.inproc[0].try_recv() == Err(RecvError::Forked));
        checks.that(self.inproc[1].send("never").is_err_and(|error| error.reason == SendFailure::Forked));
        checks.that(self.bound.recv() == Err(RecvError::Forked));
        // 12: a call would return at once.
        checks.that(self.bound.can_recv() && self.dealer.can_send());
        checks.that(self.bound.readiness(Interest::READABLE).has_readable());
        // 14: endpoints.
        checks.that(self.bound.bind(ipc()) == Err(BindError::Forked));
        checks.that(self.bound.connect(ipc()) == Err(ConnectError::Forked));
        checks.that(self.bound.unbind(ipc()) == Err(DetachError::Forked));
        checks.that(self.bound.last_endpoint().is_none() && self.dealer.peer_list().is_empty());
        // 18: those who watch.
        checks.that(self.monitor.recv() == Err(monitor::RecvError::Forked));
        checks.that(matches!(self.poller.wait(&mut Events::new(), None), Err(PollError::Forked)));
        checks.that(matches!(self.poller.add(&mut self.dealer, Interest::BOTH, 1), Err(AddError::Forked)));
        let mut poller = Poller::new();
        checks.that(matches!(poller.add(&mut self.dealer, Interest::BOTH, 1), Err(AddError::Forked)));
        checks.that(self.dealer.descriptor(Interest::BOTH).is_err());
        checks.that(self.dealer.monitor().by_ref().count() == 1);
        self.poller.waker().wake();
        // 24: the context.
        checks.that(self.context.sockets() == 0 && Pair::new(&self.context).is_err());
        self.context.close();
        self.context.shutdown(PATIENCE);
        // 25: what the child makes itself is its own.
        let context = Context::new();
        let (mut near, mut far) = (Pair::new(&context).unwrap(), Pair::new(&context).unwrap());
        let endpoint = ipc();
        near.bind(&endpoint).unwrap();
        far.connect(&endpoint).unwrap();
        far.send("of its own").unwrap();
        checks.that(near.recv_timeout(PATIENCE) == Ok(Message::from("of its own")));
        near.send("and back").unwrap();
        checks.that(far.recv_timeout(PATIENCE) == Ok(Message::from("and back")));
        checks.that(near.peer_list()[0].road == monitor::Road::SharedMemory);
        drop((near, far, context));
        match end {
            End::Dropping => {
                // SAFETY: nobody uses it after that: the process ends.
                drop(unsafe { std::ptr::read(self) });
                std::process::exit(0)
            }
            End::Exiting => std::process::exit(0),
            End::Killed => {
                // SAFETY: it kills this very process.
                unsafe { libc::kill(std::process::id() as i32, libc::SIGKILL) };
                unreachable!("it is dead");
            }
        }
    }
}

/// How a child ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Having dropped what it has inherited.
    Dropping,
    Exiting,
    Killed,
}

/// Ends the process with a number when something is not so.
struct Checks(i32);

impl Checks {
    fn that(&mut self, is_so: bool) {
        self.0 += 1;
        if !is_so {
            // SAFETY: it ends the process, without anything else.
            unsafe { libc::_exit(self.0) };
        }
    }
}

/// Forks a process that does `f` and no more. Returns its number.
fn fork<R>(f: impl FnOnce() -> R) -> i32 {
    // SAFETY: the child uses what glibc keeps usable in the child of a process of many threads, and none of its own locks
    // is held: the threads that there are besides are the library's, and the test program's, which waits.
    match unsafe { libc::fork() } {
        -1 => panic!("fork: {}", io::Error::last_os_error()),
        0 => {
            // Should the test go wrong, it does not stay.
            // SAFETY: it sets a timer that kills the process.
            unsafe { libc::alarm(60) };
            f();
            // SAFETY: as above.
            unsafe { libc::_exit(99) }
        }
        child => child,
    }
}

/// How it has ended.
fn wait(child: i32) -> i32 {
    let mut status = 0;
    // SAFETY: it is a child of ours, and `status` is ours to write.
    let waited = unsafe { libc::waitpid(child, &mut status, 0) };
    assert_eq!(waited, child, "{}", io::Error::last_os_error());
    status
}

fn sleep() {
    loop {
        std::thread::sleep(Duration::from_secs(60));
    }
}
