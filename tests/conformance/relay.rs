//! Somebody in the middle of a stream, who can cut it anywhere.

#![expect(clippy::disallowed_types, reason = "a test is outside the library, and no model runs it")]

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    os::unix::net::{UnixListener, UnixStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

/// Listens at one endpoint, and passes what comes on to another, byte by byte, both ways.
///
/// Dropping it cuts all its streams and ends its threads.
pub(crate) struct Relay {
    shared: Arc<Shared>,
    accepting: Option<thread::JoinHandle<()>>,
}

struct Shared {
    here: String,
    there: String,
    streams: Mutex<Vec<Stream>>,
    /// Bytes until all streams are cut; `u64::MAX` for never.
    left: AtomicU64,
    cuts: AtomicU64,
    is_over: AtomicBool,
}

/// Either kind of connected socket.
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

enum Acceptor {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Relay {
    /// Relays what connects to the endpoint `here` to the endpoint `there`.
    pub(crate) fn new(here: String, there: String) -> Self {
        let acceptor = Acceptor::bind(&here).expect("an endpoint that nobody has");
        let shared = Arc::new(Shared {
            here,
            there,
            streams: Mutex::default(),
            left: AtomicU64::new(u64::MAX),
            cuts: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
        });
        let its = shared.clone();
        let accepting = thread::spawn(move || its.accept(&acceptor));
        Self { shared, accepting: Some(accepting) }
    }

    /// Cuts every stream at once.
    pub(crate) fn cut(&self) {
        self.shared.cut();
    }

    /// Cuts every stream after so many bytes from now on, both ways together, in the middle of whatever they belong to.
    pub(crate) fn cut_after(&self, bytes: u64) {
        self.shared.left.store(bytes, Ordering::Relaxed);
    }

    /// How often it has cut, by whichever of the two.
    pub(crate) fn cuts(&self) -> u64 {
        self.shared.cuts.load(Ordering::Relaxed)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        // Wakes the one that accepts.
        drop(Stream::connect(&self.shared.here));
        if let Some(accepting) = self.accepting.take() {
            accepting.join().unwrap();
        }
        self.shared.cut();
    }
}

impl Shared {
    fn accept(self: &Arc<Self>, acceptor: &Acceptor) {
        loop {
            let accepted = acceptor.accept();
            if self.is_over.load(Ordering::Relaxed) {
                return;
            }
            // Who cannot be passed on is turned away, as where nobody listens.
            let (Ok(near), Ok(far)) = (accepted, Stream::connect(&self.there)) else {
                thread::sleep(Duration::from_millis(1));
                continue;
            };
            let mut streams = self.streams.lock().unwrap();
            for (from, to) in [(&near, &far), (&far, &near)] {
                let (shared, from, to) = (self.clone(), from.again().unwrap(), to.again().unwrap());
                thread::spawn(move || {
                    shared.pass_on(&from, &to);
                    from.close();
                    to.close();
                });
            }
            streams.extend([near, far]);
        }
    }

    fn pass_on(&self, from: &Stream, to: &Stream) {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let mut allowed = count;
            let count_down = |left: u64| match left {
                u64::MAX => None,
                _ => Some(left.saturating_sub(count as u64)),
            };
            if let Ok(left) = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, count_down)
                && left <= count as u64
            {
                allowed = left as usize;
            }
            let is_written = to.write_all(&buffer[..allowed]).is_ok();
            if allowed < count {
                self.cut();
                return;
            }
            if !is_written {
                return;
            }
        }
    }

    fn cut(&self) {
        self.left.store(u64::MAX, Ordering::Relaxed);
        let streams = std::mem::take(&mut *self.streams.lock().unwrap());
        self.cuts.fetch_add(1, Ordering::Relaxed);
        streams.iter().for_each(Stream::close);
    }
}

/// What is behind the scheme of an endpoint.
fn address(endpoint: &str) -> (&str, bool) {
    match endpoint.split_once("://") {
        Some(("tcp", address)) => (address, true),
        Some(("ipc", path)) => (path, false),
        _ => panic!("no stream: {endpoint}"),
    }
}

impl Acceptor {
    fn bind(endpoint: &str) -> io::Result<Self> {
        Ok(match address(endpoint) {
            (address, true) => Self::Tcp(TcpListener::bind(address)?),
            (path, false) => Self::Unix(UnixListener::bind(path)?),
        })
    }

    fn accept(&self) -> io::Result<Stream> {
        Ok(match self {
            Self::Tcp(listener) => Stream::Tcp(listener.accept()?.0),
            Self::Unix(listener) => Stream::Unix(listener.accept()?.0),
        })
    }
}

impl Stream {
    fn connect(endpoint: &str) -> io::Result<Self> {
        Ok(match address(endpoint) {
            (address, true) => Self::Tcp(TcpStream::connect(address)?),
            (path, false) => Self::Unix(UnixStream::connect(path)?),
        })
    }

    fn again(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(stream) => Self::Tcp(stream.try_clone()?),
            Self::Unix(stream) => Self::Unix(stream.try_clone()?),
        })
    }

    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => (&*stream).read(buffer),
            Self::Unix(stream) => (&*stream).read(buffer),
        }
    }

    fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => (&*stream).write_all(bytes),
            Self::Unix(stream) => (&*stream).write_all(bytes),
        }
    }

    fn close(&self) {
        let _ = match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Both),
            Self::Unix(stream) => stream.shutdown(Shutdown::Both),
        };
    }
}
