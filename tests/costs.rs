//! What a message costs beyond the copy: no allocation, no system call. What peers and subscriptions cost that come and
//! go: nothing. What a million subscriptions cost.
//!
//! Each measurement runs in a child process, this same program with [`SCENARIO`] set, so that nothing else counts. For
//! system calls its measuring threads put on a seccomp filter that kills the process at any system call at all, talk
//! to the main thread through atomics only, and never return; the main thread has no filter and ends the process.

#![cfg(target_os = "linux")]
#![expect(clippy::disallowed_types, reason = "a test is outside the library, and no model runs it")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    env,
    os::unix::process::ExitStatusExt,
    process::{self, Command, ExitStatus},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use ringway::{
    Context, Dealer, Message, Pair, Poller, Pub, Pull, Push, Rep, Req, Router, Sub, WaitPolicy, XPub, XSub,
    actor::{Actor, Ctx, Failure, Handle, Runtime, Spec},
    bridge::{self, Port},
    poll::{Events, Interest},
    socket::Builder,
};

/// Counts what goes through the system's allocator.
struct Counting;

thread_local! {
    /// Do this thread's allocations count? The test harness has a thread of its own, which reports that a test takes long.
    static COUNTED: Cell<bool> = const { Cell::new(false) };
}
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static LIVE_SIZE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: passes every call on unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(u64::from(COUNTED.get()), Ordering::Relaxed);
        LIVE_SIZE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's duty.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        LIVE_SIZE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's duty.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Names the scenario a child process runs.
const SCENARIO: &str = "RINGWAY_COSTS_SCENARIO";
/// Messages before the measurement: pools and chains of chunks have their size by then.
const WARM_UP: u64 = 20_000;
const MEASURED: u64 = 20_000;
/// Messages a pipe holds here, one mark. Both together take fewer chunks than a ring always keeps.
const HWM: u32 = 8;
const PEERS: usize = 100_000;
/// A fiftieth of the peers before the first look at the heap.
const SETTLED_AFTER: usize = PEERS / 50;
/// Heap that may come and go: a table that has grown, a pool that has filled.
const SLACK_SIZE: usize = 16 * 1024;
/// Exit status of a child that allocated.
const ALLOCATED: i32 = 3;
const HEAP_GREW: i32 = 4;

/// How a child that runs `scenario` ends.
fn status_of(scenario: &str) -> ExitStatus {
    // One child at a time: more spinning threads than cores wait for the scheduler at each message.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let this = env::current_exe().unwrap();
    let mut child = Command::new(this);
    child.args(["--exact", "child", "--nocapture"]).env(SCENARIO, scenario);
    let output = child.output().unwrap();
    print!("{}", String::from_utf8_lossy(&output.stdout));
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    output.status
}

/// The child's side: does nothing when run as a test of its own.
#[test]
fn child() {
    let Ok(scenario) = env::var(SCENARIO) else { return };
    match scenario.split_once(' ') {
        Some(("pair", shape)) => ping_pong(shape),
        Some(("push", shape)) => stream(shape),
        Some(("request", shape)) => ask(Req::builder(), shape),
        Some(("correlated", shape)) => ask(Req::builder().correlate(), shape),
        Some(("resent", shape)) => ask(Req::builder().resend(1).reply_timeout(Duration::from_secs(3600)), shape),
        Some(("envelope", shape)) => envelopes(shape),
        Some(("router", shape)) => switchboard(shape),
        Some(("publish", what)) => publish(what),
        Some(("wishes", scenario)) => wishes(scenario),
        Some(("million", scenario)) => million(scenario),
        Some(("owned", how)) => owned(how),
        Some(("poll", shape)) => polled_ping_pong(shape),
        Some(("call", _)) => one_call_too_many(),
        Some(("allocate", _)) => one_allocation_too_many(),
        _ => come_and_go(&scenario),
    }
}

const SHAPES: [&str; 5] = ["8", "55", "64", "200", "8+20+8"];

