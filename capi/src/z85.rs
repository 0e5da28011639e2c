//! `zmq_z85_encode` and `zmq_z85_decode`: bytes as text, five characters for four bytes (ZeroMQ RFC 32); and the keys of
//! CURVE, which is not here.

use std::ffi::CStr;

use libc::{c_char, c_int, c_void};

use crate::{
    error::{Errno, call},
    message::bytes_at,
};

/// Digit `n` is the character for `n`.
const DIGITS: &[u8; 85] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

/// What each byte stands for; `NO_DIGIT` if for nothing.
const VALUES: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let mut digit = 0;
    while digit < DIGITS.len() {
        values[DIGITS[digit] as usize] = digit as u8;
        digit += 1;
    }
    values
};
const NO_DIGIT: u8 = 0xff;

fn encode(bytes: [u8; 4]) -> [u8; 5] {
    let mut value = u32::from_be_bytes(bytes);
    let mut text = [0; 5];
    for place in text.iter_mut().rev() {
        *place = DIGITS[(value % 85) as usize];
        value /= 85;
    }
    text
}

/// `None` if a character is no digit, or if they stand for more than four bytes hold.
fn decode(text: [u8; 5]) -> Option<[u8; 4]> {
    let mut value = 0_u32;
    for character in text {
        let digit = VALUES[usize::from(character)];
        if digit == NO_DIGIT {
            return None;
        }
        value = value.checked_mul(85)?.checked_add(digit.into())?;
    }
    Some(value.to_be_bytes())
}

/// Writes `size` bytes at `data` as text to `text`, with a NUL after it. Returns `text`; null with `EINVAL` if `size` cannot
/// be divided by 4.
///
/// # Safety
/// So many bytes are at `data`; `text` has room for `size / 4 * 5 + 1` bytes that are not of them.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_z85_encode(text: *mut c_char, data: *const u8, size: usize) -> *mut c_char {
    call(|| {
        if !size.is_multiple_of(4) {
            return Err(Errno::EINVAL);
        }
        if text.is_null() {
            return Err(Errno::EFAULT);
        }
        // SAFETY: the caller's duty.
        let (groups, _) = unsafe { bytes_at(data.cast::<c_void>(), size) }?.as_chunks::<4>();
        let mut place = text.cast::<[u8; 5]>();
        for group in groups {
            // SAFETY: there is room for five more, and for the NUL.
            unsafe { place.write(encode(*group)) };
            place = place.wrapping_add(1);
        }
        // SAFETY: as above.
        unsafe { place.cast::<u8>().write(0) };
        Ok(text)
    })
}

/// Writes the bytes that `text` stands for to `data`. Returns `data`; null with `EINVAL` if `text` is empty, its length
/// cannot be divided by 5, or it is no such text. Then nothing is written.
///
/// # Safety
/// `text` is null or a string; `data` has room for four bytes for every five of it, and is not of it.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_z85_decode(data: *mut u8, text: *const c_char) -> *mut u8 {
    call(|| {
        if text.is_null() || data.is_null() {
            return Err(Errno::EFAULT);
        }
        // SAFETY: it is a string.
        let (groups @ [_, ..], []) = unsafe { CStr::from_ptr(text) }.to_bytes().as_chunks::<5>() else {
            return Err(Errno::EINVAL);
        };
        if groups.iter().any(|group| decode(*group).is_none()) {
            return Err(Errno::EINVAL);
        }
        let mut place = data.cast::<[u8; 4]>();
        for bytes in groups.iter().filter_map(|group| decode(*group)) {
            // SAFETY: there is room for four more.
            unsafe { place.write(bytes) };
            place = place.wrapping_add(1);
        }
        Ok(data)
    })
}

/// Fails with `ENOTSUP`: there is no CURVE here yet. As libzmq built without it.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn zmq_curve_keypair(_public_key: *mut c_char, _secret_key: *mut c_char) -> c_int {
    call(|| Err(Errno::ENOTSUP))
}

