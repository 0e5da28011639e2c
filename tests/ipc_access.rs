//! Who may connect over ipc: permissions of the path, and lists of users, groups and processes.

#![cfg(target_os = "linux")]
#![forbid(unsafe_code)]

use std::{
    os::unix::fs::{MetadataExt, PermissionsExt},
    time::{Duration, Instant},
};

use ringway::{
    Context, Message, Monitor, Pull, Push,
    monitor::{AcceptFailure, EventKind},
    socket::AllowList,
};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Our own user and group, which `/proc` gives the process's own files.
fn ourselves() -> (u32, u32) {
    let metadata = std::fs::metadata("/proc/self/status").unwrap();
    (metadata.uid(), metadata.gid())
}

/// The next event that `wanted` makes something of.
fn awaited<T>(monitor: &mut Monitor, wanted: impl Fn(&EventKind) -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let event = monitor.recv_timeout(deadline.saturating_duration_since(Instant::now())).expect("it is told");
        if let Some(found) = wanted(&event.kind) {
            return found;
        }
    }
}

fn refusal(kind: &EventKind) -> Option<AcceptFailure> {
    match kind {
        EventKind::AcceptFailed { reason, .. } => Some(*reason),
        EventKind::HandshakeSucceeded { .. } => panic!("it was let in"),
        _ => None,
    }
}

#[test]
fn who_is_on_the_list_is_let_in() {
    let (user, group) = ourselves();
    let lists = [
        AllowList::new().user(user),
        AllowList::new().group(group),
        AllowList::new().process(std::process::id()),
        AllowList::new().user(user + 1).group(group + 1).process(std::process::id()),
    ];
    for (list, any) in lists.iter().flat_map(|list| [(list, "ipc://*"), (list, "ipc://@")]) {
        let context = Context::new();
        let mut pull = Pull::builder().ipc_allow(list.clone()).build(&context).unwrap();
        let endpoint = match any {
            "ipc://@" => format!("ipc://@ringway-access-{}-{:p}", std::process::id(), list),
            any => any.into(),
        };
        pull.bind(&*endpoint).unwrap();
        let mut push = Push::new(&context).unwrap();
        push.connect(&*pull.last_endpoint().unwrap().to_string()).unwrap();
        push.send("x").unwrap();
        assert_eq!(pull.recv_timeout(PATIENCE).unwrap(), Message::from("x"));
        assert_eq!(pull.counters().streams.refused, 0);
    }
}

#[test]
fn who_is_not_on_the_list_is_turned_away_each_time() {
    let (user, group) = ourselves();
    for list in [AllowList::new(), AllowList::new().user(user + 1).group(group + 1).process(std::process::id() + 1)] {
        let context = Context::new();
        let mut pull = Pull::builder().ipc_allow(list).build(&context).unwrap();
        let mut told = pull.monitor();
        pull.bind("ipc://*").unwrap();
        let mut push = Push::builder().reconnect_interval(Duration::from_millis(1)).build(&context).unwrap();
        let mut told_there = push.monitor();
        push.connect(&*pull.last_endpoint().unwrap().to_string()).unwrap();
        push.send("x").unwrap();
        for _ in 0..3 {
            let AcceptFailure::NotAllowed(peer) = awaited(&mut told, refusal) else { panic!() };
            assert_eq!((peer.process, peer.user, peer.group), (std::process::id(), user, group));
        }
        assert!(pull.counters().streams.refused >= 3);
        assert_eq!(pull.peers(), 0);
        awaited(&mut told_there, |kind| matches!(kind, EventKind::ConnectRetried { .. }).then_some(()));
        // The same socket lets in whom another list has, at endpoints to come; messages have waited.
        pull.reconfigure(&Pull::builder().ipc_allow(AllowList::new().user(user)));
        pull.bind("ipc://*").unwrap();
        push.connect(&*pull.last_endpoint().unwrap().to_string()).unwrap();
        push.send("y").unwrap();
        push.send("z").unwrap();
        // One of the two goes by each.
        assert!(pull.recv_timeout(PATIENCE).is_ok());
    }
}

#[test]
fn a_list_means_nothing_over_tcp() {
    let context = Context::new();
    let mut pull = Pull::builder().ipc_allow(AllowList::new()).ipc_mode(0).build(&context).unwrap();
    pull.bind("tcp://127.0.0.1:*").unwrap();
    let mut push = Push::new(&context).unwrap();
    push.connect(&*pull.last_endpoint().unwrap().to_string()).unwrap();
    push.send("x").unwrap();
    assert_eq!(pull.recv_timeout(PATIENCE).unwrap(), Message::from("x"));
}

#[test]
fn a_path_has_the_permissions_asked_for() {
    let context = Context::new();
    for mode in [0o600, 0o660, 0o666, 0o100_777] {
        let mut pull = Pull::builder().ipc_mode(mode).build(&context).unwrap();
        pull.bind("ipc://*").unwrap();
        let endpoint = pull.last_endpoint().unwrap().to_string();
        let path = endpoint.strip_prefix("ipc://").unwrap();
        let permissions = std::fs::metadata(path).unwrap().permissions();
        assert_eq!(permissions.mode() & 0o7777, mode & 0o777);
        let mut push = Push::new(&context).unwrap();
        push.connect(&*endpoint).unwrap();
        push.send("x").unwrap();
        assert_eq!(pull.recv_timeout(PATIENCE).unwrap(), Message::from("x"));
    }
}
