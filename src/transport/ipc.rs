//! `ipc://`: Unix-domain sockets, and the paths they leave behind.
//!
//! The system makes a file when a socket is bound to a path, and never removes it. So who finds one has to know whether
//! somebody still listens there:
//!
//! | at the path is | who binds |
//! |---|---|
//! | nothing | has it. The system lets one of several through |
//! | a file that is no socket | is told `AddrInUse`: it is not ours to delete |
//! | a socket with a process behind it, *live* | is told `AddrInUse`. (libzmq deletes it, and the other is never heard of again) |
//! | a socket with none, *stale* | deletes it and binds |
//!
//! **Probing.** A datagram socket that connects to a stream socket's path is refused with `EPROTOTYPE` if that is live,
//! with `ECONNREFUSED` if it is stale. The listener hears nothing of it, and one that is bound and does not listen yet
//! counts as live. Not every system that claims to be a Unix makes this difference; so a path counts as stale only if a
//! stream socket is refused, too.
//!
//! **Taking over** is probing, deleting and binding, and of two at a time the slower would delete what the faster has
//! just bound. So it is done under a lock of the directory (`flock`), which leaves no file behind, and the probe is
//! repeated under it. Binding to a free path needs no lock. Others than Ringway do not know of the lock: against libzmq
//! there is a moment between the second probe and the deletion.
//!
//! **Closing** deletes the path before the listener closes, if there is still the file we made (by device and inode, which
//! our socket keeps from being used again). As we are live until after that, nobody takes it over in between.
//!
//! An abstract name (`@name`, Linux) has none of these cares: it is gone with its socket.

#![forbid(unsafe_code)]

use std::{
    fs, io,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt},
    },
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use mio::{event::Source, net::UnixStream};
use rustix::fs::{FlockOperation, flock};
use socket2::{Domain, SockAddr, SockRef, Socket, Type};

use super::{options::StreamOptions, tcp::set_buffers};
use crate::{
    endpoint::{IPC_PATH_MAX, IpcEndpoint, IpcName},
    monitor::{BindFailure, ConnectFailure},
    system::is_other_type,
};

/// Where connections come in.
#[derive(Debug)]
pub(super) struct Listener {
    /// Before the listener: it goes first.
    _claim: Option<Claim>,
    listener: mio::net::UnixListener,
    endpoint: IpcEndpoint,
}

/// A path that is ours to delete, as long as it is ours.
#[derive(Debug)]
struct Claim {
    /// Absolute, as the working directory may change.
    path: PathBuf,
    file: FileId,
    /// A directory made for it.
    directory: Option<PathBuf>,
    /// The process that made it: one that was forked from it has nothing to delete.
    process: u32,
}

/// Which file a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
}

/// What is found at a path that cannot be bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Occupant {
    /// A socket somebody has, or no socket at all.
    Live,
    /// A socket nobody has.
    Stale,
    /// Nothing any more.
    Gone,
}

/// Listens at `endpoint`.
pub(super) fn listen(endpoint: &IpcEndpoint, options: &StreamOptions) -> Result<Listener, BindFailure> {
    match endpoint.name() {
        IpcName::Path(path) => listen_at_path(endpoint.clone(), path, None, options),
        IpcName::Abstract(_) => {
            let socket = open(options).map_err(|error| BindFailure::of(&error))?;
            let bound = address(endpoint).and_then(|address| socket.bind(&address));
            bound.map_err(|error| BindFailure::of(&error))?;
            Listener::new(socket, None, endpoint.clone(), options)
        }
        IpcName::Any => {
            let directory = make_directory().map_err(|error| BindFailure::of(&error))?;
            let path = format!("{directory}/{ANY_NAME}");
            listen_at_path(IpcEndpoint::from_path(&path), &path, Some(directory.into()), options)
        }
    }
}

/// Begins to connect to `endpoint`. There is no waiting with Unix-domain sockets: it is connected, or not.
pub(super) fn dial(endpoint: &IpcEndpoint, options: &StreamOptions) -> Result<UnixStream, ConnectFailure> {
    let connect = || {
        let socket = open(options)?;
        socket.connect(&address(endpoint)?)?;
        Ok(UnixStream::from_std(socket.into()))
    };
    connect().map_err(|error: io::Error| ConnectFailure::of(&error))
}

/// Who is at the other end.
pub(super) fn peer_label(stream: &UnixStream) -> String {
    #[cfg(target_os = "linux")]
    if let Ok(peer) = rustix::net::sockopt::socket_peercred(stream) {
        return format!("process {} of user {}", peer.pid.as_raw_nonzero(), peer.uid.as_raw());
    }
    let _ = stream;
    "a process of this machine".into()
}

impl Listener {
    fn new(
        socket: Socket,
        claim: Option<Claim>,
        endpoint: IpcEndpoint,
        options: &StreamOptions,
    ) -> Result<Self, BindFailure> {
        // Before anything can fail: who fails has nothing to leave behind.
        let listener = mio::net::UnixListener::from_std(socket.into());
        let listener = Self { _claim: claim, listener, endpoint };
        let backlog = options.backlog.try_into().unwrap_or(i32::MAX);
        SockRef::from(&listener.listener).listen(backlog).map_err(|error| BindFailure::of(&error))?;
        Ok(listener)
    }

    pub(super) fn accept(&self) -> io::Result<UnixStream> {
        self.listener.accept().map(|(stream, _)| stream)
    }

    /// Where it listens.
    pub(super) fn endpoint(&self) -> &IpcEndpoint {
        &self.endpoint
    }