#[test]
fn messages_cost_no_allocation_and_no_system_call() {
    for pattern in ["pair", "push", "request", "correlated", "envelope", "router", "poll"] {
        for shape in SHAPES {
            let status = status_of(&format!("{pattern} {shape}"));
            assert_ne!(status.signal(), Some(libc::SIGSYS), "{pattern} of {shape} bytes makes system calls");
            assert_ne!(status.code(), Some(ALLOCATED), "{pattern} of {shape} bytes allocates");
            assert!(status.success(), "{pattern} of {shape} bytes: {status}");
        }
    }
}

/// The clock is no system call where the kernel lets it be read without: not to be relied on, so not forbidden here.
#[test]
fn requests_kept_to_be_sent_again_cost_no_allocation() {
    for shape in SHAPES {
        assert_ne!(status_of(&format!("resent {shape}")).code(), Some(ALLOCATED), "of {shape} bytes allocates");
    }
}

#[test]
fn published_messages_cost_no_allocation_and_no_system_call() {
    for shape in ["8", "64", "200"] {
        for subscribers in [1, 4] {
            let status = status_of(&format!("publish {shape} {subscribers}"));
            let what = format!("{shape} bytes to {subscribers} subscribers");
            assert_ne!(status.signal(), Some(libc::SIGSYS), "{what} makes system calls");
            assert_ne!(status.code(), Some(ALLOCATED), "{what} allocates");
            assert!(status.success(), "{what}: {status}");
        }
    }
}

#[test]
fn subscriptions_that_come_and_go_leave_nothing() {
    for publisher in ["idle", "publishing", "deaf", "deaf-manual", "peers", "peers-of-manual", "reconnecting"] {
        let status = status_of(&format!("wishes {publisher}"));
        assert_ne!(status.code(), Some(HEAP_GREW), "{publisher}: the heap grows");
        assert!(status.success(), "{publisher}: {status}");
    }
}

#[test]
fn a_million_subscriptions_can_be_used() {
    for publisher in ["idle", "looking"] {
        let status = status_of(&format!("million {publisher}"));
        assert_ne!(status.code(), Some(HEAP_GREW), "{publisher}: they take too much");
        assert!(status.success(), "{publisher}: {status}");
    }
}

#[test]
fn the_measurement_would_see_one() {
    assert_eq!(status_of("call once").signal(), Some(libc::SIGSYS));
    assert_eq!(status_of("allocate once").code(), Some(ALLOCATED));
}

#[test]
fn peers_that_come_and_go_leave_nothing() {
    for scenario in ["both-ends", "idle-pull", "idle-push", "idle-pair", "never-bound"] {
        let status = status_of(scenario);
        assert_ne!(status.code(), Some(HEAP_GREW), "{scenario}: the heap grows");
        assert!(status.success(), "{scenario}: {status}");
    }
}

#[test]
fn sockets_of_actors_that_come_and_go_leave_nothing() {
    for how in ["open", "stalled", "paused", "failing"] {
        let status = status_of(&format!("owned {how}"));
        assert_ne!(status.code(), Some(HEAP_GREW), "{how}: the heap grows");
        assert!(status.success(), "{how}: {status}");
    }
}

/// A message of frames of the sizes in `shape`.
fn message(shape: &str) -> Message {
    let bytes = [7; 256];
    shape.split('+').map(|size| &bytes[..size.parse::<usize>().unwrap()]).collect()
}

/// Where the measuring threads are.
static READY: AtomicU64 = AtomicU64::new(0);
static DONE: AtomicU64 = AtomicU64::new(0);

/// To be called by each of `threads` measuring threads after its warm-up; `work` is what is measured.
fn measure(threads: u64, work: impl FnOnce()) -> ! {
    forbid_system_calls();
    READY.fetch_add(1, Ordering::SeqCst);
    while READY.load(Ordering::SeqCst) < threads {
        std::hint::spin_loop();
    }
    COUNTED.set(true);
    work();
    COUNTED.set(false);
    DONE.fetch_add(1, Ordering::SeqCst);
    loop {
        std::hint::spin_loop();
    }
}

/// Ends the process when all of `threads` are done. They cannot end by themselves.
fn finish(threads: u64) -> ! {
    while DONE.load(Ordering::SeqCst) < threads {
        thread::sleep(Duration::from_millis(1));
    }
    process::exit(if ALLOCATIONS.load(Ordering::SeqCst) == 0 { 0 } else { ALLOCATED });
}

