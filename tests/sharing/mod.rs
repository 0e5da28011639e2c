//! Do messages between two processes go through memory they share? What suites ask for depends on it.

use std::{env, fs, process, time::Duration};

use ringway::{Context, Pull, Push, monitor::Road};

/// As it is meant to be. Over plain ZMTP what the kernel has taken is lost with who was to read it, nobody has a segment to
/// scribble in, and the suites ask for less.
pub(crate) const SHARES_MEMORY: bool = true;

/// As it is.
pub(crate) fn is_so() -> bool {
    let path = env::temp_dir().join(format!("ringway-sharing-{}", process::id()));
    let endpoint = format!("ipc://{}", path.display());
    let (here, there) = (Context::new(), Context::new());
    let (mut push, mut pull) = (Push::new(&here).unwrap(), Pull::new(&there).unwrap());
    pull.bind(&endpoint).unwrap();
    push.connect(&endpoint).unwrap();
    push.send("which way?").unwrap();
    pull.recv_timeout(Duration::from_secs(20)).unwrap();
    let road = push.peer_list()[0].road;
    drop((push, pull));
    let _ = fs::remove_file(path);
    road == Road::SharedMemory
}
