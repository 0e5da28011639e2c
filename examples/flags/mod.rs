//! The command line of the examples: `--name value` pairs, and nothing else.

#![allow(dead_code, reason = "each example uses what it needs")]

/// The flags of an example, each with its value.
pub(crate) struct Flags(Vec<(&'static str, String)>);

impl Flags {
    /// Those of `known`, with their defaults where they are not given.
    pub(crate) fn parse(known: &[(&'static str, &str)]) -> Result<Self, String> {
        let mut flags: Vec<_> = known.iter().map(|(name, default)| (*name, (*default).to_owned())).collect();
        let mut words = std::env::args().skip(1);
        while let Some(name) = words.next() {
            let flag = flags.iter_mut().find(|(flag, _)| *flag == name);
            let (_, value) = flag.ok_or_else(|| format!("unknown flag {name}"))?;
            *value = words.next().ok_or_else(|| format!("{name} needs a value"))?;
        }
        Ok(Self(flags))
    }

    /// The text behind `name`, which is one of those known.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(flag, _)| *flag == name).map_or("", |(_, value)| value)
    }

    /// The number behind `name`.
    pub(crate) fn number(&self, name: &str) -> Result<u32, String> {
        let word = self.text(name);
        word.parse().map_err(|_| format!("{name} needs a whole number, not {word:?}"))
    }

    /// The number behind `name`, which is not 0.
    pub(crate) fn positive(&self, name: &str) -> Result<u32, String> {
        match self.number(name)? {
            0 => Err(format!("{name} needs at least one")),
            number => Ok(number),
        }
    }
}

/// The number behind each of `known`, its default where it is not given, in the order of `known`.
pub(crate) fn numbers<const N: usize>(known: [(&'static str, u32); N]) -> Result<[u32; N], String> {
    let defaults = known.map(|(name, default)| (name, default.to_string()));
    let flags = Flags::parse(&defaults.each_ref().map(|(name, default)| (*name, default.as_str())))?;
    let mut numbers = [0; N];
    for (number, (name, _)) in numbers.iter_mut().zip(known) {
        *number = flags.number(name)?;
    }
    Ok(numbers)
}
