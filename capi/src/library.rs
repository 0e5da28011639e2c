//! What the library says of itself, and of errors.

use std::{
    collections::HashMap,
    ffi::{CStr, CString},
    sync::{Mutex, PoisonError},
};

use libc::{c_char, c_int};

use crate::{
    error::{Errno, call},
    fork::Own,
};

/// The version of libzmq this library is to programs.
const VERSION: [c_int; 3] = [4, 3, 5];

/// Writes the version of libzmq this library stands in for, 4.3.5, to where the three pointers point.
///
/// # Safety
/// Each pointer is null or points to an `int`.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_version(major: *mut c_int, minor: *mut c_int, patch: *mut c_int) {
    call(|| {
        for (place, number) in [major, minor, patch].into_iter().zip(VERSION) {
            if !place.is_null() {
                // SAFETY: the caller's duty.
                unsafe { place.write(number) };
            }
        }
        Ok(())
    });
}

/// 1 if the library can do what `capability` names, else 0: `ipc`, and `ringway`, which tells it from libzmq.
///
/// # Safety
/// `capability` is null or a C string.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_has(capability: *const c_char) -> c_int {
    if capability.is_null() {
        return 0;
    }
    // SAFETY: the caller's duty.
    let capability = unsafe { CStr::from_ptr(capability) };
    c_int::from([c"ipc", c"ringway"].contains(&capability))
}

/// The calling thread's `errno`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn zmq_errno() -> c_int {
    Errno::current().0
}

/// What `errnum` means, in English. The text lives as long as the process.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn zmq_strerror(errnum: c_int) -> *const c_char {
    let text = match Errno(errnum) {
        Errno::EFSM => c"Operation cannot be accomplished in current state",
        Errno::ENOCOMPATPROTO => c"The protocol is not compatible with the socket type",
        Errno::ETERM => c"Context was terminated",
        Errno::EMTHREAD => c"No thread available",
        // As libzmq has it, in its own words.
        Errno(libc::EHOSTUNREACH) => c"Host unreachable",
        Errno(errnum) => return call(|| Ok(system_text(errnum).as_ptr())),
    };
    text.as_ptr()
}

/// The system's text for an error. Kept for ever: there are few, and strerror(3) has one buffer for all.
fn system_text(errnum: c_int) -> &'static CStr {
    // Each process has its own: at a fork another thread may have been at it.
    static TEXTS: Own<Mutex<HashMap<c_int, &'static CStr>>> = Own::new();
    let mut texts = TEXTS.get().lock().unwrap_or_else(PoisonError::into_inner);
    // What no number means is one text, however many a program asks for.
    let errnum = if (0..=MAX_ERRNO).contains(&errnum) { errnum } else { -1 };
    texts.entry(errnum).or_insert_with(|| {
        let mut text = [0_u8; 256];
        // SAFETY: the buffer is as long as is said; the text is cut to it.
        unsafe { libc::strerror_r(errnum, text.as_mut_ptr().cast(), text.len()) };
        let text = CStr::from_bytes_until_nul(&text).map(CStr::to_owned).unwrap_or_else(|_| CString::default());
        Box::leak(text.into_boxed_c_str())
    })
}

/// The largest number Linux uses for an error.
const MAX_ERRNO: c_int = 4095;

#[cfg(test)]
mod tests {
    use super::*;

    fn text(errnum: c_int) -> &'static str {
        // SAFETY: it is a C string that is never freed.
        unsafe { CStr::from_ptr(zmq_strerror(errnum)) }.to_str().unwrap()
    }

    #[test]
    fn errors_have_texts() {
        assert_eq!(text(libc::EINVAL), "Invalid argument");
        assert_eq!(text(Errno::ETERM.0), "Context was terminated");
        assert_eq!(text(123_456), text(-3));
        assert!(!text(123_456).is_empty());
    }

    #[test]
    fn it_is_version_4_3_5_and_says_what_it_can() {
        let mut version = [0; 3];
        let [major, minor, patch] = &mut version;
        // SAFETY: they point to numbers.
        unsafe { zmq_version(major, minor, patch) };
        // SAFETY: to nowhere.
        unsafe { zmq_version(std::ptr::null_mut(), std::ptr::null_mut(), std::ptr::null_mut()) };
        assert_eq!(version, VERSION);
        // SAFETY: C strings, or null.
        let has = |name: *const c_char| unsafe { zmq_has(name) };
        assert_eq!([c"ipc".as_ptr(), c"curve".as_ptr(), std::ptr::null()].map(has), [1, 0, 0]);
    }
}
