//! A peer that shares memory, made of bytes, descriptors and a segment: it says and writes what a test tells it to.
//!
//! Written from what `docs/zmtp.md` and `docs/shm.md` say, and with nothing of the library's.

use std::{
    collections::VecDeque,
    io::{self, IoSlice, IoSliceMut, Read},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    ptr, slice,
    sync::atomic::{AtomicU64, Ordering},
};

use rustix::{
    fs::{FallocateFlags, MemfdFlags, SealFlags, fallocate, fcntl_add_seals, fstat, ftruncate, memfd_create},
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
        recvmsg, sendmsg,
    },
};

use crate::raw::{
    PATIENCE,
    bytes::{COMMAND, LONG, command, frame, greeting, property, property_bytes},
};

/// Where things are in a segment.
pub(crate) mod at {
    pub(crate) const MAGIC: usize = 0;
    pub(crate) const VERSION: usize = 8;
    pub(crate) const SIZE: usize = 16;
    pub(crate) const RING_OFFSET: usize = 24;
    pub(crate) const CAPACITY: usize = 32;
    pub(crate) const POSITION: usize = 64;
    pub(crate) const TAKEN: usize = 72;
    pub(crate) const RECV_HWM: usize = 80;
    pub(crate) const CLOSED: usize = 88;
    pub(crate) const RECEIVER: usize = 128;
    pub(crate) const SENDER: usize = 192;
    pub(crate) const RING: usize = 4096;
}

/// Kinds of records.
pub(crate) mod kind {
    pub(crate) const FRAME: u8 = 1;
    pub(crate) const LIST: u8 = 4;
    pub(crate) const FIRST: u8 = 5;
    pub(crate) const PART: u8 = 6;
    pub(crate) const SWITCH: u8 = 7;
}

pub(crate) const CAPACITY: usize = 64 * 1024;
/// Why an offer is declined, by the numbers of `docs/zmtp.md`.
pub(crate) const SEALS: SealFlags =
    SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::FUTURE_WRITE).union(SealFlags::SEAL);

/// Memory with a descriptor, mapped.
pub(crate) struct Segment {
    words: &'static [AtomicU64],
    pub(crate) file: OwnedFd,
}

/// How a segment is made; by default as it should be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recipe {
    pub(crate) size: usize,
    pub(crate) seals: SealFlags,
    pub(crate) is_allocated: bool,
    /// What its header says: magic, version and flags, size, offset of the ring, capacity.
    pub(crate) header: [u64; 5],
}

impl Default for Recipe {
    fn default() -> Self {
        let size = at::RING + CAPACITY;
        let header = [u64::from_ne_bytes(*b"RINGWAY\0"), 1, size as u64, at::RING as u64, CAPACITY as u64];
        Self { size, seals: SEALS, is_allocated: true, header }
    }
}

impl Recipe {
    /// Of a segment with a ring of so many bytes.
    pub(crate) fn of(capacity: usize) -> Self {
        let size = at::RING + capacity;
        let header = [u64::from_ne_bytes(*b"RINGWAY\0"), 1, size as u64, at::RING as u64, capacity as u64];
        Self { size, header, ..Self::default() }
    }

    pub(crate) fn make(self) -> Segment {
        let file = memfd_create("ringway", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).expect("memory");
        ftruncate(&file, self.size as u64).expect("a size");
        if self.is_allocated {
            fallocate(&file, FallocateFlags::empty(), 0, self.size as u64).expect("memory");
        }
        let words = map(&file, self.size, libc::PROT_READ | libc::PROT_WRITE).expect("it is ours");
        if self.is_allocated {
            for (word, value) in words.iter().zip(self.header) {
                word.store(value, Ordering::SeqCst);
            }
        }
        if !self.seals.is_empty() {
            fcntl_add_seals(&file, self.seals).expect("it allows seals");
        }
        Segment { words, file }
    }
}

impl Segment {
    /// Somebody else's, to be read only.
    pub(crate) fn of(file: OwnedFd) -> Self {
        let size = fstat(&file).expect("it is a file").st_size as usize;
        Self { words: map(&file, size, libc::PROT_READ).expect("it may be mapped"), file }
    }

