//! The library as it was built for these tests.

use std::path::PathBuf;

/// The shared library. Cargo builds it for a package's tests and puts it beside them.
pub(crate) fn library() -> PathBuf {
    let test = std::env::current_exe().expect("a test is a file");
    let place = test.parent().expect("a file is in a folder");
    let library = place.join("libringway_zmq.so");
    assert!(library.exists(), "{} is not there", library.display());
    library
}
