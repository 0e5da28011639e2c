//! What a peer may send from its first byte on.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringway::fuzzing::zmtp_handshake(data));
