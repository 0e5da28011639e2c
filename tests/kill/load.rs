//! Messages that say whose they are and which, with a sum over all of it; and how fast they are sent or taken.

use std::{thread, time::Duration};

use ringway::{Frame, Message};

/// Numbers that look random and are the same in every run (Steele, Lea and Flood: SplitMix64).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % sides
    }

    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len() as u64) as usize]
    }
}

/// Whose, which, sum: 64 bits each.
const HEADER_SIZE: usize = 24;

/// Message `number` of `sender`: of any length and one to three frames, the same each time.
pub(crate) fn message(sender: u64, number: u64) -> Message {
    let mut dice = Dice(sender.wrapping_mul(0x1_0000_0001).wrapping_add(number));
    let size = match dice.roll(256) {
        // Longer than an eighth of the ring: it crosses in parts.
        0 => 9_000 + dice.roll(40_000),
        1..32 => dice.roll(4_000),
        32..128 => dice.roll(500),
        _ => dice.roll(40),
    };
    let mut frames: Vec<Vec<u8>> = vec![Vec::with_capacity(HEADER_SIZE + size as usize)];
    frames[0].extend([sender, number, 0].map(u64::to_le_bytes).as_flattened());
    frames[0].extend((0..size).map(|at| (at + number) as u8));
    for _ in 0..dice.pick(&[0, 0, 0, 1, 2]) {
        frames.push(vec![number as u8; dice.roll(100) as usize]);
    }
    let sum = sum(&frames);
    frames[0][16..HEADER_SIZE].copy_from_slice(&sum.to_le_bytes());
    frames.into_iter().map(Frame::from).collect()
}

/// Whose message it is and which.
///
/// # Errors
///
/// It is none, or not as it was sent.
pub(crate) fn read(message: &Message) -> Result<(u64, u64), String> {
    let mut frames: Vec<Vec<u8>> = message.frames().iter().map(|frame| frame.as_bytes().to_vec()).collect();
    let sizes = || message.frames().iter().map(|frame| frame.len()).collect::<Vec<_>>();
    if frames.is_empty() || frames[0].len() < HEADER_SIZE {
        return Err(format!("a message of {:?} bytes, which nobody sent", sizes()));
    }
    let word = |at: usize| u64::from_le_bytes(message[0].as_bytes()[at..at + 8].try_into().expect("eight bytes"));
    frames[0][16..HEADER_SIZE].fill(0);
    if sum(&frames) != word(16) {
        return Err(format!("message {} of {} is torn: {:?} bytes", word(8), word(0), sizes()));
    }
    Ok((word(0), word(8)))
}

/// FNV-1a over all frames and where they end.
fn sum(frames: &[Vec<u8>]) -> u64 {
    let mut sum = 0xcbf2_9ce4_8422_2325;
    let mut add = |byte: u8| sum = (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    for frame in frames {
        (frame.len() as u32).to_le_bytes().iter().chain(frame).for_each(|byte| add(*byte));
    }
    sum
}

/// How fast somebody sends, or takes what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tempo {
    /// As the dice say.
    Any,
    /// Without a pause: the other has to wait for room, or never waits for a message.
    Hurried,
    /// With a pause after each message, in which the other falls asleep.
    Lazy,
}

impl Tempo {
    pub(crate) const ALL: [Self; 3] = [Self::Any, Self::Hurried, Self::Lazy];
}

/// Bursts and pauses.
pub(crate) struct Pace {
    burst: u64,
    pause: Duration,
    left: u64,
}

impl Pace {
    pub(crate) fn of(tempo: Tempo, dice: &mut Dice) -> Self {
        let (burst, pause_us) = match tempo {
            Tempo::Any => (dice.pick(&[1, 8, 100, 1_000, u64::MAX]), dice.pick(&[0, 50, 300, 2_000])),
            Tempo::Hurried => (u64::MAX, 0),
            Tempo::Lazy => (1, 500),
        };
        Self { burst, pause: Duration::from_micros(pause_us), left: burst }
    }

    /// After each message.
    pub(crate) fn step(&mut self) {
        self.left -= 1;
        if self.left == 0 {
            self.left = self.burst;
            thread::sleep(self.pause);
        }
    }
}
