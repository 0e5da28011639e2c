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
//! **Permissions** asked for are set between binding and listening: before anybody can connect.
//!
//! An abstract name (`@name`, Linux) has none of these cares: it is gone with its socket.

#![forbid(unsafe_code)]

use std::{
    fs, io,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt},
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
    monitor::{BindFailure, ConnectFailure, PeerCredentials},
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

/// Which process is at the other end, as it was when it connected, or began to listen.
#[cfg(target_os = "linux")]
pub(super) fn peer_credentials(stream: &UnixStream) -> io::Result<PeerCredentials> {
    use nix::sys::socket::{getsockopt, sockopt};
    // Not by rustix, whose numbers of processes are never 0: that is what the system says of one in another namespace.
    let peer = getsockopt(stream, sockopt::PeerCredentials)?;
    Ok(PeerCredentials { process: peer.pid().cast_unsigned(), user: peer.uid(), group: peer.gid() })
}

#[cfg(not(target_os = "linux"))]
pub(super) fn peer_credentials(_: &UnixStream) -> io::Result<PeerCredentials> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Who is at the other end, for people.
pub(super) fn peer_label(stream: &UnixStream) -> String {
    match peer_credentials(stream) {
        Ok(PeerCredentials { process, user, .. }) => format!("process {process} of user {user}"),
        Err(_) => "a process of this machine".into(),
    }
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
        let claim = Claim { path, file, directory: directory.clone(), process: std::process::id() };
        if let Some(mode) = options.ipc_mode {
            set_mode(&claim.path, file, mode).map_err(|error| BindFailure::of(&error))?;
        }
        Ok((socket, claim))
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

/// Sets the permissions of `file`, which is at `path`. Not of what others have put there, and not of what a link they have
/// put there leads to.
#[cfg(target_os = "linux")]
fn set_mode(path: &Path, file: FileId, mode: u32) -> io::Result<()> {
    use rustix::fs::{Mode, OFlags, fstat, open};
    use std::os::fd::AsRawFd;
    let place = open(path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    let found = fstat(&place)?;
    if (FileId { device: found.st_dev, inode: found.st_ino }) != file {
        return Err(io::ErrorKind::AddrInUse.into());
    }
    // A descriptor of this kind cannot be changed by itself, other than by this path.
    let place = format!("/proc/self/fd/{}", place.as_raw_fd());
    fs::set_permissions(place, fs::Permissions::from_mode(mode))
}

#[cfg(not(target_os = "linux"))]
fn set_mode(path: &Path, _: FileId, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
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
/// Between two attempts at it: flock(2) has no time-out, nor a descriptor that tells when the lock is free.
const LOCK_PAUSE: Duration = Duration::from_millis(1);

/// Where sockets of `ipc://*` are if nothing else fits.
const TEMPORARY: &str = "/tmp";
/// What they are called there.
const ANY_NAME: &str = "socket";
/// Bytes of `/ringway-` and 16 digits.
const DIRECTORY_LEN: usize = 25;

#[cfg(all(test, not(any(loom, shuttle, miri))))]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::{
        Endpoint,
        transport::socket::{Acceptor, trial::*},
    };

    /// A directory that is gone when it is dropped.
    struct Place(PathBuf);

    impl Place {
        fn new() -> Self {
            Self(make_directory().unwrap().into())
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.join(name)
        }

        fn endpoint(&self, name: &str) -> String {
            format!("ipc://{}", self.path(name).display())
        }

        /// Leaves a socket there that nobody has.
        fn leave(&self, name: &str) -> PathBuf {
            let path = self.path(name);
            drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
            assert!(path.exists());
            path
        }

        fn names(&self) -> Vec<String> {
            fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn connects(endpoint: &str) -> bool {
        connect(&endpoint.parse().unwrap(), &StreamOptions::default()).is_ok()
    }

    #[test]
    fn a_path_is_there_as_long_as_its_socket() {
        let place = Place::new();
        let acceptor = bind(&place.endpoint("a")).unwrap();
        assert_eq!(acceptor.endpoint().to_string(), place.endpoint("a"));
        assert!(connects(&place.endpoint("a")));
        assert_eq!(place.names(), ["a"]);
        drop(acceptor);
        assert!(place.names().is_empty());
        assert!(bind(&place.endpoint("a")).is_ok());
    }

    #[test]
    fn a_live_path_is_in_use_and_is_not_disturbed() {
        let place = Place::new();
        let mut first = bind(&place.endpoint("a")).unwrap();
        assert_eq!(bind(&place.endpoint("a")).err(), Some(BindFailure::AddrInUse));
        assert_eq!(first.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert!(connects(&place.endpoint("a")));
        accept(&mut first);
    }

    #[test]
    fn a_path_that_is_bound_and_does_not_listen_yet_is_in_use() {
        let place = Place::new();
        for kind in [Type::STREAM, Type::DGRAM, Type::SEQPACKET] {
            let path = place.path(&format!("{kind:?}"));
            let socket = Socket::new(Domain::UNIX, kind, None).unwrap();
            socket.bind(&SockAddr::unix(&path).unwrap()).unwrap();
            let result = bind(&format!("ipc://{}", path.display()));
            assert_eq!(result.err(), Some(BindFailure::AddrInUse), "{kind:?}");
        }
    }

    #[test]
    fn a_stale_path_is_taken_over() {
        let place = Place::new();
        place.leave("a");
        let mut acceptor = bind(&place.endpoint("a")).unwrap();
        assert!(connects(&place.endpoint("a")));
        accept(&mut acceptor);
        drop(acceptor);
        assert!(place.names().is_empty());
    }

    #[test]
    fn a_file_that_is_no_socket_is_left_alone() {
        let place = Place::new();
        fs::write(place.path("a"), "precious").unwrap();
        std::os::unix::fs::symlink(place.leave("stale"), place.path("b")).unwrap();
        fs::create_dir(place.path("c")).unwrap();
        for name in ["a", "b", "c"] {
            assert_eq!(bind(&place.endpoint(name)).err(), Some(BindFailure::AddrInUse));
            let connected = connect(&place.endpoint(name).parse().unwrap(), &StreamOptions::default());
            assert_eq!(connected.err(), Some(ConnectFailure::Refused));
        }
        assert_eq!(fs::read(place.path("a")).unwrap(), b"precious");
    }

    #[test]
    fn what_others_have_put_in_our_place_is_left_alone() {
        let place = Place::new();
        let acceptor = bind(&place.endpoint("a")).unwrap();
        fs::remove_file(place.path("a")).unwrap();
        let other = std::os::unix::net::UnixListener::bind(place.path("a")).unwrap();
        drop(acceptor);
        assert_eq!(place.names(), ["a"]);
        drop(other);
    }

    #[test]
    fn of_many_who_take_a_stale_path_over_one_succeeds() {
        for _ in 0..200 {
            let place = Place::new();
            place.leave("a");
            let endpoint: Endpoint = place.endpoint("a").parse().unwrap();
            let started = AtomicUsize::new(0);
            let winners: Vec<Acceptor> = std::thread::scope(|scope| {
                let take = || {
                    started.fetch_add(1, Ordering::Relaxed);
                    while started.load(Ordering::Relaxed) < 4 {
                        std::thread::yield_now();
                    }
                    crate::transport::socket::listen(&endpoint, &StreamOptions::default())
                };
                let threads = [(); 4].map(|()| scope.spawn(take));
                threads
                    .into_iter()
                    .filter_map(|thread| match thread.join().unwrap() {
                        Ok(acceptor) => Some(acceptor),
                        Err(failure) => {
                            assert_eq!(failure, BindFailure::AddrInUse);
                            None
                        }
                    })
                    .collect()
            });
            assert_eq!(winners.len(), 1);
            assert!(connects(&place.endpoint("a")), "the winner is the one at the path");
        }
    }

    #[test]
    fn a_lock_that_is_not_let_go_is_not_waited_for() {
        let place = Place::new();
        place.leave("a");
        let lock = lock_directory_of(&place.path("a")).unwrap();
        let Err(BindFailure::System(error)) = bind(&place.endpoint("a")) else { panic!() };
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        drop(lock);
        assert!(bind(&place.endpoint("a")).is_ok());
    }

    #[test]
    fn any_path_is_a_new_one_and_goes_with_its_socket() {
        let (one, other) = (bind("ipc://*").unwrap(), bind("ipc://*").unwrap());
        assert_ne!(one.endpoint(), other.endpoint());
        let Endpoint::Ipc(ipc) = one.endpoint() else { panic!() };
        let path = PathBuf::from(ipc.as_str());
        assert!(connects(&one.endpoint().to_string()));
        let directory = path.parent().unwrap();
        assert_eq!(fs::metadata(directory).unwrap().permissions().mode() & 0o777, 0o700);
        drop(one);
        assert!(!directory.exists());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn abstract_names_are_in_no_directory() {
        let name = format!("ipc://@ringway-test-{:x}", random());
        let mut first = bind(&name).unwrap();
        assert_eq!(first.endpoint().to_string(), name);
        assert_eq!(bind(&name).err(), Some(BindFailure::AddrInUse));
        assert!(connects(&name));
        accept(&mut first);
        drop(first);
        assert!(!connects(&name));
        assert!(bind(&name).is_ok());
    }

    #[test]
    fn a_directory_that_is_not_there_is_an_error_of_the_system() {
        let place = Place::new();
        let Err(BindFailure::System(error)) = bind(&place.endpoint("no/a")) else { panic!() };
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_listener_with_a_full_backlog_is_busy() {
        let place = Place::new();
        let options = StreamOptions { backlog: 0, ..StreamOptions::default() };
        let _acceptor = bind_with(&place.endpoint("a"), &options).unwrap();
        let endpoint = place.endpoint("a").parse().unwrap();
        let streams: Vec<_> = (0..10).map(|_| connect(&endpoint, &options)).collect();
        assert!(streams[0].is_ok());
        assert_eq!(streams.last().unwrap().as_ref().err(), Some(&ConnectFailure::Busy));
        assert_eq!(bind(&place.endpoint("a")).err(), Some(BindFailure::AddrInUse));
    }

    #[test]
    fn a_path_has_the_permissions_asked_for() {
        let place = Place::new();
        for mode in [0o600, 0o660, 0o666, 0o777, 0] {
            let options = StreamOptions { ipc_mode: Some(mode), ..StreamOptions::default() };
            // One that is new, and one that is taken over.
            for _ in 0..2 {
                let acceptor = bind_with(&place.endpoint("a"), &options).unwrap();
                let metadata = fs::symlink_metadata(place.path("a")).unwrap();
                assert!(metadata.file_type().is_socket());
                assert_eq!(metadata.permissions().mode() & 0o7777, mode);
                drop(acceptor);
                assert!(place.names().is_empty());
                place.leave("a");
            }
            fs::remove_file(place.path("a")).unwrap();
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn permissions_of_what_others_have_put_there_are_left_alone() {
        let place = Place::new();
        let ours = std::os::unix::net::UnixListener::bind(place.path("a")).unwrap();
        let file = FileId::of(&place.path("a")).unwrap();
        fs::write(place.path("precious"), "").unwrap();
        fs::set_permissions(place.path("precious"), fs::Permissions::from_mode(0o640)).unwrap();
        fs::remove_file(place.path("a")).unwrap();
        std::os::unix::fs::symlink(place.path("precious"), place.path("a")).unwrap();
        let error = set_mode(&place.path("a"), file, 0o666).unwrap_err();
        assert_eq!(BindFailure::of(&error), BindFailure::AddrInUse);
        assert_eq!(fs::metadata(place.path("precious")).unwrap().permissions().mode() & 0o777, 0o640);
        drop(ours);
    }

    /// Runs `work` on a thread of another user; `None` if we may not become another.
    #[cfg(target_os = "linux")]
    fn as_another<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
        let another = rustix::fs::Uid::from_raw(ANOTHER);
        std::thread::scope(|scope| {
            // Of this thread alone; the system's library changes all.
            let run = || rustix::thread::set_thread_res_uid(another, another, another).ok().map(|()| work());
            scope.spawn(run).join().unwrap()
        })
    }

    /// Traditionally that of nobody.
    #[cfg(target_os = "linux")]
    const ANOTHER: u32 = 65534;

    #[cfg(target_os = "linux")]
    #[test]
    fn who_may_not_write_there_does_not_connect() {
        let place = Place::new();
        fs::set_permissions(&place.0, fs::Permissions::from_mode(0o755)).unwrap();
        for (mode, result) in [(0o600, Some(ConnectFailure::PermissionDenied)), (0o622, None)] {
            let options = StreamOptions { ipc_mode: Some(mode), ..StreamOptions::default() };
            let acceptor = bind_with(&place.endpoint("a"), &options).unwrap();
            let dialled =
                as_another(|| dial(&IpcEndpoint::from_path(place.path("a").to_str().unwrap()), &options).err());
            assert!(dialled.is_none_or(|dialled| dialled == result));
            drop(acceptor);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_peer_is_who_connected() {
        let ours = PeerCredentials {
            process: std::process::id(),
            user: rustix::process::geteuid().as_raw(),
            group: rustix::process::getegid().as_raw(),
        };
        let (here, there) = pair("ipc://*", &StreamOptions::default());
        for stream in [here, there] {
            assert_eq!(stream.peer_credentials().unwrap().unwrap(), ours);
        }
        let place = Place::new();
        fs::set_permissions(&place.0, fs::Permissions::from_mode(0o755)).unwrap();
        let options = StreamOptions { ipc_mode: Some(0o666), ..StreamOptions::default() };
        let mut acceptor = bind_with(&place.endpoint("a"), &options).unwrap();
        let endpoint = IpcEndpoint::from_path(place.path("a").to_str().unwrap());
        if let Some(stream) = as_another(|| dial(&endpoint, &options).unwrap()) {
            let peer = accept(&mut acceptor).peer_credentials().unwrap().unwrap();
            assert_eq!(peer, PeerCredentials { user: ANOTHER, ..ours });
            drop(stream);
        }
    }

    #[test]
    fn the_longest_path_is_bound() {
        let place = Place::new();
        let prefix = place.path("").to_str().unwrap().len();
        let endpoint = place.endpoint(&"x".repeat(IPC_PATH_MAX - prefix));
        let acceptor = bind(&endpoint).unwrap();
        assert!(connects(&endpoint));
        drop(acceptor);
        assert!(place.names().is_empty());
    }
}
