//! Which CPUs the threads of a measurement are pinned to.

#![forbid(unsafe_code)]

use std::{fmt, str::FromStr};

use ringway::affinity;

use crate::end::Relax;

/// CPUs in the order of the roles of a measurement; empty when nothing is pinned.
///
/// The first is the measuring or sending thread's, the last the answering or receiving one's. Further senders share
/// all but the last in turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pins(Vec<usize>);

impl Pins {
    /// Two CPUs of this process that do not share a core, if there are such; with one usable CPU, that one twice.
    pub(crate) fn choose() -> Self {
        let usable = affinity::usable();
        let first = usable[0];
        let distance = |&cpu: &usize| match (affinity::are_siblings(first, cpu), share_last_cache(first, cpu)) {
            (Some(true), _) => 2,
            (_, Some(false)) => 1,
            _ => 0,
        };
        let other = usable[1..].iter().copied().min_by_key(distance);
        Self(vec![first, other.unwrap_or(first)])
    }

    /// Both threads on the first CPU.
    pub(crate) fn same_core(&self) -> Self {
        Self(self.0.first().into_iter().flat_map(|&cpu| [cpu, cpu]).collect())
    }

    pub(crate) fn first(&self) -> Option<usize> {
        self.0.first().copied()
    }

    pub(crate) fn last(&self) -> Option<usize> {
        self.0.last().copied()
    }

    /// The CPU of sender `n`.
    pub(crate) fn sender(&self, n: usize) -> Option<usize> {
        let senders = self.0.len().saturating_sub(1).max(1);
        self.0.get(n % senders).copied()
    }

    /// Must the two threads take turns on one CPU?
    pub(crate) fn share_cpu(&self) -> bool {
        match (self.first(), self.last()) {
            (Some(first), Some(last)) => first == last,
            _ => affinity::usable().len() == 1,
        }
    }

    /// How threads here may spin.
    pub(crate) fn relax(&self) -> Relax {
        if self.share_cpu() { Relax::Yield } else { Relax::Spin }
    }
}

/// Do both CPUs use the same outermost cache?
fn share_last_cache(one: usize, other: usize) -> Option<bool> {
    Some(affinity::caches(one)?.last()?.shared_with.contains(&other))
}

impl FromStr for Pins {
    type Err = String;

    /// `none`, or CPU numbers with commas between them.
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(Vec::new()));
        }
        let cpus = text.split(',').map(|cpu| cpu.trim().parse().map_err(|_| format!("'{cpu}' is no CPU number")));
        let cpus = cpus.collect::<Result<Vec<usize>, String>>()?;
        if cpus.len() < 2 {
            return Err("two CPUs are needed, as in 0,1 (the same one twice is fine), or none".to_owned());
        }
        match cpus.iter().find(|cpu| !affinity::usable().contains(cpu)) {
            Some(cpu) => Err(format!("CPU {cpu} is not among the usable ones: {}", Pins(affinity::usable().to_vec()))),
            None => Ok(Self(cpus)),
        }
    }
}

impl fmt::Display for Pins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        let cpus: Vec<String> = self.0.iter().map(usize::to_string).collect();
        f.write_str(&cpus.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_parse_and_print_back() {
        let cpu = affinity::usable()[0];
        let text = format!("{cpu},{cpu}");
        let pins: Pins = text.parse().unwrap();
        assert_eq!(pins.to_string(), text);
        assert!(pins.share_cpu());
        assert_eq!("none".parse::<Pins>().unwrap().first(), None);
    }

    #[test]
    fn impossible_pins_say_why() {
        assert!("0".parse::<Pins>().unwrap_err().contains("two CPUs"));
        assert!("a,b".parse::<Pins>().unwrap_err().contains("'a'"));
        assert!("".parse::<Pins>().is_err());
        let absent = "70000,70001".parse::<Pins>().unwrap_err();
        assert!(absent.contains("70000") && absent.contains("usable"), "{absent}");
    }

    #[test]
    fn senders_take_turns_on_all_but_the_last() {
        let pins = Pins(vec![4, 5, 6]);
        assert_eq!([0, 1, 2, 3].map(|n| pins.sender(n)), [Some(4), Some(5), Some(4), Some(5)]);
        assert_eq!((pins.first(), pins.last()), (Some(4), Some(6)));
        assert_eq!(Pins(vec![7, 7]).sender(3), Some(7));
    }

    #[test]
    fn some_pair_is_always_found() {
        assert_eq!(Pins::choose().0.len(), 2);
    }
}
