//! Hosts that tools may talk to, against a simple model.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| boxagnts_fuzz::hosts(input));
