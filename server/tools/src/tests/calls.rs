//! What tools do when all is well, what the gate refuses, and that a call is all or nothing.

use super::*;

const TREE: &str = "\
//- src/main.rs
fn main() {
    println!(\"hello\");
}
//- src/lib.rs
pub fn hello() {}
//- notes.txt
one
two
";

#[test]
fn reading_tools_answer() {
    let f = Fixture::new(TREE, |_| {});
    let check = |tool: &str, input: &str, says: &str| {
        let report = f.check(tool, input, "ok", says);
        assert_eq!((report.output.as_str(), report.diff.as_str()), (says, ""));
        assert!(report.usage.fuel > 0 && report.usage.peak_memory_bytes > 0);
    };
    check("read", r#"{"path":"notes.txt"}"#, "1\tone\n2\ttwo\n");
    check("list", r#"{"path":"."}"#, "notes.txt\t8\nsrc/\n");
    check("list", r#"{"path":"./src/"}"#, "lib.rs\t18\nmain.rs\t37\n");
    check("glob", r#"{"pattern":"*.rs"}"#, "src/lib.rs\nsrc/main.rs\n");
    check(
        "grep",
        r#"{"pattern":"hel+o"}"#,
        "src/lib.rs:1:pub fn hello() {}\nsrc/main.rs:2:    println!(\"hello\");\n",
    );
    f.check(
        "read",
        r#"{"path":"src"}"#,
        "failed",
        "`src` is a directory; use `list`",
    );
    f.check(
        "read",
        r#"{"path":"main.rs"}"#,
        "failed",
        "`main.rs` does not exist",
    );
    assert_eq!(f.overlay.diff(), "");
}

#[test]
fn writing_tools_propose_and_show_their_difference() {
    let f = Fixture::new(TREE, |_| {});
    let check = |tool: &str, input: &str, says: &str, diff: &[&str]| {
        let report = f.check(tool, input, "ok", says);
        for part in diff {
            assert!(report.diff.contains(part), "{part} in {}", report.diff);
        }
        assert!(report.usage.host_bytes > 0);
    };
    check(
        "edit",
        r#"{"path":"src/main.rs","edits":[{"old_text":"hello","new_text":"bye"}]}"#,
        "Edited `src/main.rs`: 1 replacement.",
        &["-    println!(\"hello\");\n+    println!(\"bye\");\n"],
    );
    check(
        "write",
        r#"{"path":"deep/er/new","content":"x\n"}"#,
        "Created",
        &["new file", "+x\n"],
    );
    check(
        "write",
        r#"{"path":"notes.txt","content":"one\nTWO\n"}"#,
        "Replaced `notes.txt`: 2 lines.",
        &[" one\n-two\n+TWO\n"],
    );
    check(
        "rename",
        r#"{"from":"src","to":"source"}"#,
        "Renamed `src` to `source`.",
        &["rename from src/lib.rs\nrename to source/lib.rs\n"],
    );
    check(
        "delete",
        r#"{"path":"notes.txt"}"#,
        "Deleted",
        &["deleted file", "-TWO\n"],
    );
    // The next call sees it all.
    f.check(
        "glob",
        r#"{"pattern":"**/*"}"#,
        "ok",
        "deep/er/new\nsource/lib.rs\nsource/main.rs\n",
    );
    f.check("read", r#"{"path":"source/main.rs"}"#, "ok", "bye");
    f.check(
        "read",
        r#"{"path":"notes.txt"}"#,
        "failed",
        "does not exist",
    );
    let whole = f.overlay.diff();
    assert!(
        whole.contains("+    println!(\"bye\");") && whole.contains("-two\n"),
        "{whole}"
    );
}

#[test]
fn the_gate_refuses_before_anything_runs() {
    let f = Fixture::new(TREE, |_| {});
    let check = |tool: &str, input: &str, mode: Mode, kind: &str, says: &str| {
        let report = f.call(tool, input, mode, &limits(""));
        expect(&report, kind, says);
        assert_eq!(report.usage.fuel, 0, "{tool}");
        assert_eq!(f.overlay.diff(), "");
    };
    let review = Mode::Review;
    check(
        "Read",
        r#"{"path":"a"}"#,
        review,
        "unknown tool",
        "the tools are: read, list, glob",
    );
    check("", "{}", review, "unknown tool", "there is no tool ``");
    check("../read", "{}", review, "unknown tool", "there is no tool");
    check(
        "read",
        "{}",
        review,
        "invalid input",
        "\"path\" is a required property",
    );
    check(
        "read",
        r#"{"path":1}"#,
        review,
        "invalid input",
        "/path: 1 is not of type \"string\"",
    );
    check(
        "read",
        r#"{"path":"a","x":1}"#,
        review,
        "invalid input",
        "'x'",
    );
    check(
        "read",
        r#"["a"]"#,
        review,
        "invalid input",
        "is not of type \"object\"",
    );
    check(
        "read",
        "null",
        review,
        "invalid input",
        "is not of type \"object\"",
    );
    check(
        "edit",
        r#"{"path":"a","edits":{}}"#,
        review,
        "invalid input",
        "/edits",
    );
    let says = "`write` writes, and mode `plan` only reads; use mode `review`";
    check(
        "write",
        r#"{"path":"a","content":""}"#,
        Mode::Plan,
        "denied",
        says,
    );
    for (tool, input) in [
        (
            "edit",
            r#"{"path":"notes.txt","edits":[{"old_text":"one","new_text":""}]}"#,
        ),
        ("delete", r#"{"path":"notes.txt"}"#),
        ("rename", r#"{"from":"notes.txt","to":"b"}"#),
    ] {
        check(tool, input, Mode::Plan, "denied", "mode `plan` only reads");
    }
    let read = f.call("read", r#"{"path":"notes.txt"}"#, Mode::Plan, &limits(""));
    expect(&read, "ok", "1\tone");
}

#[test]
fn a_call_that_does_not_succeed_leaves_nothing() {
    let f = Fixture::new(TREE, |_| {});
    let review = Mode::Review;
    let write = r#"{"path":"notes.txt","content":"gone\n"}"#;
    let other = Fixture::new(TREE, |_| {});
    let needs = other.call("write", write, review, &limits("")).usage;
    // The last instructions are missing: the write is staged by then. Fuel is looked at where code
    // branches back, so it may take some more to be missed.
    let stopped = (1..100).find_map(|less| {
        let other = Fixture::new(TREE, |_| {});
        let set = format!("wasm_fuel={}", needs.fuel - 10 * less);
        let report = other.call("write", write, review, &limits(&set));
        (!report.ok).then(|| (other.overlay.diff(), report))
    });
    let (diff, report) = stopped.unwrap();
    expect(&report, "limit", "stopped by the limit `wasm_fuel`");
    assert_eq!(
        (report.usage.host_bytes, diff.as_str()),
        (needs.host_bytes, "")
    );
    let error = report.error.unwrap();
    assert_eq!(
        (error.limit.as_deref(), error.value),
        (Some("wasm_fuel"), error.used)
    );
    let report = f.call("write", write, review, &limits("max_host_bytes=10"));
    expect(&report, "limit", "stopped by the limit `max_host_bytes`");
    let two = r#"{"path":"notes.txt","edits":[{"old_text":"one","new_text":"1"},
        {"old_text":"three","new_text":"3"}]}"#;
    f.check(
        "edit",
        two,
        "failed",
        "edits[1]: `old_text` is not in the file",
    );
    f.check(
        "rename",
        r#"{"from":"src","to":"notes.txt"}"#,
        "failed",
        "exists already",
    );
    let cancelled = request("write", write);
    let given = governed(review, &limits(""));
    let cancelled = f.request(&cancelled, &given);
    cancelled.cancel.cancel();
    expect(
        &runtime().block_on(toolbox().run(cancelled)),
        "cancelled",
        "",
    );
    assert_eq!(f.overlay.diff(), "");
    assert!(f.overlay.proposal().is_empty());
    f.check("read", r#"{"path":"notes.txt"}"#, "ok", "1\tone\n2\ttwo\n");
    // The next call is none the worse.
    f.check("write", write, "ok", "Replaced");
}

#[test]
fn output_is_limited_and_what_was_said_is_kept() {
    let f = Fixture::new(TREE, |_| {});
    let report = f.call(
        "read",
        r#"{"path":"notes.txt"}"#,
        Mode::Review,
        &limits("max_output_bytes=5"),
    );
    expect(
        &report,
        "limit",
        "`max_output_bytes`: 12 bytes used, 5 bytes allowed",
    );
    assert_eq!(report.output, "1\tone");
}

/// The model read a file, the user typed into it, the model writes it whole from what it knew.
#[test]
fn what_the_user_typed_since_the_model_read_is_kept() {
    let check = |old: &str, typed: &str, tool: &str, input: &str, expect: &str| {
        let mut f = Fixture::new(&format!("//- a\n{old}"), |_| {});
        f.check("read", r#"{"path":"a"}"#, "ok", "1\t");
        f.save("workspace/a", typed);
        f.check(tool, input, "ok", "`a`");
        let proposed = f.overlay.begin("look").read("a", 1000).unwrap();
        assert_eq!(String::from_utf8(proposed).unwrap(), expect, "{input}");
        let states = f.overlay.proposal();
        let states: Vec<_> = states[0]
            .hunks
            .iter()
            .map(|hunk| format!("{:?}", hunk.state))
            .collect();
        states
    };
    let whole = r#"{"path":"a","content":"1\n2\nTHREE\n"}"#;
    assert_eq!(
        check(
            "1\n2\n3\n",
            "typed\n1\n2\n3\n",
            "write",
            whole,
            "typed\n1\n2\nTHREE\n"
        ),
        ["Pending"]
    );
    // At the same place there is no telling: both are shown.
    assert_eq!(
        check("1\n2\n3\n", "1\n2\nmine\n", "write", whole, "1\n2\nTHREE\n"),
        ["Conflicted"]
    );
    // An edit is made in the text of now.
    let edit = r#"{"path":"a","edits":[{"old_text":"typed","new_text":"TYPED"}]}"#;
    assert_eq!(
        check(
            "1\n2\n",
            "1\n2\ntyped\nmore\n",
            "edit",
            edit,
            "1\n2\nTYPED\nmore\n"
        ),
        ["Pending"]
    );
}