    pub(super) fn source(&mut self) -> &mut dyn Source {
        &mut self.listener
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

fn listen_at_path(
    endpoint: IpcEndpoint,
    path: &str,
    directory: Option<PathBuf>,
    options: &StreamOptions,
) -> Result<Listener, BindFailure> {
    let bind = || -> Result<(Socket, Claim), BindFailure> {
        let path = std::path::absolute(path).map_err(|error| BindFailure::of(&error))?;
        let socket = open(options).map_err(|error| BindFailure::of(&error))?;
        bind_path(&socket, &endpoint)?;
        let file = FileId::of(&path).map_err(|error| BindFailure::of(&error))?;
        Ok((socket, Claim { path, file, directory: directory.clone(), process: std::process::id() }))
    };
    match bind() {
        Ok((socket, claim)) => Listener::new(socket, Some(claim), endpoint, options),
        Err(failure) => {
            directory.map(fs::remove_dir);
            Err(failure)
        }
    }
}

/// Binds `socket` to a path, taking it over if need be.
fn bind_path(socket: &Socket, endpoint: &IpcEndpoint) -> Result<(), BindFailure> {
    let failed = |error: io::Error| BindFailure::of(&error);
    let address = address(endpoint).map_err(failed)?;
    let path = Path::new(endpoint.as_str());
    match socket.bind(&address) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
        result => return result.map_err(failed),
    }
    if occupant(path, &address).map_err(failed)? == Occupant::Live {
        return Err(BindFailure::AddrInUse);
    }
    // Until the end of this function.
    let _lock = lock_directory_of(path).map_err(failed)?;
    match occupant(path, &address).map_err(failed)? {
        Occupant::Live => return Err(BindFailure::AddrInUse),
        Occupant::Stale => match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        },
        Occupant::Gone => {}
    }
    socket.bind(&address).map_err(failed)
}

/// What is at `path`.
fn occupant(path: &Path, address: &SockAddr) -> io::Result<Occupant> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Occupant::Gone),
        Err(error) => return Err(error),
        Ok(metadata) if !metadata.file_type().is_socket() => return Ok(Occupant::Live),
        Ok(_) => {}
    }
    for kind in [Type::DGRAM, Type::STREAM] {
        let probe = Socket::new(Domain::UNIX, kind, None)?;
        probe.set_nonblocking(true)?;
        match probe.connect(address) {
            Ok(()) => return Ok(Occupant::Live),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Occupant::Gone),
            // The latter: connections wait there already, as many as may.
            Err(error) if is_other_type(&error) || error.kind() == io::ErrorKind::WouldBlock => {
                return Ok(Occupant::Live);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Occupant::Stale)
}

/// Locks the directory `path` is in until what it returns is dropped. Others hold it for moments; who holds it for
/// longer is up to no good, and is not waited for.
fn lock_directory_of(path: &Path) -> io::Result<fs::File> {
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let directory = fs::File::open(directory)?;
    let deadline = Instant::now() + LOCK_PATIENCE;
    loop {
        match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(directory),
            Err(error) if error == rustix::io::Errno::WOULDBLOCK && Instant::now() < deadline => {
                std::thread::sleep(LOCK_PAUSE);
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// A new directory for a socket of its own, that only this user may enter.
fn make_directory() -> io::Result<String> {
    let temporary = std::env::temp_dir();
    let parents = [temporary.to_str().unwrap_or(TEMPORARY), TEMPORARY];
    let fits = |parent: &&str| parent.len() + DIRECTORY_LEN + 1 + ANY_NAME.len() <= IPC_PATH_MAX;
    let parent = parents.into_iter().find(fits).unwrap_or(TEMPORARY).trim_end_matches('/');
    loop {
        let directory = format!("{parent}/ringway-{:016x}", random());
        match fs::DirBuilder::new().mode(0o700).create(&directory) {
            Ok(()) => return Ok(directory),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

/// The standard library has no other way to randomness.
fn random() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish()
}

fn open(options: &StreamOptions) -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    set_buffers(&SockRef::from(&socket), options)?;
    Ok(socket)
}

fn address(endpoint: &IpcEndpoint) -> io::Result<SockAddr> {
    match endpoint.name() {
        IpcName::Path(path) => SockAddr::unix(path),
        // A zero byte at the beginning is how the system tells them apart.
        IpcName::Abstract(name) if cfg!(target_os = "linux") => SockAddr::unix(format!("\0{name}")),
        IpcName::Abstract(_) | IpcName::Any => Err(io::ErrorKind::Unsupported.into()),
    }
}

impl FileId {
    fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::symlink_metadata(path)?;
        Ok(Self { device: metadata.dev(), inode: metadata.ino() })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.process != std::process::id() {
            return;
        }
        if FileId::of(&self.path).is_ok_and(|file| file == self.file) {
            // Nobody is there to be told. The next who binds finds it stale.
            let _ = fs::remove_file(&self.path);
        }
        if let Some(directory) = &self.directory {
            let _ = fs::remove_dir(directory);
        }
    }
}

/// How long a lock is waited for, which others hold for some system calls.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);
/// Between two attempts at it.
const LOCK_PAUSE: Duration = Duration::from_millis(1);

/// Where sockets of `ipc://*` are if nothing else fits.
const TEMPORARY: &str = "/tmp";
/// What they are called there.
const ANY_NAME: &str = "socket";
/// Bytes of `/ringway-` and 16 digits.
const DIRECTORY_LEN: usize = 25;