    pub(crate) fn size(&self) -> usize {
        size_of_val(self.words)
    }

    pub(crate) fn word(&self, offset: usize) -> &AtomicU64 {
        assert!(offset.is_multiple_of(8), "{offset} is inside of a word");
        &self.words[offset / 8]
    }

    pub(crate) fn read(&self, offset: usize) -> u64 {
        self.word(offset).load(Ordering::SeqCst)
    }

    pub(crate) fn write(&self, offset: usize, value: u64) {
        self.word(offset).store(value, Ordering::SeqCst);
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        let start = self.words.as_ptr().cast_mut().cast();
        // SAFETY: it was mapped by us with this size, and all references end with this.
        unsafe { libc::munmap(start, self.size()) };
    }
}

fn map(file: &OwnedFd, size: usize, protection: i32) -> io::Result<&'static [AtomicU64]> {
    // SAFETY: no address is asked for, so nothing that is mapped is replaced.
    let start = unsafe { libc::mmap(ptr::null_mut(), size, protection, libc::MAP_SHARED, file.as_raw_fd(), 0) };
    if start == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is mapped with this size until its `Segment` is dropped, and touched through atomics only.
    Ok(unsafe { slice::from_raw_parts(start.cast(), size / size_of::<AtomicU64>()) })
}

/// What became of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Accepted,
    Declined(u8),
    Closed,
}

/// A connection to the library, by somebody who announces that memory may be shared.
pub(crate) struct Stranger {
    stream: UnixStream,
    came: Vec<u8>,
    descriptors: VecDeque<OwnedFd>,
    /// The segment of this side and how much of its ring is written; the library's, once it has come.
    pub(crate) own: Segment,
    pub(crate) capacity: usize,
    pub(crate) written: u64,
    pub(crate) theirs: Option<Segment>,
    /// Where the library knocks, and where it is knocked at.
    pub(crate) doorbell: UnixStream,
    pub(crate) knocker: Option<UnixStream>,
    /// The far end of `doorbell`, until it is sent.
    pub(crate) doorbells_end: UnixStream,
}

impl Stranger {
    /// Says greeting and READY of a `socket_type` called `identity`, and hears the library's. Nothing is offered yet.
    pub(crate) fn connect(endpoint: &str, socket_type: &str, identity: &[u8], recipe: Recipe) -> Self {
        let path = endpoint.strip_prefix("ipc://").expect("a path");
        let stream = UnixStream::connect(path).expect("somebody listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time that is not zero");
        stream.set_write_timeout(Some(PATIENCE)).expect("a time that is not zero");
        let (doorbell, doorbells_end) = UnixStream::pair().expect("two sockets");
        doorbell.set_nonblocking(true).expect("a mode of an open socket");
        doorbells_end.set_nonblocking(true).expect("a mode of an open socket");
        let mut stranger = Self {
            stream,
            came: Vec::new(),
            descriptors: VecDeque::new(),
            own: recipe.make(),
            capacity: CAPACITY,
            written: 0,
            theirs: None,
            doorbell,
            knocker: None,
            doorbells_end,
        };
        stranger.write(&greeting(1));
        let mut ready = property_bytes("Socket-Type", socket_type.as_bytes());
        ready.extend(property_bytes("Identity", identity));
        ready.extend(property_bytes("X-Ringway-Memory", b"1"));
        stranger.write(&command("READY", &ready));
        stranger.fill(64).expect("a greeting");
        stranger.came.drain(..64);
        let (_, body) = stranger.frame().expect("READY");
        assert_eq!(property(&body, "X-Ringway-Memory").as_deref(), Some(&b"1"[..]), "the library shares memory");
        stranger
    }

    /// One that has agreed with the library on sharing memory.
    pub(crate) fn agreed(endpoint: &str, socket_type: &str, identity: &[u8]) -> Self {
        let mut stranger = Self::connect(endpoint, socket_type, identity, Recipe::default());
        stranger.offer_as_it_should();
        assert_eq!(stranger.outcome(), Outcome::Accepted);
        stranger
    }

