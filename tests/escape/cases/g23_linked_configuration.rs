//! The project's folder of configuration is read only where it is a folder of the project.

use crate::harness::{Attack, Case};
use serde_json::json;

pub(crate) const CASE: Case = Case {
    id: "G23",
    attack: "`.boxagnts`, or the file in it, is a link to the outside or a FIFO",
    expect: &["ignored and reported", "denied"],
    run,
    ..Case::DEFAULT
};

fn run(attack: &mut Attack) {
    // An error in a file is shown with the line that it is in.
    let canary = attack.canary();
    attack.file(
        "outside/folder/config.toml",
        format!("mode = \"plan\"\n{canary}\n"),
    );
    attack.file("outside/good/config.toml", "mode = \"plan\"\n");
    let read = json!({"path": "a.txt"});
    let write = json!({"path": "b.txt", "content": "x\n"});
    for target in ["folder", "good"] {
        attack.link(format!("../outside/{target}"), "workspace/.boxagnts");
        let call = attack.tool("write", write.clone());
        let outcome = attack.control(call);
        assert!(outcome.stderr.contains("ignored"), "{}", outcome.stderr);
        attack.attempts(&[
            ("read", json!({"path": ".boxagnts/config.toml"})),
            (
                "write",
                json!({"path": ".boxagnts/config.toml", "content": ""}),
            ),
        ]);
        attack.remove("workspace/.boxagnts");
    }
    let file = "workspace/.boxagnts/config.toml";
    attack.link("../../outside/folder/config.toml", file);
    let call = attack.tool("write", write.clone());
    let outcome = attack.control(call);
    assert!(outcome.stderr.contains("ignored"), "{}", outcome.stderr);
    attack.remove(file);
    attack.fifo(file);
    let call = attack.tool("read", read);
    let outcome = attack.control(call);
    assert!(outcome.stderr.contains("ignored"), "{}", outcome.stderr);
    attack.saw("ignored and reported");
    // As a file of its own it is obeyed: so it was not read before.
    attack.remove(file);
    attack.file(file, "mode = \"plan\"\n");
    let call = attack.tool("write", write);
    attack.attempt(call);
}
