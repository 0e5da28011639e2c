//! Who talks to whom over which road, and how a test is run.

#![forbid(unsafe_code)]

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixStream},
    },
    path::PathBuf,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use ringway::SocketType;

use crate::{
    libzmq::Libzmq,
    ours::Ringway,
    party::{PATIENCE, Party, Setting, Socket},
    pyzmq::Pyzmq,
};

/// One way to run a test: the *near* side is the one it is about, the *far* side the peer it is to get along with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) near: Maker,
    pub(crate) far: Maker,
    pub(crate) road: Road,
}

/// Whose sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Maker {
    Ringway,
    /// The system's, in this process.
    Libzmq,
    /// With a libzmq of its own, in a process of its own.
    Pyzmq,
}

/// What an endpoint begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Road {
    Tcp,
    /// A Unix-domain socket in the file system.
    Path,
    /// One without a file.
    Abstract,
}

/// Which side binds; the other connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Binds {
    Near,
    Far,
}

/// A bare connection to a socket.
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Maker {
    pub(crate) fn party(self) -> Box<dyn Party> {
        match self {
            Self::Ringway => Box::new(Ringway::new()),
            Self::Libzmq => Box::new(Libzmq::new()),
            Self::Pyzmq => Box::new(Pyzmq::new()),
        }
    }
}

impl Case {
    pub(crate) fn near(&self) -> Box<dyn Party> {
        self.near.party()
    }

    pub(crate) fn far(&self) -> Box<dyn Party> {
        self.far.party()
    }

    /// Binds one and connects the other. Returns the endpoint.
    pub(crate) fn link<'a>(&self, near: &'a mut dyn Socket, far: &'a mut dyn Socket, binds: Binds) -> String {
        let (binding, connecting) = match binds {
            Binds::Near => (near, far),
            Binds::Far => (far, near),
        };
        let endpoint = binding.bind(&self.road.to_bind());
        connecting.connect(&endpoint);
        endpoint
    }

    /// Runs `test` with two linked sockets of these types, each side binding once.
    pub(crate) fn linked(
        &self,
        (near_kind, near_settings): (SocketType, &[Setting]),
        (far_kind, far_settings): (SocketType, &[Setting]),
        test: impl Fn(&mut dyn Socket, &mut dyn Socket),
    ) {
        for binds in Binds::EITHER {
            println!("{binds:?} binds");
            let (near_party, far_party) = (self.near(), self.far());
            let mut near = near_party.socket(near_kind, near_settings);
            let mut far = far_party.socket(far_kind, far_settings);
            self.link(&mut *near, &mut *far, binds);
            test(&mut *near, &mut *far);
        }
    }
}

impl Binds {
    pub(crate) const EITHER: [Self; 2] = [Self::Near, Self::Far];
}

impl Road {
    /// An endpoint to bind whose exact form is for the binder to say.
    pub(crate) fn to_bind(self) -> String {
        match self {
            Self::Tcp => "tcp://127.0.0.1:*".to_owned(),
            Self::Path | Self::Abstract => self.unbound(),
        }
    }

    /// An endpoint nobody has bound or ever had, to connect to first.
    pub(crate) fn unbound(self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let (number, process) = (NEXT.fetch_add(1, Ordering::Relaxed), std::process::id());
        match self {
            // An address of its own for each, so that the port is nobody's; and a port no connection is given.
            Self::Tcp => format!("tcp://127.{}.{}.{}:7171", 1 + process % 250, number / 250, 1 + number % 250),
            Self::Path => format!("ipc://{}", sockets().join(number.to_string()).display()),
            Self::Abstract => format!("ipc://@ringway-interop-{process}-{number}"),
        }
    }
}

/// Where socket files are. Short: their paths have 107 bytes at the most.
fn sockets() -> &'static PathBuf {
    static SOCKETS: OnceLock<PathBuf> = OnceLock::new();
    SOCKETS.get_or_init(|| {
        let directory = std::env::temp_dir().join(format!("ringway-interop-{}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a directory for sockets");
        directory
    })
}

impl Stream {
    /// Connects to who is bound to `endpoint`.
    pub(crate) fn connect(endpoint: &str) -> Self {
        if let Some(address) = endpoint.strip_prefix("tcp://") {
            let stream = TcpStream::connect(address).expect("somebody listens");
            stream.set_read_timeout(Some(PATIENCE)).expect("a time");
            return Self::Tcp(stream);
        }
        let stream = match endpoint.strip_prefix("ipc://@") {
            Some(name) => {
                UnixStream::connect_addr(&SocketAddr::from_abstract_name(name.as_bytes()).expect("a short name"))
            }
            None => UnixStream::connect(endpoint.strip_prefix("ipc://").expect("a stream's endpoint")),
        };
        let stream = stream.expect("somebody listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time");
        Self::Unix(stream)
    }

    /// Writes as much as the other side takes.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        let _ = match self {
            Self::Tcp(stream) => stream.write_all(bytes),
            Self::Unix(stream) => stream.write_all(bytes),
        };
    }

    /// Reads so many bytes.
    pub(crate) fn read(&mut self, size: usize) {
        let mut bytes = vec![0; size];
        let read = match self {
            Self::Tcp(stream) => stream.read_exact(&mut bytes),
            Self::Unix(stream) => stream.read_exact(&mut bytes),
        };
        read.expect("more to come");
    }

    /// Reads until the other side closes.
    pub(crate) fn read_to_end(&mut self) -> io::Result<usize> {
        let mut bytes = Vec::new();
        let read = match self {
            Self::Tcp(stream) => stream.read_to_end(&mut bytes),
            Self::Unix(stream) => stream.read_to_end(&mut bytes),
        };
        // A reset is a way to close.
        read.or_else(|why| if why.kind() == io::ErrorKind::ConnectionReset { Ok(bytes.len()) } else { Err(why) })
    }
}

/// Runs `test`, and fails instead of hanging.
pub(crate) fn run(case: Case, test: fn(Case)) {
    const LIMIT: Duration = Duration::from_secs(180);
    let (done, is_done) = mpsc::channel();
    let runner = thread::spawn(move || {
        test(case);
        let _ = done.send(());
    });
    match is_done.recv_timeout(LIMIT) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("hangs: {case:?}"),
        _ => {
            if let Err(panic) = runner.join() {
                std::panic::resume_unwind(panic);
            }
        }
    }
}
