//! A repository brings its own ignore files and rules. More of them than can be used must not mean
//! that none holds, nor that every start takes minutes.

use crate::harness::{Attack, Case};
use serde_json::json;

pub(crate) const CASE: Case = Case {
    id: "T60",
    attack: "Ignore files that are too large or too hard to use; 20,000 rules in a project's configuration",
    expect: &["denied", "ignored and reported"],
    within_ms: 3_000,
    run,
};

fn run(attack: &mut Attack) {
    let canary = attack.canary();
    attack.file("workspace/sub/private", format!("{canary}\n"));
    attack.file("workspace/sub/plain", "plain\n");
    let hard: String = (0..9_000)
        .map(|n| format!("*a{n}?[a-z]**/x{{a,b,c}}**a{n}?[a-z]*\n"))
        .collect();
    let large = "# nothing\n".repeat(120_000);
    for flood in [hard, large] {
        attack.file("workspace/sub/.gitignore", format!("private\n{flood}"));
        attack.attempts(&[
            ("read", json!({"path": "sub/private"})),
            // What it says of this one is not known.
            ("read", json!({"path": "sub/plain"})),
        ]);
        let found = attack.controls(&[("grep", json!({"pattern": "."}))]);
        assert_eq!(found[0].output(), "a.txt:1:one\na.txt:2:two\n");
    }
    attack.file("workspace/sub/.gitignore", "private\n");
    attack.controls(&[("read", json!({"path": "sub/plain"}))]);

    let rules: Vec<String> = (0..20_000)
        .map(|n| format!("'read(path=\"**/a{n}*{{b,c}}*[a-z]*\")'"))
        .collect();
    let config = format!("deny = [{}]\n", rules.join(","));
    attack.file("workspace/.boxagnts/config.toml", config);
    let call = attack.tool("read", json!({"path": "a.txt"}));
    let outcome = attack.control(call);
    assert!(
        outcome.stderr.contains("ignored `deny`"),
        "{}",
        outcome.stderr
    );
    attack.saw("ignored and reported");
}
