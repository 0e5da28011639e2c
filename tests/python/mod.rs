//! A Python that has pyzmq, set up where cargo keeps what tests make.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// Its path. Made by the first call, which takes a network; found again by those of later runs.
///
/// A missing Python or network is a failure, not a reason to pass.
pub(crate) fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pyzmq");
        let python = home.join("bin/python");
        let has_pyzmq = || {
            let answer = Command::new(&python).args(["-c", "import zmq"]).output();
            answer.is_ok_and(|answer| answer.status.success())
        };
        if !has_pyzmq() {
            run(Command::new("python3").args(["-m", "venv"]).arg(&home));
            run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "pyzmq"]));
            assert!(has_pyzmq(), "{} has no pyzmq, though it was installed", home.display());
        }
        python
    })
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
