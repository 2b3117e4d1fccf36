//! There is nothing to name another process by: what is imported beyond WASI and our own interfaces
//! is refused before a line of it runs.

use crate::harness::{Attack, Case};
use serde_json::json;

pub(crate) const CASE: Case = Case {
    id: "E26",
    attack: "Imports that would start, signal or trace processes, or load code",
    expect: &["failed"],
    run,
    ..Case::DEFAULT
};

fn run(attack: &mut Attack) {
    let start = r#"(memory (export "memory") 1) (func (export "_start"))"#;
    for (module, name) in [
        ("env", "kill"),
        ("env", "ptrace"),
        ("env", "dlopen"),
        ("env", "emscripten_run_script"),
        ("wasi_snapshot_preview1", "proc_spawn"),
        ("wasi", "thread-spawn"),
        ("wasix_32v1", "proc_exec"),
    ] {
        let text = format!(r#"(module (import "{module}" "{name}" (func (param i32))) {start})"#);
        let call = attack.guest(&wat::parse_str(text).unwrap(), json!({}));
        let outcome = attack.attempt(call);
        assert!(outcome.message().contains(name) || outcome.message().contains(module));
    }
    let component = r#"(component
        (import "host:process/spawn@1.0.0" (instance (export "run" (func (param "line" string))))))"#;
    let call = attack.guest(&wat::parse_str(component).unwrap(), json!({}));
    attack.attempt(call);
    let call = attack.guest(
        &wat::parse_str(format!("(module {start})")).unwrap(),
        json!({}),
    );
    attack.control(call);
}
