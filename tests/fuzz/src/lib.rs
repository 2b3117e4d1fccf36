//! What the fuzz targets do with bytes. They live in a library so that they can be called without
//! libFuzzer, with an input that it has found.
//!
//! To fuzz: `cargo install cargo-fuzz`, and in `tests/`
//! `RUSTC_BOOTSTRAP=1 cargo fuzz run sse fuzz/corpus/sse fuzz/seeds/sse`, likewise for `diff` and `help`.

use boxagnts_model::{Delta, ProviderKind, fuzz_decode};

/// Reads bytes as the answer of each provider. The first byte says how long the chunks are; the
/// chunks must make no difference, and an answer has one end.
pub fn sse(input: &[u8]) {
    let Some((&length, bytes)) = input.split_first() else {
        return;
    };
    let chunks: Vec<&[u8]> = bytes.chunks(usize::from(length).max(1)).collect();
    for kind in [ProviderKind::OpenAi, ProviderKind::Anthropic] {
        let whole = fuzz_decode(kind, &[bytes]);
        assert_eq!(fuzz_decode(kind, &chunks), whole);
        let stops = whole
            .0
            .iter()
            .filter(|delta| matches!(delta, Delta::Stop(_)))
            .count();
        assert_eq!(stops + usize::from(whole.1.is_some()), 1, "{whole:?}");
    }
}

/// Reads bytes as a diff and applies it. The first byte says how many of the bytes are the file
/// that it is applied to.
pub fn diff(input: &[u8]) {
    let Some((&length, bytes)) = input.split_first() else {
        return;
    };
    let (before, diff) = bytes.split_at(usize::from(length).min(bytes.len()));
    for file in boxagnts_workspace::diff::parse(diff).into_iter().flatten() {
        // Whether it fits is not the question.
        let _ = file.apply(before);
    }
}

/// Reads bytes as the help text of a command. Its description is bounded, names flags that there can
/// be, and its schema is one.
pub fn help(input: &[u8]) {
    let spec = boxagnts_tools::fuzz_help(&String::from_utf8_lossy(input));
    let usable = jsonschema::validator_for(&spec.input_schema);
    assert!(usable.is_ok(), "{}", spec.input_schema);
    let fields = spec.input_schema["properties"].as_object();
    for name in fields.into_iter().flat_map(|fields| fields.keys()) {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
        assert!(begins && name.chars().all(plain), "{name}");
    }
    assert!(spec.description.len() <= 8 << 10);
}
