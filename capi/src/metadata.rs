//! Who sent a message: entries of a table of the whole process, which messages name by number and keep by a count.
//!
//! A `zmq_msg_t` has 32 bits for it. A number names a slot; a slot points to an [`Entry`], which is counted like any [`Arc`].
//! Who holds a number holds one of the counts; the last to go frees the entry and gives the number back, for others. Slots
//! are never freed, so no number, however wrong, leads to memory that is not a slot.
//!
//! Cost: making an entry, once a connection, takes a lock and allocates; keeping one more or one less is an atomic
//! addition. Messages that came over `inproc://` have no entry.

use std::{
    ffi::{CStr, CString},
    ptr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicPtr, AtomicU32, Ordering},
    },
};

use libc::c_int;
use ringway::SocketType;

use crate::fork::Own;

/// What is known of who sent a message, and what the drafts add to it.
#[derive(Clone, Debug)]
pub(crate) struct Metadata {
    peer: Arc<Peer>,
    /// The peer's number at a SERVER; 0 for none.
    pub(crate) routing_id: u32,
    /// A RADIO's group.
    pub(crate) group: Box<CStr>,
}

#[derive(Debug, Default)]
struct Peer {
    /// By name, in no order: there are few.
    properties: Vec<(CString, CString)>,
    descriptor: Option<c_int>,
}

impl Metadata {
    /// Of a peer.
    pub(crate) fn of_peer(properties: Properties) -> Self {
        let Properties { list, descriptor } = properties;
        Self { peer: Arc::new(Peer { properties: list, descriptor }), routing_id: 0, group: c"".into() }
    }

    /// The value of property `name`.
    pub(crate) fn property(&self, name: &CStr) -> Option<&CStr> {
        // Its name of old.
        let name = if name == c"Identity" { c"Routing-Id" } else { name };
        let (_, value) = self.peer.properties.iter().find(|(known, _)| known.as_c_str() == name)?;
        Some(value)
    }

    /// The descriptor of its connection. It may be closed by now, or be another's.
    pub(crate) fn descriptor(&self) -> Option<c_int> {
        self.peer.descriptor
    }
}

impl Default for Metadata {
    fn default() -> Self {
        Self::of_peer(Properties::default())
    }
}

/// The properties of a peer, being collected.
#[derive(Debug, Default)]
pub(crate) struct Properties {
    list: Vec<(CString, CString)>,
    descriptor: Option<c_int>,
}

impl Properties {
    /// Of a peer of this type. Its routing id is known only of those that have one to tell: REQ, DEALER and ROUTER.
    pub(crate) fn new(socket_type: SocketType, routing_id: &[u8]) -> Self {
        let mut properties = Self::default().with("Socket-Type", socket_type.to_string());
        if matches!(socket_type, SocketType::Req | SocketType::Dealer | SocketType::Router) {
            properties = properties.with("Routing-Id", routing_id);
        }
        properties
    }

    /// Adds one. A name or value with a NUL ends there: C knows no other end.
    pub(crate) fn with(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.list.push((c_string(name.as_ref()), c_string(value.as_ref())));
        self
    }

    /// Adds the descriptor of its connection.
    #[allow(dead_code, reason = "no road tells it yet")]
    pub(crate) fn descriptor(mut self, descriptor: c_int) -> Self {
        self.descriptor = Some(descriptor);
        self
    }
}

fn c_string(bytes: &[u8]) -> CString {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    CString::new(&bytes[..end]).unwrap_or_default()
}

/// Makes an entry and returns its number, with one count. `None` if there are too many.
pub(crate) fn insert(metadata: Metadata) -> Option<u32> {
    let number = {
        let free = free_numbers().pop();
        match free {
            Some(number) => number,
            None => {
                let next = |used: u32| used.checked_add(1).filter(|number| *number <= NUMBER_MAX);
                // Relaxed: a number is its taker's alone, and what is behind it is published below.
                USED.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).ok()? + 1
            }
        }
    };
    let entry = Arc::into_raw(Arc::new(Entry { number, metadata }));
    // Release: the entry; pairs with Acquire in `slot_of`. (Whoever hands a number to another thread orders that too.)
    slot(number).store(entry.cast_mut(), Ordering::Release);
    Some(number)
}

/// Adds a count to that of `number`, which the caller has one of. 0 counts nothing.
#[inline]
pub(crate) fn retain(number: u32) {
    if number != 0 {
        // SAFETY: the caller has a count of the entry.
        unsafe { Arc::increment_strong_count(entry(number)) };
    }
}

/// Gives back a count of `number`. 0 counts nothing.
#[inline]
pub(crate) fn release(number: u32) {
    if number != 0 {
        // SAFETY: the caller has a count of the entry, and gives it up.
        unsafe { Arc::decrement_strong_count(entry(number)) };
    }
}

