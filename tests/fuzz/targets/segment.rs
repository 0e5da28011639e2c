//! What a peer's segment says about itself.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringway::fuzzing::segment(data));