    /// Writes bytes to the stream.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.try_write(bytes, &[]).expect("the library reads");
    }

    /// Likewise, with descriptors on the first.
    pub(crate) fn try_write(&mut self, mut bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let mut descriptors = descriptors;
        while !bytes.is_empty() {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(253))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            if !descriptors.is_empty() {
                assert!(
                    control.push(SendAncillaryMessage::ScmRights(descriptors)),
                    "the kernel passes 253 at the most"
                );
            }
            let sent = sendmsg(&self.stream, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL)?;
            bytes = &bytes[sent..];
            descriptors = &[];
        }
        Ok(())
    }

    /// Reads until so many bytes have come and not been taken. An error if the connection ends before.
    fn fill(&mut self, len: usize) -> io::Result<()> {
        while self.came.len() < len {
            let mut bytes = [0; 4096];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let buffers = &mut [IoSliceMut::new(&mut bytes)];
            let came = recvmsg(&self.stream, buffers, &mut control, RecvFlags::CMSG_CLOEXEC)?.bytes;
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                    self.descriptors.extend(descriptors);
                }
            }
            if came == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.came.extend_from_slice(&bytes[..came]);
        }
        Ok(())
    }

    /// The next frame: flags and body.
    pub(crate) fn frame(&mut self) -> io::Result<(u8, Vec<u8>)> {
        self.fill(2)?;
        let flags = self.came[0];
        let (header, len) = if flags & LONG == 0 {
            (2, self.came[1] as usize)
        } else {
            self.fill(9)?;
            (9, u64::from_be_bytes(self.came[1..9].try_into().expect("eight bytes")) as usize)
        };
        self.fill(header + len)?;
        let body = self.came[header..header + len].to_vec();
        self.came.drain(..header + len);
        Ok((flags, body))
    }

    /// Offers its segment and doorbell, as they are.
    pub(crate) fn offer_as_it_should(&mut self) {
        let offer = offer(1, 1, self.own.size() as u64, 1000, 0);
        let (file, bell) =
            (self.own.file.try_clone().expect("a descriptor"), self.doorbells_end.try_clone().expect("a descriptor"));
        self.offer(&offer, &[file.as_fd(), bell.as_fd()]).expect("the library reads");
    }

    /// Offers by these bytes, with these descriptors.
    pub(crate) fn offer(&mut self, data: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        self.try_write(&command("X-RINGWAY-OFFER", data), descriptors)
    }

    /// Takes the library's offer, accepts it, and hears what it says to ours.
    pub(crate) fn outcome(&mut self) -> Outcome {
        loop {
            let Ok((flags, body)) = self.frame() else { return Outcome::Closed };
            if flags & COMMAND == 0 {
                continue;
            }
            if body.starts_with(b"\x0FX-RINGWAY-OFFER") {
                if self.descriptors.len() >= 2 {
                    self.theirs = self.descriptors.pop_front().map(Segment::of);
                    self.knocker = self.descriptors.pop_front().map(UnixStream::from);
                }
                if self.try_write(&command("X-RINGWAY-ANSWER", &[1, 0]), &[]).is_err() {
                    return Outcome::Closed;
                }
            } else if let Some(answer) = body.strip_prefix(b"\x10X-RINGWAY-ANSWER") {
                return if answer[0] == 1 { Outcome::Accepted } else { Outcome::Declined(answer[1]) };
            }
        }
    }

    /// One that has agreed, and on that rings may be replaced.
    pub(crate) fn growing(endpoint: &str, socket_type: &str) -> Self {
        let mut stranger = Self::connect(endpoint, socket_type, b"", Recipe::default());
        let data = offer(1, 1, stranger.own.size() as u64, 1000, 1);
        let file = stranger.own.file.try_clone().expect("a descriptor");
        let bell = stranger.doorbells_end.try_clone().expect("a descriptor");
        stranger.offer(&data, &[file.as_fd(), bell.as_fd()]).expect("the library reads");
        assert_eq!(stranger.outcome(), Outcome::Accepted);
        stranger
    }

    /// Announces a segment of so many bytes in place of its own, with these descriptors.
    pub(crate) fn announce(&mut self, generation: u32, size: u64, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let data = [&generation.to_be_bytes()[..], &size.to_be_bytes()].concat();
        self.try_write(&command("X-RINGWAY-SEGMENT", &data), descriptors)
    }

    /// What the library says to that.
    pub(crate) fn answer(&mut self) -> Outcome {
        loop {
            let Ok((_, body)) = self.frame() else { return Outcome::Closed };
            if let Some(answer) = body.strip_prefix(b"\x18X-RINGWAY-SEGMENT-ANSWER") {
                return if answer[4] == 1 { Outcome::Accepted } else { Outcome::Declined(answer[5]) };
            }
        }
    }

    /// Goes on in `next`, which the library has accepted.
    pub(crate) fn switch(&mut self, generation: u32, next: Segment) {
        self.put(kind::SWITCH, generation, b"");
        self.capacity = next.size() - at::RING;
        self.own = next;
    }

    /// Sends a message over the stream, as ZMTP.
    pub(crate) fn send_plainly(&mut self, body: &[u8]) {
        self.write(&frame(0, body));
    }

    /// Is there room for a record with so many bytes?
    pub(crate) fn has_room(&self, size: usize) -> bool {
        let read = self.theirs.as_ref().expect("it has come").read(at::POSITION);
        self.written + 2 * (size as u64 + 64) <= read + self.capacity as u64
    }

    /// Puts a record into its ring, as it should be but for what it says, and knocks.
    pub(crate) fn put(&mut self, kind: u8, note: u32, payload: &[u8]) {
        let whole = (8 + payload.len()).next_multiple_of(16) as u64;
        let mask = self.capacity as u64 - 1;
        let left = self.capacity as u64 - (self.written & mask);
        if whole > left {
            // Of the kind that fills the end.
            let pad = header(0x7F, left as u32 - 8, 0);
            let at = self.written;
            self.written += left;
            self.own.write(self.in_ring(self.written), 0);
            self.put_payload(kind, note, payload, whole);
            self.own.write(self.in_ring(at), pad);
        } else {
            self.put_payload(kind, note, payload, whole);
        }
        self.knock();
    }

    fn put_payload(&mut self, kind: u8, note: u32, payload: &[u8], whole: u64) {
        for (place, bytes) in payload.chunks(8).enumerate() {
            let mut word = [0; 8];
            word[..bytes.len()].copy_from_slice(bytes);
            self.own.write(self.in_ring(self.written + 8) + 8 * place, u64::from_le_bytes(word));
        }
        self.own.write(self.in_ring(self.written + whole), 0);
        self.own.write(self.in_ring(self.written), header(kind, payload.len() as u32, note));
        self.written += whole;
    }

    /// Where a position is in its segment.
    pub(crate) fn in_ring(&self, position: u64) -> usize {
        at::RING + (position & (self.capacity as u64 - 1)) as usize
    }

    /// Writes any word as the header of its next record, and knocks.
    pub(crate) fn put_header(&mut self, header: u64) {
        self.own.write(self.in_ring(self.written), header);
        self.knock();
    }

    /// Wakes whoever sleeps in the library.
    pub(crate) fn knock(&self) {
        if let Some(knocker) = &self.knocker {
            // One that is full has been knocked at.
            let _ = rustix::net::send(knocker, b"!", SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
        }
    }

    /// Has the library closed, by now? What it says meanwhile is thrown away.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.stream.set_nonblocking(true).expect("a mode of an open socket");
        let mut bytes = [0; 4096];
        let is_closed = loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => break true,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break false,
                Err(_) => break true,
            }
        };
        self.stream.set_nonblocking(false).expect("a mode of an open socket");
        is_closed
    }
}

/// The data of an offer.
pub(crate) fn offer(version: u8, flags: u8, size: u64, recv_hwm: u32, features: u32) -> Vec<u8> {
    [&[version, flags][..], &size.to_be_bytes(), &recv_hwm.to_be_bytes(), &features.to_be_bytes()].concat()
}

/// The word before a record.
pub(crate) fn header(kind: u8, size: u32, note: u32) -> u64 {
    1 << 63 | u64::from(kind) << 56 | u64::from(size & 0xFF_FFFF) << 32 | u64::from(note)
}