/// From here on any system call of the calling thread kills the process with SIGSYS.
fn forbid_system_calls() {
    // One instruction: kill, whatever the call.
    let mut kill = libc::sock_filter {
        code: (libc::BPF_RET | libc::BPF_K) as u16,
        jt: 0,
        jf: 0,
        k: libc::SECCOMP_RET_KILL_PROCESS,
    };
    let program = libc::sock_fprog { len: 1, filter: &raw mut kill };
    // SAFETY: takes numbers only.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }, 0);
    // SAFETY: the kernel copies the program, which lives until then.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) }, 0);
}

fn ping_pong(shape: &str) -> ! {
    let context = Context::new();
    let pair = || Pair::builder().send_hwm(HWM).recv_hwm(HWM).wait(WaitPolicy::Spin).build(&context).unwrap();
    let (mut here, mut there) = (pair(), pair());
    here.bind("inproc://ping").unwrap();
    there.connect("inproc://ping").unwrap();
    let shape = shape.to_owned();
    thread::spawn(move || {
        let mut echo = |turns| {
            for _ in 0..turns {
                let ball = there.recv().unwrap();
                there.send(ball).unwrap();
            }
        };
        echo(WARM_UP);
        measure(2, || echo(MEASURED))
    });
    thread::spawn(move || {
        let ball = message(&shape);
        let mut play = |turns| {
            for _ in 0..turns {
                here.send(ball.clone()).unwrap();
                assert!(here.recv().unwrap() == ball);
            }
        };
        play(WARM_UP);
        measure(2, || play(MEASURED))
    });
    finish(2)
}

fn ask(builder: Builder<Req>, shape: &str) -> ! {
    let context = Context::new();
    let mut asking = builder.send_hwm(HWM).recv_hwm(HWM).wait(WaitPolicy::Spin).build(&context).unwrap();
    let mut answering = Rep::builder().send_hwm(HWM).recv_hwm(HWM).wait(WaitPolicy::Spin).build(&context).unwrap();
    answering.bind("inproc://ask").unwrap();
    asking.connect("inproc://ask").unwrap();
    let shape = shape.to_owned();
    thread::spawn(move || {
        let mut answer = |turns| {
            for _ in 0..turns {
                let request = answering.recv().unwrap();
                answering.send(request).unwrap();
            }
        };
        answer(WARM_UP);
        measure(2, || answer(MEASURED))
    });
    thread::spawn(move || {
        let request = message(&shape);
        let mut ask = |turns| {
            for _ in 0..turns {
                assert!(asking.request(request.clone()).unwrap() == request);
            }
        };
        ask(WARM_UP);
        measure(2, || ask(MEASURED))
    });
    finish(2)
}

/// A DEALER's requests through two hops to a REP, and back.
fn envelopes(shape: &str) -> ! {
    let context = Context::new();
    let mut asking = Dealer::builder().send_hwm(HWM).recv_hwm(HWM).wait(WaitPolicy::Spin).build(&context).unwrap();
    let mut answering = Rep::builder().send_hwm(HWM).recv_hwm(HWM).wait(WaitPolicy::Spin).build(&context).unwrap();
    answering.bind("inproc://envelopes").unwrap();
    asking.connect("inproc://envelopes").unwrap();
    let shape = shape.to_owned();
    thread::spawn(move || {
        let mut answer = |turns| {
            for _ in 0..turns {
                let request = answering.recv().unwrap();
                answering.send(request).unwrap();
            }
        };
        answer(WARM_UP);
        measure(2, || answer(MEASURED))
    });
    thread::spawn(move || {
        let mut request: Message = ["hop", ""].into_iter().collect();
        request.extend(message(&shape));
        let mut ask = |turns| {
            for _ in 0..turns {
                asking.send(request.clone()).unwrap();
                assert!(asking.recv().unwrap() == request);
            }
        };
        ask(WARM_UP);
        measure(2, || ask(MEASURED))
    });
    finish(2)
}

