//! Ways out of the workspace, by name, by link, and by timing.

use super::*;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};

/// Every tool that takes one path, with that path.
fn with_path(path: &str) -> Vec<(&'static str, String)> {
    let path = Value::from(path);
    vec![
        ("read", format!(r#"{{"path":{path}}}"#)),
        ("list", format!(r#"{{"path":{path}}}"#)),
        ("glob", format!(r#"{{"pattern":"*","path":{path}}}"#)),
        ("grep", format!(r#"{{"pattern":".","path":{path}}}"#)),
        ("write", format!(r#"{{"path":{path},"content":"x"}}"#)),
        (
            "edit",
            format!(r#"{{"path":{path},"edits":[{{"old_text":"O","new_text":"x"}}]}}"#),
        ),
        ("delete", format!(r#"{{"path":{path}}}"#)),
        ("rename", format!(r#"{{"from":{path},"to":"taken"}}"#)),
        ("rename", format!(r#"{{"from":"a.txt","to":{path}}}"#)),
    ]
}

fn tree() -> Fixture {
    Fixture::new("//- a.txt\na\n//- outside/file\nOUTSIDE\n", |folder| {
        let root = folder.join("workspace");
        let outside = folder.join("outside");
        symlink(outside.join("file"), root.join("absolute")).unwrap();
        symlink("../outside/file", root.join("relative")).unwrap();
        symlink("relative", root.join("chained")).unwrap();
        symlink(&outside, root.join("folder")).unwrap();
        symlink("folder", root.join("folder2")).unwrap();
        symlink("a.txt", root.join("inside")).unwrap();
        symlink("/nowhere", root.join("dangling")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        symlink("/proc/self", root.join("magic")).unwrap();
        symlink("/proc/self/cwd", root.join("cwd")).unwrap();
    })
}

#[test]
fn names_that_lead_out_are_denied() {
    let f = tree();
    for path in [
        "../outside/file",
        "../../etc/passwd",
        "a/../../outside/file",
        "/etc/passwd",
        "//etc/passwd",
        "/proc/self/environ",
        "~/.ssh/id_rsa",
        "C:\\Windows\\win.ini",
        "..\\outside\\file",
        ".git/hooks/x",
        ".GIT/config",
        ".Git",
        "sub/.git/config",
        ".git./config",
        ".g\u{200c}it/config",
        "git~1/config",
        "NUL",
        "sub/con",
        "a.txt::$DATA",
    ] {
        for (tool, input) in with_path(path) {
            f.check(tool, &input, "denied", "is denied");
        }
    }
    assert_eq!(f.overlay.diff(), "");
}

#[test]
fn links_are_followed_by_no_tool() {
    let f = tree();
    for path in [
        "absolute",
        "relative",
        "chained",
        "folder/file",
        "folder2/file",
        "folder/new/file",
        "inside",
        "dangling",
        "loop",
        "magic/environ",
        "magic/root/etc/passwd",
        "cwd/Cargo.toml",
        "folder",
        "magic",
    ] {
        for (tool, input) in with_path(path) {
            let report = f.check(tool, &input, "denied", "symbolic link; tools follow none");
            assert!(!report.for_model().contains("OUTSIDE"), "{report:?}");
        }
    }
    assert_eq!(f.overlay.diff(), "");
    f.check(
        "list",
        r#"{"path":"."}"#,
        "ok",
        "folder\t[link, not followed]\n",
    );
    assert_eq!(
        f.check("glob", r#"{"pattern":"**"}"#, "ok", "").output,
        "a.txt\n"
    );
    assert_eq!(
        f.check("grep", r#"{"pattern":"(?i)a|outside"}"#, "ok", "")
            .output,
        "a.txt:1:a\n"
    );
}

/// A hard link is a file of the workspace like any other: it can be read, and what is proposed for
/// it goes to a file of its own.
#[test]
fn a_hard_link_is_read_here_and_never_written_there() {
    let f = Fixture::new("//- outside/file\nOUTSIDE\n", |folder| {
        fs::hard_link(folder.join("outside/file"), folder.join("workspace/hard")).unwrap();
    });
    f.check("read", r#"{"path":"hard"}"#, "ok", "1\tOUTSIDE");
    f.check(
        "write",
        r#"{"path":"hard","content":"mine\n"}"#,
        "ok",
        "Replaced",
    );
    for plan in f.overlay.plan(&boxagnts_workspace::Selection::All).unwrap() {
        boxagnts_workspace::apply_to_disk(&f.overlay, &plan).unwrap();
    }
    assert_eq!(
        fs::read_to_string(f.path("workspace/hard")).unwrap(),
        "mine\n"
    );
    assert_eq!(
        fs::read_to_string(f.path("outside/file")).unwrap(),
        "OUTSIDE\n"
    );
}

#[test]
fn what_is_no_regular_file_is_an_error_at_once() {
    let f = Fixture::new("//- a.txt\na\n", |folder| {
        let root = folder.join("workspace");
        let made = std::process::Command::new("mkfifo")
            .arg(root.join("fifo"))
            .status()
            .unwrap();
        assert!(made.success());
        std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
    });
    f.check("list", r#"{"path":"."}"#, "ok", "");
    let started = Instant::now();
    for path in ["fifo", "socket"] {
        for (tool, input) in with_path(path) {
            let says = match tool {
                "list" | "glob" | "grep" => "is not a directory",
                "rename" if input.contains(r#""from":"a.txt""#) => "",
                _ => "is a device, socket or FIFO",
            };
            f.check(tool, &input, "failed", says);
        }
    }
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "something waited for a writer"
    );
    assert_eq!(
        f.check("list", r#"{"path":"."}"#, "ok", "").output,
        "a.txt\t2\nfifo\t[no regular file]\nsocket\t[no regular file]\n"
    );
    assert_eq!(
        f.check("grep", r#"{"pattern":""}"#, "ok", "").output,
        "a.txt:1:a\n"
    );
    assert_eq!(f.overlay.diff(), "");
}

#[test]
fn names_that_no_tool_can_say_hide_no_others() {
    let f = Fixture::new("//- a.txt\na\n//- b/c.txt\nc\n", |folder| {
        let root = folder.join("workspace");
        for name in [
            &b"not\xfftext"[..],
            b"new\nline",
            b"\x1b[31m",
            b"back\\slash",
        ] {
            fs::write(root.join(OsStr::from_bytes(name)), "x\n").unwrap();
        }
        let folder = root.join(OsStr::from_bytes(b"folder\xfe"));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("below"), "x\n").unwrap();
    });
    assert_eq!(
        f.check("list", r#"{"path":"."}"#, "ok", "").output,
        "a.txt\t2\nb/\n"
    );
    assert_eq!(
        f.check("glob", r#"{"pattern":"**"}"#, "ok", "").output,
        "a.txt\nb/c.txt\n"
    );
    let found = f.check("grep", r#"{"pattern":"^.$"}"#, "ok", "").output;
    assert_eq!(found, "a.txt:1:a\nb/c.txt:1:c\n");
    f.check(
        "read",
        r#"{"path":"not\ufffdtext"}"#,
        "failed",
        "does not exist",
    );
}

#[test]
fn names_and_trees_beyond_what_systems_take_are_errors() {
    let f = Fixture::new("//- a.txt\na\n", |folder| {
        // Deeper than tools go, and longer than a path may be.
        let mut inner = folder.join("inner");
        fs::create_dir(&inner).unwrap();
        fs::write(inner.join("bottom"), "x\n").unwrap();
        for _ in 0..300 {
            let outer = folder.join("outer");
            fs::create_dir(&outer).unwrap();
            fs::rename(&inner, outer.join("d")).unwrap();
            inner = folder.join("inner");
            fs::rename(&outer, &inner).unwrap();
        }
        fs::rename(&inner, folder.join("workspace/deep")).unwrap();
    });
    let long = "n".repeat(300);
    let deep = "d/".repeat(5000) + "f";
    let nested = "d/".repeat(300) + "f";
    for path in [&long, &deep, &nested, "nul\0byte", "new\nline", "bell\u{7}"] {
        for (tool, input) in with_path(path) {
            f.check(tool, &input, "failed", "is not a usable path");
        }
    }
    f.check("list", r#"{"path":"."}"#, "ok", "a.txt\t2\ndeep/\n");
    assert_eq!(
        f.check("glob", r#"{"pattern":"**"}"#, "ok", "").output,
        "a.txt\n"
    );
    assert_eq!(
        f.check("grep", r#"{"pattern":"."}"#, "ok", "").output,
        "a.txt:1:a\n"
    );
}

/// Another process swaps a folder for a link to the outside while tools read through it.
#[test]
fn no_timing_leads_out() {
    const SWAPS: usize = 10_000;
    const CALLS: usize = 60;
    let f = Fixture::new(
        "//- dir/file\ninside\n//- outside/file\nOUTSIDE\n",
        |folder| {
            symlink(folder.join("outside"), folder.join("workspace/link")).unwrap();
        },
    );
    let root = f.path("workspace");
    let enough = AtomicBool::new(false);
    let never_outside = |text: &str| assert!(!text.contains("OUTSIDE"), "{text}");
    let swap = || {
        let [dir, link, aside] = ["dir", "link", "aside"].map(|name| root.join(name));
        let mut swaps = 0;
        while swaps < SWAPS || !enough.load(Ordering::Relaxed) {
            fs::rename(&dir, &aside).unwrap();
            fs::rename(&link, &dir).unwrap();
            fs::rename(&dir, &link).unwrap();
            fs::rename(&aside, &dir).unwrap();
            swaps += 1;
        }
    };
    let (mut read, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        let swapper = scope.spawn(swap);
        let config = governed(Mode::Review, &limits(""));
        let mut calls = 0;
        while calls < CALLS || !swapper.is_finished() {
            for (tool, input) in with_path("dir/file").into_iter().take(6) {
                let call = request(tool, &input);
                // What one call proposes would hide the disk from the next.
                let overlay = f.overlay.another();
                let request = ToolRequest {
                    overlay: &overlay,
                    ..f.request(&call, &config)
                };
                let report = runtime().block_on(toolbox().run(request));
                never_outside(&format!("{report:?}"));
                never_outside(&overlay.diff());
                never_outside(&format!("{:?}", overlay.proposal()));
            }
            calls += 1;
            enough.store(calls >= CALLS, Ordering::Relaxed);
            // Without a sandbox in between, far more often.
            let mut call = f.overlay.another().begin("race");
            for _ in 0..200 {
                match call.read("dir/file", 100) {
                    Ok(bytes) => {
                        assert_eq!(bytes, b"inside\n");
                        read += 1;
                    }
                    Err(_) => refused += 1,
                }
            }
        }
    });
    assert!(
        read > 0 && refused > 0,
        "{read} reads, {refused} refusals: there was no race"
    );
    f.unchanged("all", "of the race");
}
