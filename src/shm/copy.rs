//! Copies between private memory and memory that somebody may write meanwhile, another process included.
//!
//! Shared memory is seen as words, `&[AtomicU64]`, never through a reference to plain bytes, of which the compiler may
//! assume that nobody writes them. Where there is assembly for it (x86-64) the bytes are moved by instructions whose
//! accesses the compiler does not see; elsewhere by relaxed loads and stores of whole aligned words, at 8 bytes each three
//! times slower. Either way what is copied while somebody writes may be torn at any byte, and is some value.
//!
//! Bytes are in the machine's order, so a copy is what `memcpy` would have made.

use std::{array, mem::MaybeUninit};

use crate::sync::{AtomicU64, Ordering};

/// Bytes of a word.
const WORD: usize = size_of::<u64>();

/// Copies bytes out of `words`, from the byte at `offset` on. `to` is written completely.
///
/// Orders nothing: the caller has acquired what says that the bytes are there.
///
/// # Panics
/// Panics if there are not as many bytes.
#[inline(always)]
pub(crate) fn out(words: &[AtomicU64], offset: usize, to: &mut [MaybeUninit<u8>]) {
    assert!(is_within(words, offset, to.len()), "a copy leaves the memory it is from");
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    if to.len() >= assembly::LEAST {
        // SAFETY: `offset` lies within the words, checked above.
        let from = unsafe { words.as_ptr().cast::<u8>().add(offset) };
        // SAFETY: both are valid for as many bytes, checked above; `to` is borrowed mutably and no part of the words.
        // The source may change meanwhile: no access to it is one of the compiler's.
        return unsafe { assembly::copy(from, to.as_mut_ptr().cast(), to.len()) };
    }
    out_by_words(words, offset, to);
}

/// Copies `from` into `words`, to the byte at `offset` and those behind it.
///
/// Orders nothing: the caller releases what says that the bytes are there. A word of which only a part is written keeps
/// the rest of it: two threads that write at the same time keep a word apart.
///
/// # Panics
/// Panics if there is no room for as many bytes.
#[inline(always)]
pub(crate) fn into(words: &[AtomicU64], offset: usize, from: &[u8]) {
    assert!(is_within(words, offset, from.len()), "a copy leaves the memory it is for");
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    if from.len() >= assembly::LEAST {
        // SAFETY: `offset` lies within the words, checked above.
        let to = unsafe { words.as_ptr().cast::<u8>().cast_mut().add(offset) };
        // SAFETY: both are valid for as many bytes, checked above; the words are interior-mutable, so they may be written
        // through a shared reference, and `from` is no part of them. Who reads them meanwhile reads some value.
        return unsafe { assembly::copy_backwards(from.as_ptr(), to, from.len()) };
    }
    into_by_words(words, offset, from);
}

/// The line at the byte at `offset` of `words` will be read soon: brings it here meanwhile, if that can be asked for.
///
/// # Panics
/// Panics if there is no such byte.
#[inline(always)]
pub(crate) fn prefetch(words: &[AtomicU64], offset: usize) {
    let word = &words[offset / WORD];
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    assembly::prefetch(std::ptr::from_ref(word).cast());
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = word;
}

#[inline(always)]
fn is_within(words: &[AtomicU64], offset: usize, size: usize) -> bool {
    let all = size_of_val(words);
    size <= all && offset <= all - size
}

#[inline(never)]
fn out_by_words(words: &[AtomicU64], offset: usize, to: &mut [MaybeUninit<u8>]) {
    let read = |word: &AtomicU64| word.load(Ordering::Relaxed).to_ne_bytes().map(MaybeUninit::new);
    let (mut words, skipped) = (words[offset / WORD..].iter(), offset % WORD);
    let mut to = to;
    if skipped != 0 {
        let (head, rest) = to.split_at_mut(to.len().min(WORD - skipped));
        if let Some(word) = words.next() {
            head.copy_from_slice(&read(word)[skipped..][..head.len()]);
        }
        to = rest;
    }
    let mut whole = to.chunks_exact_mut(WORD);
    for (chunk, word) in whole.by_ref().zip(words.by_ref()) {
        chunk.copy_from_slice(&read(word));
    }
    let tail = whole.into_remainder();
    if let (false, Some(word)) = (tail.is_empty(), words.next()) {
        tail.copy_from_slice(&read(word)[..tail.len()]);
    }
}