/// A DEALER and a ROUTER that sends back to whom a message came from.
fn switchboard(shape: &str) -> ! {
    let context = Context::new();
    let mut router = Router::builder().send_hwm(HWM).recv_hwm(HWM).wait(WaitPolicy::Spin).build(&context).unwrap();
    router.bind("inproc://switchboard").unwrap();
    let dealer = || {
        let mut dealer = Dealer::builder().send_hwm(HWM).recv_hwm(HWM).wait(WaitPolicy::Spin).build(&context).unwrap();
        dealer.connect("inproc://switchboard").unwrap();
        dealer
    };
    let mut dealers = [dealer(), dealer(), dealer()];
    let shape = shape.to_owned();
    thread::spawn(move || {
        let mut echo = |turns| {
            for _ in 0..turns {
                let message = router.recv().unwrap();
                router.send(message).unwrap();
            }
        };
        echo(WARM_UP);
        measure(2, || echo(MEASURED))
    });
    thread::spawn(move || {
        let ball = message(&shape);
        let mut play = |turns: u64| {
            for turn in 0..turns {
                let dealer = &mut dealers[turn as usize % 3];
                dealer.send(ball.clone()).unwrap();
                assert!(dealer.recv().unwrap() == ball);
            }
        };
        play(WARM_UP);
        measure(2, || play(MEASURED))
    });
    finish(2)
}

/// As `ping_pong`, through pollers that have idle sockets as well.
fn polled_ping_pong(shape: &str) -> ! {
    const IDLE: usize = 20;
    let context = Context::new();
    let pair = || Pair::builder().send_hwm(HWM).recv_hwm(HWM).wait(WaitPolicy::Spin).build(&context).unwrap();
    let (mut here, mut there) = (pair(), pair());
    here.bind("inproc://ping").unwrap();
    there.connect("inproc://ping").unwrap();
    let poller = |pair: &mut Pair| {
        let mut poller = Poller::with_policy(WaitPolicy::Spin);
        poller.add(pair, Interest::READABLE, 0).unwrap();
        let idle: Vec<Pull> = (0..IDLE).map(|_| Pull::new(&context).unwrap()).collect();
        (poller, idle)
    };
    let (mut here_poller, mut here_idle) = poller(&mut here);
    let (mut there_poller, mut there_idle) = poller(&mut there);
    here_idle.iter_mut().for_each(|idle| assert!(here_poller.add(idle, Interest::READABLE, 1).is_ok()));
    there_idle.iter_mut().for_each(|idle| assert!(there_poller.add(idle, Interest::READABLE, 1).is_ok()));
    let shape = shape.to_owned();
    thread::spawn(move || {
        let mut events = Events::with_capacity(IDLE);
        let mut echo = |turns| {
            for _ in 0..turns {
                assert_eq!(there_poller.wait(&mut events, None).unwrap(), 1);
                let ball = there.try_recv().unwrap();
                there.send(ball).unwrap();
            }
        };
        echo(WARM_UP);
        measure(2, || echo(MEASURED))
    });
    thread::spawn(move || {
        let mut events = Events::with_capacity(IDLE);
        let ball = message(&shape);
        let mut play = |turns| {
            for _ in 0..turns {
                here.send(ball.clone()).unwrap();
                assert_eq!(here_poller.wait(&mut events, None).unwrap(), 1);
                assert!(here.try_recv().unwrap() == ball);
            }
        };
        play(WARM_UP);
        measure(2, || play(MEASURED))
    });
    finish(2)
}

fn stream(shape: &str) -> ! {
    let context = Context::new();
    let mut push = Push::builder().send_hwm(HWM).wait(WaitPolicy::Spin).build(&context).unwrap();
    let mut pull = Pull::builder().recv_hwm(HWM).wait(WaitPolicy::Spin).build(&context).unwrap();
    push.bind("inproc://stream").unwrap();
    pull.connect("inproc://stream").unwrap();
    let expected = message(shape);
    // Full at every place in a chunk.
    for rest in 0..200 {
        while push.try_send(expected.clone()).is_ok() {}
        for _ in 0..2 * HWM - rest % 3 {
            pull.recv().unwrap();
        }
        while pull.try_recv().is_ok() {}
    }
    let sent = expected.clone();
    thread::spawn(move || {
        let mut send = |count| (0..count).for_each(|_| push.send(sent.clone()).unwrap());
        send(WARM_UP);
        measure(2, || send(MEASURED))
    });
    thread::spawn(move || {
        let mut receive = |count| (0..count).for_each(|_| assert!(pull.recv().unwrap() == expected));
        receive(WARM_UP);
        measure(2, || receive(MEASURED))
    });
    finish(2)
}

