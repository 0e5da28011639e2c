//! Every example with the pyzmq program of the same name on the other side, over tcp and ipc: each part played by either,
//! in every mixture.
//!
//! `cargo build --examples && cargo test --features interop --test examples_pyzmq`

#![cfg(all(feature = "interop", not(any(loom, shuttle, miri))))]

mod python;
mod stage;

use std::{fs, path::Path, process::Command};

use stage::{PLAYS, Play, Road, built};

/// Plays `example` in all mixtures of the two: bit number n of `mixture` is set when the n-th part is Python's.
fn play_mixed(example: &str) {
    let play = PLAYS.iter().find(|play| play.example == example).expect("there is such a play");
    for road in [Road::Tcp, Road::Ipc] {
        // Neither all of one nor all of the other.
        for mixture in 1..(1_u32 << play.roles.len()) - 1 {
            perform(play, road, mixture);
        }
    }
}

fn perform(play: &Play, road: Road, mixture: u32) {
    play.perform(road, |role| {
        let place = play.roles.iter().position(|other| other.name == role.name).expect("it is one of them");
        if mixture & 1 << place == 0 {
            return Command::new(built(play.example));
        }
        let mut command = Command::new(python::python());
        command.arg(scripts().join(format!("{}.py", play.example)));
        // Leaves nothing in the source tree.
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        command
    });
}

fn scripts() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/pyzmq")
}

macro_rules! plays {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            play_mixed(stringify!($name));
        })*

        const TESTED: &[&str] = &[$(stringify!($name)),*];
    };
}

plays! {
    broker clean_stop coordination durable_subscriber forwarder hello_world loan multithreaded_server pipeline relay
    two_sources weather
}

#[test]
fn every_play_is_tested_and_every_program_says_how_to_run_it() {
    let mut names: Vec<&str> = PLAYS.iter().map(|play| play.example).collect();
    assert_eq!(names, TESTED);
    names.push("parts");
    names.sort_unstable();
    let mut programs: Vec<String> = Vec::new();
    for entry in fs::read_dir(scripts()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.extension().is_some_and(|extension| extension == "py") {
            let text = fs::read_to_string(&path).unwrap();
            let command = format!("# python3 examples/pyzmq/{name}.py --role ");
            assert!(name == "parts" || text.starts_with(&command), "line one of {name}");
            programs.push(name);
        }
    }
    programs.sort();
    assert_eq!(programs, names);
}

/// The programs themselves, so that a failure above is the library's.
#[test]
fn all_in_python() {
    for play in PLAYS {
        perform(play, Road::Tcp, u32::MAX);
    }
}
