//! A folder of the machine that the user lets tools see is read-only unless it says otherwise, and
//! nothing is moved or linked from one to where it could be written.

use crate::harness::{Attack, Case};
use crate::preview1::{Step, module};
use serde_json::json;

pub(crate) const CASE: Case = Case {
    id: "F61",
    attack: "A folder mounted read-only: written, truncated, moved, deleted; `..`, links and secrets in it",
    expect: &["denied", "failed"],
    run,
    ..Case::DEFAULT
};

fn run(attack: &mut Attack) {
    let canary = attack.canary();
    attack.file("outside/shared/lib.txt", "shared\n");
    attack.file("outside/shared/.env", &canary);
    attack.file("outside/shared/.git/config", &canary);
    attack.link("../secret", "outside/shared/link");
    let mount = format!("{}:lib", attack.place("outside/shared").display());
    let map = |call: crate::harness::Call| call.option("--map-dir", &mount);
    let read = attack.tool("read", json!({"path": "lib/lib.txt"}));
    assert_eq!(attack.control(map(read)).output(), "1\tshared\n");
    for (tool, input) in [
        ("write", json!({"path": "lib/lib.txt", "content": "x"})),
        ("write", json!({"path": "lib/new", "content": "x"})),
        (
            "edit",
            json!({"path": "lib/lib.txt", "edits": [{"old_text": "s", "new_text": "x"}]}),
        ),
        ("delete", json!({"path": "lib/lib.txt"})),
        ("rename", json!({"from": "lib/lib.txt", "to": "mine"})),
        ("rename", json!({"from": "a.txt", "to": "lib/lib.txt"})),
        ("rename", json!({"from": "lib", "to": "mine"})),
        ("read", json!({"path": "lib/link"})),
        ("read", json!({"path": "lib/.env"})),
        ("read", json!({"path": "lib/.git/config"})),
        ("read", json!({"path": "lib/../../outside/secret"})),
        ("read", json!({"path": "lib/secret"})),
    ] {
        let call = attack.tool(tool, input);
        attack.attempt(map(call));
    }
    for step in [
        Step::Write("lib/lib.txt", "x"),
        Step::Rename("lib/lib.txt", "mine"),
        Step::Link("lib/lib.txt", "mine"),
        Step::Unlink("lib/lib.txt"),
        Step::Read("lib/link"),
        Step::Read("lib/.env"),
    ] {
        let call = attack.guest(&module(&[step]), json!({}));
        let outcome = attack.control(map(call));
        let errors = crate::preview1::errors(outcome.output());
        assert!(
            errors.len() == 1 && errors[0] != "ok",
            "{step:?}: {outcome:#?}"
        );
        assert_eq!(outcome.diff(), "", "{step:?}");
    }
}
