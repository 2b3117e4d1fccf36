//! A guest has what it was granted, and harms nobody but itself.

use super::*;

const COUNT: &str = r#"(global $calls (mut i32) (i32.const 0)) ---
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (i32.store8 (i32.const 2048) (i32.add (i32.load8_u (i32.const 2048)) (i32.const 1)))
    (i32.store8 (i32.const 2049) (i32.add (global.get $calls) (i32.const 48)))
    (i32.store8 (i32.const 2050) (i32.add (i32.load8_u (i32.const 2048)) (i32.const 48)))
    (call $say (i32.const 2049) (i32.const 2))"#;

#[test]
fn nothing_lives_on_from_call_to_call() {
    let limits = limits("");
    let count = load(&tool(COUNT), &limits).unwrap();
    for _ in 0..3 {
        let report = runtime().block_on(call(&count, "{}", &limits, Files::default()));
        assert_eq!(show(&report.outcome), "ok 11");
    }
}

#[test]
fn traps_are_told_without_addresses() {
    let check = |body: &str, expect: &str| {
        let report = super::check(body, "", &format!("trap {expect}"));
        assert!(
            !show(&report.outcome).contains("0x"),
            "{:?}",
            report.outcome
        );
    };
    check(
        "(unreachable)",
        "wasm trap: wasm `unreachable` instruction executed",
    );
    check(
        "(i32.load (i32.const 0x7fffffff))",
        "wasm trap: out of bounds memory access",
    );
    check(
        "(i32.div_u (i32.const 1) (local.get $n))",
        "wasm trap: integer divide by zero",
    );
    let outside = "string pointer/length out of bounds of memory";
    // As an argument, and as an answer.
    check(
        "(call $report (i32.const 0) (i32.const 0x7fffffff)) (i32.const 0)",
        outside,
    );
    check(
        "(call $report (i32.const -1) (i32.const 2)) (i32.const 0)",
        outside,
    );
    check(
        "(call $read (i32.const 0) (i32.const -1) (i64.const 1) (i32.const 16)) (i32.const 0)",
        outside,
    );
    check("(call $say (i32.const 16) (i32.const -1))", outside);
    check(
        "(call $write (i32.const 0) (i32.const 1) (i32.const 9) (i32.const -9) (i32.const 16))
         (i32.const 0)",
        "list pointer/length out of bounds of memory",
    );
    check("(i32.const -4)", "pointer out of bounds of memory");
    check("(i32.const 65)", "return pointer not aligned");
    check(
        "(i32.store8 (i32.const 2048) (i32.const 255)) (call $say (i32.const 2048) (i32.const 1))",
        "invalid utf-8 sequence of 1 bytes from index 0",
    );
    // A handle that was never given.
    check(
        "(call $next (i32.const 7) (i32.const 1) (i32.const 16)) (i32.const 0)",
        "unknown handle index 7",
    );
    check(
        "(call $unwalk (i32.const 7)) (i32.const 0)",
        "unknown handle index 7",
    );
}

#[test]
fn imports_are_permissions() {
    let limits = limits("");
    let none = Capabilities::default();
    let check = |guest: &str, wants: Capabilities, grants: Capabilities, expect: &str| {
        let loaded = load(&tool(guest), &limits).unwrap();
        assert_eq!((loaded.kind(), loaded.imports()), (ToolKind::World, wants));
        let request = CallRequest {
            input: Input::Json("{}".to_owned()),
            limits: limits.clone(),
            grants,
            fs: Files::default(),
            network: Network::closed(),
            cancel: CancellationToken::new(),
            progress: None,
        };
        let report = runtime().block_on(loaded.call(request));
        assert_eq!(show(&report.outcome), expect);
        let wrote = !report.fs.unwrap().files.is_empty();
        assert_eq!(wrote, expect == "ok " && wants.workspace_write);
    };
    let say = "(call $say (i32.const 0) (i32.const 0))";
    check(say, none, none, "ok ");
    let progress = Capabilities {
        progress: true,
        ..none
    };
    let read = Capabilities {
        workspace_read: true,
        ..none
    };
    let report = format!("(call $report (i32.const 0) (i32.const 0)) {say}");
    let missing = "denied `guest` imports progress and was not granted it";
    check(&report, progress, none, missing);
    check(&report, progress, read, missing);
    check(&report, progress, progress, "ok ");
    // Writing names the errors of reading, so it comes with that.
    let write = "(call $write (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 0)
        (i32.const 16))";
    let write = format!("{write} {say}");
    let wants = Capabilities {
        workspace_write: true,
        ..read
    };
    let missing = "denied `guest` imports workspace-write and was not granted it";
    check(&write, wants, read, missing);
    check(
        &write,
        wants,
        Capabilities {
            progress: true,
            ..read
        },
        missing,
    );
    check(&write, wants, wants, "ok ");
    check(&write, wants, ALL, "ok ");
}

