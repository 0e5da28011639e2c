//! Two ends that may share memory say whether they will, before anything else: what they say, and in which order.
//!
//! ```text
//!  X-RINGWAY-OFFER    version u8 | flags u8 | size u64 | recv_hwm u32 | features u32     big-endian, 18 bytes
//!                     flags   bit 0: there is a segment of `size` bytes; otherwise nothing is offered
//!                     features  bit 0: rings may be replaced by larger ones
//!  X-RINGWAY-ANSWER   accepted u8, 0 or 1 | reason u8
//!  X-RINGWAY-SEGMENT         generation u32 | size u64
//!  X-RINGWAY-SEGMENT-ANSWER  generation u32 | accepted u8, 0 or 1 | reason u8
//!
//!        we                                       the peer
//!        READY, X-Ringway-Memory "1"  ──────►
//!                                     ◄──────     READY, X-Ringway-Memory "1"
//!        OFFER, with descriptors      ──────►
//!                                     ◄──────     OFFER, with descriptors
//!        ANSWER                       ──────►                                   the peer's segment is mapped, or not
//!                                     ◄──────     ANSWER                        ours is
//!        messages, subscriptions
//! ```
//!
//! Only if both ends have announced it in READY there are these commands; to everybody else they are commands nobody
//! knows, and ignored. Each end sends one offer, which may be of nothing, and one answer to the other's; memory is shared
//! if both have accepted. PING and PONG may come in between, and nothing else.
//!
//! Once memory is shared, and if both have said that they can, an end may announce a segment that is to take the place of its
//! first, or of the last that was accepted: SEGMENT, with its descriptor, the generation being one more than that of the last it
//! announced, the first being 1. It announces no other before that is answered.
//!
//! Data behind what is known is not looked at, nor are other flags: a later version may say more. A later version of the
//! commands is another word in the property, which lists all that are spoken: `1` today, `1 2` one day.
//!
//! States: what each of the two ends still has to send.

#![forbid(unsafe_code)]

use super::error::Error;

/// What an end offers for its outgoing messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    /// Version of the segment's layout; 0 where there is none.
    pub(crate) version: u8,
    /// Bytes of the segment. `None`: nothing is offered.
    pub(crate) segment_size: Option<u64>,
    /// Messages its receiving side takes before it counts as full; 0 for any number.
    pub(crate) recv_hwm: u32,
    /// What it can do beyond version 1, a bit each; what both can is done.
    pub(crate) features: u32,
}

/// What an end says to the other's offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The segment is mapped.
    Accepted,
    /// Messages go over the stream.
    Declined(Obstacle),
}

/// What keeps an end from sharing memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// Its options.
    Forbidden,
    /// It keeps the newest message only, which the stream does better.
    Conflates,
    /// The other has offered nothing, for a reason of its own.
    NothingOffered,
    /// The layout is of a version it does not know.
    VersionUnknown,
    /// The system has no memory for its own segment.
    NoMemory,
    /// Its process, or its system, has as many files open as it may.
    TooManyDescriptors,
    /// The system did not map the other's segment.
    MapRefused,
    /// The offer came without its descriptors.
    DescriptorsMissing,
    /// The other's segment is not as it has to be.
    SegmentUnfit,
    /// The system has nothing to wake the other, or be woken, by.
    NoDoorbell,
    /// It would be more memory than its options let be shared with a peer.
    MemoryMax,
    /// One that has no number here.
    Other,
}

/// A segment that is to take the place of one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Successor {
    /// Which, of those that its end has announced: 1 for the first.
    pub(crate) generation: u32,
    /// Its bytes.
    pub(crate) size: u64,
}

/// What an end says to a [`Successor`] of the other's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SuccessorAnswer {
    /// Which.
    pub(crate) generation: u32,
    pub(crate) answer: Answer,
}

/// How far two ends are that may share memory.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Agreement {
    ours: Step,
    theirs: Step,
    /// We have offered a segment.
    has_segment: bool,
    /// We have accepted the peer's, and it ours.
    accepted: [bool; 2],
    /// What either can do.
    features: [u32; 2],
    /// Segments we have announced since, and the peer has.
    announced: [u32; 2],
    /// Ours is to be answered, and the peer's.
    owed: [bool; 2],
}

/// What an end sends next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Step {
    #[default]
    Offer,
    Answer,
    /// Messages.
    Traffic,
}

