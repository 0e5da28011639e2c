//! Measures Ringway against the machine's own floor.

fn main() {}
