//! What a configuration does to calls: rules, the folder that tools begin in, mounted folders; and
//! the record that each call leaves.

use super::*;
use boxagnts_protocol::tool::Verdict;

const TREE: &str = "//- src/a.rs
a
//- src/deep/b.rs
b
//- top.txt
top
//- .env
SECRET=1
//- outside/data/d.txt
data
//- outside/data/.gitignore
ignored.txt
//- outside/data/ignored.txt
i
//- outside/secret.txt
outside
";

/// A configuration from keys and values; `OUT` stands for the folder beside the workspace.
fn config(f: &Fixture, settings: &[(&str, Value)]) -> Config {
    let out = f.path("outside").display().to_string();
    let mut builder = Config::builder();
    for (key, value) in settings {
        let text = serde_json::json!({ *key: value }).to_string();
        let value = serde_json::from_str(&text.replace("OUT", &out)).unwrap();
        builder.add_json(Layer::User, "test", &value).unwrap();
    }
    builder.build()
}

fn list(values: &[&str]) -> Value {
    values.iter().map(|v| Value::from(*v)).collect()
}

/// One call in a workspace that is opened as the configuration says.
fn call(f: &Fixture, config: &Config, tool: &str, input: &str) -> ToolReport {
    let root = f.path("workspace");
    let overlay = Overlay::open(&root, config.mounts(), Arc::new(NoBuffers)).unwrap();
    call_on(f, &overlay, config, tool, input)
}

fn call_on(
    f: &Fixture,
    overlay: &Arc<Overlay>,
    config: &Config,
    tool: &str,
    input: &str,
) -> ToolReport {
    let call = request(tool, input);
    let request = ToolRequest {
        overlay,
        ..f.request(&call, config)
    };
    let report = runtime().block_on(toolbox().run(request));
    f.unchanged(tool, input);
    report
}

#[test]
fn rules_decide_before_levels() {
    let f = Fixture::new(TREE, |_| {});
    let write = r#"{"path":"src/n.rs","content":"x"}"#;
    let check = |settings: &[(&str, Value)], tool, input, kind, verdict, says: &str| {
        let report = call(&f, &config(&f, settings), tool, input);
        expect(&report, kind, "");
        let decision = report.decision.unwrap();
        assert_eq!(decision.verdict, verdict, "{decision:?}");
        assert!(decision.reason.contains(says), "{decision:?}");
    };
    let (allowed, denied) = (Verdict::Allowed, Verdict::Denied);
    let deny = ("deny", list(&["write(path=src/*)"]));
    let allow = ("allow", list(&["write"]));
    let ask = ("ask", list(&["write"]));
    check(&[], "write", write, "ok", allowed, "reviewed");
    let rule = "rule `write(path=src/*)`";
    check(
        std::slice::from_ref(&deny),
        "write",
        write,
        "denied",
        denied,
        rule,
    );
    let both = [allow.clone(), deny.clone()];
    check(&both, "write", write, "denied", denied, rule);
    let sly = r#"{"path":"./src//n.rs","content":"x"}"#;
    check(&[deny], "write", sly, "denied", denied, rule);
    let nobody = "not approved: nobody could be asked";
    check(
        std::slice::from_ref(&ask),
        "write",
        write,
        "denied",
        denied,
        nobody,
    );
    check(&[ask, allow], "write", write, "denied", denied, nobody);
    let plan = ("mode", Value::from("plan"));
    check(&[plan], "write", write, "denied", denied, "only reads");
}

