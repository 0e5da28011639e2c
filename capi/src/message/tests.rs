//! Each function, by way of C's calls.

#![allow(clippy::multiple_unsafe_ops_per_block, reason = "a test calls as C does")]

use std::{
    ffi::CString,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use super::*;
use crate::metadata::Properties;

/// A message as `init` leaves it; its memory held something else before.
fn made(init: impl FnOnce(*mut zmq_msg_t) -> c_int) -> zmq_msg_t {
    let mut message = zmq_msg_t { words: [MaybeUninit::new(u64::MAX); 8] };
    assert_eq!(init(&mut message), 0);
    message
}

fn empty() -> zmq_msg_t {
    // SAFETY: memory for one.
    made(|message| unsafe { zmq_msg_init(message) })
}

fn of(bytes: &[u8]) -> zmq_msg_t {
    // SAFETY: memory for one, and bytes.
    made(|message| unsafe { zmq_msg_init_buffer(message, bytes.as_ptr().cast(), bytes.len()) })
}

fn close(message: &mut zmq_msg_t) {
    // SAFETY: a message.
    assert_eq!(unsafe { zmq_msg_close(message) }, 0);
}

fn get(message: &zmq_msg_t, property: c_int) -> c_int {
    // SAFETY: a message.
    unsafe { zmq_msg_get(message, property) }
}

/// What C sees in it.
fn contents(message: &mut zmq_msg_t) -> Vec<u8> {
    // SAFETY: a message, and its own data and size.
    let seen = unsafe { slice::from_raw_parts(zmq_msg_data(message).cast::<u8>(), zmq_msg_size(message)) }.to_vec();
    assert_eq!(seen, message.bytes());
    seen
}

/// Counts the calls of [`count`].
static FREED: AtomicUsize = AtomicUsize::new(0);

/// A test that counts holds this: they share the counter.
static COUNTING: std::sync::Mutex<()> = std::sync::Mutex::new(());

/// Frees a boxed slice whose length is at `hint`.
unsafe extern "C" fn count(data: *mut c_void, hint: *mut c_void) {
    FREED.fetch_add(1, Ordering::Relaxed);
    let bytes = ptr::slice_from_raw_parts_mut(data.cast::<u8>(), hint.addr());
    // SAFETY: `foreign` has made it.
    drop(unsafe { Box::from_raw(bytes) });
}

/// A message over memory that [`count`] frees.
fn foreign(bytes: &[u8]) -> zmq_msg_t {
    let size = bytes.len();
    let data = Box::into_raw(Box::<[u8]>::from(bytes)).cast::<c_void>();
    // SAFETY: so many bytes, freed by `count`.
    made(|message| unsafe { zmq_msg_init_data(message, data, size, Some(count), ptr::without_provenance_mut(size)) })
}

/// Sizes of all kinds: inside the message, pooled, shared; and their edges.
const SIZES: [usize; 9] = [0, 1, 55, 56, 57, 256, 257, 1000, 100_000];

#[test]
fn a_short_frames_first_word_is_its_length() {
    for size in 0..=INLINE_MAX + 1 {
        let words = Frame::copy_from(&vec![7; size]).into_words();
        // SAFETY: the first word is initialised.
        let first = unsafe { words[0].assume_init() };
        if size <= INLINE_MAX {
            assert_eq!(first, size as u64);
        } else {
            assert!(INLINE_MAX < first as usize && first < 64);
        }
        // SAFETY: of one frame, which is made once.
        drop(unsafe { Frame::from_words(words) });
    }
}

#[test]
fn what_is_written_is_what_is_there() {
    for size in SIZES {
        // SAFETY: memory for one.
        let mut message = made(|message| unsafe { zmq_msg_init_size(message, size) });
        // SAFETY: a message.
        assert_eq!(unsafe { zmq_msg_size(&message) }, size);
        assert_eq!((get(&message, ZMQ_SHARED), get(&message, ZMQ_MORE)), (0, 0));
        let bytes: Vec<u8> = (0..size).map(|index| index as u8).collect();
        // SAFETY: a message's data has room for its size.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), zmq_msg_data(&mut message).cast(), size) };
        assert_eq!(contents(&mut message), bytes);
        let mut copy = empty();
        // SAFETY: two messages.
        assert_eq!(unsafe { zmq_msg_copy(&mut copy, &mut message) }, 0);
        assert_eq!(contents(&mut copy), bytes);
        assert_eq!(get(&message, ZMQ_SHARED), get(&copy, ZMQ_SHARED));
        close(&mut message);
        assert_eq!(contents(&mut copy), bytes);
        let mut target = of(b"to be dropped");
        // SAFETY: two messages.
        assert_eq!(unsafe { zmq_msg_move(&mut target, &mut copy) }, 0);
        assert_eq!((contents(&mut target), contents(&mut copy)), (bytes.clone(), vec![]));
        assert_eq!(target.take(), bytes);
        assert_eq!(contents(&mut target), []);
        target.put(Frame::from(bytes.clone()), true, 0);
        assert_eq!((contents(&mut target), get(&target, ZMQ_MORE)), (bytes, 1));
        close(&mut target);
        close(&mut copy);
    }
}

#[test]
#[cfg_attr(miri, ignore = "Miri ends when there is no memory")]
fn more_memory_than_there_is_is_an_error() {
    let mut message = empty();
    for size in [usize::MAX, isize::MAX as usize, isize::MAX as usize - 64] {
        // SAFETY: memory for one.
        assert_eq!(unsafe { zmq_msg_init_size(&mut message, size) }, -1);
        assert_eq!(Errno::current(), Errno::ENOMEM);
    }
}

#[test]
fn what_is_shared_says_so() {
    let mut message = of(&[1; 1000]);
    let mut copy = empty();
    assert_eq!(get(&message, ZMQ_SHARED), 0);
    // SAFETY: two messages.
    unsafe { zmq_msg_copy(&mut copy, &mut message) };
    assert_eq!((get(&message, ZMQ_SHARED), get(&copy, ZMQ_SHARED)), (1, 1));
    assert_eq!(message.bytes().as_ptr(), copy.bytes().as_ptr());
    close(&mut message);
    close(&mut copy);
    // SAFETY: a static; no function frees it.
    let mut message = made(|message| unsafe {
        zmq_msg_init_data(message, c"constant".as_ptr().cast_mut().cast(), 8, None, ptr::null_mut())
    });
    assert_eq!((get(&message, ZMQ_SHARED), contents(&mut message)), (1, b"constant".to_vec()));
    close(&mut message);
}

#[test]
fn memory_of_others_is_not_copied_and_freed_once() {
    let _counting = COUNTING.lock();
    for size in SIZES {
        let before = FREED.load(Ordering::Relaxed);
        let freed = || FREED.load(Ordering::Relaxed) - before;
        let mut message = foreign(&vec![9; size]);
        assert_eq!(get(&message, ZMQ_SHARED), 0);
        assert_eq!(contents(&mut message), vec![9; size]);
        let mut copy = empty();
        // SAFETY: two messages.
        unsafe { zmq_msg_copy(&mut copy, &mut message) };
        assert_eq!(message.bytes().as_ptr(), copy.bytes().as_ptr());
        close(&mut message);
        assert_eq!(freed(), 0);
        let mut moved = empty();
        // SAFETY: two messages.
        unsafe { zmq_msg_move(&mut moved, &mut copy) };
        close(&mut copy);
        let frame = moved.take();
        close(&mut moved);
        assert_eq!((frame.len(), freed()), (size, 0));
        thread::spawn(move || drop(frame)).join().unwrap();
        // By the thread that does, as no function of the library ended it.
        reaper::settle();
        assert_eq!(freed(), 1);
    }
}

#[test]
fn what_a_message_held_is_freed_when_something_else_comes() {
    let _counting = COUNTING.lock();
    let before = FREED.load(Ordering::Relaxed);
    let freed = || FREED.load(Ordering::Relaxed) - before;
    let mut message = foreign(b"first");
    message.put(Frame::from("second"), false, 0);
    assert_eq!(freed(), 1);
    let mut other = foreign(b"third");
    // SAFETY: two messages.
    unsafe { zmq_msg_copy(&mut other, &mut message) };
    assert_eq!(freed(), 2);
    let mut last = foreign(b"fourth");
    // SAFETY: two messages.
    unsafe { zmq_msg_move(&mut last, &mut other) };
    assert_eq!((freed(), contents(&mut last)), (3, b"second".to_vec()));
    [&mut message, &mut other, &mut last].into_iter().for_each(close);
}

#[test]
fn to_itself_a_message_is_neither_moved_nor_copied() {
    let mut message = of(&[3; 300]);
    let at: *mut zmq_msg_t = &mut message;
    // SAFETY: a message, twice the same.
    unsafe {
        assert_eq!((zmq_msg_move(at, at), zmq_msg_copy(at, at)), (0, 0));
        assert_eq!(zmq_msg_size(at), 300);
        assert_eq!(zmq_msg_close(at), 0);
    }
}

#[test]
fn what_is_not_initialised_is_an_error() {
    let mut closed = empty();
    close(&mut closed);
    let mut good = empty();
    let fails = |result: c_int| assert_eq!((result, Errno::current()), (-1, Errno::EFAULT));
    let odd = ptr::from_mut(&mut good).cast::<u8>().wrapping_add(1).cast();
    for bad in [ptr::null_mut(), ptr::from_mut(&mut closed), odd] {
        // SAFETY: null, or memory of a message that is closed, or an address that is not looked at.
        unsafe {
            fails(zmq_msg_close(bad));
            fails(zmq_msg_move(bad, &mut good));
            fails(zmq_msg_move(&mut good, bad));
            fails(zmq_msg_copy(bad, &mut good));
            fails(zmq_msg_copy(&mut good, bad));
            fails(zmq_msg_more(bad));
            fails(zmq_msg_get(bad, ZMQ_MORE));
            fails(zmq_msg_set(bad, ZMQ_MORE, 1));
            fails(zmq_msg_set_routing_id(bad, 1));
            fails(zmq_msg_set_group(bad, c"group".as_ptr()));
            assert!(zmq_msg_data(bad).is_null() && zmq_msg_group(bad).is_null());
            assert!(zmq_msg_gets(bad, c"Socket-Type".as_ptr()).is_null());
            assert_eq!((zmq_msg_size(bad), zmq_msg_routing_id(bad)), (0, 0));
        }
    }
    // SAFETY: nothing is looked at.
    unsafe {
        fails(zmq_msg_init(ptr::null_mut()));
        fails(zmq_msg_init_size(odd, 1));
        fails(zmq_msg_init_buffer(&mut closed, ptr::null(), 1));
        fails(zmq_msg_init_data(&mut closed, ptr::null_mut(), 1, None, ptr::null_mut()));
    }
    close(&mut good);
}

#[test]
fn nothing_can_be_set() {
    let mut message = empty();
    for property in [ZMQ_MORE, ZMQ_SHARED, ZMQ_SRCFD, 77] {
        // SAFETY: a message.
        assert_eq!(unsafe { zmq_msg_set(&mut message, property, 1) }, -1);
        assert_eq!(Errno::current(), Errno::EINVAL);
    }
    assert_eq!(get(&message, 77), -1);
    assert_eq!(Errno::current(), Errno::EINVAL);
    assert_eq!(get(&message, ZMQ_SRCFD), -1);
    close(&mut message);
}

/// What `zmq_msg_gets` says.
fn property(message: &zmq_msg_t, name: &str) -> Option<String> {
    let name = CString::new(name).unwrap();
    // SAFETY: a message and a string.
    let value = unsafe { zmq_msg_gets(message, name.as_ptr()) };
    if value.is_null() {
        assert_eq!(Errno::current(), Errno::EINVAL);
        return None;
    }
    // SAFETY: a string, as long as the message is there.
    Some(unsafe { CStr::from_ptr(value) }.to_str().unwrap().to_owned())
}

fn metadata_of(address: &str) -> u32 {
    let properties = Properties::new(ringway::SocketType::Req, b"me").with("Peer-Address", address).descriptor(5);
    metadata::insert(Metadata::of_peer(properties)).unwrap()
}

#[test]
fn who_sent_it_goes_with_the_message() {
    let mut message = empty();
    assert_eq!(property(&message, "Peer-Address"), None);
    message.put(Frame::from("a"), false, metadata_of("::1"));
    assert_eq!(property(&message, "Peer-Address").as_deref(), Some("::1"));
    assert_eq!(property(&message, "Identity").as_deref(), Some("me"));
    assert_eq!(property(&message, "X-other"), None);
    assert_eq!(get(&message, ZMQ_SRCFD), 5);
    // SAFETY: a message, and no string.
    assert!(unsafe { zmq_msg_gets(&message, ptr::null()) }.is_null());
    let (mut copy, mut moved) = (empty(), empty());
    // SAFETY: three messages.
    unsafe {
        zmq_msg_copy(&mut copy, &mut message);
        zmq_msg_move(&mut moved, &mut message);
    }
    assert_eq!(property(&message, "Socket-Type"), None);
    assert_eq!(property(&copy, "Socket-Type").as_deref(), Some("REQ"));
    drop(copy.take());
    assert_eq!(property(&copy, "Socket-Type"), None);
    assert_eq!(property(&moved, "Socket-Type").as_deref(), Some("REQ"));
    moved.put(Frame::from("b"), false, 0);
    assert_eq!(property(&moved, "Socket-Type"), None);
    [&mut message, &mut copy, &mut moved].into_iter().for_each(close);
}

#[test]
fn drafts_are_kept_with_the_message_and_beside_who_sent_it() {
    let mut message = empty();
    let mut copy = empty();
    // SAFETY: two messages and strings.
    unsafe {
        assert_eq!((zmq_msg_routing_id(&mut message), *zmq_msg_group(&mut message)), (0, 0));
        assert_eq!(zmq_msg_set_routing_id(&mut message, 0), -1);
        assert_eq!(Errno::current(), Errno::EINVAL);
        message.put(Frame::from("a"), true, metadata_of("::1"));
        assert_eq!(zmq_msg_set_routing_id(&mut message, 77), 0);
        assert_eq!(zmq_msg_set_group(&mut message, c"news".as_ptr()), 0);
        let long = CString::new(vec![b'x'; 256]).unwrap();
        assert_eq!(zmq_msg_set_group(&mut message, long.as_ptr()), -1);
        assert_eq!(zmq_msg_set_group(&mut message, long.as_ptr().wrapping_add(1)), 0);
        assert_eq!(zmq_msg_set_group(&mut message, c"news".as_ptr()), 0);
        assert_eq!(zmq_msg_set_group(&mut message, ptr::null()), -1);
        zmq_msg_copy(&mut copy, &mut message);
        close(&mut message);
        assert_eq!(zmq_msg_routing_id(&mut copy), 77);
        assert_eq!(CStr::from_ptr(zmq_msg_group(&mut copy)), c"news");
    }
    assert_eq!(property(&copy, "Peer-Address").as_deref(), Some("::1"));
    assert_eq!((contents(&mut copy), get(&copy, ZMQ_MORE)), (b"a".to_vec(), 1));
    close(&mut copy);
}
