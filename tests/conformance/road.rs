//! Endpoints for tests: a name becomes an address that nobody else has, before anybody binds it.
//!
//! A port of TCP has to be known before it is bound, because connecting may come first, and must be nobody else's: not
//! another test's, another process's, nor the one the kernel gives an outgoing connection. So ports come from below those
//! that the kernel gives away, each once per process, on an address of the loopback network that depends on the process;
//! one that is taken all the same is passed over.

#![expect(clippy::disallowed_types, reason = "a test is outside the library, and no model runs it")]

use std::{
    collections::HashMap,
    fs,
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
    process,
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

/// What endpoints are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Road {
    Inproc,
    Tcp,
    Ipc,
    /// Of a context that shares no memory with others.
    IpcPlain,
}

/// The endpoints of one context: by name, each made when it is first asked for.
#[derive(Debug)]
pub(crate) struct Endpoints {
    road: Road,
    by_name: Mutex<HashMap<String, String>>,
    /// Where the sockets of `ipc://` are. Made when needed, and removed with this.
    folder: Mutex<Option<PathBuf>>,
}

/// Below what Linux gives to outgoing connections unless told otherwise (`ip_local_port_range`), and above what services
/// use as a rule.
const PORTS: std::ops::Range<u32> = 10_000..32_000;

impl Endpoints {
    pub(crate) fn new(road: Road) -> Self {
        Self { road, by_name: Mutex::default(), folder: Mutex::default() }
    }

    /// The endpoint called `name` here.
    pub(crate) fn named(&self, name: &str) -> String {
        let mut by_name = self.by_name.lock().unwrap();
        if let Some(known) = by_name.get(name) {
            return known.clone();
        }
        let endpoint = match self.road {
            Road::Inproc => format!("inproc://{name}"),
            Road::Tcp => free_port(),
            // Numbered: a path has some 100 bytes at the most.
            Road::Ipc | Road::IpcPlain => format!("ipc://{}/{}", self.folder().display(), by_name.len()),
        };
        by_name.insert(name.to_owned(), endpoint.clone());
        endpoint
    }

    /// A folder for files, removed with this.
    pub(crate) fn folder(&self) -> PathBuf {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let mut folder = self.folder.lock().unwrap();
        let make = || {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("ringway-{}-{number}", process::id()));
            fs::create_dir_all(&path).expect("a folder for sockets");
            path
        };
        folder.get_or_insert_with(make).clone()
    }
}

impl Drop for Endpoints {
    fn drop(&mut self) {
        if let Some(folder) = self.folder.get_mut().unwrap() {
            let _ = fs::remove_dir_all(folder);
        }
    }
}

/// The loopback address of this process: Linux has a network of them, others have one.
pub(crate) fn loopback() -> Ipv4Addr {
    if cfg!(target_os = "linux") {
        let [_, _, high, low] = process::id().to_be_bytes();
        Ipv4Addr::new(127, 1 + high % 250, low, 1)
    } else {
        Ipv4Addr::LOCALHOST
    }
}

/// An endpoint of TCP that nobody has bound, and that no other call returns soon.
pub(crate) fn free_port() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let count = PORTS.end - PORTS.start;
    // Processes that share an address begin elsewhere.
    let first = process::id().wrapping_mul(7919);
    for _ in 0..count {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = PORTS.start + first.wrapping_add(number) % count;
        // Sets SO_REUSEADDR, as whoever binds it next does.
        if TcpListener::bind((loopback(), port as u16)).is_ok() {
            return format!("tcp://{}:{port}", loopback());
        }
    }
    panic!("no port is free");
}
