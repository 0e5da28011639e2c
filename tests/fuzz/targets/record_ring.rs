//! A record ring of shared memory, and a peer who may scribble in it.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringway::fuzzing::record_ring(data));
