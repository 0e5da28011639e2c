//! The command line of the examples: `--name number` pairs, and nothing else.

/// The number behind each of `known`, its default where it is not given, in the order of `known`.
pub(crate) fn numbers<const N: usize>(known: [(&str, u32); N]) -> Result<[u32; N], String> {
    let mut numbers = known.map(|(_, default)| default);
    let mut words = std::env::args().skip(1);
    while let Some(name) = words.next() {
        let place = known.iter().position(|(flag, _)| *flag == name).ok_or_else(|| format!("unknown flag {name}"))?;
        let word = words.next().unwrap_or_default();
        numbers[place] = word.parse().map_err(|_| format!("{name} needs a whole number, not {word:?}"))?;
    }
    Ok(numbers)
}
