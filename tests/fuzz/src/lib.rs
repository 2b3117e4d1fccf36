//! What the fuzz targets do with bytes. They live in a library so that they can be called without
//! libFuzzer, with an input that it has found.
//!
//! To fuzz: `cargo install cargo-fuzz`, and in `tests/`
//! `RUSTC_BOOTSTRAP=1 cargo fuzz run sse fuzz/corpus/sse fuzz/seeds/sse`, likewise for
//! `diff`, `help`, `hosts`, `paths` and `wasi`. The integration tests
//! run the seeds without fuzzing.

mod models;
mod wasi;

pub use wasi::wasi;

use boxagnts_model::{Delta, ProviderKind, fuzz_decode};
use boxagnts_policy::network::{NetworkPolicy, Target};
use boxagnts_policy::path::WorkspacePath;

/// Reads bytes as the answer of each provider. The first byte says how long the chunks are; the
/// chunks must make no difference, and an answer has one end.
pub fn sse(input: &[u8]) {
    let Some((&length, bytes)) = input.split_first() else {
        return;
    };
    let chunks: Vec<&[u8]> = bytes.chunks(usize::from(length).max(1)).collect();
    for kind in ProviderKind::ALL {
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

/// Reads the first line as an entry of `allowed_outbound_hosts` and the rest as a URL. Where a
/// simple model has an opinion, policy has the same.
pub fn hosts(input: &[u8]) {
    let Some((entry, url)) = str::from_utf8(input).ok().and_then(|s| s.split_once('\n')) else {
        return;
    };
    let none: [&str; 0] = [];
    let policy = NetworkPolicy::parse(&[entry], &none, &none);
    let target = Target::parse_url(url);
    let got = match (&policy, &target) {
        (Ok(policy), Ok(target)) => policy.check(target).is_ok(),
        _ => false,
    };
    if let Some(expect) = models::allows(entry, url) {
        assert_eq!(got, expect, "{entry} on {url}: {policy:?} {target:?}");
    }
    // What was decided about is what is requested.
    if let Ok(target) = target {
        let url = target.url().expect("a URL").as_str();
        assert_eq!(Target::parse_url(url).as_ref(), Ok(&target), "{url}");
    }
}

/// Reads bytes as a path. A simple model of the rules comes to the same.
pub fn paths(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else {
        return;
    };
    let got = WorkspacePath::parse(text).ok();
    let got = got.as_ref().map(WorkspacePath::as_str);
    let expect = models::path(text);
    if text.is_ascii() && !cfg!(windows) {
        assert_eq!(got, expect.as_deref(), "{text:?}");
    } else if let Some(got) = got {
        // More names are refused than the model knows, and none is let through that it refuses.
        assert_eq!(Some(got), expect.as_deref(), "{text:?}");
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

#[cfg(test)]
mod tests {
    fn check(name: &str, target: fn(&[u8])) {
        // Also a module of the integration tests, so that each change is tried on the seeds.
        let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let folders = ["seeds", "fuzz/seeds"].map(|folder| here.join(folder).join(name));
        let folder = folders
            .iter()
            .find(|folder| folder.is_dir())
            .expect("seeds");
        let seeds: Vec<_> = std::fs::read_dir(folder)
            .expect("seeds")
            .flatten()
            .collect();
        assert!(!seeds.is_empty());
        for seed in seeds {
            target(&std::fs::read(seed.path()).expect("a seed"));
        }
    }

    #[test]
    fn seeds_pass() {
        check("sse", super::sse);
        check("diff", super::diff);
        check("hosts", super::hosts);
        check("paths", super::paths);
        check("help", super::help);
        check("wasi", super::wasi);
    }

    /// A fuzzer without guidance, the same each time.
    #[test]
    fn made_up_programs_pass() {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut byte = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        };
        for length in (0..4_000).map(|n| n % 2_000) {
            let program: Vec<u8> = (0..length).map(|_| byte()).collect();
            super::wasi(&program);
        }
    }
}
