//! Programs in C and C++, `tests/c`, compiled by the system's compilers with `include/zmq.h` and linked to the library.
//!
//! Each is a test of its own: it ends with 0, or says where it did not go on.

mod built;

use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/c");
const HEADERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/include");
/// Where a system keeps libzmq's own.
const SYSTEM_HEADERS: &str = "/usr/include";
/// Until a program that does not end is ended: far more than any takes.
const TIME_LIMIT: Duration = Duration::from_secs(120);

const C: [&str; 6] = ["cc", "-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror"];
const CPP: [&str; 6] = ["c++", "-std=c++11", "-Wall", "-Wextra", "-pedantic", "-Werror"];

fn compiler([program, arguments @ ..]: [&str; 6], headers: &str) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).arg("-I").arg(headers).current_dir(SOURCES);
    command
}

/// Compiles `source`, as an object if it is not to be linked; returns where it is.
fn compiled(mut compiler: Command, source: &str, links: bool) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{source}.{}", std::process::id()));
    compiler.arg(source).arg("-o").arg(&target);
    if links {
        let library = built::library();
        let place = library.parent().unwrap();
        compiler.arg(&library).arg(format!("-Wl,-rpath,{}", place.display()));
    } else {
        compiler.arg("-c");
    }
    succeeded(source, &compiler.output().unwrap());
    target
}

fn succeeded(what: &str, output: &Output) {
    assert!(output.status.success(), "{what}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
}

/// Compiles, links and runs `source`.
fn run(compiler: Command, source: &str) {
    let program = compiled(compiler, source, true);
    let mut child = Command::new(&program).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + TIME_LIMIT;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            succeeded(source, &child.wait_with_output().unwrap());
            return;
        }
        thread::sleep(Duration::from_millis(5));
    }
    succeeded(source, &child.wait_with_output().unwrap());
    std::fs::remove_file(program).unwrap();
}

fn exists(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

#[test]
fn numbers_sizes_and_signatures_are_libzmqs() {
    for source in ["numbers.c", "signatures.c"] {
        compiled(compiler(C, HEADERS), source, false);
        if Path::new(SYSTEM_HEADERS).join("zmq.h").exists() {
            compiled(compiler(C, SYSTEM_HEADERS), source, false);
        }
    }
}

#[test]
fn messages() {
    run(compiler(C, HEADERS), "messages.c");
}

#[test]
fn helpers() {
    run(compiler(C, HEADERS), "helpers.c");
}

#[test]
fn proxies() {
    run(compiler(C, HEADERS), "proxy.c");
}

#[test]
fn monitors() {
    run(compiler(C, HEADERS), "monitor.c");
}

#[test]
fn signals_are_for_the_programs_own_threads() {
    run(compiler(C, HEADERS), "signals.c");
}

#[test]
fn pollers() {
    run(compiler(C, HEADERS), "poller.c");
}

#[test]
fn functions_work_in_a_thread_that_is_ending() {
    run(compiler(C, HEADERS), "exit.c");
}

#[test]
fn descriptors_are_polled_as_by_the_system() {
    run(compiler(C, HEADERS), "descriptors.c");
}

#[test]
fn threads_of_the_library_take_no_signals_and_have_the_systems_stack() {
    run(compiler(C, HEADERS), "threads.c");
}

#[test]
fn the_header_is_one_of_cpp_too() {
    if exists("c++") {
        run(compiler(CPP, HEADERS), "header.cpp");
    }
}

#[test]
fn a_cpp_binding_works_on_it() {
    if exists("c++") && Path::new(SYSTEM_HEADERS).join("zmq.hpp").exists() {
        let mut compiler = compiler(CPP, HEADERS);
        // The binding's own headers are not ours to have no warnings in.
        compiler.arg("-w");
        run(compiler, "cppzmq.cpp");
    }
}
