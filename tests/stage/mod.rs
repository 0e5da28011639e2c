//! The examples as plays: each part a process of its own, by whoever is cast for it, over a road between processes.

#![allow(dead_code, reason = "each test uses what it needs")]

use std::{
    env::{self, consts::EXE_SUFFIX},
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{self, Child, Command, Stdio},
    sync::atomic::{AtomicU16, AtomicU32, Ordering},
};

/// From `<target>/<profile>/deps/examples-…` to `<target>/<profile>/examples/<name>`, wherever the target folder is.
pub(crate) fn built(name: &str) -> PathBuf {
    let test = env::current_exe().expect("a running test has a path");
    let profile = test.parent().and_then(Path::parent).expect("tests lie two folders deep");
    let path = profile.join("examples").join(format!("{name}{EXE_SUFFIX}"));
    assert!(path.exists(), "{} is missing: run `cargo test`, or `cargo build --examples` first", path.display());
    path
}

/// An example, played by several processes.
pub(crate) struct Play {
    pub(crate) example: &'static str,
    /// The flags that take an endpoint.
    pub(crate) endpoints: &'static [&'static str],
    /// Other flags, the same for all parts.
    pub(crate) flags: &'static [&'static str],
    pub(crate) roles: &'static [Role],
}

pub(crate) struct Role {
    pub(crate) name: &'static str,
    /// What it prints when it ends by itself. `None`: it goes on until it is stopped.
    pub(crate) prints: Option<Prints>,
}

pub(crate) enum Prints {
    /// Exactly these lines.
    Lines(&'static [&'static str]),
    /// Ends with this line.
    Last(&'static str),
}

const fn ends(name: &'static str, lines: &'static [&'static str]) -> Role {
    Role { name, prints: Some(Prints::Lines(lines)) }
}

const fn ends_with(name: &'static str, line: &'static str) -> Role {
    Role { name, prints: Some(Prints::Last(line)) }
}

const fn serves(name: &'static str) -> Role {
    Role { name, prints: None }
}

/// All examples that can be played by several processes, in the order of their names.
pub(crate) const PLAYS: &[Play] = &[
    Play {
        example: "broker",
        endpoints: &["--frontend", "--backend"],
        flags: &["--count", "200", "--clients", "3", "--workers", "2"],
        roles: &[
            serves("broker"),
            serves("worker"),
            ends("client", &["client 0: 200 replies", "client 1: 200 replies", "client 2: 200 replies"]),
        ],
    },
    Play {
        example: "clean_stop",
        endpoints: &["--tasks", "--results"],
        flags: &["--count", "5000", "--workers", "2"],
        roles: &[
            ends("source", &["ready", "stopped by its count", "accepted 5000 = done 5000 + lost 0"]),
            serves("worker"),
        ],
    },
    Play {
        example: "coordination",
        endpoints: &["--updates", "--ready"],
        flags: &["--count", "3000", "--subscribers", "2"],
        roles: &[
            ends("publisher", &["publisher: 3000 updates and the end, to 2 subscribers that were ready"]),
            ends("subscriber", &["subscriber 0: 3000 updates and the end", "subscriber 1: 3000 updates and the end"]),
        ],
    },
    Play {
        example: "durable_subscriber",
        endpoints: &["--endpoint"],
        flags: &["--count", "400", "--restarts", "3"],
        roles: &[
            ends(
                "subscriber",
                &[
                    "life 0: numbers 0..100",
                    "life 1: restarted, numbers 100..200",
                    "life 2: restarted, numbers 200..300",
                    "life 3: restarted, numbers 300..400",
                ],
            ),
            serves("publisher"),
        ],
    },
    Play {
        example: "forwarder",
        endpoints: &["--frontend", "--backend"],
        flags: &["--count", "300", "--publishers", "2", "--subscribers", "3"],
        roles: &[
            serves("forwarder"),
            ends(
                "subscriber",
                &["subscriber 0: 600 messages", "subscriber 1: 600 messages", "subscriber 2: 600 messages"],
            ),
            ends(
                "publisher",
                &["publisher 0: 900 messages wanted, 300 not sent", "publisher 1: 900 messages wanted, 300 not sent"],
            ),
        ],
    },
    Play {
        example: "hello_world",
        endpoints: &["--endpoint"],
        flags: &["--count", "500"],
        roles: &[ends("server", &["server: 500 times Hello"]), ends("client", &["client: 500 times World"])],
    },
    Play {
        example: "loan",
        endpoints: &["--pictures"],
        flags: &["--count", "3000"],
        roles: &[ends("camera", &[]), ends("viewer", &["viewer: 3000 pictures, all of them whole"])],
    },
    Play {
        example: "multithreaded_server",
        endpoints: &["--endpoint"],
        flags: &["--count", "300", "--threads", "3"],
        roles: &[serves("server"), ends("client", &["client: the squares of 1 to 300 add up to 9045050"])],
    },
    Play {
        example: "pipeline",
        endpoints: &["--tasks", "--results"],
        flags: &["--count", "3000", "--workers", "2"],
        roles: &[ends("ventilator", &[]), serves("worker"), ends_with("sink", "total 9004500500 of 3000 results")],
    },
    Play {
        example: "relay",
        endpoints: &["--second", "--third"],
        flags: &["--count", "5000"],
        roles: &[
            ends("first", &[]),
            ends("second", &[]),
            ends("third", &["5000 signals through 3 parts, all in order"]),
        ],
    },
    Play {
        example: "two_sources",
        endpoints: &["--tasks", "--weather"],
        flags: &["--count", "2000"],
        roles: &[
            ends("ventilator", &[]),
            ends("station", &[]),
            ends("reader", &["reader: 2000 tasks and 2000 updates through one poller"]),
        ],
    },
    Play {
        example: "weather",
        endpoints: &["--endpoint"],
        flags: &["--count", "401", "--zip", "20000"],
        roles: &[
            ends("server", &["server: 401 updates"]),
            ends("client", &["client: average temperature of 20000 is 12"]),
        ],
    },
];

/// A road between processes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Road {
    Tcp,
    Ipc,
}

