//! Proxies: everything arrives, in order, with back-pressure; control by handle and by socket. Most of it over streams, too;
//! the list at the foot of this file says what.

use std::{ops::Deref, thread, time::Duration};

use ringway::{
    Context, Message, Pair, Pull, Push, Rep, Req, WaitPolicy,
    proxy::{ProxyControl, ProxyEnd, ProxyOptions, ProxyReport, proxy, proxy_one, proxy_one_way},
    socket::{Duplex, RecvError, Sends},
};

#[allow(dead_code, reason = "it belongs to the conformance suite, which uses all of it")]
#[path = "conformance/road.rs"]
mod road;

use road::{Endpoints, Road};

const LONG: Duration = Duration::from_secs(60);

/// A context, and where its names are.
struct World {
    context: Context,
    endpoints: Endpoints,
}

impl Deref for World {
    type Target = Context;

    fn deref(&self) -> &Context {
        &self.context
    }
}

impl World {
    fn new(road: Road) -> Self {
        let context = match road {
            Road::Inproc | Road::Tcp | Road::Ipc => Context::new(),
            Road::IpcPlain => Context::new().without_shared_memory(),
        };
        Self { context, endpoints: Endpoints::new(road) }
    }

    fn endpoint(&self, name: &str) -> String {
        self.endpoints.named(name)
    }
}

fn pair(context: &Context) -> Pair {
    Pair::builder().send_hwm(4).recv_hwm(4).recv_timeout(LONG).send_timeout(LONG).build(context).unwrap()
}

/// client = frontend, backend = server.
fn four(context: &World) -> (Pair, Pair, Pair, Pair) {
    let (mut client, mut frontend, mut backend, mut server) =
        (pair(context), pair(context), pair(context), pair(context));
    frontend.bind(context.endpoint("front")).unwrap();
    backend.bind(context.endpoint("back")).unwrap();
    client.connect(context.endpoint("front")).unwrap();
    server.connect(context.endpoint("back")).unwrap();
    (client, frontend, backend, server)
}

fn numbered(number: u64) -> Message {
    [&number.to_ne_bytes()[..], b"second"].into_iter().collect()
}

type Proxying = thread::JoinHandle<(ProxyReport, Pair, Pair)>;

fn start(mut frontend: Pair, mut backend: Pair, control: &ProxyControl, policy: WaitPolicy) -> Proxying {
    let control = control.clone();
    thread::spawn(move || {
        let options = ProxyOptions::new().handle(&control).wait(policy);
        (proxy(&mut frontend, &mut backend, options).unwrap(), frontend, backend)
    })
}

fn everything_arrives_both_ways(road: Road) {
    let messages: u64 = if road == Road::Inproc { 20_000 } else { 2_000 };
    for policy in [WaitPolicy::Adaptive, WaitPolicy::Park] {
        let context = World::new(road);
        let (mut client, frontend, backend, mut server) = four(&context);
        let control = ProxyControl::new();
        let proxying = start(frontend, backend, &control, policy);
        let echo = thread::spawn(move || {
            for number in 0..messages {
                let message = server.recv().unwrap();
                assert!(message == numbered(number));
                server.send(message).unwrap();
            }
        });
        let mut sent = 0;
        for number in 0..messages {
            while sent < messages && client.try_send(numbered(sent)).is_ok() {
                sent += 1;
            }
            assert!(client.recv().unwrap() == numbered(number));
        }
        echo.join().unwrap();
        control.terminate();
        let (report, ..) = proxying.join().unwrap();
        assert_eq!(report.end, ProxyEnd::Terminated);
        assert_eq!((report.left_for_backend, report.left_for_frontend), (None, None));
        for flow in [report.statistics.frontend, report.statistics.backend] {
            assert_eq!((flow.messages_in, flow.messages_out), (messages, messages));
            assert_eq!((flow.bytes_in, flow.bytes_out), (14 * messages, 14 * messages));
        }
        assert_eq!(control.statistics(), report.statistics);
    }
}

fn back_pressure_goes_through(road: Road) {
    let context = World::new(road);
    let (mut client, frontend, backend, mut server) = four(&context);
    let control = ProxyControl::new();
    let proxying = start(frontend, backend, &control, WaitPolicy::Adaptive);
    // Two queues of eight and no message in between: the proxy takes none that it cannot pass on.
    for number in 0..16 {
        client.send(numbered(number)).unwrap();
    }
    // The last eight stay with the frontend; to see that, the proxy must have had its turn.
    while control.statistics().backend.messages_out < 8 {
        thread::yield_now();
    }
    assert!(client.try_send(numbered(16)).is_err());
    control.terminate();
    let (report, mut frontend, _backend) = proxying.join().unwrap();
    assert_eq!((report.statistics.frontend.messages_in, report.left_for_backend), (8, None));
    for number in 0..8 {
        assert!(server.recv().unwrap() == numbered(number));
    }
    for number in 8..16 {
        assert!(frontend.recv().unwrap() == numbered(number), "still with the frontend");
    }
}

