//! A Python that has pyzmq and what its own test suite wants, and that suite, set up where cargo keeps what tests make.
//!
//! Needs a `python3` with the module venv, and the package index (PyPI). One that is missing is a failure, not a reason to
//! pass.

#![allow(dead_code, reason = "each test uses what it needs")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{self, Command, Stdio},
    sync::OnceLock,
};

/// The release of pyzmq that is used. Fixed, because the exceptions name its tests one by one.
pub(crate) const PYZMQ: &str = "27.3.0";

/// Its path. Made by the first call, which takes a network; found again by those of later runs.
pub(crate) fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let python = home().join("venv/bin/python");
        made_once("venv", |venv| {
            run(Command::new("python3").args(["-m", "venv"]).arg(venv));
            let wheel = format!("pyzmq=={PYZMQ}");
            // Some of its tests fail at times whatever they run on, and say how often they are to be tried again.
            let packages = [&wheel, "pytest", "pytest-asyncio", "pytest-rerunfailures", "tornado"];
            run(Command::new(venv.join("bin/python"))
                .args(["-m", "pip", "install", "--quiet", "--only-binary", "pyzmq"])
                .args(packages));
        });
        python
    })
}

/// A folder with the suite of that release, unmodified: `tests/` and `pytest.ini`, and nothing that could be imported in
/// the place of what is installed.
pub(crate) fn suite() -> PathBuf {
    made_once("suite", |suite| {
        let source = suite.with_extension("source");
        let _ = fs::remove_dir_all(&source);
        fs::create_dir_all(&source).expect("cargo's folder can be written to");
        run(Command::new(python())
            .args(["-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "pyzmq", "--dest"])
            .arg(&source)
            .arg(format!("pyzmq=={PYZMQ}")));
        let name = format!("pyzmq-{PYZMQ}");
        run(Command::new(python())
            .args(["-m", "tarfile", "-e"])
            .arg(source.join(format!("{name}.tar.gz")))
            .arg(&source));
        fs::create_dir(suite).expect("it is not there yet");
        for part in ["tests", "pytest.ini"] {
            fs::rename(source.join(&name).join(part), suite.join(part)).expect("the source package has its tests");
        }
        let _ = fs::remove_dir_all(&source);
    });
    home().join("suite")
}

/// Where all this is, and what tests leave behind may be.
pub(crate) fn home() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("pyzmq-suite")
}

/// Made under another name and moved: what is there is whole, also when it fails halfway or two runs begin at once.
fn made_once(name: &str, make: impl Fn(&Path)) {
    let place = home().join(name);
    if place.exists() {
        return;
    }
    fs::create_dir_all(home()).expect("cargo's folder can be written to");
    let draft = home().join(format!("{name}-{}", process::id()));
    let _ = fs::remove_dir_all(&draft);
    make(&draft);
    if fs::rename(&draft, &place).is_err() {
        let _ = fs::remove_dir_all(&draft);
    }
}

fn run(command: &mut Command) {
    let output = command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}. It takes a python3 with venv (Debian: python3-venv)."));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}. It takes PyPI.\n{said}", output.status);
}
