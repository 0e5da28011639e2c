//! What goes between a link and a publication: packets, as bytes and as values.
//!
//! A packet is a message of one frame, the header, or of two: header and body. The header, numbers in little-endian order:
//!
//! ```text
//!  0        4       5       6        8           16          24
//! ┌────────┬───────┬───────┬────────┬───────────┬───────────┬───────────────────┐
//! │ "RWRA" │ proto │ kind  │ 0   0  │ session   │ number    │ by kind, see below│
//! └────────┴───────┴───────┴────────┴───────────┴───────────┴───────────────────┘
//! ```
//!
//! | kind | from | number | behind it | body |
//! |---|---|---|---|---|
//! | 1 hello | link | – | name | |
//! | 2 welcome | publication | – | window u32, questions u32 | |
//! | 3 tell | link | of the tell | version u32, name | the message |
//! | 4 ask | link | of the question | version u32, name | the message |
//! | 5 answer | publication | of the question | | the answer |
//! | 6 failure | publication | of the question or tell | fault | |
//! | 7 watch | link | – | | |
//! | 8 ended | publication | – | how u8, text | |
//! | 9 credit | publication | tells done with in this session | | |
//! | 10 refused | publication | – | fault | |
//! | 11 bye | both | – | | |
//!
//! A name is a byte that counts and as many bytes of UTF-8, at least one; a text is two that count and as many, at most
//! [`TEXT_MAX`]; a fault is a code u8 and a detail u64. `session` is what the publication's welcome said, 0 before. What is not exactly so
//! is [malformed](Malformed), and nothing else is done about it than to count it: a peer may be wrong, old or hostile.
//!
//! In all protocol versions the first six bytes mean this, so that each side can say which version the other speaks.

#![forbid(unsafe_code)]

use smallvec::SmallVec;

use super::fault::{Fault, Malformed};
use crate::{Frame, Message};

/// A packet without its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packet<'a> {
    /// Which one it belongs to, by the number the publication gave it.
    pub(super) session: u64,
    /// See the table of the module.
    pub(super) number: u64,
    pub(super) what: What<'a>,
}

