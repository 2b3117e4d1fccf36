//! Files that hold secrets, and those that ignore files name, are not there: under no name, through
//! no link, in no listing and no search.

use crate::harness::{Attack, Case};
use serde_json::json;

pub(crate) const CASE: Case = Case {
    id: "T58",
    attack: "Secret and ignored files by other case, Unicode, links, moves, searches, other rules",
    expect: &["denied"],
    run,
    ..Case::DEFAULT
};

const SECRETS: &[&str] = &[
    ".env",
    ".ENV.local",
    "sub/.env.production",
    "deploy/server.PEM",
    "id_ed25519",
    ".ssh/config",
    ".aws/credentials",
    "home/.npmrc",
    ".\u{17f}sh/known",
    "ignored/file",
    "a.log",
    "private",
];

fn run(attack: &mut Attack) {
    let canary = attack.canary();
    for path in SECRETS {
        attack.file(&format!("workspace/{path}"), format!("{canary} needle\n"));
    }
    attack.file("workspace/.gitignore", "ignored/\n*.log\n");
    attack.file("workspace/.boxagntsignore", "private\n");
    attack.link(".env", "workspace/link-to-env");
    attack.link("deploy", "workspace/link-to-deploy");
    let mut paths = SECRETS.to_vec();
    paths.extend([
        "./.env",
        "link-to-env",
        "link-to-deploy/server.PEM",
        ".env.none",
        "none.log",
    ]);
    attack.attempts_at(&paths);

    // Other rules from a model do not show what the rules on the disk hide.
    let found = attack.controls(&[
        ("glob", json!({"pattern": "**"})),
        ("glob", json!({"pattern": ".env*"})),
        ("grep", json!({"pattern": "needle"})),
        ("write", json!({"path": ".gitignore", "content": "!*\n"})),
        (
            "write",
            json!({"path": ".ignore", "content": "!*\n!ignored/\n"}),
        ),
        ("grep", json!({"pattern": "needle"})),
    ]);
    assert_eq!(found[0].output(), ".boxagntsignore\n.gitignore\na.txt\n");
    assert_eq!(found[1].output(), "[no files match]");
    assert_eq!(found[2].output(), "[no matches]");
    assert_eq!(found[5].output(), "[no matches]");
    // Neither does a file with nothing in it: it is the rules that hide it.
    attack.file("workspace/.gitignore", "ignored/\n");
    attack.file("workspace/a.log", "needle\n");
    let found = attack.controls(&[("grep", json!({"pattern": "needle"}))]);
    assert_eq!(found[0].output(), "a.log:1:needle\n");
}
