//! Hostile components. Modules of WASI preview 1 are in [`crate::preview1`].

pub(crate) use boxagnts_test_support::guests::command;
use boxagnts_test_support::guests::{component, describe};

const WRITE: u8 = 2;
const NETWORK: u8 = 4;

/// A tool of level `write`: the user's mode is what decides.
pub(crate) fn tool(body: &str) -> Vec<u8> {
    component(WRITE, body)
}

/// A tool of level `network` that requests the URL that its input is, and says what came.
pub(crate) fn fetching(method: &str, header: Option<(&str, &str)>) -> Vec<u8> {
    let (name, value) = header.unwrap_or_default();
    let (name_len, value_len) = (name.len(), value.len());
    let bytes = |text: &str| -> String { text.bytes().map(|b| format!("\\{b:02x}")).collect() };
    let describe = describe(NETWORK);
    tool(&format!(
        r#"(data (i32.const 2048) "{}") (data (i32.const 3072) "{}") (data (i32.const 4096) "{}")
        {describe} ---
        (i32.store (i32.const 512) (i32.const 3072)) (i32.store (i32.const 516) (i32.const {name_len}))
        (i32.store (i32.const 520) (i32.const 4096)) (i32.store (i32.const 524) (i32.const {value_len}))
        (call $fetch (i32.const 2048) (i32.const {})
          (i32.add (local.get 0) (i32.const 1)) (i32.sub (local.get 1) (i32.const 2))
          (i32.const 512) (i32.const {})
          (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 160))
        (if (result i32) (i32.load8_u (i32.const 160))
          (then (call $fail (i32.const 1) (i32.load (i32.const 168)) (i32.load (i32.const 172))))
          (else (call $say (i32.load (i32.const 184)) (i32.load (i32.const 188)))))"#,
        bytes(method),
        bytes(name),
        bytes(value),
        method.len(),
        u32::from(header.is_some()),
    ))
}
