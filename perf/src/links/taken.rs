//! What a process takes: heap, memory and descriptors, of itself, as the allocator and the kernel count them.

#![forbid(unsafe_code)]

use std::fs;

use crate::{apart::control::numbers, failure::Failure};

/// Numbers, as they can be averaged. What the kernel does not tell is 0.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Taken {
    pub(crate) heap_bytes: f64,
    pub(crate) resident_bytes: f64,
    /// Of memory that others can be given and this process may write.
    pub(crate) segment_bytes: f64,
    pub(crate) descriptors: f64,
    /// Of such memory, its own and that of others.
    pub(crate) mappings: f64,
}

impl Taken {
    pub(crate) fn now() -> Self {
        let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
        let segments: Vec<(u64, bool)> = maps.lines().filter_map(segment).collect();
        Self {
            heap_bytes: live() as f64,
            resident_bytes: resident() as f64,
            segment_bytes: segments.iter().filter(|(_, is_written)| *is_written).map(|(size, _)| *size as f64).sum(),
            descriptors: fs::read_dir("/proc/self/fd").map_or(0, Iterator::count) as f64,
            mappings: segments.len() as f64,
        }
    }

    /// As the other process hears it.
    pub(crate) fn to_line(self) -> String {
        let Self { heap_bytes, resident_bytes, segment_bytes, descriptors, mappings } = self;
        format!("{heap_bytes} {resident_bytes} {segment_bytes} {descriptors} {mappings}")
    }

    pub(crate) fn of_line(line: &str) -> Result<Self, Failure> {
        let [heap_bytes, resident_bytes, segment_bytes, descriptors, mappings] = numbers(line)?;
        Ok(Self { heap_bytes, resident_bytes, segment_bytes, descriptors, mappings })
    }

    /// More than `before`, for each of so many.
    pub(crate) fn each(self, before: Self, many: u16) -> Self {
        let each = |now: f64, before: f64| (now - before) / f64::from(many);
        Self {
            heap_bytes: each(self.heap_bytes, before.heap_bytes),
            resident_bytes: each(self.resident_bytes, before.resident_bytes),
            segment_bytes: each(self.segment_bytes, before.segment_bytes),
            descriptors: each(self.descriptors, before.descriptors),
            mappings: each(self.mappings, before.mappings),
        }
    }
}

/// The size of a mapping of memory that has no other name than a descriptor, and whether it may be written.
fn segment(line: &str) -> Option<(u64, bool)> {
    let mut words = line.split_whitespace();
    let (range, access) = (words.next()?, words.next()?);
    let (start, end) = range.split_once('-')?;
    let address = |digits| u64::from_str_radix(digits, 16).ok();
    let size = address(end)?.checked_sub(address(start)?)?;
    (access.ends_with('s') && line.contains("/memfd:")).then_some((size, access.starts_with("rw")))
}

/// Bytes in use on the heap: the C library's own count where another library may allocate, and ours otherwise.
fn live() -> i64 {
    #[cfg(feature = "peers")]
    return crate::peers::malloc::live();
    #[cfg(not(feature = "peers"))]
    crate::heap::live()
}

/// Bytes of memory this process has, as the kernel counts them; 0 where that is not known.
fn resident() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).map_or(0, |pages: u64| pages * PAGE_BYTES)
}

const PAGE_BYTES: u64 = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_shared_memory_without_a_name_is_a_segment() {
        let line = "7f0a10000000-7f0a10011000 rw-s 00000000 00:01 77  /memfd:ringway (deleted)";
        assert_eq!(segment(line), Some((0x11000, true)));
        assert_eq!(segment(&line.replace("rw-s", "r--s")), Some((0x11000, false)));
        assert_eq!(segment(&line.replace("rw-s", "rw-p")), None);
        assert_eq!(segment("7f0a10000000-7f0a10011000 rw-p 00000000 00:00 0"), None);
        assert_eq!(segment(""), None);
    }

    #[test]
    fn what_one_says_the_other_hears() {
        let taken = Taken { heap_bytes: 5.0, descriptors: 3.0, ..Taken::now() };
        let heard = Taken::of_line(&taken.to_line()).unwrap();
        assert_eq!(format!("{heard:?}"), format!("{taken:?}"));
    }
}