fn capture_gets_copies_and_never_blocks(road: Road) {
    let context = World::new(road);
    let (mut client, mut frontend, mut backend, mut server) = four(&context);
    let mut capture = Push::builder().send_hwm(2).build(&context).unwrap();
    let mut tap = Pull::builder().recv_hwm(3).build(&context).unwrap();
    tap.bind(context.endpoint("tap")).unwrap();
    capture.connect(context.endpoint("tap")).unwrap();
    let control = ProxyControl::new();
    let handle = control.clone();
    let proxying = thread::spawn(move || {
        let options = ProxyOptions::new().handle(&handle).capture(&mut capture);
        proxy(&mut frontend, &mut backend, options).unwrap()
    });
    for number in 0..20 {
        client.send(numbered(number)).unwrap();
        assert!(server.recv().unwrap() == numbered(number));
    }
    control.terminate();
    let report = proxying.join().unwrap();
    assert_eq!((report.statistics.captured, report.statistics.capture_dropped), (5, 15));
    for number in 0..5 {
        assert!(tap.try_recv().unwrap() == numbered(number));
    }
}

fn a_capture_that_is_waited_for_misses_nothing(road: Road) {
    let context = World::new(road);
    let (mut client, mut frontend, mut backend, mut server) = four(&context);
    // Nobody is there at first.
    let mut capture = Push::builder().immediate().send_hwm(1).build(&context).unwrap();
    capture.bind(context.endpoint("tap")).unwrap();
    let mut tap = Pull::builder().recv_hwm(1).build(&context).unwrap();
    let control = ProxyControl::new();
    let handle = control.clone();
    let proxying = thread::spawn(move || {
        let options = ProxyOptions::new().handle(&handle).capture(&mut capture).wait_for_capture();
        proxy(&mut frontend, &mut backend, options).unwrap()
    });
    // As many as there is room for in front of the proxy.
    for number in 0..8 {
        client.send(numbered(number)).unwrap();
        server.send(numbered(100 + number)).unwrap();
    }
    tap.connect(context.endpoint("tap")).unwrap();
    let mut copies: Vec<Message> = (0..16).map(|_| tap.recv().unwrap()).collect();
    for number in 0..8 {
        assert!(server.recv().unwrap() == numbered(number));
        assert!(client.recv().unwrap() == numbered(100 + number));
        let place = copies.iter().position(|copy| *copy == numbered(number)).expect("there is a copy");
        copies.remove(place);
    }
    control.terminate();
    let report = proxying.join().unwrap();
    assert_eq!((copies.len(), report.statistics.captured, report.statistics.capture_dropped), (8, 16, 0));
}

fn pauses_and_resumes(road: Road) {
    let context = World::new(road);
    let (mut client, frontend, backend, mut server) = four(&context);
    let control = ProxyControl::new();
    control.pause();
    let proxying = start(frontend, backend, &control, WaitPolicy::Park);
    client.send("x").unwrap();
    assert_eq!(server.recv_timeout(Duration::from_millis(20)), Err(RecvError::TimedOut));
    control.resume();
    assert_eq!(server.recv().unwrap()[0], "x");
    for _ in 0..100 {
        control.pause();
        control.resume();
        client.send("x").unwrap();
        server.recv().unwrap();
    }
    control.terminate();
    control.resume();
    assert_eq!(proxying.join().unwrap().0.end, ProxyEnd::Terminated);
}