/// What a packet says: see the table of the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What<'a> {
    Hello { name: &'a str },
    Welcome { window: u32, questions: u32 },
    Tell { name: &'a str, version: u32 },
    Ask { name: &'a str, version: u32 },
    Answer,
    Failure(Fault),
    Watch,
    Ended { how: How, text: &'a str },
    Credit,
    Refused(Fault),
    Bye,
}

/// How the published actor ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    Stopped,
    Failed,
    Gone,
}

impl<'a> Packet<'a> {
    /// Of a session.
    pub(super) fn new(session: u64, number: u64, what: What<'a>) -> Self {
        Self { session, number, what }
    }

    /// Reads the frames of a message: the packet and its body, if it is of a kind that has one.
    pub(super) fn parse(frames: &'a [Frame]) -> Result<(Self, Option<&'a Frame>), Malformed> {
        let (header, body) = match frames {
            [header] => (header, None),
            [header, body] => (header, Some(body)),
            _ => return Err(Malformed::Frames),
        };
        let mut rest = Reader(header.as_bytes());
        if rest.array()? != MAGIC {
            return Err(Malformed::Foreign);
        }
        let [protocol, kind] = rest.array()?;
        if protocol != PROTOCOL {
            return Err(Malformed::Protocol { theirs: protocol });
        }
        if rest.array()? != [0; 2] {
            return Err(Malformed::Reserved);
        }
        let (session, number) = (rest.u64()?, rest.u64()?);
        let what = What::read(kind, &mut rest)?;
        if !rest.0.is_empty() {
            return Err(Malformed::Length);
        }
        if what.has_body() != body.is_some() {
            return Err(Malformed::Frames);
        }
        Ok((Self { session, number, what }, body))
    }

    /// The header.
    pub(super) fn header(&self) -> Frame {
        let mut bytes = Bytes::new();
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&[PROTOCOL, self.what.kind(), 0, 0]);
        bytes.extend_from_slice(&self.session.to_le_bytes());
        bytes.extend_from_slice(&self.number.to_le_bytes());
        self.what.write(&mut bytes);
        Frame::copy_from(&bytes)
    }

    /// The whole message.
    pub(super) fn message(&self, body: Option<Frame>) -> Message {
        debug_assert_eq!(self.what.has_body(), body.is_some());
        std::iter::once(self.header()).chain(body).collect()
    }
}

impl<'a> What<'a> {
    fn kind(&self) -> u8 {
        match self {
            Self::Hello { .. } => 1,
            Self::Welcome { .. } => 2,
            Self::Tell { .. } => 3,
            Self::Ask { .. } => 4,
            Self::Answer => 5,
            Self::Failure(_) => 6,
            Self::Watch => 7,
            Self::Ended { .. } => 8,
            Self::Credit => 9,
            Self::Refused(_) => 10,
            Self::Bye => 11,
        }
    }

    fn has_body(&self) -> bool {
        matches!(self, Self::Tell { .. } | Self::Ask { .. } | Self::Answer)
    }

    fn read(kind: u8, rest: &mut Reader<'a>) -> Result<Self, Malformed> {
        Ok(match kind {
            1 => Self::Hello { name: rest.name()? },
            2 => Self::Welcome { window: rest.u32()?, questions: rest.u32()? },
            3 | 4 => {
                let (version, name) = (rest.u32()?, rest.name()?);
                if kind == 3 { Self::Tell { name, version } } else { Self::Ask { name, version } }
            }
            5 => Self::Answer,
            6 => Self::Failure(rest.fault()?),
            7 => Self::Watch,
            8 => {
                let how = match rest.array()? {
                    [1] => How::Stopped,
                    [2] => How::Failed,
                    [3] => How::Gone,
                    [other] => return Err(Malformed::Code(other)),
                };
                Self::Ended { how, text: rest.text()? }
            }
            9 => Self::Credit,
            10 => Self::Refused(rest.fault()?),
            11 => Self::Bye,
            other => return Err(Malformed::Kind(other)),
        })
    }

    fn write(&self, bytes: &mut Bytes) {
        match *self {
            Self::Hello { name } => write_name(bytes, name),
            Self::Welcome { window, questions } => {
                bytes.extend_from_slice(&window.to_le_bytes());
                bytes.extend_from_slice(&questions.to_le_bytes());
            }
            Self::Tell { name, version } | Self::Ask { name, version } => {
                bytes.extend_from_slice(&version.to_le_bytes());
                write_name(bytes, name);
            }
            Self::Failure(fault) | Self::Refused(fault) => {
                let (code, detail) = fault.to_code();
                bytes.push(code);
                bytes.extend_from_slice(&detail.to_le_bytes());
            }
            Self::Ended { how, text } => {
                bytes.push(match how {
                    How::Stopped => 1,
                    How::Failed => 2,
                    How::Gone => 3,
                });
                let text = cut(text);
                // Fits: so is the maximum.
                bytes.extend_from_slice(&(text.len() as u16).to_le_bytes());
                bytes.extend_from_slice(text.as_bytes());
            }
            Self::Answer | Self::Watch | Self::Credit | Self::Bye => {}
        }
    }
}

/// What is left of a header.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(Malformed::Length)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Malformed::Length)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }

    fn name(&mut self) -> Result<&'a str, Malformed> {
        match self.array()? {
            [0] => Err(Malformed::Length),
            [len] => std::str::from_utf8(self.take(len.into())?).map_err(|_| Malformed::Text),
        }
    }

    fn text(&mut self) -> Result<&'a str, Malformed> {
        let len = usize::from(u16::from_le_bytes(self.array()?));
        if len > TEXT_MAX {
            return Err(Malformed::Length);
        }
        std::str::from_utf8(self.take(len)?).map_err(|_| Malformed::Text)
    }

    fn fault(&mut self) -> Result<Fault, Malformed> {
        let [code] = self.array()?;
        Fault::of_code(code, self.u64()?).ok_or(Malformed::Code(code))
    }
}

/// The most of most headers.
type Bytes = SmallVec<[u8; 96]>;

fn write_name(bytes: &mut Bytes, name: &str) {
    assert!(is_name(name), "names are looked at where they are given");
    bytes.push(name.len() as u8);
    bytes.extend_from_slice(name.as_bytes());
}

/// May an actor, or a type of messages, be called so?
pub(super) const fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= NAME_MAX
}

/// As many whole characters of a text as are told of it. `str::floor_char_boundary` came after the oldest compiler we build with.
fn cut(text: &str) -> &str {
    let end = (0..=text.len().min(TEXT_MAX)).rev().find(|&end| text.is_char_boundary(end));
    &text[..end.unwrap_or(0)]
}

/// Ringway, remote actors.
const MAGIC: [u8; 4] = *b"RWRA";

/// Of the protocol. Another when what an older peer would take for something else changes.
pub(super) const PROTOCOL: u8 = 1;

/// Bytes of a name: its length is one.
pub(super) const NAME_MAX: usize = 255;

/// Bytes of a text: a reason is for people, who read no more.
pub(super) const TEXT_MAX: usize = 1024;