#[inline(never)]
fn into_by_words(words: &[AtomicU64], offset: usize, from: &[u8]) {
    let (mut words, skipped) = (words[offset / WORD..].iter(), offset % WORD);
    let mut from = from;
    if skipped != 0 {
        let (head, rest) = from.split_at(from.len().min(WORD - skipped));
        if let Some(word) = words.next() {
            patch(word, skipped, head);
        }
        from = rest;
    }
    let whole = from.chunks_exact(WORD);
    let tail = whole.remainder();
    for (chunk, word) in whole.zip(words.by_ref()) {
        word.store(u64::from_ne_bytes(array::from_fn(|at| chunk[at])), Ordering::Relaxed);
    }
    if let (false, Some(word)) = (tail.is_empty(), words.next()) {
        patch(word, 0, tail);
    }
}

/// Writes a part of a word.
#[inline]
fn patch(word: &AtomicU64, offset: usize, from: &[u8]) {
    let mut bytes = word.load(Ordering::Relaxed).to_ne_bytes();
    bytes[offset..][..from.len()].copy_from_slice(from);
    word.store(u64::from_ne_bytes(bytes), Ordering::Relaxed);
}

/// Copies by instructions of which the compiler does not see what they read.
#[cfg(all(target_arch = "x86_64", not(miri)))]
mod assembly {
    use std::arch::asm;

    /// Copies `size` bytes, at least [`LEAST`], first to last. Some of them may be copied twice.
    ///
    /// In the pieces a frame is moved in, a word and then pairs of words: a processor forwards what was written a moment ago
    /// only to a load that it covers.
    ///
    /// # Safety
    /// `from` is readable and `to` writable for `size` bytes, and they do not overlap. Either may be accessed by others
    /// meanwhile.
    #[inline(always)]
    pub(super) unsafe fn copy(from: *const u8, to: *mut u8, size: usize) {
        debug_assert!(size >= LEAST);
        if size >= LONG {
            // SAFETY: the caller's word.
            return unsafe { copy_long(from, to, size) };
        }
        // SAFETY: the first 8 of at least 8 bytes.
        unsafe { copy_8(from, to) };
        let mut at = 8;
        while at + 16 <= size {
            // SAFETY: they end at `size` or before.
            unsafe { copy_16(from.wrapping_add(at), to.wrapping_add(at)) };
            at += 16;
        }
        if at < size {
            // SAFETY: fewer than 16 are left, at the end of at least 8.
            unsafe { copy_end(from, to, size) };
        }
    }

    /// As [`copy`], last to first.
    ///
    /// Of several lines that another processor reads the first comes last: it is the one that is looked at by who waits, so
    /// whoever writes there has it taken away again while it gets hold of the others.
    ///
    /// # Safety
    /// As for [`copy`].
    #[inline(always)]
    pub(super) unsafe fn copy_backwards(from: *const u8, to: *mut u8, size: usize) {
        debug_assert!(size >= LEAST);
        if size >= LONG {
            // SAFETY: the caller's word.
            return unsafe { copy_long(from, to, size) };
        }
        let mut at = size - (size - 8) % 16;
        if at < size {
            // SAFETY: fewer than 16 are left, at the end of at least 8.
            unsafe { copy_end(from, to, size) };
        }
        while at > 8 {
            at -= 16;
            // SAFETY: from 8 on, and they end at `size` or before.
            unsafe { copy_16(from.wrapping_add(at), to.wrapping_add(at)) };
        }
        // SAFETY: the first 8 of at least 8 bytes.
        unsafe { copy_8(from, to) };
    }