impl Play {
    /// Plays it over `road`. `cast` has the command for each part, to which flags are added.
    ///
    /// Parts begin in the order of `roles`, each as soon as the one before is under way: none waits for another to be
    /// ready.
    pub(crate) fn perform(&self, road: Road, cast: impl Fn(&Role) -> Command) {
        let place = Place::new();
        let mut endpoints = Vec::new();
        for flag in self.endpoints {
            endpoints.extend([(*flag).to_owned(), place.endpoint(road, flag)]);
        }
        let mut playing = Vec::new();
        for role in self.roles {
            let mut command = cast(role);
            command.args(["--role", role.name]).args(self.flags).args(&endpoints);
            // Not piped where nobody reads: who serves must not block on it.
            let output = || if role.prints.is_some() { Stdio::piped() } else { Stdio::null() };
            command.stdin(Stdio::null()).stdout(output()).stderr(output());
            let title = format!("{} of {} over {road:?}: {command:?}", role.name, self.example);
            let child = command.spawn().unwrap_or_else(|error| panic!("{title}: {error}"));
            playing.push((title, &role.prints, Killed(Some(child))));
        }
        for (title, prints, child) in &mut playing {
            let Some(prints) = prints else { continue };
            // All programs here end by themselves after a minute.
            let output = child.0.take().expect("taken once").wait_with_output().expect("it is ours to wait for");
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{title}: {}: {error}", output.status);
            assert_eq!(error, "", "{title} has nothing to complain about");
            let text = String::from_utf8(output.stdout).expect("examples print text");
            let lines: Vec<&str> = text.lines().collect();
            match prints {
                Prints::Lines(expected) => assert_eq!(lines, *expected, "{title}"),
                Prints::Last(expected) => assert_eq!(lines.last(), Some(expected), "{title}: {lines:?}"),
            }
        }
    }
}

/// Killed when the test is done with it, however that ends.
struct Killed(Option<Child>);

impl Drop for Killed {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Endpoints nobody else uses, and a folder that goes with them.
pub(crate) struct Place(PathBuf);

impl Place {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("ringway-{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = env::temp_dir().join(name);
        fs::create_dir(&folder).expect("a folder for temporary files");
        Self(folder)
    }

    pub(crate) fn endpoint(&self, road: Road, name: &str) -> String {
        match road {
            Road::Tcp => format!("tcp://127.0.0.1:{}", free_port()),
            Road::Ipc => format!("ipc://{}", self.0.join(name.trim_start_matches('-')).display()),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What sockets have not cleaned away was of those that were killed.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A port nobody listens at, below those the system gives to connections.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Tests of several processes begin at different places.
    let first = process::id().wrapping_mul(64);
    for _ in 0..1000 {
        let step = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(12_000 + first.wrapping_add(step) % 20_000).expect("it is below 32,000");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("a thousand ports in a row are taken");
}