#[test]
fn a_guests_own_words_are_passed_on() {
    let text = |call: &str| format!(r#"(data (i32.const 2048) "why") --- {call}"#);
    check(
        &text("(call $fail (i32.const 0) (i32.const 2048) (i32.const 3))"),
        "",
        "invalid why",
    );
    check(
        &text("(call $fail (i32.const 1) (i32.const 2048) (i32.const 3))"),
        "",
        "failed why",
    );
    let cut = "(drop (call $say (i32.const 2048) (i32.const 3)))
        (i32.store8 (i32.const 76) (i32.const 1)) (i32.const 64)";
    check(&text(cut), "", "cut why");
    // What it says after it was denied something is a denial.
    let denied = r#"(data (i32.const 2048) "/x") ---
        (call $read (i32.const 2048) (i32.const 2) (i64.const 9) (i32.const 16))
        (call $fail (i32.const 1) (i32.load (i32.const 24)) (i32.load (i32.const 28)))"#;
    check(denied, "", "denied `/x`: Denied");
}

#[test]
fn progress_is_heard_and_cut() {
    let limits = limits("");
    let report = r#"(data (i32.const 2048) "half way") ---
        (call $report (i32.const 2048) (i32.const 8))
        (memory.fill (i32.const 2048) (i32.const 120) (i32.const 999))
        (call $report (i32.const 2048) (i32.const 999))
        (call $say (i32.const 0) (i32.const 0))"#;
    let report = load(&tool(report), &limits).unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hear: Progress = {
        let heard = Arc::clone(&heard);
        Arc::new(move |message: &str| heard.lock().unwrap().push(message.to_owned()))
    };
    let request = CallRequest {
        input: Input::Json("{}".to_owned()),
        limits,
        grants: ALL,
        fs: Files::default(),
        network: Network::closed(),
        cancel: CancellationToken::new(),
        progress: Some(hear),
    };
    assert_eq!(
        show(&runtime().block_on(report.call(request)).outcome),
        "ok "
    );
    assert_eq!(
        *heard.lock().unwrap(),
        ["half way".to_owned(), "x".repeat(200)]
    );
}

#[test]
fn calls_run_side_by_side() {
    let limits = limits("");
    let count = load(&tool(COUNT), &limits).unwrap();
    let outcomes = runtime().block_on(async {
        let call = || {
            let (count, limits) = (Arc::clone(&count), limits.clone());
            tokio::spawn(async move { call(&count, "{}", &limits, Files::default()).await })
        };
        let calls: Vec<_> = (0..64).map(|_| call()).collect();
        let mut outcomes = Vec::new();
        for call in calls {
            outcomes.push(show(&call.await.unwrap().outcome));
        }
        outcomes
    });
    assert_eq!(outcomes, vec!["ok 11"; 64]);
}

#[test]
fn a_fault_of_the_host_ends_one_call() {
    let limits = limits("");
    let read = r#"(data (i32.const 2048) "panic") ---
        (call $read (i32.const 2048) (i32.const 5) (i64.const 9) (i32.const 16)) (i32.const 0)"#;
    let read = load(&tool(read), &limits).unwrap();
    let report = runtime().block_on(call(&read, "{}", &limits, Files::default()));
    let outcome = show(&report.outcome);
    assert!(
        outcome.starts_with("internal the call ended unexpectedly"),
        "{outcome}"
    );
    super::check("(call $say (i32.const 0) (i32.const 0))", "", "ok ");
}

#[test]
fn tools_as_users_get_them_run_here() {
    let limits = limits("");
    let check = |name: &str, input: &str, expect: &str| {
        let tool = load(&built_in(name), &limits).unwrap();
        let described = runtime().block_on(tool.describe(&limits)).unwrap();
        assert_eq!(described.name, name);
        assert_eq!(
            described.capabilities,
            tool.imports(),
            "it imports what it says"
        );
        let files = [("a.txt".to_owned(), b"one\ntwo\n".to_vec())];
        let fs = Files {
            files: files.into(),
            ..Files::default()
        };
        let report = runtime().block_on(call(&tool, input, &limits, fs));
        assert_eq!(show(&report.outcome), expect);
        report.fs.unwrap().files
    };
    check("read", r#"{"path":"a.txt"}"#, "ok 1\tone\n2\ttwo\n");
    check(
        "read",
        r#"{"path":"b"}"#,
        "failed `b`: NotFound; use `glob` to find it",
    );
    check(
        "read",
        r#"{"path":3}"#,
        "invalid invalid type: integer `3`, expected a string at line 1 column 9",
    );
    check("list", r#"{"path":"."}"#, "ok a.txt\t8\n");
    let files = check(
        "edit",
        r#"{"path":"a.txt","edits":[{"old_text":"two","new_text":"three"}]}"#,
        "ok Edited `a.txt`: 1 replacement.",
    );
    assert_eq!(files["a.txt"], b"one\nthree\n");
}
