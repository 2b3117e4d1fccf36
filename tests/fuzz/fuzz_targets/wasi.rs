//! Paths that tools may name, against a simple model.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| boxagnts_fuzz::wasi(input));
