//! The library under test, and how a program that knows nothing of it comes to run on it.

#![allow(dead_code, reason = "each test uses what it needs")]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::SystemTime,
};

/// `libringway_zmq.so`, as cargo built it along with this test; or the one `RINGWAY_ZMQ_LIBRARY` names.
pub(crate) fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        if let Some(path) = env::var_os("RINGWAY_ZMQ_LIBRARY") {
            return fs::canonicalize(&path).unwrap_or_else(|error| panic!("{}: {error}", Path::new(&path).display()));
        }
        let test = env::current_exe().expect("a running test has a path");
        let dependencies = test.parent().expect("tests lie two folders deep");
        let profile = dependencies.parent().expect("tests lie two folders deep");
        // `cargo build` leaves it in the one place, `cargo test` may do so in the other only.
        let built = [dependencies, profile].map(|folder| folder.join("libringway_zmq.so"));
        let age =
            |path: &PathBuf| fs::metadata(path).and_then(|about| about.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
        let newest = built.into_iter().max_by_key(age).expect("there are two");
        assert!(newest.exists(), "{} is missing: run `cargo build -p ringway-zmq` first", newest.display());
        newest
    })
}

/// Has `command` run on the library under test, whatever libzmq it is linked to.
pub(crate) fn preload(command: &mut Command) -> &mut Command {
    command.env("LD_PRELOAD", library())
}

/// Checks that in `python`, preloaded, libzmq's functions are this library's.
pub(crate) fn check_preloading(python: &Path) {
    // Where the function is that pyzmq's compiled part gets too: both go by the order of loading.
    let question = "
import ctypes, zmq
found = ctypes.cast(ctypes.CDLL(None).zmq_ctx_new, ctypes.c_void_p).value
for line in open('/proc/self/maps'):
    begin, end = (int(word, 16) for word in line.split()[0].split('-'))
    if begin <= found < end:
        print(line.split(maxsplit=5)[5].strip(), zmq.zmq_version())
";
    let output = preload(Command::new(python).args(["-c", question])).output().expect("python starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "import zmq fails with the library preloaded: {}\n{complaint}", output.status);
    let expected = format!("{} ", library().display());
    assert!(said.starts_with(&expected), "zmq_ctx_new is not of {}, but of: {said}", library().display());
    println!("preloaded: {}", said.trim());
}
