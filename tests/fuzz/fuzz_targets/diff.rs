//! The reader of unified diffs.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| boxagnts_fuzz::diff(input));