/// A publisher and so many subscribers in one thread: to leave the turns of the scheduler out of it.
fn publish(what: &str) -> ! {
    let (shape, subscribers) = what.split_once(' ').unwrap();
    let context = Context::new();
    let mut publisher = Pub::builder().send_hwm(HWM).build(&context).unwrap();
    publisher.bind("inproc://news").unwrap();
    let subscriber = |_| {
        let mut subscriber = Sub::builder().recv_hwm(HWM).build(&context).unwrap();
        subscriber.connect("inproc://news").unwrap();
        // The topic is all of the message; several prefixes match.
        (0..4).for_each(|len| subscriber.subscribe([7; 4].split_at(len).0));
        subscriber.unsubscribe([7]);
        subscriber
    };
    let mut subscribers: Vec<_> = (0..subscribers.parse().unwrap()).map(subscriber).collect();
    let news = message(shape);
    thread::spawn(move || {
        let mut work = |count: u64| {
            for _ in 0..count / u64::from(HWM) {
                // More than one has room for.
                (0..2 * HWM + 1).for_each(|_| publisher.send(news.clone()).unwrap());
                for subscriber in &mut subscribers {
                    (0..2 * HWM).for_each(|_| assert!(subscriber.try_recv().unwrap() == news));
                    assert!(subscriber.try_recv().is_err());
                }
            }
        };
        work(WARM_UP);
        measure(1, || work(MEASURED))
    });
    finish(1)
}

/// A million random changes of what is subscribed to, or peers that come and go, beside a publisher that does not listen.
fn wishes(scenario: &str) -> ! {
    const CHANGES: u64 = 1_000_000;
    const COMINGS: u64 = 30_000;
    let context = Context::new();
    let mut plain = Pub::new(&context).unwrap();
    let builder = XPub::builder().verboser();
    let mut seeing = if scenario.ends_with("manual") { builder.manual() } else { builder }.build(&context).unwrap();
    plain.bind("inproc://plain").unwrap();
    seeing.bind("inproc://seeing").unwrap();
    let name = if scenario.starts_with("deaf") { "inproc://seeing" } else { "inproc://plain" };
    let subscriber = || {
        let mut subscriber = Sub::new(&context).unwrap();
        subscriber.connect(name).unwrap();
        subscriber
    };
    let mut subscribers = [Wisher::new(subscriber(), 1), Wisher::new(subscriber(), 2)];
    let mut work = |turns: u64| {
        for turn in 0..turns {
            match scenario {
                "peers" | "peers-of-manual" => {
                    let mut peer = XSub::builder().subscribe("a").subscribe([turn as u8]).build(&context).unwrap();
                    peer.connect("inproc://seeing").unwrap();
                    if turn % 2 == 0 {
                        seeing.send("x").unwrap();
                    }
                }
                "reconnecting" => {
                    let [Wisher { subscriber, .. }, _] = &mut subscribers;
                    subscriber.disconnect(name).unwrap();
                    subscriber.connect(name).unwrap();
                    let _ = seeing.disconnect("inproc://peer");
                    let mut peer = Sub::builder().subscribe([turn as u8]).build(&context).unwrap();
                    peer.bind("inproc://peer").unwrap();
                    seeing.connect("inproc://peer").unwrap();
                }
                _ => {
                    subscribers[turn as usize % 2].change();
                    match scenario {
                        "publishing" => plain.send("x").unwrap(),
                        "deaf" | "deaf-manual" if turn % 7 == 0 => seeing.send("x").unwrap(),
                        _ => {}
                    }
                }
            }
        }
    };
    let turns = if scenario.starts_with("peers") || scenario == "reconnecting" { COMINGS } else { CHANGES };
    work(turns / 10);
    let settled = LIVE_SIZE.load(Ordering::Relaxed);
    work(turns);
    let grown = LIVE_SIZE.load(Ordering::Relaxed).saturating_sub(settled);
    println!("{scenario}: {settled} bytes, then {grown} more");
    process::exit(if grown <= SLACK_SIZE { 0 } else { HEAP_GREW });
}

