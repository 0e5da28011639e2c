//! A ZMTP peer made of bytes: it says what a test tells it to, and reads exactly what comes.
//!
//! Written from the protocol's text (RFC 37) and recordings of libzmq, and with nothing of the library's: so that a mistake
//! there is not repeated here.

#![allow(dead_code, reason = "each test uses what it needs")]

pub(crate) mod any;
pub(crate) mod bytes;
pub(crate) mod segments;
pub(crate) mod watch;

use std::{
    env, fmt, fs,
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    process,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use bytes::{GREETING_LEN, ready};

/// Longer than anything here takes, even on a machine that has other things to do.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A road between processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Road {
    Tcp,
    Ipc,
}

pub(crate) const ROADS: [Road; 2] = [Road::Tcp, Road::Ipc];

impl Road {
    /// An endpoint to bind that nobody else has.
    pub(crate) fn anywhere(self) -> String {
        match self {
            Self::Tcp => "tcp://127.0.0.1:*".to_owned(),
            Self::Ipc => format!("ipc://{}", temporary_path().display()),
        }
    }
}

/// A path for a socket that nobody else has. Nothing is there.
pub(crate) fn temporary_path() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    env::temp_dir().join(format!("ringway-raw-{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed)))
}

/// A byte stream.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Where the library connects to.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

impl Listener {
    pub(crate) fn new(road: Road) -> Self {
        match road {
            Road::Tcp => Self::Tcp(TcpListener::bind("127.0.0.1:0").expect("loopback has a free port")),
            Road::Ipc => {
                let path = temporary_path();
                Self::Unix(UnixListener::bind(&path).expect("a socket for temporary files"), path)
            }
        }
    }

    pub(crate) fn endpoint(&self) -> String {
        match self {
            Self::Tcp(listener) => format!("tcp://{}", listener.local_addr().expect("it is bound")),
            Self::Unix(_, path) => format!("ipc://{}", path.display()),
        }
    }

    /// The next who connects.
    pub(crate) fn accept(&self) -> Peer {
        self.accept_within(PATIENCE).expect("somebody connects in time")
    }

    /// The next who connects in that time.
    pub(crate) fn accept_within(&self, time: Duration) -> Option<Peer> {
        self.set_nonblocking(true);
        let deadline = std::time::Instant::now() + time;
        loop {
            let stream = match self {
                Self::Tcp(listener) => listener.accept().map(|(stream, _)| Stream::Tcp(stream)),
                Self::Unix(listener, _) => listener.accept().map(|(stream, _)| Stream::Unix(stream)),
            };
            match stream {
                Ok(stream) => {
                    stream.set_nonblocking(false);
                    return Some(Peer::new(stream));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => panic!("accept: {error}"),
            }
            if std::time::Instant::now() >= deadline {
                return None;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn set_nonblocking(&self, nonblocking: bool) {
        let done = match self {
            Self::Tcp(listener) => listener.set_nonblocking(nonblocking),
            Self::Unix(listener, _) => listener.set_nonblocking(nonblocking),
        };
        done.expect("a mode of a socket that is open");
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self {
            // The test may have taken it away itself.
            let _ = fs::remove_file(path);
        }
    }
}

impl Stream {
    fn set_nonblocking(&self, nonblocking: bool) {
        let done = match self {
            Self::Tcp(stream) => stream.set_nonblocking(nonblocking),
            Self::Unix(stream) => stream.set_nonblocking(nonblocking),
        };
        done.expect("a mode of a socket that is open");
    }

    fn set_timeouts(&self, time: Duration) {
        let done = match self {
            Self::Tcp(stream) => {
                stream.set_read_timeout(Some(time)).and_then(|()| stream.set_write_timeout(Some(time)))
            }
            Self::Unix(stream) => {
                stream.set_read_timeout(Some(time)).and_then(|()| stream.set_write_timeout(Some(time)))
            }
        };
        done.expect("a time that is not zero");
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One end of a connection; the library has the other.
pub(crate) struct Peer {
    stream: Stream,
}

/// A frame as it came.
#[derive(PartialEq, Eq)]
pub(crate) struct RawFrame {
    /// Flags and length.
    pub(crate) header: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The other end has closed, or will send nothing any more.
    Closed,
    /// The other end has torn it down.
    Reset,
}

impl Peer {
    pub(crate) fn new(stream: Stream) -> Self {
        if let Stream::Tcp(stream) = &stream {
            stream.set_nodelay(true).expect("an option of a socket that is open");
        }
        stream.set_timeouts(PATIENCE);
        Self { stream }
    }

    /// Connects to where the library listens.
    pub(crate) fn connect(endpoint: &str) -> Self {
        Self::try_connect(endpoint).unwrap_or_else(|error| panic!("{endpoint}: {error}"))
    }

    pub(crate) fn try_connect(endpoint: &str) -> io::Result<Self> {
        let stream = match endpoint.split_once("://") {
            Some(("tcp", address)) => Stream::Tcp(TcpStream::connect(address)?),
            Some(("ipc", path)) => Stream::Unix(UnixStream::connect(path)?),
            _ => panic!("{endpoint:?} is no road between processes"),
        };
        Ok(Self::new(stream))
    }

    /// Connects, and says and hears greeting and READY. What the library's said is checked by [`Self::shake_hands`].
    pub(crate) fn joined(endpoint: &str, socket_type: &str, theirs: &str) -> Self {
        let mut peer = Self::connect(endpoint);
        peer.shake_hands(socket_type, theirs);
        peer
    }

    /// Says greeting and READY of a `socket_type` without an identity, and expects those of one of `theirs`.
    pub(crate) fn shake_hands(&mut self, socket_type: &str, theirs: &str) {
        self.shake_hands_as(socket_type, b"", 1, theirs);
    }

    pub(crate) fn shake_hands_as(&mut self, socket_type: &str, identity: &[u8], minor: u8, theirs: &str) {
        self.write(&bytes::greeting(minor));
        self.expect_greeting();
        self.write(&ready(socket_type, identity));
        let ready = self.frame();
        assert_eq!(ready.header[0], 0x04, "{ready:?} is READY, a command");
        assert_eq!(bytes::property(&ready.body, "Socket-Type").as_deref(), Some(theirs.as_bytes()), "{ready:?}");
    }

    /// Reads a greeting and checks it.
    pub(crate) fn expect_greeting(&mut self) {
        let greeting = self.read(GREETING_LEN);
        bytes::check_greeting(&greeting);
    }

    pub(crate) fn try_write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.try_write(bytes).unwrap_or_else(|error| panic!("writing {}: {error}", Hex(bytes)));
    }

    /// Each byte in a write, and a segment, of its own.
    pub(crate) fn write_slowly(&mut self, bytes: &[u8]) {
        bytes.chunks(1).for_each(|byte| self.write(byte));
    }

    /// Exactly so many bytes.
    pub(crate) fn read(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        let mut have = 0;
        while have < len {
            match self.stream.read(&mut bytes[have..]) {
                Ok(0) => panic!("closed after {have} of {len} bytes: {}", Hex(&bytes[..have])),
                Ok(more) => have += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => panic!("{error} after {have} of {len} bytes: {}", Hex(&bytes[..have])),
            }
        }
        bytes
    }

    /// What is there, as the system gives it: at least a byte, `max` at the most. Nothing when the other end has closed.
    pub(crate) fn read_some(&mut self, max: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; max];
        let len = self.stream.read(&mut bytes)?;
        bytes.truncate(len);
        Ok(bytes)
    }

    /// Reads exactly `expected`.
    #[track_caller]
    pub(crate) fn expect(&mut self, expected: &[u8]) {
        let bytes = self.read(expected.len());
        assert!(bytes == expected, "came:     {}\nexpected: {}", Hex(&bytes), Hex(expected));
    }

    pub(crate) fn frame(&mut self) -> RawFrame {
        let mut header = self.read(2);
        let len = if header[0] & 0x02 == 0 {
            u64::from(header[1])
        } else {
            header.extend(self.read(7));
            u64::from_be_bytes(header[1..].try_into().expect("eight bytes"))
        };
        let body = self.read(usize::try_from(len).expect("a length that fits"));
        RawFrame { header, body }
    }

    /// The frames of the next message. A command in its place is a failure.
    pub(crate) fn message(&mut self) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        loop {
            let frame = self.frame();
            assert!(frame.header[0] & 0x04 == 0, "{frame:?} is a command");
            frames.push(frame.body);
            if frame.header[0] & 0x01 == 0 {
                return frames;
            }
        }
    }

    /// Reads and throws away until the connection ends.
    pub(crate) fn end(&mut self) -> End {
        self.rest().1
    }

    /// Reads until the connection ends.
    pub(crate) fn rest(&mut self) -> (Vec<u8>, End) {
        let mut bytes = Vec::new();
        let end = match self.stream.read_to_end(&mut bytes) {
            Ok(_) => End::Closed,
            Err(error) if is_reset(&error) => End::Reset,
            Err(error) => panic!("{error}: the connection does not end"),
        };
        (bytes, end)
    }

    /// The library is to close without a word more, and not to tear down.
    #[track_caller]
    pub(crate) fn expect_closed(&mut self) {
        let (bytes, end) = self.rest();
        assert!(bytes.is_empty(), "before it was closed came {}", Hex(&bytes));
        assert_eq!(end, End::Closed);
    }

    /// The library is to close; what it says before, and how it closes when bytes of ours are unread, is not asked.
    pub(crate) fn expect_gone(&mut self) {
        self.end();
    }

    /// Nothing comes, as far as a little time shows it.
    pub(crate) fn expect_silence(&mut self) {
        self.stream.set_timeouts(Duration::from_millis(50));
        let mut byte = [0];
        match self.stream.read(&mut byte) {
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            Err(error) => panic!("{error} where nothing was to come"),
            Ok(0) => panic!("closed where nothing was to come"),
            Ok(_) => panic!("{} and more where nothing was to come", Hex(&byte)),
        }
        self.stream.set_timeouts(PATIENCE);
    }

    /// PING and its PONG: the library has worked through everything written before.
    pub(crate) fn settle(&mut self) {
        self.write(&bytes::ping(0, b"settled?"));
        self.expect(&bytes::pong(b"settled?"));
    }

    /// Ends the connection with a RST; a Unix socket has none and is closed.
    pub(crate) fn reset(self) {
        if let Stream::Tcp(stream) = &self.stream {
            socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)).expect("an option of an open socket");
        }
    }

    /// Sends nothing any more, and still reads.
    pub(crate) fn finish_writing(&self) {
        let done = match &self.stream {
            Stream::Tcp(stream) => stream.shutdown(std::net::Shutdown::Write),
            Stream::Unix(stream) => stream.shutdown(std::net::Shutdown::Write),
        };
        done.expect("it is still open");
    }

    pub(crate) fn set_patience(&self, time: Duration) {
        self.stream.set_timeouts(time);
    }

    pub(crate) fn tcp(&self) -> &TcpStream {
        match &self.stream {
            Stream::Tcp(stream) => stream,
            Stream::Unix(_) => panic!("not a TCP stream"),
        }
    }
}

pub(crate) fn is_reset(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted
    )
}

impl fmt::Debug for RawFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} | {}]", Hex(&self.header), Hex(&self.body))
    }
}

/// Prints bytes as pairs of digits.
pub(crate) struct Hex<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 160;
        for (place, byte) in self.0.iter().take(SHOWN).enumerate() {
            write!(f, "{}{byte:02X}", if place == 0 { "" } else { " " })?;
        }
        match self.0.len().checked_sub(SHOWN) {
            None | Some(0) => Ok(()),
            Some(more) => write!(f, " … and {more} bytes more"),
        }
    }
}
