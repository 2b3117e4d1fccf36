//! What a call writes is counted, with the names of the files: many empty ones cost as well.

use crate::guests;
use crate::harness::{Attack, Case};
use serde_json::json;

pub(crate) const CASE: Case = Case {
    id: "F16",
    attack: "One huge file; one file written over and over; a million empty files",
    expect: &["limit: max_host_bytes"],
    run,
    ..Case::DEFAULT
};

fn run(attack: &mut Attack) {
    let huge = json!({"path": "huge", "content": "x".repeat(70_000)});
    let call = attack
        .tool("write", huge.clone())
        .limit("max_host_bytes=64KiB");
    attack.attempt(call);
    let call = attack.tool("write", huge).limit("max_host_bytes=128KiB");
    attack.control(call);
    let over = guests::tool(
        r#"(data (i32.const 2048) "f") --- (drop (memory.grow (i32.const 100))) (loop $more
        (call $write (i32.const 2048) (i32.const 1) (i32.const 0) (i32.const 1000000) (i32.const 16))
        (br $more)) (i32.const 0)"#,
    );
    let call = attack.guest(&over, json!({}));
    attack.attempt(call);
    let call = attack.guest(&many_files(1_000_000), json!({}));
    let call = call.limit("max_host_bytes=256KiB");
    attack.attempt(call);
    let call = attack.guest(&many_files(1_000), json!({}));
    attack.control(call);
}

/// Files with no content, named by eight digits.
fn many_files(count: u32) -> Vec<u8> {
    guests::tool(&format!(
        r#"(data (i32.const 2048) "f0000000") --- (local $i i32) (local $d i32) (local $at i32)
        (loop $more
          (local.set $i (local.get $n)) (local.set $at (i32.const 2055))
          (loop $digit
            (i32.store8 (local.get $at)
              (i32.add (i32.const 48) (i32.rem_u (local.get $i) (i32.const 10))))
            (local.set $i (i32.div_u (local.get $i) (i32.const 10)))
            (local.set $at (i32.sub (local.get $at) (i32.const 1)))
            (br_if $digit (i32.gt_u (local.get $at) (i32.const 2048))))
          (call $write (i32.const 2048) (i32.const 8) (i32.const 0) (i32.const 0) (i32.const 16))
          (br_if $more (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1)))
            (i32.const {count}))))
        (call $say (i32.const 0) (i32.const 0))"#
    ))
}