/// What of a message's frames, whatever they are, is a packet is written as it was read; and what its body is taken for is a value or an
/// error. For the fuzz target.
#[cfg(feature = "fuzzing")]
pub(crate) fn fuzz(frames: &[Frame]) {
    type Value = (u64, Option<String>, Vec<(i32, bool)>, f64, char);
    match Packet::parse(frames) {
        Ok((packet, body)) => {
            assert_eq!(packet.message(body.cloned()).frames(), frames);
            if let Some(body) = body {
                _ = super::codec::decode::<Value>(body);
                _ = super::codec::decode::<std::collections::BTreeMap<String, Vec<Vec<u16>>>>(body);
            }
        }
        Err(malformed) => assert!(!malformed.to_string().is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names() -> impl Strategy<Value = String> {
        "\\PC{1,60}".prop_filter("of at most 255 bytes", |name| is_name(name))
    }

    fn faults() -> impl Strategy<Value = Fault> {
        (1_u8..=16, any::<u64>()).prop_filter_map("one that there is", |(code, detail)| {
            Fault::of_code(code, detail).or_else(|| Fault::of_code(code, 0))
        })
    }

    /// Numbers, a name and a fault, of which each kind takes what it has.
    fn packet<'a>(kind: u8, numbers: [u64; 4], name: &'a str, fault: Fault) -> Packet<'a> {
        let [session, number, one, two] = numbers;
        let (version, other) = (one as u32, two as u32);
        let what = match kind {
            0 => What::Hello { name },
            1 => What::Welcome { window: version, questions: other },
            2 => What::Tell { name, version },
            3 => What::Ask { name, version },
            4 => What::Answer,
            5 => What::Failure(fault),
            6 => What::Watch,
            7 => What::Ended { how: [How::Stopped, How::Failed, How::Gone][other as usize % 3], text: name },
            8 => What::Credit,
            9 => What::Refused(fault),
            _ => What::Bye,
        };
        Packet::new(session, number, what)
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            kind in 0_u8..11, numbers: [u64; 4], name in names(), fault in faults(), body: Vec<u8>,
        ) {
            let packet = packet(kind, numbers, &name, fault);
            let body = packet.what.has_body().then(|| Frame::from(body));
            let message = packet.message(body.clone());
            prop_assert_eq!(Packet::parse(message.frames()), Ok((packet, body.as_ref())));
        }

        #[test]
        fn a_header_cut_or_prolonged_is_malformed(
            kind in 0_u8..11, numbers: [u64; 4], name in names(), fault in faults(), cut in any::<prop::sample::Index>(),
        ) {
            let packet = packet(kind, numbers, &name, fault);
            let mut bytes = packet.header().as_bytes().to_vec();
            let body = packet.what.has_body().then(Frame::new);
            let parse = |bytes: &[u8]| {
                let frames: Vec<_> = [Frame::from(bytes)].into_iter().chain(body.clone()).collect();
                Packet::parse(&frames).map(drop)
            };
            prop_assert!(parse(&bytes[..cut.index(bytes.len())]).is_err());
            bytes.push(0);
            prop_assert!(parse(&bytes).is_err());
        }

        #[test]
        fn whatever_comes_is_read_or_malformed_and_read_in_one_way(bytes: Vec<u8>, from in 0_usize..8, with_body: bool) {
            let start = [&MAGIC[..], &[PROTOCOL, 3, 0, 0]].concat();
            let frames = [Frame::from([&start[..from], &bytes].concat()), Frame::new()];
            let frames = if with_body { &frames[..] } else { &frames[..1] };
            if let Ok((packet, _)) = Packet::parse(frames) {
                prop_assert_eq!(&packet.header(), &frames[0]);
            }
        }
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let text = "ä".repeat(TEXT_MAX);
        let packet = Packet::new(1, 0, What::Ended { how: How::Failed, text: &text });
        let long = format!("x{text}");
        let odd = Packet::new(1, 0, What::Ended { how: How::Failed, text: &long }).message(None);
        let read = |message: &Message| match Packet::parse(message.frames()).map(|(packet, _)| packet.what) {
            Ok(What::Ended { text, .. }) => text.len(),
            other => panic!("{other:?}"),
        };
        assert_eq!((read(&packet.message(None)), read(&odd)), (TEXT_MAX, TEXT_MAX - 1));
    }

    #[test]
    fn another_version_is_known_as_such_by_six_bytes() {
        let frames = [Frame::from([&MAGIC[..], &[7, 99]].concat())];
        assert_eq!(Packet::parse(&frames), Err(Malformed::Protocol { theirs: 7 }));
    }
}