#[test]
fn limits_of_one_tool_hold_for_it_alone() {
    let f = Fixture::new(TREE, |_| {});
    let config = config(
        &f,
        &[("tools", serde_json::json!({"read": {"wasm_fuel": 10}}))],
    );
    let input = r#"{"path":"top.txt"}"#;
    let report = call(&f, &config, "read", input);
    expect(&report, "limit", "wasm_fuel");
    expect(
        &call(&f, &config, "list", r#"{"path":"."}"#),
        "ok",
        "top.txt",
    );
}

#[test]
fn a_call_leaves_a_record_of_what_it_touched() {
    let f = Fixture::new(TREE, |_| {});
    let plain = config(&f, &[]);
    let input = r#"{"path":"src/a.rs","edits":[{"old_text":"a","new_text":"c"}]}"#;
    let report = call(&f, &plain, "edit", input);
    expect(&report, "ok", "");
    let audit = &report.audit;
    assert_eq!(audit.files_read, ["src/a.rs"]);
    assert_eq!(audit.files_written, ["src/a.rs"]);
    assert_eq!(audit.files_denied, [""; 0]);
    assert_eq!(
        audit.granted,
        ["workspace-read", "workspace-write", "progress"]
    );
    assert_eq!(
        (audit.tool_sha256.len(), audit.input_sha256.len()),
        (64, 64)
    );
    let other = call(&f, &plain, "edit", &input.replace("\"c\"", "\"d\""));
    assert_eq!(other.audit.tool_sha256, audit.tool_sha256);
    assert_ne!(other.audit.input_sha256, audit.input_sha256);

    let denied = call(&f, &plain, "read", r#"{"path":".env"}"#);
    expect(&denied, "denied", "secrets");
    assert_eq!(denied.audit.files_denied, [".env"]);
    assert_eq!(denied.audit.files_read, [""; 0]);
    // What never reached a tool has no tool.
    let unknown = call(&f, &plain, "nothing", "{}");
    assert_eq!(unknown.audit.tool_sha256, "");
    assert!(unknown.decision.is_none());
}

#[test]
fn tools_begin_in_the_folder_that_is_configured() {
    let f = Fixture::new(TREE, |_| {});
    let config = config(&f, &[("work_dir", Value::from("src"))]);
    let check = |tool, input, kind, says: &str| {
        let report = call(&f, &config, tool, input);
        expect(&report, kind, says);
        report
    };
    check("read", r#"{"path":"a.rs"}"#, "ok", "a");
    check("glob", r#"{"pattern":"**"}"#, "ok", "a.rs\ndeep/b.rs");
    check("list", r#"{"path":"."}"#, "ok", "deep/");
    check("read", r#"{"path":"../top.txt"}"#, "denied", "`..`");
    check("read", r#"{"path":"/etc/passwd"}"#, "denied", "relative");
    check("read", r#"{"path":"top.txt"}"#, "failed", "does not exist");
    let written = check("write", r#"{"path":"n.rs","content":"n\n"}"#, "ok", "");
    assert!(written.diff.contains("+++ b/src/n.rs"), "{}", written.diff);
}

#[test]
fn a_mounted_folder_is_there_as_it_was_mounted() {
    let f = Fixture::new(TREE, |_| {});
    let mounts = |access: &str| [("map_dirs", list(&[&format!("OUT/data:lib/data:{access}")]))];
    let read_only = config(&f, &mounts("ro"));
    let check = |config: &Config, tool, input, kind, says: &str| {
        let report = call(&f, config, tool, input);
        expect(&report, kind, says);
        report
    };
    check(&read_only, "list", r#"{"path":"."}"#, "ok", "lib/");
    check(&read_only, "list", r#"{"path":"lib"}"#, "ok", "data/");
    check(
        &read_only,
        "read",
        r#"{"path":"lib/data/d.txt"}"#,
        "ok",
        "data",
    );
    check(
        &read_only,
        "grep",
        r#"{"pattern":"dat"}"#,
        "ok",
        "lib/data/d.txt",
    );
    let hidden = check(&read_only, "glob", r#"{"pattern":"**"}"#, "ok", "top.txt");
    assert!(!hidden.output.contains("ignored.txt"), "{}", hidden.output);
    let refused = "mounts read-only";
    for (tool, input) in [
        ("write", r#"{"path":"lib/data/d.txt","content":"x"}"#),
        ("write", r#"{"path":"lib/data/new/n.txt","content":"x"}"#),
        ("delete", r#"{"path":"lib/data/d.txt"}"#),
        ("rename", r#"{"from":"lib/data/d.txt","to":"e.txt"}"#),
        ("rename", r#"{"from":"top.txt","to":"lib/data/t.txt"}"#),
        ("rename", r#"{"from":"lib","to":"other"}"#),
    ] {
        check(&read_only, tool, input, "denied", refused);
    }
    check(
        &read_only,
        "read",
        r#"{"path":"lib/data/../secret.txt"}"#,
        "denied",
        "`..`",
    );

    let writable = config(&f, &mounts("rw"));
    let overlay = Overlay::open(&f.path("workspace"), writable.mounts(), Arc::new(NoBuffers));
    let overlay = overlay.unwrap();
    let write = r#"{"path":"lib/data/d.txt","content":"new\n"}"#;
    let report = call_on(&f, &overlay, &writable, "write", write);
    expect(&report, "ok", "");
    assert!(report.diff.contains("+++ b/lib/data/d.txt"));
    let proposal = overlay.proposal();
    let uri = format!("{}/data/d.txt", f.path("outside").display());
    assert!(proposal[0].uri.ends_with(&uri), "{}", proposal[0].uri);
}

#[cfg(unix)]
#[test]
fn a_mount_leads_to_no_place_that_could_not_be_mounted() {
    let f = Fixture::new(TREE, |folder| {
        std::os::unix::fs::symlink("/proc", folder.join("outside/machine")).unwrap();
        std::os::unix::fs::symlink("secret.txt", folder.join("outside/data/link")).unwrap();
    });
    let open = |entry: &str| {
        let config = config(&f, &[("map_dirs", list(&[entry]))]);
        Overlay::open(&f.path("workspace"), config.mounts(), Arc::new(NoBuffers))
    };
    let error = open("OUT/machine:m").unwrap_err().to_string();
    assert!(error.contains("map_dirs"), "{error}");
    assert!(open("OUT/none:m").is_err());
    assert!(open("OUT/secret.txt:m").is_err());
    let config = config(&f, &[("map_dirs", list(&["OUT/data:data"]))]);
    let report = call(&f, &config, "read", r#"{"path":"data/link"}"#);
    expect(&report, "denied", "symbolic link");
}

/// What one call may hold is bounded, however small its own words are.
#[test]
fn a_call_does_not_move_what_cannot_be_held() {
    let f = Fixture::new(TREE, |_| {});
    let assets = f.path("workspace/assets");
    fs::create_dir(&assets).unwrap();
    for n in 0..6 {
        // Holes: nothing of them is on disk.
        let file = fs::File::create(assets.join(format!("{n}.bin"))).unwrap();
        file.set_len(100 << 20).unwrap();
    }
    let plain = config(&f, &[]);
    let call = request("rename", r#"{"from":"assets","to":"moved"}"#);
    let report = runtime().block_on(toolbox().run(f.request(&call, &plain)));
    expect(&report, "failed", "at most 512 MiB");
    assert_eq!(f.overlay.diff(), "");
}

/// Whatever folder is opened: configuration, approvals and keys of ours are not in it.
#[cfg(unix)]
#[test]
fn our_own_files_are_in_no_workspace() {
    let f = Fixture::new(TREE, |folder| {
        let own = folder.join("workspace/.config/boxagnts");
        fs::create_dir_all(&own).unwrap();
        fs::write(own.join("config.toml"), "mode = \"review\"\n").unwrap();
    });
    let plain = config(&f, &[]);
    for (tool, input) in [
        ("read", r#"{"path":".config/boxagnts/config.toml"}"#),
        (
            "write",
            r#"{"path":".config/boxagnts/config.toml","content":"x"}"#,
        ),
        (
            "write",
            r#"{"path":".local/state/boxagnts/journal.db","content":"x"}"#,
        ),
    ] {
        expect(&call(&f, &plain, tool, input), "denied", "");
    }
}