fn obeys_a_socket(road: Road) {
    let context = World::new(road);
    let (mut client, mut frontend, mut backend, mut server) = four(&context);
    let (mut steering, mut control) = (pair(&context), pair(&context));
    control.bind(context.endpoint("control")).unwrap();
    steering.connect(context.endpoint("control")).unwrap();
    let proxying = thread::spawn(move || {
        let options = ProxyOptions::new().control(&mut control);
        proxy(&mut frontend, &mut backend, options).unwrap()
    });
    client.send(numbered(0)).unwrap();
    server.recv().unwrap();
    steering.send("NONSENSE").unwrap();
    steering.send("PAUSE").unwrap();
    steering.send("STATISTICS").unwrap();
    let answer = steering.recv().unwrap();
    let numbers: Vec<u64> = (0..8).map(|index| u64::from_ne_bytes(answer[index][..].try_into().unwrap())).collect();
    assert_eq!(numbers, [1, 14, 0, 0, 0, 0, 1, 14]);
    client.send(numbered(1)).unwrap();
    assert_eq!(server.recv_timeout(Duration::from_millis(20)), Err(RecvError::TimedOut));
    steering.send("RESUME").unwrap();
    assert!(server.recv().unwrap() == numbered(1));
    steering.send("TERMINATE").unwrap();
    let report = proxying.join().unwrap();
    assert_eq!((report.end, report.statistics.unknown_commands), (ProxyEnd::Terminated, 1));
    assert_eq!(steering.try_recv(), Err(RecvError::Empty), "a PAIR gets no other answers");
}

fn obeys_a_socket_that_cannot_answer(road: Road) {
    let context = World::new(road);
    let (_client, mut frontend, mut backend, _server) = four(&context);
    let (mut steering, mut control) = (Push::new(&context).unwrap(), Pull::new(&context).unwrap());
    control.bind(context.endpoint("control")).unwrap();
    steering.connect(context.endpoint("control")).unwrap();
    for command in ["STATISTICS", "PAUSE", "TERMINATE"] {
        steering.send(command).unwrap();
    }
    let options = ProxyOptions::new().control_one_way(&mut control);
    assert_eq!(proxy(&mut frontend, &mut backend, options).unwrap().end, ProxyEnd::Terminated);
}

fn one_way_and_through_one_socket(road: Road) {
    let context = World::new(road);
    let (mut source, mut frontend) = (Push::new(&context).unwrap(), Pull::new(&context).unwrap());
    let (mut backend, mut sink) = (Push::new(&context).unwrap(), Pull::new(&context).unwrap());
    frontend.bind(context.endpoint("front")).unwrap();
    backend.bind(context.endpoint("back")).unwrap();
    source.connect(context.endpoint("front")).unwrap();
    sink.connect(context.endpoint("back")).unwrap();
    let control = ProxyControl::new();
    let handle = control.clone();
    let proxying =
        thread::spawn(move || proxy_one_way(&mut frontend, &mut backend, ProxyOptions::new().handle(&handle)).unwrap());
    let messages = if road == Road::Inproc { 5_000 } else { 500 };
    for number in 0..messages {
        source.send(numbered(number)).unwrap();
        assert!(sink.recv().unwrap() == numbered(number));
    }
    control.terminate();
    assert_eq!(proxying.join().unwrap().statistics.backend.messages_out, messages);

    let (mut near, mut far) = (pair(&context), pair(&context));
    near.bind(context.endpoint("mirror")).unwrap();
    far.connect(context.endpoint("mirror")).unwrap();
    let control = ProxyControl::new();
    let handle = control.clone();
    let proxying = thread::spawn(move || proxy_one(&mut near, ProxyOptions::new().handle(&handle)).unwrap());
    for number in 0..1_000 {
        far.send(numbered(number)).unwrap();
        assert!(far.recv().unwrap() == numbered(number));
    }
    control.terminate();
    assert_eq!(proxying.join().unwrap().statistics.frontend.messages_out, 1_000);
}

fn a_rep_by_itself_echoes(road: Road) {
    let context = World::new(road);
    let mut client = Req::builder().recv_timeout(LONG).build(&context).unwrap();
    let mut server = Rep::new(&context).unwrap();
    client.bind(context.endpoint("mirror")).unwrap();
    server.connect(context.endpoint("mirror")).unwrap();
    let control = ProxyControl::new();
    let handle = control.clone();
    let proxying = thread::spawn(move || proxy_one(&mut server, ProxyOptions::new().handle(&handle)).unwrap());
    for number in 0..100 {
        client.send(numbered(number)).unwrap();
        assert!(client.recv().unwrap() == numbered(number));
    }
    control.terminate();
    assert_eq!(proxying.join().unwrap().statistics.frontend.messages_out, 100);
}

fn a_shutdown_ends_it(road: Road) {
    let context = World::new(road);
    let (_client, frontend, backend, _server) = four(&context);
    let proxying = start(frontend, backend, &ProxyControl::new(), WaitPolicy::Adaptive);
    let report = context.shutdown(Duration::ZERO);
    assert!(report.sockets_left >= 2);
    assert_eq!(proxying.join().unwrap().0.end, ProxyEnd::ContextClosed);
}