/// A subscriber that changes its mind at random.
struct Wisher {
    subscriber: Sub,
    wanted: Vec<bool>,
    random: u64,
}

impl Wisher {
    const TOPICS: u64 = 3_000;

    fn new(subscriber: Sub, seed: u64) -> Self {
        Self { subscriber, wanted: vec![false; Self::TOPICS as usize], random: seed << 40 | 0x9e37_79b9 }
    }

    fn change(&mut self) {
        // Marsaglia: xorshift.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let topic = self.random % Self::TOPICS;
        let wanted = &mut self.wanted[topic as usize];
        *wanted = !*wanted;
        if *wanted {
            self.subscriber.subscribe(topic.to_le_bytes());
        } else {
            assert!(self.subscriber.unsubscribe(topic.to_le_bytes()));
        }
    }
}

/// A million topics of one subscriber and one publisher, who looks at them as they come or when it first sends.
fn million(scenario: &str) -> ! {
    const TOPICS: u32 = if cfg!(debug_assertions) { 50_000 } else { 1_000_000 };
    const EACH_MAX: usize = 400;
    let context = Context::new();
    let (mut publisher, mut subscriber) = (Pub::new(&context).unwrap(), Sub::new(&context).unwrap());
    publisher.bind("inproc://million").unwrap();
    subscriber.connect("inproc://million").unwrap();
    let (before, start) = (LIVE_SIZE.load(Ordering::Relaxed), Instant::now());
    let topic = |number: u32| format!("quote/{:08x}/bid", number.wrapping_mul(0x9e37_79b1));
    for number in 0..TOPICS {
        subscriber.subscribe(topic(number));
        if scenario == "looking" && number % 100 == 0 {
            publisher.send("x").unwrap();
        }
    }
    let (waiting, subscribed) = (LIVE_SIZE.load(Ordering::Relaxed) - before, start.elapsed());
    assert_eq!(publisher.topics(), TOPICS as usize);
    let (known, fetched) = (LIVE_SIZE.load(Ordering::Relaxed) - before, start.elapsed() - subscribed);
    let start = Instant::now();
    for number in (0..TOPICS).step_by(997) {
        publisher.send(topic(number) + "/1").unwrap();
        assert_eq!(subscriber.try_recv().unwrap()[0], (topic(number) + "/1").as_bytes());
    }
    let used = start.elapsed();
    let huge = vec![7_u8; 1 << 20];
    subscriber.subscribe(&huge);
    publisher.send(huge.clone()).unwrap();
    publisher.send(&huge[1..]).unwrap();
    assert_eq!(subscriber.try_recv().unwrap()[0], huge);
    assert!(subscriber.try_recv().is_err() && subscriber.unsubscribe(&huge));
    let start = Instant::now();
    (0..TOPICS).for_each(|number| assert!(subscriber.unsubscribe(topic(number))));
    assert_eq!((publisher.topics(), publisher.subscribers()), (0, 0));
    let (ended, left) = (start.elapsed(), LIVE_SIZE.load(Ordering::Relaxed).saturating_sub(before));
    let each = |size: usize| size / TOPICS as usize;
    println!(
        "{TOPICS} subscriptions, publisher {scenario}: made in {subscribed:?}, fetched in {fetched:?}, {} messages in          {used:?}, ended in {ended:?}; {} then {} bytes each on both sides, {left} bytes left",
        TOPICS / 997,
        each(waiting),
        each(known),
    );
    let bounded = each(waiting).max(each(known)) <= EACH_MAX && left <= (1 << 21);
    process::exit(if bounded { 0 } else { HEAP_GREW });
}

/// Has a socket, with something in it, and waits for it to be ready in every way there is.
struct Owner(Port<Dealer>);

struct Got;

impl Actor for Owner {
    type Args = (Dealer, &'static str);

    fn start((dealer, how): Self::Args, ctx: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        let owner = Self(bridge::own(ctx, dealer, |_| Got)?);
        owner.0.when_writable(ctx, || Got);
        match how {
            "stalled" => ctx.hold(),
            "paused" => owner.0.pause(),
            "failing" => return Err(Failure::new("as it was told")),
            _ => {}
        }
        Ok(owner)
    }

    fn asked_to_stop(&mut self, ctx: &mut Ctx<'_, Self>) {
        ctx.stop();
    }
}

impl Handle<Got> for Owner {
    type Reply = ();

