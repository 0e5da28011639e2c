//! shmem-ipc: a ring of bytes in memory that two processes share, with a count that both sides add to.
//!
//! Messages lie in it one after the other, and are written and checked in place. Who spins uses the ring alone (`ringbuf`), as its
//! `sharedring` makes a system call for each message that finds the ring empty, whether anybody sleeps or not; who does not does
//! what that does.

use std::{
    fs::File,
    io::{Read, Write},
    ops::Range,
    os::fd::{AsRawFd, OwnedFd, RawFd},
    process, slice,
    sync::Arc,
};

use rustix::{
    event::{EventfdFlags, eventfd},
    process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open},
};
use shmem_ipc::ringbuf;

use super::shared_slots;
use crate::{
    cli::Wait,
    end::{Both, Bound, Halves, Meet, Relax, Rx, Terms, Tx},
    failure::Failure,
    floor::shared::Memory,
    payload::{Header, fill},
};

/// Roads of shmem-ipc's rings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rings;

/// What one direction is made of.
struct Parts {
    memory: Arc<Memory>,
    /// Written when the ring is empty no more.
    filled: File,
    /// Written when the ring is full no more.
    freed: File,
    size: usize,
    relax: Relax,
    sleeps: bool,
}

pub(crate) struct Sender {
    ring: ringbuf::Sender<u8>,
    parts: Parts,
}

pub(crate) struct Receiver {
    ring: ringbuf::Receiver<u8>,
    parts: Parts,
}

impl Parts {
    /// Made by the receiving side or the sending one, and where the other finds it.
    fn bind(terms: &Terms) -> Result<(Self, String), Failure> {
        let memory = Memory::new(RING_HEAD_BYTES + shared_slots(terms) * terms.size)?;
        let signal = || eventfd(0, EventfdFlags::CLOEXEC).map_err(system);
        let parts = Self::new(memory, signal()?, signal()?, terms);
        let [filled, freed] = [&parts.filled, &parts.freed].map(AsRawFd::as_raw_fd);
        let endpoint = format!("{}:{}:{filled}:{freed}", parts.memory.endpoint(), process::id());
        Ok((parts, endpoint))
    }

    fn connect(endpoint: &str, terms: &Terms) -> Result<Self, Failure> {
        let unknown = || Failure::Asked(format!("{endpoint} is no ring of {NAME}'s"));
        let parts: Vec<&str> = endpoint.split(':').collect();
        let [memory, numbers @ ..] = parts.as_slice() else { return Err(unknown()) };
        let numbers: Vec<i32> = numbers.iter().filter_map(|number| number.parse().ok()).collect();
        let [process, filled, freed] = numbers[..] else { return Err(unknown()) };
        let process = Pid::from_raw(process).ok_or_else(unknown)?;
        let process = pidfd_open(process, PidfdFlags::empty()).map_err(system)?;
        let of = |number: RawFd| pidfd_getfd(&process, number, PidfdGetfdFlags::empty()).map_err(system);
        Ok(Self::new(Memory::open(memory)?, of(filled)?, of(freed)?, terms))
    }

    fn new(memory: Memory, filled: OwnedFd, freed: OwnedFd, terms: &Terms) -> Self {
        let (size, relax, sleeps) = (terms.size, terms.relax, terms.wait != Wait::Spin);
        Self { memory: Arc::new(memory), filled: filled.into(), freed: freed.into(), size, relax, sleeps }
    }

    fn sender(self) -> Result<Sender, Failure> {
        let (start, bytes) = self.memory.whole();
        // SAFETY: mapped for as long as the parts are there, zeros at first, and used through these rings alone.
        let ring = unsafe { ringbuf::Sender::attach(start, bytes) }.map_err(broken)?;
        Ok(Sender { ring, parts: self })
    }

    fn receiver(self) -> Result<Receiver, Failure> {
        let (start, bytes) = self.memory.whole();
        // SAFETY: as of the sender.
        let ring = unsafe { ringbuf::Receiver::attach(start, bytes) }.map_err(broken)?;
        Ok(Receiver { ring, parts: self })
    }

    /// Wakes whoever waits for this, if anybody here ever sleeps.
    #[inline(always)]
    fn tell(&self, mut signal: &File, status: ringbuf::Status) -> Result<(), Failure> {
        if self.sleeps && status.signal {
            signal.write_all(&1_u64.to_ne_bytes()).map_err(|error| Failure::road(NAME, error))?;
        }
        Ok(())
    }

    #[inline(always)]
    fn wait(&self, mut signal: &File) -> Result<(), Failure> {
        if self.sleeps {
            return signal.read_exact(&mut [0; 8]).map_err(|error| Failure::road(NAME, error));
        }
        self.relax.once();
        Ok(())
    }
}

