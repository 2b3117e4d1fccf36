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

fn run(attack: &mut Attack) {
    let deep = 200_000;
    let text = format!(
        r#"(module (memory (export "memory") 1) (func (export "_start") {} {}))"#,
        "block ".repeat(deep),
        "end ".repeat(deep)
    );
    let wasm = wat::parse_str(text).unwrap();
    let cache = attack.aside().join("cache");
    let call = attack
        .guest(&wasm, json!({}))
        .env("BOXAGNTS_CACHE_DIR", &cache)
        .limit("wasm_compile_timeout=1s");
    attack.attempt(call);
}
