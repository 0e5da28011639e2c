//! What a message carries, so that its receiver can tell whether every byte is right.
//!
//! The first eight bytes are the header: two for the sender's number, six for the message's place in its sequence. The
//! sender comes first, so that it can serve as a topic to subscribe to. Every later word follows from the header and its own place, so that a byte changed, moved, or left over from another message shows.
//! Writing and checking are one addition and one comparison a word, which compilers vectorise: a check reads memory as
//! fast as anything could.

#![forbid(unsafe_code)]

use std::fmt;

/// The first word of a message, little-endian: its first two bytes are the sender's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header(pub(crate) u64);

impl Header {
    /// The last message of a sender: nothing follows.
    pub(crate) fn stop(sender: u16) -> Self {
        Self::new(sender, SEQUENCE_MAX)
    }

    /// Message `sequence` of `sender`.
    pub(crate) fn new(sender: u16, sequence: u64) -> Self {
        Self((sequence & SEQUENCE_MAX) << SENDER_BITS | u64::from(sender))
    }

    pub(crate) fn sender(self) -> u16 {
        self.0 as u16
    }

    pub(crate) fn sequence(self) -> u64 {
        self.0 >> SENDER_BITS
    }

    /// What every message of `sender` begins with.
    pub(crate) fn topic(sender: u16) -> [u8; 2] {
        sender.to_le_bytes()
    }

    pub(crate) fn is_stop(self) -> bool {
        self.sequence() == SEQUENCE_MAX
    }

    /// What word `index` (of 8 bytes, little-endian) of the message must be.
    #[inline(always)]
    pub(crate) fn word(self, index: usize) -> u64 {
        if index == 0 { self.0 } else { self.base().wrapping_add((index as u64).wrapping_mul(STEP)) }
    }

    #[inline(always)]
    fn base(self) -> u64 {
        self.0.wrapping_mul(SPREAD) ^ SPREAD
    }
}

/// Writes the whole of message `header` into `bytes`, at least [`SIZE_MIN`] of them.
#[inline]
pub(crate) fn fill(bytes: &mut [u8], header: Header) {
    let base = header.base();
    let mut words = bytes.chunks_exact_mut(8);
    for (index, word) in words.by_ref().enumerate() {
        word.copy_from_slice(&base.wrapping_add((index as u64).wrapping_mul(STEP)).to_le_bytes());
    }
    let tail = words.into_remainder();
    let (tail_len, tail_word) = (tail.len(), header.word(bytes.len() / 8));
    let start = bytes.len() - tail_len;
    bytes[start..].copy_from_slice(&tail_word.to_le_bytes()[..tail_len]);
    bytes[..8].copy_from_slice(&header.0.to_le_bytes());
}

/// Checks every byte of a message of `size` bytes and gives its header.
#[inline]
pub(crate) fn check(bytes: &[u8], size: usize) -> Result<Header, Corrupt> {
    if bytes.len() != size {
        return Err(Corrupt::Size { expected: size, found: bytes.len() });
    }
    let (words, tail) = bytes.as_chunks::<8>();
    let Some((first, rest)) = words.split_first() else {
        return Err(Corrupt::Size { expected: SIZE_MIN, found: bytes.len() });
    };
    let header = Header(u64::from_le_bytes(*first));
    let base = header.base().wrapping_add(STEP);
    let differing = rest.iter().enumerate().fold(0, |differing, (index, word)| {
        differing | u64::from_le_bytes(*word) ^ base.wrapping_add((index as u64).wrapping_mul(STEP))
    });
    // Most sizes have none, and comparing nothing is a call all the same.
    let tail_differs = !tail.is_empty() && tail != &header.word(words.len()).to_le_bytes()[..tail.len()];
    if differing != 0 || tail_differs {
        return Err(Corrupt::Bytes { header });
    }
    Ok(header)
}

/// Follows the sequences of several senders: each message exactly once and in order.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    /// Per sender, the sequence number due next; `None` after its stop.
    due: Vec<Option<u64>>,
    running: usize,
}

impl Ledger {
    pub(crate) fn new(senders: usize) -> Self {
        Self { due: vec![Some(0); senders], running: senders }
    }

    /// Notes a message.
    #[inline]
    pub(crate) fn note(&mut self, header: Header) -> Result<(), Corrupt> {
        let due = self.due.get_mut(usize::from(header.sender())).ok_or(Corrupt::Sender { header })?;
        match *due {
            Some(_) if header.is_stop() => {
                *due = None;
                self.running -= 1;
                Ok(())
            }
            Some(expected) if expected == header.sequence() => {
                *due = Some(expected + 1);
                Ok(())
            }
            expected => Err(Corrupt::Sequence { expected, header }),
        }
    }

    /// Has every sender sent its stop?
    pub(crate) fn is_complete(&self) -> bool {
        self.running == 0
    }
}

