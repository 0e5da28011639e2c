//! Two connections, what they send each other, and the time.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringway::fuzzing::zmtp_pair(data));
