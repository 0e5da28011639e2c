//! Programs for pyzmq that know nothing of Ringway, with the library preloaded: on all sides, and on some with plain pyzmq
//! on the others, over tcp and ipc.
//!
//! `cargo test -p ringway-zmq --features interop --test programs`
//!
//! Among them are the Python sides of the examples: hello world, weather, pipeline and so on.

#![cfg(all(feature = "interop", not(any(loom, shuttle, miri))))]
#![forbid(unsafe_code)]

mod library;
mod python;
#[path = "../../tests/stage/mod.rs"]
mod stage;

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::Once,
};

use stage::{PLAYS, Play, Prints, Road, Role};

const fn ends(name: &'static str, lines: &'static [&'static str]) -> Role {
    Role { name, prints: Some(Prints::Lines(lines)) }
}

const BROKER: Play = Play {
    example: "broker",
    endpoints: &["--frontend", "--backend", "--reports", "--orders"],
    flags: &["--kind", "poller"],
    roles: &[
        ends("broker", &["broker ended"]),
        ends("worker", &["2 workers ended"]),
        ends("client", &["3 clients, 100 replies each"]),
    ],
};

const PROXY: Play = Play { flags: &["--kind", "proxy"], ..BROKER };

const TASKS: Play = Play {
    example: "tasks",
    endpoints: &["--endpoint"],
    flags: &["--count", "20", "--tasks", "50"],
    roles: &[ends("server", &["server: 1000 requests"]), ends("client", &["client: 50 tasks, 20 replies each"])],
};

const STREAMS: Play = Play {
    example: "streams",
    endpoints: &["--updates", "--ready"],
    flags: &["--count", "2000", "--subscribers", "5"],
    roles: &[
        ends("publisher", &["publisher: 2000 updates to 5 subscribers"]),
        ends("subscriber", &["subscriber: 5 times the updates of one kind, in order"]),
    ],
};

const AWKWARD: Play = Play {
    example: "awkward",
    endpoints: &["--endpoint"],
    flags: &["--count", "200"],
    roles: &[ends("all", &["interrupts", "forks", "forks_amid_traffic", "garbage", "frames", "tasks"])],
};

/// Its sockets are in one process, whatever the road is.
const THREADS: Play = Play {
    example: "threads",
    endpoints: &[],
    flags: &["--count", "1000", "--endpoint", "inproc://steps"],
    roles: &[ends("all", &["all ended"])],
};

/// Over both roads, with every mixture of plain and preloaded parts; none preloaded is the control.
fn play_mixed(play: &Play, scripts: &Path) {
    for road in [Road::Tcp, Road::Ipc] {
        for mixture in 0..1_u32 << play.roles.len() {
            perform(play, scripts, road, mixture);
        }
    }
}

/// Bit number n of `mixture` is set when the n-th part has the library preloaded.
fn perform(play: &Play, scripts: &Path, road: Road, mixture: u32) {
    static CHECKED: Once = Once::new();
    CHECKED.call_once(|| library::check_preloading(python::python()));
    play.perform(road, |role| {
        let place = play.roles.iter().position(|other| other.name == role.name).expect("it is one of them");
        let mut command = Command::new(python::python());
        command.arg(scripts.join(format!("{}.py", play.example)));
        // Leaves nothing in the source tree.
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        if mixture & 1 << place != 0 {
            library::preload(&mut command);
        }
        command
    });
}

fn own() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs")
}

#[test]
fn a_broker_with_a_poller() {
    play_mixed(&BROKER, &own());
}

#[test]
fn a_broker_with_a_proxy() {
    play_mixed(&PROXY, &own());
}

#[test]
fn asyncio_requests_and_replies() {
    play_mixed(&TASKS, &own());
}

#[test]
fn asyncio_updates() {
    play_mixed(&STREAMS, &own());
}

#[test]
fn pairs_between_threads() {
    play_mixed(&THREADS, &own());
}

#[test]
fn signals_forks_and_the_garbage_collector() {
    play_mixed(&AWKWARD, &own());
}

/// The programs of the examples, which are pyzmq's own classics.
mod examples {
    use super::*;

    macro_rules! plays {
        ($($name:ident)*) => {
            $(#[test]
            fn $name() {
                let play = PLAYS.iter().find(|play| play.example == stringify!($name)).expect("there is such a play");
                play_mixed(play, &Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/pyzmq"));
            })*

            const TESTED: &[&str] = &[$(stringify!($name)),*];
        };
    }

    plays! {
        broker clean_stop coordination durable_subscriber forwarder hello_world loan multithreaded_server pipeline relay
        two_sources weather
    }

    #[test]
    fn all_are_played() {
        assert_eq!(PLAYS.iter().map(|play| play.example).collect::<Vec<_>>(), TESTED);
    }
}
