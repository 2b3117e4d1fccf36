//! The event stream reader and the decoders of both providers.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| boxagnts_fuzz::sse(input));
