//! What a peer may send once it is ready.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringway::fuzzing::zmtp_receive(data));
