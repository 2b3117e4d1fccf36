//! The reader of help texts.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| boxagnts_fuzz::help(input));
