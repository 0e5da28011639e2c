//! Live heap of connected pairs, before and after they carried messages.

#![forbid(unsafe_code)]

use crate::{
    end::{Road, Rx, Terms, Tx},
    failure::Failure,
    payload::{Corrupt, Header, check},
};

/// How to run it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    pub(crate) pairs: u64,
    /// Messages through each pair, half of them each way, one at a time.
    pub(crate) count: u64,
    /// Bytes live on the heap.
    pub(crate) live: fn() -> i64,
}

/// Bytes a pair, on average.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PerPair {
    pub(crate) before_bytes: f64,
    pub(crate) after_bytes: f64,
}

impl Memory {
    pub(crate) fn run<R: Road>(&self, road: &R, terms: &Terms) -> Result<PerPair, Failure> {
        // One pair first: what the first of everything costs is not a pair's.
        let mut first = road.pair(terms)?;
        self.carry(road, &mut first, terms)?;
        let mut pairs = Vec::with_capacity(self.pairs as usize);
        let empty = (self.live)();
        for _ in 0..self.pairs {
            pairs.push(road.pair(terms)?);
        }
        let before = (self.live)();
        for pair in &mut pairs {
            self.carry(road, pair, terms)?;
        }
        let after = (self.live)();
        let per_pair = |live: i64| (live - empty) as f64 / self.pairs as f64;
        Ok(PerPair { before_bytes: per_pair(before), after_bytes: per_pair(after) })
    }

    fn carry<R: Road>(&self, road: &R, (near, far): &mut (R::Near, R::Far), terms: &Terms) -> Result<(), Failure> {
        for n in 0..self.count {
            let arrived = if n % 2 == 0 { cross(near, far, n, terms) } else { cross(far, near, n, terms) };
            let corrupt = match arrived? {
                Ok(header) if header == Header::new(0, n) => continue,
                Ok(header) => Corrupt::Sequence { expected: Some(n), header },
                Err(corrupt) => corrupt,
            };
            return Err(Failure::Corrupt { road: road.name(), corrupt });
        }
        Ok(())
    }
}

/// Message `n` from one end to the other: what arrived.
fn cross(from: &mut impl Tx, to: &mut impl Rx, n: u64, terms: &Terms) -> Result<Result<Header, Corrupt>, Failure> {
    from.send(Header::new(0, n))?;
    let mut arrived = Ok(Header::new(0, n));
    to.recv(|bytes| arrived = check(bytes, terms.size))?;
    Ok(arrived)
}
