//! A tool has no variables, no arguments but its own, nothing to read from, and no descriptor beyond
//! its streams and the one folder.

use crate::guests;
use crate::harness::{Attack, Case};
use crate::preview1::Step::{Descriptor, Environment, Read};
use serde_json::json;

pub(crate) const CASE: Case = Case {
    id: "E25",
    attack: "The host's variables, arguments, `/proc/self/environ`, open descriptors",
    expect: &["nothing there", "EBADF", "EPERM"],
    run,
    ..Case::DEFAULT
};

fn run(attack: &mut Attack) {
    let ended = attack.control_steps(&[Environment, Descriptor(0)]);
    assert_eq!(ended.output().trim(), "#000\n\n#000", "{ended:#?}");
    attack.saw("nothing there");
    let fds: Vec<_> = (4..40).map(Descriptor).collect();
    attack.attempt_steps(&fds);
    attack.attempt_steps(&[Read("/proc/self/environ"), Read("/proc/1/environ")]);
    // The same in WASI 0.2: the number of variables and of arguments.
    let look = guests::command(
        "(call $environment (i32.const 128))
         (i32.store8 (i32.const 2048) (i32.add (i32.const 48) (i32.load (i32.const 132))))
         (call $arguments (i32.const 128))
         (i32.store8 (i32.const 2049) (i32.add (i32.const 48) (i32.load (i32.const 132))))
         (call $print (call $stdout) (i32.const 2048) (i32.const 2)) (i32.const 0)",
    );
    let call = attack.guest(&look, json!({}));
    assert_eq!(attack.control(call).output(), "01");
}
