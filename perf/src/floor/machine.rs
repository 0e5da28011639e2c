//! What processor this is.

#![forbid(unsafe_code)]

use std::fs;

/// The processor's name, where `/proc/cpuinfo` has one.
pub(super) fn cpu_model() -> Option<String> {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").ok()?;
    model_in(&cpuinfo).map(str::to_owned)
}

fn model_in(cpuinfo: &str) -> Option<&str> {
    let fields = cpuinfo.lines().filter_map(|line| line.split_once(':'));
    fields.map(|(key, value)| (key.trim(), value.trim())).find(|(key, _)| *key == "model name").map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn model_is_found_or_not() {
        assert_eq!(model_in("processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\n"), Some("Some CPU @ 2 GHz"));
        assert_eq!(model_in("processor\t: 0\nBogoMIPS\t: 50\n"), None);
    }
}
