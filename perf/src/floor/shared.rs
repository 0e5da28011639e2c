//! A bare slot in each direction, in memory that two processes share: the message is written, then its mark; the other side
//! waits for the mark. What a message between two awake processes costs when nobody adds anything: a line there and back, for
//! messages of up to 56 bytes.
//!
//! A side writes its slot again only when it has been answered, so there is no position and no fence. Round trips only.

use std::{
    fs::{File, OpenOptions},
    os::fd::AsRawFd,
    process, ptr, slice,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use rustix::{
    fs::{MemfdFlags, memfd_create},
    mm::{MapFlags, ProtFlags, mmap, munmap},
};

use crate::{
    end::{Bound, Halves, Meet, Relax, Rx, Terms, Tx},
    failure::Failure,
    payload::Header,
};

/// The road of bare slots between processes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SharedSlots;

/// One side of it.
pub(crate) struct SlotEnd {
    memory: Arc<Mapping>,
    /// The word of our slot's mark, and of the other's.
    ours: usize,
    theirs: usize,
    sent: u64,
    received: u64,
    scratch: Vec<u8>,
    size: usize,
    relax: Relax,
    /// By which the other process finds the memory.
    _file: File,
}

/// Shared memory, mapped.
struct Mapping(&'static [AtomicU64]);

impl Mapping {
    fn of(file: &File) -> Result<Self, Failure> {
        let size = file.metadata().map_err(broken)?.len() as usize;
        // SAFETY: no address is asked for, so nothing that is mapped is replaced.
        let start =
            unsafe { mmap(ptr::null_mut(), size, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, file, 0) };
        let start = start.map_err(|error| broken(error.into()))?;
        // SAFETY: so many bytes are mapped until this is dropped, at a page's beginning, and touched through atomics only.
        Ok(Self(unsafe { slice::from_raw_parts(start.cast(), size / 8) }))
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        let start = self.0.as_ptr().cast_mut().cast();
        // SAFETY: it was mapped with this size, and nobody has a reference any more.
        let _ = unsafe { munmap(start, size_of_val(self.0)) };
    }
}

impl SlotEnd {
    fn new(file: File, terms: &Terms, is_first: bool) -> Result<Self, Failure> {
        let words = terms.size.div_ceil(8);
        let slots = [0, slot_bytes(terms) / 8];
        let (ours, theirs) = if is_first { (slots[0], slots[1]) } else { (slots[1], slots[0]) };
        let memory = Arc::new(Mapping::of(&file)?);
        let scratch = vec![0; 8 * words];
        let (size, relax) = (terms.size, terms.relax);
        Ok(Self { memory, ours, theirs, sent: 0, received: 0, scratch, size, relax, _file: file })
    }
}

impl Tx for SlotEnd {
    #[inline(always)]
    fn send(&mut self, header: Header) -> Result<(), Failure> {
        let slot = &self.memory.0[self.ours..];
        for index in 0..self.scratch.len() / 8 {
            slot[index + 1].store(header.word(index), Ordering::Relaxed);
        }
        self.sent += 1;
        // Release: the words above; pairs with Acquire in `recv`.
        slot[0].store(self.sent, Ordering::Release);
        Ok(())
    }
}

impl Rx for SlotEnd {
    #[inline(always)]
    fn recv(&mut self, mut see: impl FnMut(&[u8])) -> Result<(), Failure> {
        let slot = &self.memory.0[self.theirs..];
        self.received += 1;
        // Acquire: the words of the message; pairs with Release in `send`.
        while slot[0].load(Ordering::Acquire) != self.received {
            self.relax.once();
        }
        for (index, bytes) in self.scratch.chunks_exact_mut(8).enumerate() {
            bytes.copy_from_slice(&slot[index + 1].load(Ordering::Relaxed).to_le_bytes());
        }
        see(&self.scratch[..self.size]);
        Ok(())
    }
}

impl Meet for SlotEnd {
    fn meet(&mut self) -> Result<(), Failure> {
        Ok(())
    }
}

impl Halves for SharedSlots {
    type Near = SlotEnd;
    type Far = SlotEnd;
    type Tx = SlotEnd;
    type Rx = SlotEnd;

    fn name(&self) -> String {
        "bare slots in shared memory".to_owned()
    }

    fn far(&self, terms: &Terms) -> Result<Bound<SlotEnd>, Failure> {
        let file = File::from(memfd_create("ringway-perf", MemfdFlags::CLOEXEC).map_err(|error| broken(error.into()))?);
        file.set_len(2 * slot_bytes(terms) as u64).map_err(broken)?;
        // Without a name in any folder: who may look into our process finds it there.
        let endpoint = format!("/proc/{}/fd/{}", process::id(), file.as_raw_fd());
        Ok(Bound { end: SlotEnd::new(file, terms, false)?, endpoints: vec![endpoint] })
    }

    fn near(&self, terms: &Terms, endpoints: &[String]) -> Result<SlotEnd, Failure> {
        let file = OpenOptions::new().read(true).write(true).open(&endpoints[0]).map_err(broken)?;
        SlotEnd::new(file, terms, true)
    }

    fn rx(&self, _terms: &Terms) -> Result<Bound<SlotEnd>, Failure> {
        Err(one_way())
    }

    fn txs(&self, _terms: &Terms, _endpoints: &[String], _senders: usize) -> Result<Vec<SlotEnd>, Failure> {
        Err(one_way())
    }
}

/// Whole lines, so that the two slots share none.
fn slot_bytes(terms: &Terms) -> usize {
    (8 + terms.size.next_multiple_of(8)).next_multiple_of(LINES_BYTES)
}

#[cold]
fn one_way() -> Failure {
    Failure::Asked("bare slots go there and back only".to_owned())
}

#[cold]
fn broken(error: std::io::Error) -> Failure {
    Failure::road("bare slots in shared memory", error)
}

/// Two lines: processors fetch them in pairs.
const LINES_BYTES: usize = 128;
