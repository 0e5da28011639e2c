//! What is parsed as an endpoint.

#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| ringway::fuzzing::endpoint(text));
