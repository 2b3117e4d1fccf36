//! Files that are opened and never closed are counted; those that are closed do not count.

use crate::harness::{Attack, Case};
use crate::preview1::{Step, module};
use serde_json::json;

pub(crate) const CASE: Case = Case {
    id: "R50",
    attack: "A WASI program opens files and folders in a loop and closes none",
    expect: &["limit: max_open_files"],
    run,
    ..Case::DEFAULT
};

fn run(attack: &mut Attack) {
    let program = |close: &str, what: &str| {
        let code = format!(
            r#"(i64.store (i32.const 256) (i64.const 0x7478742e61))
            (loop $on {what} {close}
              (i32.store (i32.const 264) (i32.add (i32.load (i32.const 264)) (i32.const 1)))
              (br_if $on (i32.lt_u (i32.load (i32.const 264)) (i32.const 2000))))
            (i32.const 0)"#
        );
        module(&[Step::Code(&code)])
    };
    let file = "(drop (call $open (i32.const 256) (i32.const 5) (i32.const 0) (i64.const 2)))";
    let folder = "(i32.store8 (i32.const 256) (i32.const 46))
        (drop (call $open (i32.const 256) (i32.const 1) (i32.const 2) (i64.const 0x4000)))";
    let close = "(drop (call $fd_close (i32.load (i32.const 0))))";
    for what in [file, folder] {
        // Without a limit that is lower, the adapter's own table of 128 is full first.
        let call = attack
            .guest(&program("", what), json!({}))
            .limit("max_open_files=64");
        attack.attempt(call);
        let call = attack
            .guest(&program(close, what), json!({}))
            .limit("max_open_files=64");
        attack.control(call);
    }
}
