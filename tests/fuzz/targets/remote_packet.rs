//! What comes at a publication or a link.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringway::fuzzing::remote_packet(data));