/// The metadata of that number; `None` for 0.
///
/// # Safety
/// The caller has a count of it during `'a`.
#[inline]
pub(crate) unsafe fn get<'a>(number: u32) -> Option<&'a Metadata> {
    // SAFETY: so it is there.
    (number != 0).then(|| unsafe { &(*entry(number)).metadata })
}

/// What a slot points to.
#[derive(Debug)]
struct Entry {
    number: u32,
    metadata: Metadata,
}

impl Drop for Entry {
    fn drop(&mut self) {
        free_numbers().push(self.number);
    }
}

/// Which numbers are taken: those up to this one, less the free ones.
static USED: AtomicU32 = AtomicU32::new(0);

/// A child process has none at first: another thread of its parent may have been at them. Those taken before are as they were.
static FREE: Own<std::sync::Mutex<Vec<u32>>> = Own::new();

fn free_numbers() -> std::sync::MutexGuard<'static, Vec<u32>> {
    FREE.get().lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Chunk `n` has `FIRST << n` slots: 26 of them are almost all a number can name, and their sizes need no table.
type Chunk = Box<[AtomicPtr<Entry>]>;
static CHUNKS: [OnceLock<Chunk>; CHUNKS_MAX] = [const { OnceLock::new() }; CHUNKS_MAX];
const CHUNKS_MAX: usize = 26;
const FIRST: u32 = 64;
const NUMBER_MAX: u32 = u32::MAX - FIRST;

/// Chunk, and place in it, of `number`.
fn place(number: u32) -> (usize, usize) {
    let index = number - 1 + FIRST;
    let chunk = index.ilog2() - FIRST.ilog2();
    (chunk as usize, (index - (FIRST << chunk)) as usize)
}

fn slot(number: u32) -> &'static AtomicPtr<Entry> {
    let (chunk, place) = place(number);
    let make = || (0..FIRST << chunk).map(|_| AtomicPtr::new(ptr::null_mut())).collect();
    &CHUNKS[chunk].get_or_init(make)[place]
}

fn entry(number: u32) -> *const Entry {
    // Acquire: pairs with Release in `insert`.
    slot(number).load(Ordering::Acquire)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_value(value: &str) -> u32 {
        insert(Metadata::of_peer(Properties::default().with("X-key", value))).unwrap()
    }

    fn value(number: u32) -> Option<String> {
        // SAFETY: the tests hold a count of what they ask for.
        let metadata = unsafe { get(number) }?;
        Some(metadata.property(c"X-key")?.to_str().unwrap().to_owned())
    }

    #[test]
    fn places_follow_each_other_without_gaps() {
        let mut expected = (0, 0);
        for number in 1..10_000 {
            assert_eq!(place(number), expected, "{number}");
            expected.1 += 1;
            if expected.1 == (FIRST as usize) << expected.0 {
                expected = (expected.0 + 1, 0);
            }
        }
        assert_eq!(place(NUMBER_MAX).0, CHUNKS_MAX - 1);
    }

    #[test]
    fn an_entry_lives_as_long_as_somebody_counts_it() {
        let number = with_value("a");
        retain(number);
        release(number);
        assert_eq!(value(number).as_deref(), Some("a"));
        release(number);
        assert!(value(0).is_none());
        retain(0);
        release(0);
    }

    #[test]
    fn many_entries_at_once_keep_apart() {
        let count = if cfg!(miri) { 100 } else { 5_000 };
        let numbers: Vec<u32> = (0..count).map(|index| with_value(&index.to_string())).collect();
        for (index, &number) in numbers.iter().enumerate() {
            assert_eq!(value(number), Some(index.to_string()));
        }
        numbers.into_iter().for_each(release);
    }

    #[test]
    fn counts_hold_between_threads() {
        let number = with_value("shared");
        std::thread::scope(|scope| {
            for _ in 0..2 {
                retain(number);
                scope.spawn(move || {
                    for _ in 0..100 {
                        retain(number);
                        assert_eq!(value(number).as_deref(), Some("shared"));
                        release(number);
                        release(with_value("other"));
                    }
                    release(number);
                });
            }
        });
        assert_eq!(value(number).as_deref(), Some("shared"));
        release(number);
    }

    #[test]
    fn properties_are_those_the_peer_has_told() {
        let metadata = Metadata::of_peer(
            Properties::new(SocketType::Dealer, b"me\0not told").with("Peer-Address", "127.0.0.1").descriptor(7),
        );
        assert_eq!(metadata.property(c"Socket-Type"), Some(c"DEALER"));
        assert_eq!(metadata.property(c"Routing-Id"), Some(c"me"));
        assert_eq!(metadata.property(c"Identity"), Some(c"me"));
        assert_eq!(metadata.property(c"Peer-Address"), Some(c"127.0.0.1"));
        assert_eq!(metadata.property(c"User-Id"), None);
        assert_eq!(metadata.descriptor(), Some(7));
        let push = Metadata::of_peer(Properties::new(SocketType::Push, b""));
        assert_eq!(push.property(c"Routing-Id"), None);
        assert_eq!(push.descriptor(), None);
    }
}