impl Offer {
    /// What somebody offers who has nothing.
    #[cfg_attr(
        not(all(target_os = "linux", not(any(loom, shuttle)))),
        allow(dead_code, reason = "nobody shares memory")
    )]
    pub(crate) fn nothing() -> Self {
        Self { version: 0, segment_size: None, recv_hwm: 0, features: 0 }
    }

    pub(super) fn encode(&self) -> [u8; OFFER_SIZE] {
        let mut data = [0; OFFER_SIZE];
        data[0] = self.version;
        data[1] = if self.segment_size.is_some() { OFFERED } else { 0 };
        data[2..10].copy_from_slice(&self.segment_size.unwrap_or_default().to_be_bytes());
        data[10..14].copy_from_slice(&self.recv_hwm.to_be_bytes());
        data[14..18].copy_from_slice(&self.features.to_be_bytes());
        data
    }

    /// # Errors
    /// It is cut off.
    pub(super) fn parse(data: &[u8]) -> Result<Self, Error> {
        let mut rest = data;
        let [version, flags] = take(&mut rest)?;
        let size = u64::from_be_bytes(take(&mut rest)?);
        Ok(Self {
            version,
            segment_size: (flags & OFFERED != 0).then_some(size),
            recv_hwm: u32::from_be_bytes(take(&mut rest)?),
            features: u32::from_be_bytes(take(&mut rest)?),
        })
    }
}

/// The first bytes of `rest`, which goes on behind them.
fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Error> {
    let (taken, after) = rest.split_first_chunk().ok_or(Error::MalformedCommand)?;
    *rest = after;
    Ok(*taken)
}

impl Answer {
    pub(super) fn encode(self) -> [u8; 2] {
        match self {
            Self::Accepted => [1, 0],
            Self::Declined(obstacle) => [0, obstacle.number()],
        }
    }

    /// # Errors
    /// It is cut off, or neither yes nor no.
    pub(super) fn parse(data: &[u8]) -> Result<Self, Error> {
        match *data {
            [0, reason, ..] => Ok(Self::Declined(Obstacle::numbered(reason))),
            [1, _, ..] => Ok(Self::Accepted),
            _ => Err(Error::MalformedCommand),
        }
    }
}

impl Successor {
    pub(super) fn encode(self) -> [u8; SUCCESSOR_SIZE] {
        let mut data = [0; SUCCESSOR_SIZE];
        data[..4].copy_from_slice(&self.generation.to_be_bytes());
        data[4..].copy_from_slice(&self.size.to_be_bytes());
        data
    }

    /// # Errors
    /// It is cut off.
    pub(super) fn parse(data: &[u8]) -> Result<Self, Error> {
        let mut rest = data;
        Ok(Self { generation: u32::from_be_bytes(take(&mut rest)?), size: u64::from_be_bytes(take(&mut rest)?) })
    }
}

impl SuccessorAnswer {
    pub(super) fn encode(self) -> [u8; 6] {
        let ([a, b, c, d], [accepted, reason]) = (self.generation.to_be_bytes(), self.answer.encode());
        [a, b, c, d, accepted, reason]
    }

    /// # Errors
    /// It is cut off, or neither yes nor no.
    pub(super) fn parse(data: &[u8]) -> Result<Self, Error> {
        let mut rest = data;
        Ok(Self { generation: u32::from_be_bytes(take(&mut rest)?), answer: Answer::parse(rest)? })
    }
}

impl Obstacle {
    const ALL: [Self; 11] = [
        Self::Forbidden,
        Self::Conflates,
        Self::NothingOffered,
        Self::VersionUnknown,
        Self::NoMemory,
        Self::TooManyDescriptors,
        Self::MapRefused,
        Self::DescriptorsMissing,
        Self::SegmentUnfit,
        Self::NoDoorbell,
        Self::MemoryMax,
    ];

    /// Its number on the wire: its place among all, from 1; 0 for one that has none.
    fn number(self) -> u8 {
        Self::ALL.iter().position(|&other| other == self).map_or(0, |index| index as u8 + 1)
    }

    fn numbered(number: u8) -> Self {
        let index = usize::from(number).checked_sub(1);
        index.and_then(|index| Self::ALL.get(index)).copied().unwrap_or(Self::Other)
    }
}

impl Agreement {
    /// Have both ends said everything?
    pub(super) fn is_reached(&self) -> bool {
        self.ours == Step::Traffic && self.theirs == Step::Traffic
    }