impl Sender {
    /// Writes messages `sequence` of `sender` as far as there is room in one piece, of one at least.
    #[inline(always)]
    fn write(&mut self, sender: u16, sequence: Range<u64>) -> Result<u64, Failure> {
        let Self { ring, parts } = self;
        let size = parts.size;
        while ring.write_count().map_err(broken)? < size {
            parts.wait(&parts.freed)?;
        }
        let mut written = 0;
        let status = ring.send(|start, room| {
            let len = (room / size).min((sequence.end - sequence.start) as usize);
            // SAFETY: the ring lends so many bytes to write, of which the receiver reads none before they are counted.
            let bytes = unsafe { slice::from_raw_parts_mut(start, len * size) };
            for (message, n) in bytes.chunks_exact_mut(size).zip(sequence.clone()) {
                fill(message, Header::new(sender, n));
            }
            written = len as u64;
            len * size
        });
        parts.tell(&parts.filled, status.map_err(broken)?)?;
        Ok(written)
    }
}

impl Tx for Sender {
    #[inline(always)]
    fn send(&mut self, header: Header) -> Result<(), Failure> {
        self.write(header.sender(), header.sequence()..header.sequence() + 1).map(drop)
    }

    fn send_batch(&mut self, sender: u16, mut sequence: Range<u64>) -> Result<(), Failure> {
        while !sequence.is_empty() {
            sequence.start += self.write(sender, sequence.clone())?;
        }
        Ok(())
    }
}

impl Receiver {
    #[inline(always)]
    fn read(&mut self, max: usize, mut see: impl FnMut(&[u8])) -> Result<usize, Failure> {
        let Self { ring, parts } = self;
        let size = parts.size;
        while ring.read_count().map_err(broken)? < size {
            parts.wait(&parts.filled)?;
        }
        let mut read = 0;
        let status = ring.recv(|start, there| {
            read = (there / size).min(max);
            // SAFETY: the ring lends so many bytes to read, which the sender writes again when they are no longer counted.
            let bytes = unsafe { slice::from_raw_parts(start, read * size) };
            bytes.chunks_exact(size).for_each(&mut see);
            read * size
        });
        parts.tell(&parts.freed, status.map_err(broken)?)?;
        Ok(read)
    }
}

impl Rx for Receiver {
    #[inline(always)]
    fn recv(&mut self, see: impl FnMut(&[u8])) -> Result<(), Failure> {
        self.read(1, see).map(drop)
    }

    fn recv_batch(&mut self, max: usize, see: impl FnMut(&[u8])) -> Result<usize, Failure> {
        self.read(max, see)
    }
}

impl Meet for Sender {
    fn meet(&mut self) -> Result<(), Failure> {
        Ok(())
    }
}

impl Meet for Receiver {
    fn meet(&mut self) -> Result<(), Failure> {
        Ok(())
    }
}

impl Halves for Rings {
    type Near = Both<Sender, Receiver>;
    type Far = Both<Sender, Receiver>;
    type Tx = Sender;
    type Rx = Receiver;

    fn name(&self) -> String {
        NAME.to_owned()
    }

    fn far(&self, terms: &Terms) -> Result<Bound<Self::Far>, Failure> {
        let ((there, there_at), (back, back_at)) = (Parts::bind(terms)?, Parts::bind(terms)?);
        Ok(Bound { end: Both { rx: there.receiver()?, tx: back.sender()? }, endpoints: vec![there_at, back_at] })
    }

    fn near(&self, terms: &Terms, endpoints: &[String]) -> Result<Self::Near, Failure> {
        let tx = Parts::connect(&endpoints[0], terms)?.sender()?;
        Ok(Both { tx, rx: Parts::connect(&endpoints[1], terms)?.receiver()? })
    }

    fn rx(&self, terms: &Terms) -> Result<Bound<Receiver>, Failure> {
        let (parts, endpoint) = Parts::bind(terms)?;
        Ok(Bound { end: parts.receiver()?, endpoints: vec![endpoint] })
    }

    fn txs(&self, terms: &Terms, endpoints: &[String], senders: usize) -> Result<Vec<Sender>, Failure> {
        if senders != 1 {
            return Err(Failure::Asked(format!("{NAME} has one sender, not {senders}")));
        }
        Ok(vec![Parts::connect(&endpoints[0], terms)?.sender()?])
    }
}

#[cold]
fn broken(error: ringbuf::Error) -> Failure {
    Failure::road(NAME, error)
}

#[cold]
fn system(error: rustix::io::Errno) -> Failure {
    Failure::road(NAME, std::io::Error::from(error))
}

const NAME: &str = "shmem-ipc";

/// The count, in front of the bytes.
const RING_HEAD_BYTES: usize = 64;