/// What is wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Corrupt {
    /// It is longer or shorter than every message of this run.
    Size { expected: usize, found: usize },
    /// Its bytes are not those its header calls for.
    Bytes { header: Header },
    /// It is not the one that is due from its sender; nothing is after a stop.
    Sequence { expected: Option<u64>, header: Header },
    /// Nobody sends under that number.
    Sender { header: Header },
}

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size { expected, found } => write!(f, "a message of {found} bytes arrived instead of {expected}"),
            Self::Bytes { header } => {
                write!(f, "checksum: damaged bytes in message {} of sender {}", header.sequence(), header.sender())
            }
            Self::Sequence { expected: Some(expected), header } => {
                let Header(raw) = header;
                write!(
                    f,
                    "sequence: message {} of sender {} instead of {expected} ({raw:#x})",
                    header.sequence(),
                    header.sender()
                )
            }
            Self::Sequence { expected: None, header } => {
                write!(f, "sequence: message {} of sender {} after its last", header.sequence(), header.sender())
            }
            Self::Sender { header } => write!(f, "a message of sender {}, who does not exist", header.sender()),
        }
    }
}

/// Smallest message: the header.
pub(crate) const SIZE_MIN: usize = 8;

/// Bits of a sender's number: 65,536 senders, beside 281 trillion messages.
const SENDER_BITS: u32 = 16;

/// Sequence number of a stop.
const SEQUENCE_MAX: u64 = u64::MAX >> SENDER_BITS;

/// Odd, with bits everywhere: neighbouring headers give words with no byte in common.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Odd, with bits everywhere: neighbouring words of one message differ in every byte.
const STEP: u64 = 0xd1b5_4a32_d192_ed03;

#[cfg(test)]
mod tests {
    use super::*;

    fn message(size: usize, header: Header) -> Vec<u8> {
        let mut bytes = vec![0; size];
        fill(&mut bytes, header);
        bytes
    }

    #[test]
    fn what_is_filled_checks() {
        for size in (8..200).chain([1_024, 65_536, 65_537]) {
            for header in [Header::new(0, 0), Header::new(3, 77), Header::stop(65_535)] {
                assert_eq!(check(&message(size, header), size), Ok(header), "{size}");
            }
        }
    }

    #[test]
    fn words_are_those_of_the_bytes() {
        let header = Header::new(9, 1_234);
        for (index, word) in message(64, header).chunks(8).enumerate() {
            assert_eq!(word, header.word(index).to_le_bytes());
        }
    }

    #[test]
    fn messages_begin_with_their_senders_topic() {
        assert!(message(64, Header::new(0x1234, 5)).starts_with(&Header::topic(0x1234)));
        assert_eq!(Header::new(0x1234, 5).sender(), 0x1234);
        assert_eq!(Header::new(0x1234, 5).sequence(), 5);
        assert_eq!((Header::stop(7).sender(), Header::stop(7).is_stop()), (7, true));
    }

    #[test]
    fn any_changed_byte_beyond_the_header_shows() {
        let header = Header::new(1, 5);
        for at in 8..75 {
            let mut bytes = message(75, header);
            bytes[at] ^= 0x40;
            assert_eq!(check(&bytes, 75), Err(Corrupt::Bytes { header }), "byte {at}");
        }
    }

    #[test]
    fn a_changed_header_fits_no_body_and_no_sequence() {
        for at in 0..8 {
            let mut bytes = message(64, Header::new(0, 5));
            bytes[at] ^= 1;
            assert!(matches!(check(&bytes, 64), Err(Corrupt::Bytes { .. })), "byte {at}");
            let header = check(&bytes[..8], 8).unwrap();
            assert!(Ledger { due: vec![Some(5)], running: 1 }.note(header).is_err());
        }
    }

    #[test]
    fn swapped_words_show() {
        let mut bytes = message(64, Header::new(0, 1));
        bytes.copy_within(16..24, 24);
        assert!(check(&bytes, 64).is_err());
    }

    #[test]
    fn wrong_sizes_show() {
        assert!(check(&message(64, Header::new(0, 1)), 65).is_err());
        assert!(check(&[1, 2, 3], 3).is_err());
    }

    #[test]
    fn ledger_wants_each_message_once_and_in_order() {
        let mut ledger = Ledger::new(2);
        ledger.note(Header::new(0, 0)).unwrap();
        ledger.note(Header::new(1, 0)).unwrap();
        assert!(ledger.clone().note(Header::new(0, 0)).is_err(), "twice");
        assert!(ledger.clone().note(Header::new(0, 2)).is_err(), "one lost");
        assert!(ledger.clone().note(Header::new(2, 0)).is_err(), "unknown sender");
        ledger.note(Header::stop(0)).unwrap();
        assert!(!ledger.is_complete());
        assert!(ledger.clone().note(Header::new(0, 1)).is_err(), "after its last");
        ledger.note(Header::stop(1)).unwrap();
        assert!(ledger.is_complete());
    }
}