    /// We offer, a segment or nothing.
    ///
    /// # Panics
    /// Panics if we have offered before.
    pub(super) fn offer(&mut self, offer: &Offer) {
        assert!(self.ours == Step::Offer, "one offer is made");
        self.ours = Step::Answer;
        self.has_segment = offer.segment_size.is_some();
        self.features[OURS] = offer.features;
    }

    /// We answer.
    ///
    /// # Panics
    /// Panics if we have not offered, the peer has not, or we have answered before.
    pub(super) fn answer(&mut self, answer: Answer) {
        assert!(self.ours == Step::Answer && self.theirs != Step::Offer, "one answer is given, when both have offered");
        self.accepted[OURS] = answer == Answer::Accepted;
        self.ours = Step::Traffic;
    }

    /// # Errors
    /// The peer has offered before.
    pub(super) fn handle_offer(&mut self, data: &[u8]) -> Result<Offer, Error> {
        let offer = Offer::parse(data)?;
        if self.theirs != Step::Offer {
            return Err(Error::OfferedTwice);
        }
        self.theirs = Step::Answer;
        self.features[THEIRS] = offer.features;
        Ok(offer)
    }

    /// # Errors
    /// The peer answers what was not offered, before it has offered, or a second time.
    pub(super) fn handle_answer(&mut self, data: &[u8]) -> Result<Answer, Error> {
        let answer = Answer::parse(data)?;
        match self.theirs {
            Step::Traffic => return Err(Error::AnsweredTwice),
            Step::Answer if self.ours != Step::Offer && (self.has_segment || answer != Answer::Accepted) => {}
            Step::Answer | Step::Offer => return Err(Error::AnswerUnasked),
        }
        self.theirs = Step::Traffic;
        self.accepted[THEIRS] = answer == Answer::Accepted;
        Ok(answer)
    }

    /// Is memory shared, and may rings be replaced by larger ones?
    pub(super) fn grows(&self) -> bool {
        let [ours, theirs] = self.features;
        self.is_reached() && self.accepted == [true; 2] && ours & theirs & GROWS != 0
    }

    /// We announce a segment of `size` bytes. `None`: it is not the time to.
    pub(super) fn announce(&mut self, size: u64) -> Option<Successor> {
        if !self.grows() || self.owed[OURS] {
            return None;
        }
        let generation = self.announced[OURS].checked_add(1)?;
        self.announced[OURS] = generation;
        self.owed[OURS] = true;
        Some(Successor { generation, size })
    }

    /// We answer the segment that the peer has announced last.
    ///
    /// # Panics
    /// Panics if there is none, or it is answered.
    pub(super) fn answer_successor(&mut self, answer: Answer) -> SuccessorAnswer {
        assert!(std::mem::take(&mut self.owed[THEIRS]), "what was announced is answered, once");
        SuccessorAnswer { generation: self.announced[THEIRS], answer }
    }

    /// # Errors
    /// No memory is shared, it cannot be replaced, or the peer does not await our answer to the last.
    pub(super) fn handle_successor(&mut self, data: &[u8]) -> Result<Successor, Error> {
        let successor = Successor::parse(data)?;
        if !self.grows() {
            return Err(Error::SegmentUnasked);
        }
        if self.owed[THEIRS] || Some(successor.generation) != self.announced[THEIRS].checked_add(1) {
            return Err(Error::SegmentOutOfTurn);
        }
        self.announced[THEIRS] = successor.generation;
        self.owed[THEIRS] = true;
        Ok(successor)
    }

    /// # Errors
    /// It answers nothing, or not what we have announced last.
    pub(super) fn handle_successor_answer(&mut self, data: &[u8]) -> Result<SuccessorAnswer, Error> {
        let answer = SuccessorAnswer::parse(data)?;
        if !std::mem::take(&mut self.owed[OURS]) || answer.generation != self.announced[OURS] {
            return Err(Error::SegmentOutOfTurn);
        }
        Ok(answer)
    }
}

/// Is ours among the versions a peer lists?
pub(super) fn lists_ours(versions: &[u8]) -> bool {
    versions.split(|&byte| byte == b' ').any(|version| version == ANNOUNCEMENT)
}

/// The version of these commands, as the value of the property in READY.
pub(super) const ANNOUNCEMENT: &[u8] = b"1";
const OFFERED: u8 = 1;
/// A feature: the ring may be replaced by a larger one.
pub(crate) const GROWS: u32 = 1;
const OFFER_SIZE: usize = 18;
const SUCCESSOR_SIZE: usize = 12;
/// In what there is one of for either end.
const OURS: usize = 0;
const THEIRS: usize = 1;