fn what_arrived_before_a_shutdown_is_passed_on(road: Road) {
    let (clients, servers) = (World::new(road), World::new(road));
    let (mut client, mut frontend) = (pair(&clients), pair(&clients));
    frontend.bind(clients.endpoint("front")).unwrap();
    client.connect(clients.endpoint("front")).unwrap();
    let (mut backend, mut server) = (pair(&servers), pair(&servers));
    backend.bind(servers.endpoint("back")).unwrap();
    server.connect(servers.endpoint("back")).unwrap();
    (0..5).for_each(|number| client.send(numbered(number)).unwrap());
    clients.shutdown(Duration::ZERO);
    let report = proxy(&mut frontend, &mut backend, ProxyOptions::new()).unwrap();
    assert_eq!(report.end, ProxyEnd::ContextClosed);
    (0..5).for_each(|number| assert!(server.try_recv().unwrap() == numbered(number)));
}

fn a_peer_that_comes_and_goes_loses_nothing(road: Road) {
    let context = World::new(road);
    let (mut client, frontend, backend, server) = four(&context);
    drop(server);
    let control = ProxyControl::new();
    let proxying = start(frontend, backend, &control, WaitPolicy::Park);
    for number in 0..200 {
        client.send(numbered(number)).unwrap();
        let mut server = pair(&context);
        server.connect(context.endpoint("back")).unwrap();
        assert!(server.recv().unwrap() == numbered(number));
    }
    control.terminate();
    proxying.join().unwrap();
}

/// As for who does not know what sockets there are: they, the capture and the control are behind objects.
fn sockets_may_be_objects(road: Road) {
    let context = World::new(road);
    let (mut client, frontend, backend, mut server) = four(&context);
    let (mut capture, mut tap) = (Push::new(&context).unwrap(), Pull::new(&context).unwrap());
    tap.bind(context.endpoint("tap")).unwrap();
    capture.connect(context.endpoint("tap")).unwrap();
    let (mut control, mut remote) = (pair(&context), pair(&context));
    control.bind(context.endpoint("control")).unwrap();
    remote.connect(context.endpoint("control")).unwrap();
    let mut sides: [Box<dyn Duplex>; 2] = [Box::new(frontend), Box::new(backend)];
    let proxying = thread::spawn(move || {
        let [frontend, backend] = &mut sides;
        let options =
            ProxyOptions::new().capture(&mut capture as &mut dyn Sends).control(&mut control as &mut dyn Duplex);
        proxy(&mut **frontend, &mut **backend, options).unwrap().end
    });
    client.send(numbered(1)).unwrap();
    assert!(server.recv().unwrap() == numbered(1));
    server.send(numbered(2)).unwrap();
    assert!(client.recv().unwrap() == numbered(2));
    (1..=2).for_each(|number| assert!(tap.recv().unwrap() == numbered(number)));
    remote.send("TERMINATE").unwrap();
    assert_eq!(proxying.join().unwrap(), ProxyEnd::Terminated);
}

macro_rules! over {
    ($road:ident: $($test:ident),* $(,)?) => {
        $(#[test] fn $test() { super::$test(super::Road::$road); })*
    };
}

mod inproc {
    over! { Inproc:
        everything_arrives_both_ways,
        back_pressure_goes_through,
        capture_gets_copies_and_never_blocks,
        a_capture_that_is_waited_for_misses_nothing,
        pauses_and_resumes,
        obeys_a_socket,
        obeys_a_socket_that_cannot_answer,
        one_way_and_through_one_socket,
        a_rep_by_itself_echoes,
        a_shutdown_ends_it,
        what_arrived_before_a_shutdown_is_passed_on,
        a_peer_that_comes_and_goes_loses_nothing,
        sockets_may_be_objects,
    }
}

/// Those that do not count on a queue to be full after so many, or on a message to be there when it is sent.
macro_rules! over_stream {
    ($road:ident) => {
        over! { $road:
            everything_arrives_both_ways,
            pauses_and_resumes,
            obeys_a_socket,
            obeys_a_socket_that_cannot_answer,
            one_way_and_through_one_socket,
            a_rep_by_itself_echoes,
            a_shutdown_ends_it,
            sockets_may_be_objects,
        }
    };
}

#[cfg(not(miri))]
mod tcp {
    over_stream!(Tcp);
}

#[cfg(not(miri))]
mod ipc {
    over_stream!(Ipc);
}

#[cfg(not(miri))]
mod ipc_plain {
    over_stream!(IpcPlain);
}
