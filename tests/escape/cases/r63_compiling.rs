//! Compiling a component is work of the host's, before there is a guest that could be stopped.

use crate::harness::{Attack, Case};
use serde_json::json;

pub(crate) const CASE: Case = Case {
    id: "R63",
    attack: "A component of 600 kB that takes minutes to compile",
    expect: &["limit: wasm_compile_timeout"],
    within_ms: 1_000,
    run,
};

/// Blocks within each other; text of this depth takes as long to read.
const DEPTH: usize = 200_000;

fn run(attack: &mut Attack) {
    let small = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;
    let mut wasm = wat::parse_str(small).unwrap();
    // The code is the last section: its length, one function, the function's length, no locals.
    let code = wasm
        .windows(6)
        .rposition(|end| end == [10, 4, 1, 2, 0, 0x0b]);
    wasm.truncate(code.expect("an empty function"));
    let body = [&[0], [2, 0x40].repeat(DEPTH).as_slice(), &[0x0b; DEPTH + 1]].concat();
    let function = [&[1], leb(body.len()).as_slice(), &body].concat();
    wasm.push(10);
    wasm.extend(leb(function.len()));
    wasm.extend(function);
    let cache = attack.aside().join("cache");
    let call = attack
        .guest(&wasm, json!({}))
        .env("BOXAGNTS_CACHE_DIR", &cache)
        .limit("wasm_compile_timeout=1s");
    attack.attempt(call);
}

fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 0x7f {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}
