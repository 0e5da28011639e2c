//! [`Draft`], a frame that is still to be written.

#![forbid(unsafe_code)]

use super::{
    Frame,
    frame::INLINE_MAX,
    pool::{Block, POOLED_MAX},
};

/// Bytes that become a frame as they are: kept where that keeps them, so that nothing is copied but what fits into it.
///
/// Zero at first.
#[derive(Debug)]
pub(crate) enum Draft {
    /// Fits into a frame: so many of these.
    Short([u8; INLINE_MAX], usize),
    Pooled(Block),
    Long(Vec<u8>),
}

impl Draft {
    /// Of `len` bytes. `None`: there is no memory for so many.
    #[inline]
    pub(crate) fn new(len: usize) -> Option<Self> {
        if len <= INLINE_MAX {
            return Some(Self::Short([0; INLINE_MAX], len));
        }
        if len <= POOLED_MAX {
            return Some(Self::Pooled(Block::filled(len, |bytes| bytes.fill(0))));
        }
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(len).ok()?;
        bytes.resize(len, 0);
        Some(Self::Long(bytes))
    }

    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Short(bytes, len) => &bytes[..*len],
            Self::Pooled(block) => block,
            Self::Long(bytes) => bytes,
        }
    }

    #[inline]
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Short(bytes, len) => &mut bytes[..*len],
            Self::Pooled(block) => block.bytes_mut(),
            Self::Long(bytes) => bytes,
        }
    }

    /// Leaves it its first `len` bytes, if it has more.
    pub(crate) fn truncate(&mut self, len: usize) {
        match self {
            Self::Short(_, has) => *has = len.min(*has),
            Self::Pooled(block) => block.truncate(len),
            Self::Long(bytes) => bytes.truncate(len),
        }
    }

    /// The frame.
    #[inline]
    pub(crate) fn into_frame(self) -> Frame {
        match self {
            Self::Short(bytes, len) => Frame::copy_from(&bytes[..len]),
            Self::Pooled(block) => Frame::of_block(block),
            Self::Long(bytes) => bytes.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_the_frame() {
        for len in [0, 1, INLINE_MAX, INLINE_MAX + 1, POOLED_MAX, POOLED_MAX + 1, 10_000] {
            for left in [0, 1, len / 2, len, len + 1] {
                let mut draft = Draft::new(len).unwrap();
                assert!(draft.bytes().len() == len && draft.bytes().iter().all(|byte| *byte == 0));
                draft.bytes_mut().iter_mut().zip(0..).for_each(|(byte, number)| *byte = number as u8);
                draft.truncate(left);
                let expected: Vec<u8> = (0..len.min(left)).map(|number| number as u8).collect();
                assert_eq!(draft.bytes(), expected);
                assert_eq!(draft.into_frame(), expected);
            }
        }
    }

    #[test]
    fn memory_that_is_not_there_is_no_panic() {
        assert!(Draft::new(usize::MAX).is_none());
    }

    #[test]
    fn a_long_one_is_not_copied() {
        let draft = Draft::new(POOLED_MAX + 1).unwrap();
        let at = draft.bytes().as_ptr();
        assert_eq!(draft.into_frame().as_ptr(), at);
    }
}