    /// Copies the last bytes of `size`, at least [`LEAST`]: 16 if there are so many.
    ///
    /// # Safety
    /// As for [`copy`].
    #[inline(always)]
    unsafe fn copy_end(from: *const u8, to: *mut u8, size: usize) {
        if size >= 16 {
            // SAFETY: the last 16 of at least 16 bytes.
            return unsafe { copy_16(from.wrapping_add(size - 16), to.wrapping_add(size - 16)) };
        }
        // SAFETY: the last 8 of at least 8 bytes.
        unsafe { copy_8(from.wrapping_add(size - 8), to.wrapping_add(size - 8)) };
    }

    /// # Safety
    /// As for [`copy`], of 8 bytes.
    #[inline(always)]
    unsafe fn copy_8(from: *const u8, to: *mut u8) {
        // SAFETY: accesses the bytes the caller vouches for, at any alignment, and a register of the compiler's choice.
        unsafe {
            asm!(
                "mov {word}, [{from}]",
                "mov [{to}], {word}",
                word = out(reg) _,
                from = in(reg) from,
                to = in(reg) to,
                options(nostack, preserves_flags),
            );
        }
    }

    /// # Safety
    /// As for [`copy`], of 16 bytes.
    #[inline(always)]
    unsafe fn copy_16(from: *const u8, to: *mut u8) {
        // SAFETY: accesses the bytes the caller vouches for, at any alignment, and a register of the compiler's choice.
        unsafe {
            asm!(
                "movups {words}, [{from}]",
                "movups [{to}], {words}",
                words = out(xmm_reg) _,
                from = in(reg) from,
                to = in(reg) to,
                options(nostack, preserves_flags),
            );
        }
    }

    /// # Safety
    /// As for [`copy`].
    #[inline(always)]
    unsafe fn copy_long(from: *const u8, to: *mut u8, size: usize) {
        // SAFETY: accesses the bytes the caller vouches for, and changes the three registers named. The direction flag is
        // clear where assembly begins.
        unsafe {
            asm!(
                "rep movsb",
                inout("rcx") size => _,
                inout("rsi") from => _,
                inout("rdi") to => _,
                options(nostack, preserves_flags),
            );
        }
    }

    /// Brings the line at `at` here, to be read. A hint, without effect on what is in it.
    #[inline(always)]
    pub(super) fn prefetch(at: *const u8) {
        // SAFETY: a prefetch accesses nothing that could fault, whatever the address.
        unsafe { asm!("prefetcht0 [{at}]", at = in(reg) at, options(nostack, preserves_flags)) };
    }

    /// Bytes below which words do.
    pub(super) const LEAST: usize = 8;

    /// Bytes from which on one instruction is faster than a loop, out of the cache. Measured on Emerald Rapids (2026-11), out
    /// and in: 512 bytes by the loop 18 and 11 ns, by the instruction 20 and 17; 1 KiB 35 and 21, 27 and 24; 2 KiB 70 and
    /// 40, 51 and 34.
    const LONG: usize = 1024;
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::sync::{AtomicBool, thread};

    fn words_of(bytes: &[u8]) -> Vec<AtomicU64> {
        let (words, []) = bytes.as_chunks() else { panic!("whole words") };
        words.iter().map(|word| AtomicU64::new(u64::from_ne_bytes(*word))).collect()
    }

    fn bytes_of(words: &[AtomicU64]) -> Vec<u8> {
        words.iter().flat_map(|word| word.load(Ordering::Relaxed).to_ne_bytes()).collect()
    }