/// Fails with `ENOTSUP`: there is no CURVE here yet. As libzmq built without it.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn zmq_curve_public(_public_key: *mut c_char, _secret_key: *const c_char) -> c_int {
    call(|| Err(Errno::ENOTSUP))
}

#[cfg(test)]
#[allow(clippy::multiple_unsafe_ops_per_block, reason = "a test calls as C does")]
mod tests {
    use std::{ffi::CString, ptr};

    use super::*;

    fn encoded(bytes: &[u8]) -> Option<String> {
        let mut text = vec![0x7f; bytes.len() / 4 * 5 + 2];
        // SAFETY: there is more room than needed.
        let result = unsafe { zmq_z85_encode(text.as_mut_ptr().cast(), bytes.as_ptr(), bytes.len()) };
        if result.is_null() {
            assert_eq!(Errno::current(), Errno::EINVAL);
            return None;
        }
        assert_eq!(text.pop(), Some(0x7f));
        assert_eq!(text.pop(), Some(0));
        Some(String::from_utf8(text).unwrap())
    }

    fn decoded(text: &str) -> Option<Vec<u8>> {
        let text = CString::new(text).unwrap();
        let mut bytes = vec![0x7f; text.count_bytes() / 5 * 4 + 1];
        // SAFETY: there is more room than needed.
        let result = unsafe { zmq_z85_decode(bytes.as_mut_ptr(), text.as_ptr()) };
        assert_eq!(bytes.pop(), Some(0x7f));
        if result.is_null() {
            assert_eq!(Errno::current(), Errno::EINVAL);
            assert!(bytes.iter().all(|&byte| byte == 0x7f));
            return None;
        }
        Some(bytes)
    }

    #[test]
    fn the_example_of_the_rfc_goes_both_ways() {
        let bytes = [0x86, 0x4f, 0xd2, 0x6f, 0xb5, 0x59, 0xf7, 0x5b];
        assert_eq!(encoded(&bytes).as_deref(), Some("HelloWorld"));
        assert_eq!(decoded("HelloWorld").as_deref(), Some(&bytes[..]));
    }

    #[test]
    fn bytes_come_back_as_they_went_in() {
        for size in (0..64).step_by(4) {
            let bytes: Vec<u8> = (0..size).map(|index| (index * 37 + 255) as u8).collect();
            let text = encoded(&bytes).unwrap();
            assert_eq!(text.len(), size / 4 * 5);
            if size > 0 {
                assert_eq!(decoded(&text), Some(bytes));
            }
        }
        assert_eq!(decoded("%nSc0"), Some(vec![0xff; 4]));
    }

    #[test]
    fn what_is_no_such_text_is_refused() {
        for text in
            ["", "1234", "123456", "HelloWorl\"", "Hell World", "%nSc1", "#####", "h\u{e9}llo", "aaaaaHell\u{7f}"]
        {
            assert_eq!(decoded(text), None, "{text:?}");
        }
        assert_eq!(encoded(b"123"), None);
    }

    #[test]
    fn null_is_an_error() {
        // SAFETY: null is allowed.
        unsafe {
            assert!(zmq_z85_encode(ptr::null_mut(), ptr::null(), 0).is_null());
            assert_eq!(Errno::current(), Errno::EFAULT);
            assert!(zmq_z85_encode(ptr::null_mut(), ptr::null(), 1).is_null());
            assert_eq!(Errno::current(), Errno::EINVAL);
            assert!(zmq_z85_decode(ptr::null_mut(), c"abcde".as_ptr()).is_null());
            assert!(zmq_z85_decode([0; 4].as_mut_ptr(), ptr::null()).is_null());
        }
    }

    #[test]
    fn there_are_no_keys() {
        assert_eq!(zmq_curve_keypair(ptr::null_mut(), ptr::null_mut()), -1);
        assert_eq!(Errno::current(), Errno::ENOTSUP);
        assert_eq!(zmq_curve_public(ptr::null_mut(), ptr::null()), -1);
    }
}