    fn on(&mut self, _: Got, _: &mut Ctx<'_, Self>) {}
}

/// Actors that own sockets come and go on one worker.
fn owned(how: &str) -> ! {
    const ROUNDS: u64 = 10_000;
    let how = ["open", "stalled", "paused", "failing"].into_iter().find(|known| *known == how).expect("one of these");
    let context = Context::new();
    let runtime = Runtime::builder().worker(WaitPolicy::Park).start().unwrap();
    let mut client = runtime.client().unwrap();
    let mut work = |rounds| {
        for round in 0..rounds {
            let (mut dealer, mut peer) = (Dealer::new(&context).unwrap(), Dealer::new(&context).unwrap());
            dealer.bind("inproc://owned").unwrap();
            peer.connect("inproc://owned").unwrap();
            (0..3).for_each(|_| peer.send("x").unwrap());
            match client.spawn(Spec::<Owner>::new((dealer, how)).capacity(1)) {
                Ok(owner) => {
                    if round % 2 == 0 {
                        // What has come by then is taken, as far as there is room.
                        _ = client.try_tell(owner, Got);
                    }
                    client.stop(owner.id());
                    client.wait_for_end(owner.id(), Duration::from_secs(30)).unwrap();
                }
                Err(_) => assert_eq!(how, "failing"),
            }
        }
    };
    work(ROUNDS / 10);
    let settled = LIVE_SIZE.load(Ordering::Relaxed);
    work(ROUNDS);
    let grown = LIVE_SIZE.load(Ordering::Relaxed).saturating_sub(settled);
    println!("sockets of actors, {how}: {settled} bytes, then {grown} more");
    process::exit(if grown <= SLACK_SIZE { 0 } else { HEAP_GREW });
}

fn one_call_too_many() -> ! {
    thread::spawn(|| measure(1, thread::yield_now));
    finish(1)
}

fn one_allocation_too_many() -> ! {
    // From the allocator's own stock: freed just now.
    thread::spawn(|| {
        drop(Box::new([1_u8; 64]));
        measure(1, || drop(std::hint::black_box(Box::new([1_u8; 64]))))
    });
    finish(1)
}

fn come_and_go(scenario: &str) -> ! {
    let context = Context::new();
    let name = "inproc://station";
    let mut pull = Pull::new(&context).unwrap();
    let mut push = Push::new(&context).unwrap();
    let (mut pair, mut first) = (Pair::new(&context).unwrap(), Pair::new(&context).unwrap());
    match scenario {
        "idle-pull" => pull.bind(name).unwrap(),
        "idle-push" => push.bind(name).unwrap(),
        "idle-pair" => {
            pair.bind(name).unwrap();
            first.connect(name).unwrap();
        }
        _ => {}
    }
    let mut live_size = 0;
    for peer in 0..PEERS {
        match scenario {
            "idle-pull" => Push::new(&context).unwrap().connect(name).unwrap(),
            "idle-push" => Pull::new(&context).unwrap().connect(name).unwrap(),
            "idle-pair" => Pair::new(&context).unwrap().connect(name).unwrap(),
            "both-ends" => {
                let (mut push, mut pull) = (Push::new(&context).unwrap(), Pull::new(&context).unwrap());
                push.bind(name).unwrap();
                pull.connect(name).unwrap();
                push.send("x").unwrap();
                assert!(peer % 2 == 0 || pull.recv().is_ok());
            }
            "never-bound" => {
                // A name of its own, messages that linger for a moment.
                let mut push = Push::builder().linger(Duration::from_micros(1)).build(&context).unwrap();
                push.connect(format!("inproc://never-{peer}")).unwrap();
                push.send("x").unwrap();
            }
            other => panic!("no scenario {other}"),
        }
        if peer == SETTLED_AFTER {
            live_size = LIVE_SIZE.load(Ordering::Relaxed);
        }
    }
    let grown = LIVE_SIZE.load(Ordering::Relaxed).saturating_sub(live_size);
    process::exit(if grown <= SLACK_SIZE { 0 } else { HEAP_GREW });
}
