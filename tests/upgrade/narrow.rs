//! A process that may open so many descriptors more and no others, from none to more than a link takes: it connects when it
//! can, with shared memory or without, and goes on without harm.

use std::{
    env,
    process::{Command, Stdio},
    time::Duration,
};

use ringway::{
    Context, Message, Pair,
    monitor::{
        EventKind, Road,
        UpgradeFailure::{AtPeer, Here},
        UpgradeObstacle::TooManyDescriptors,
    },
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{
    link::{Holdings, alone, anywhere, outcome},
    raw::{PATIENCE, watch::Watch},
};

const ENDPOINT: &str = "RINGWAY_UPGRADE_ENDPOINT";
const SPARE: &str = "RINGWAY_UPGRADE_SPARE";

/// More than a link takes.
const SPARE_MAX: u64 = 12;

#[test]
fn a_process_with_few_descriptors_has_the_stream() {
    let _alone = alone();
    let before = Holdings::now();
    let context = Context::new();
    let mut roads = Vec::new();
    for spare in 0..=SPARE_MAX {
        let mut pair = Pair::new(&context).unwrap();
        let mut watch = Watch::new(pair.monitor());
        let endpoint = anywhere();
        pair.bind(&endpoint).unwrap();
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture"])
            .env(ENDPOINT, &endpoint)
            .env(SPARE, spare.to_string())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // What it is told itself, by its own words, once there was a link at all.
        let told = pair.recv_timeout(PATIENCE).expect("it comes in sooner or later");
        let outcome = outcome(&mut watch);
        let road = pair.peer_list()[0].road;
        match outcome {
            Ok(()) => assert_eq!((told, road), (Message::from("shared"), Road::SharedMemory), "{spare} spare"),
            Err(reason) => {
                assert_eq!(road, Road::Stream);
                assert!(
                    matches!(reason, AtPeer(TooManyDescriptors)),
                    "{spare} spare: {reason}, and it was told {told:?}"
                );
                assert_eq!(told, Message::from("too many"), "{spare} spare");
            }
        }
        for number in 0..100_u32 {
            pair.send(&number.to_be_bytes()[..]).unwrap();
            assert_eq!(pair.recv_timeout(PATIENCE).unwrap(), Message::from(&number.to_be_bytes()[..]));
        }
        pair.send("end").unwrap();
        assert!(child.wait().unwrap().success());
        roads.push(road);
    }
    assert_eq!(roads.last(), Some(&Road::SharedMemory), "that is enough: {roads:?}");
    assert!(roads.contains(&Road::Stream), "that is not: {roads:?}");
    drop(context);
    before.return_to();
}

/// Lets this process open `spare` descriptors more. Returns the limit there was.
fn narrow_to(spare: u64) -> Rlimit {
    let before = getrlimit(Resource::Nofile);
    let is_free = |number: u64| {
        // SAFETY: it asks of a number whether it is a descriptor, and changes nothing.
        unsafe { libc::fcntl(number as i32, libc::F_GETFD) == -1 }
    };
    // Those that are open above it stay open.
    let limit = (0..).filter(|number| is_free(*number)).nth(spare as usize).unwrap();
    setrlimit(Resource::Nofile, Rlimit { current: Some(limit), maximum: before.maximum }).unwrap();
    before
}

/// The child's side.
pub(crate) fn play() {
    let (Ok(endpoint), Ok(spare)) = (env::var(ENDPOINT), env::var(SPARE)) else { return };
    let context = Context::new();
    let quick = Duration::from_millis(1);
    let builder = Pair::builder().reconnect_interval(quick).reconnect_interval_max(quick);
    let mut pair = builder.build(&context).unwrap();
    let mut watch = Watch::new(pair.monitor());
    // What the context itself takes is there before.
    let mut other = Pair::new(&context).unwrap();
    other.bind(anywhere()).unwrap();
    let before = narrow_to(spare.parse().unwrap());
    pair.connect(&endpoint).unwrap();
    let is_told = |kind: &EventKind| {
        matches!(kind, EventKind::ConnectRetried { .. } | EventKind::Upgraded { .. } | EventKind::NotUpgraded { .. })
    };
    let mut told = watch.wait_for("how it went", is_told);
    while let EventKind::ConnectRetried { .. } = told {
        // Not even a stream: it goes on trying until there is one.
        setrlimit(Resource::Nofile, before).unwrap();
        told = watch.wait_for("how it went", is_told);
    }
    setrlimit(Resource::Nofile, before).unwrap();
    let word = match told {
        EventKind::Upgraded { .. } => "shared",
        EventKind::NotUpgraded { reason: Here(TooManyDescriptors), .. } => "too many",
        _ => panic!("{told}"),
    };
    pair.send(word).unwrap();
    if word == "too many" {
        assert_eq!(Holdings::now().segments, 0, "what was begun is left");
    }
    loop {
        let message = pair.recv_timeout(PATIENCE).unwrap();
        if message == Message::from("end") {
            return;
        }
        pair.send(message).unwrap();
    }
}