    fn copied_out(
        copy: fn(&[AtomicU64], usize, &mut [MaybeUninit<u8>]),
        words: &[AtomicU64],
        at: usize,
        size: usize,
    ) -> Vec<u8> {
        // A byte more, which must stay.
        let mut to = vec![MaybeUninit::new(0xAA); size + 1];
        copy(words, at, &mut to[..size]);
        // SAFETY: made of initialised bytes, which a copy overwrites at most.
        let to: Vec<u8> = to.into_iter().map(|byte| unsafe { byte.assume_init() }).collect();
        assert_eq!(to[size], 0xAA);
        to[..size].to_vec()
    }

    /// Bytes copied from and to. Few under Miri, which is slow.
    const MEMORY: usize = if cfg!(miri) { 64 } else { 2048 };

    /// Sizes around each change of method, at every alignment.
    fn cases() -> impl Iterator<Item = (usize, usize)> {
        let sizes = (0..70).chain([127, 128, 500, 1022, 1023, 1024, 1025, 1040, 2000]);
        let cases = sizes.flat_map(|size| (0..18).map(move |at| (at, size)));
        cases.filter(|(at, size)| at + size <= MEMORY && (!cfg!(miri) || at % 3 == 1 && size % 4 == 1))
    }

    #[test]
    fn copies_are_what_memcpy_would_have_made() {
        let bytes: Vec<u8> = (0_u8..=250).cycle().take(MEMORY).collect();
        let words = words_of(&bytes);
        for (at, size) in cases() {
            for copy in [out, out_by_words] {
                assert_eq!(copied_out(copy, &words, at, size), bytes[at..][..size], "{size} bytes from {at}");
            }
            for copy in [into, into_by_words] {
                let words = words_of(&[0xAA; MEMORY]);
                copy(&words, at, &bytes[..size]);
                let mut expected = vec![0xAA; MEMORY];
                expected[at..][..size].copy_from_slice(&bytes[..size]);
                assert_eq!(bytes_of(&words), expected, "{size} bytes to {at}");
            }
        }
    }

    #[test]
    fn a_copy_that_leaves_the_memory_is_refused() {
        let words = words_of(&[1; 64]);
        for (at, size) in
            [(0, 65), (64, 1), (65, 0), (57, 8), (1, 64), (usize::MAX, 1), (usize::MAX, 2), (8, usize::MAX)]
        {
            // Never read: it is refused before.
            let size = size.min(100);
            let mut to = vec![MaybeUninit::uninit(); size];
            let out = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| out(&words, at, &mut to)));
            let into = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| into(&words, at, &vec![0; size])));
            assert!(out.is_err() && into.is_err(), "{size} bytes at {at}");
        }
        assert!(copied_out(out, &words, 64, 0).is_empty());
    }

    #[test]
    fn what_is_written_meanwhile_is_some_value() {
        let words = words_of(&[0; 4096]);
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut byte = 0_u8;
                while !over.load(Ordering::Relaxed) {
                    byte = byte.wrapping_add(1) & 0x0F;
                    into(&words, 3, &vec![byte; 4000]);
                }
            });
            let end = Instant::now() + Duration::from_millis(if cfg!(miri) { 10 } else { 100 });
            while Instant::now() < end {
                for size in [7, 8, 40, 900, 4000] {
                    assert!(copied_out(out, &words, 3, size).iter().all(|byte| *byte <= 0x0F));
                }
            }
            over.store(true, Ordering::Relaxed);
        });
    }

    proptest! {
        #[test]
        fn copies_in_and_out_again_are_the_same(at in 0..MEMORY / 4, bytes in vec(any::<u8>(), 0..MEMORY * 3 / 4)) {
            let words = words_of(&[0x55; MEMORY]);
            into(&words, at, &bytes);
            prop_assert_eq!(copied_out(out, &words, at, bytes.len()), &bytes[..]);
            prop_assert_eq!(copied_out(out_by_words, &words, at, bytes.len()), &bytes[..]);
            prop_assert!(bytes_of(&words)[..at].iter().all(|byte| *byte == 0x55));
            prop_assert!(bytes_of(&words)[at + bytes.len()..].iter().all(|byte| *byte == 0x55));
        }
    }
}
