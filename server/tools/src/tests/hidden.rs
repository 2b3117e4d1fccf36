//! Secret and ignored files are not there for tools, under no name and by no way.

use super::*;

const TREE: &str = "\
//- .gitignore
target/
*.log
//- .boxagntsignore
private
//- target/out
SECRET
//- a.log
SECRET
//- private/x
SECRET
//- .env
SECRET=1
//- .ENV.local
SECRET=1
//- sub/.env
SECRET=1
//- sub/seen
plain
//- deploy/server.PEM
SECRET
//- id_ed25519
SECRET
//- .ssh/config
SECRET
//- .git/config
SECRET
//- sub/.git
gitdir: SECRET
//- outside/.env
SECRET
";

const HIDDEN: &[&str] = &[
    "target/out",
    "a.log",
    "private/x",
    ".env",
    ".ENV.local",
    "sub/.env",
    "sub/../.env",
    "./.env",
    "deploy/server.PEM",
    "id_ed25519",
    ".ssh/config",
    ".git/config",
    "sub/.git",
    "none.log",
    "target/none",
    ".env.none",
    "none/.env",
    "private",
];

#[test]
fn hidden_files_are_denied_by_name() {
    let f = Fixture::new(TREE, |_| {});
    let check = |tool: &str, input: String| {
        let report = f.check(tool, &input, "denied", "");
        assert!(!report.for_model().contains("SECRET"), "{report:?}");
    };
    for path in HIDDEN {
        check("read", format!(r#"{{"path":"{path}"}}"#));
        check("list", format!(r#"{{"path":"{path}"}}"#));
        check("grep", format!(r#"{{"pattern":".","path":"{path}"}}"#));
        check("glob", format!(r#"{{"pattern":"*","path":"{path}"}}"#));
        check("write", format!(r#"{{"path":"{path}","content":"x"}}"#));
        check(
            "edit",
            format!(r#"{{"path":"{path}","edits":[{{"old_text":"S","new_text":"s"}}]}}"#),
        );
        check("delete", format!(r#"{{"path":"{path}"}}"#));
        check("rename", format!(r#"{{"from":"{path}","to":"shown"}}"#));
        check("rename", format!(r#"{{"from":"sub/seen","to":"{path}"}}"#));
    }
    assert_eq!(f.overlay.diff(), "");
}

#[test]
fn hidden_files_are_in_no_listing_and_no_search() {
    let f = Fixture::new(TREE, |_| {});
    let check = |tool: &str, input: &str, expect: &str| {
        assert_eq!(
            f.check(tool, input, "ok", "").output,
            expect,
            "{tool} {input}"
        );
    };
    check(
        "list",
        r#"{"path":"."}"#,
        ".boxagntsignore\t8\n.gitignore\t14\ndeploy/\nsub/\n",
    );
    check("list", r#"{"path":"sub"}"#, "seen\t6\n");
    check("list", r#"{"path":"deploy"}"#, "[the directory is empty]");
    check(
        "glob",
        r#"{"pattern":"**/*"}"#,
        ".boxagntsignore\n.gitignore\nsub/seen\n",
    );
    check("glob", r#"{"pattern":".env*"}"#, "[no files match]");
    check("grep", r#"{"pattern":"(?i)secret"}"#, "[no matches]");
    // A folder that moves leaves behind what is hidden in it.
    f.check("rename", r#"{"from":"sub","to":"moved"}"#, "ok", "");
    check("glob", r#"{"pattern":"moved/**"}"#, "moved/seen\n");
    f.check("read", r#"{"path":"moved/.env"}"#, "denied", "");
}

#[test]
fn tools_cannot_show_what_is_hidden_by_changing_the_rules() {
    let f = Fixture::new(TREE, |_| {});
    let ours = "it configures BoxAgnts";
    f.check(
        "write",
        r#"{"path":".boxagntsignore","content":""}"#,
        "denied",
        ours,
    );
    f.check("delete", r#"{"path":".boxagntsignore"}"#, "denied", ours);
    f.check(
        "rename",
        r#"{"from":".boxagntsignore","to":"x"}"#,
        "denied",
        ours,
    );
    f.check(
        "write",
        r#"{"path":".BoxAgnts/config.toml","content":""}"#,
        "denied",
        ours,
    );
    f.check(
        "write",
        r#"{"path":"sub/.boxagntsignore","content":"!x"}"#,
        "denied",
        ours,
    );
    f.check(
        "write",
        r#"{"path":".gitignore","content":"!*\n"}"#,
        "ok",
        "",
    );
    f.check("write", r#"{"path":".ignore","content":"!*\n"}"#, "ok", "");
    f.check(
        "read",
        r#"{"path":"a.log"}"#,
        "denied",
        "hidden from tools by `*.log` in .gitignore",
    );
    f.check("delete", r#"{"path":".gitignore"}"#, "ok", "");
    f.check(
        "read",
        r#"{"path":"a.log"}"#,
        "denied",
        "hidden from tools by `*.log` in .gitignore",
    );
}

/// What other programs run unasked is proposed like anything else, and says so.
#[test]
fn files_that_other_programs_obey_are_marked() {
    let f = Fixture::new("//- .vscode/settings.json\n{}\n", |_| {});
    let check = |path: &str, marked: bool| {
        f.check(
            "write",
            &format!(r#"{{"path":"{path}","content":"x\\n"}}"#),
            "ok",
            path,
        );
        let proposal = f.overlay.proposal();
        let file = proposal.iter().find(|file| file.path == path).unwrap();
        for hunk in &file.hunks {
            let note = hunk.note.as_deref().unwrap_or_default();
            assert_eq!(
                note.contains("dangerous: programs run what"),
                marked,
                "{path}: {note}"
            );
        }
    };
    check(".vscode/tasks.json", true);
    check(".vscode/settings.json", true);
    check(".bashrc", true);
    check("sub/.mcp.json", true);
    check(".Claude/settings.json", true);
    check(".github/workflows/ci.yml", true);
    check("src/main.rs", false);
}
