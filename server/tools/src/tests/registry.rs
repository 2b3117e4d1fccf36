//! Registered tools: nothing runs that was not approved, byte for byte, under its name.

use super::commands::{HELP, OK, program};
use super::foreign::{SAY, component};
use super::*;
use boxagnts_policy::permission::Level;
use std::collections::BTreeMap;

/// A workspace and a user with folders for tools, and a place for files that are no tools yet.
struct Home {
    folder: tempfile::TempDir,
    toolbox: Arc<Toolbox>,
    approvals: Arc<MemoryApprovals>,
}

impl Home {
    fn new() -> Home {
        let folder = tempfile::tempdir().unwrap();
        for name in ["workspace/.boxagnts/tools", "user", "elsewhere"] {
            fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        let approvals: Arc<MemoryApprovals> = Arc::default();
        let folders = ToolFolders {
            workspace: Some(folder.path().join("workspace")),
            user: Some(folder.path().join("user")),
        };
        let shared: Arc<dyn Approvals> = Arc::clone(&approvals) as _;
        Home {
            toolbox: Toolbox::for_workspace(toolbox(), folders, shared),
            approvals,
            folder,
        }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn put(&self, path: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(path);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn registry(&self) -> &Registry {
        self.toolbox.registry().unwrap()
    }

    fn add_as(
        &self,
        path: &Path,
        name: Option<&str>,
        level: Option<Level>,
        place: Place,
    ) -> Result<PathBuf, String> {
        let tool = runtime().block_on(self.toolbox.open_file(path, &limits("")));
        let tool = tool.map_err(|error| error.to_string())?;
        let proposed = self.registry().propose(path, &tool, name, level, place);
        let proposed = proposed.map_err(|error| error.to_string())?;
        let added = self.registry().add(path, &proposed, place);
        added.map_err(|error| error.to_string())
    }

    fn add(&self, path: &Path) -> Result<PathBuf, String> {
        self.add_as(path, None, None, Place::Workspace)
    }

    /// Names and standing of what is no built-in tool.
    #[track_caller]
    fn check(&self, expect: &str) {
        let candidates = self.registry().candidates();
        let shown = candidates.iter().map(|candidate| {
            let standing = match &candidate.standing {
                Standing::Rejected(_) => "Rejected".to_owned(),
                other => format!("{other:?}"),
            };
            format!("{} {standing}", candidate.name)
        });
        assert_eq!(shown.collect::<Vec<_>>().join(", "), expect);
        let specs = self.toolbox.specs();
        let built_in = toolbox().specs().len();
        let offered: Vec<&str> = specs[built_in..]
            .iter()
            .map(|spec| spec.name.as_str())
            .collect();
        let usable = candidates.iter().filter(|c| c.standing == Standing::Usable);
        assert_eq!(offered, usable.map(|c| c.name.as_str()).collect::<Vec<_>>());
    }

    #[track_caller]
    fn call(&self, tool: &str, input: &str, kind: &str, says: &str) {
        let f = Fixture::new("//- a\na\n", |_| {});
        let call = request(tool, input);
        let config = governed(Mode::Review, &limits(""));
        let report = runtime().block_on(self.toolbox.run(f.request(&call, &config)));
        let said = report.for_model().replace('\0', " ");
        assert!(said.contains(says), "{said:?}");
        expect(&report, kind, "");
    }

    fn files(&self) -> BTreeMap<PathBuf, String> {
        snapshot(self.folder.path())
    }
}

const COUNT: &str = "workspace/.boxagnts/tools/count.wasm";
const INPUT: &str = r#"{"file": ["a"]}"#;

#[test]
fn a_file_in_a_folder_is_no_tool_yet() {
    let home = Home::new();
    let before = toolbox().specs();
    home.put(COUNT, &program(HELP, 1, OK));
    home.put("workspace/.boxagnts/tools/count.txt", b"");
    home.check("count Unapproved");
    assert_eq!(home.toolbox.specs(), before);
    assert_eq!(home.toolbox.level("count"), None);
    home.call("count", INPUT, "denied", "nobody approved");
    home.call("cuont", INPUT, "unknown tool", "the tools are: read");
}

#[test]
fn an_approved_tool_is_offered_and_called() {
    let home = Home::new();
    let source = home.put("elsewhere/x.wasm", &program(HELP, 1, OK));
    assert_eq!(home.add(&source), Ok(home.path(COUNT)));
    assert_eq!(fs::read(home.path(COUNT)).unwrap(), program(HELP, 1, OK));
    home.check("count Usable");
    assert_eq!(home.toolbox.level("count"), Some(Level::Read));
    let specs = home.toolbox.specs();
    assert_eq!(
        specs.last().unwrap().description,
        "Counts things. [level: read]"
    );
    home.call("count", INPUT, "ok", "count a ");
    home.call(
        "count",
        "{}",
        "invalid input",
        "\"file\" is a required property",
    );
    home.call("read", r#"{"path": "a"}"#, "ok", "a");
    // Nothing changed, so nothing is made anew.
    assert!(Arc::ptr_eq(&specs, &home.toolbox.specs()));
    // A tool of another process's approval is there at once.
    home.approvals
        .revoke(&home.path("workspace"), "count")
        .unwrap();
    home.check("count Unapproved");
    home.call("count", INPUT, "denied", "nobody approved");
}

#[test]
fn a_changed_tool_must_be_approved_again() {
    let home = Home::new();
    let source = home.put("elsewhere/x.wasm", &program(HELP, 1, OK));
    home.add(&source).unwrap();
    home.call("count", INPUT, "ok", "");
    let other = program(&HELP.replace("Counts", "Deletes"), 1, OK);
    home.put(COUNT, &other);
    home.check("count Changed");
    home.call(
        "count",
        INPUT,
        "denied",
        "changed since it was approved; `boxagnts tool add",
    );
    assert_eq!(home.add(&home.path(COUNT)), Ok(home.path(COUNT)));
    home.check("count Usable");
    let specs = home.toolbox.specs();
    assert!(specs.last().unwrap().description.starts_with("Deletes"));
    // So does one whose description changes.
    let toml = home.put("workspace/.boxagnts/tools/count.toml", b"level = 'none'");
    home.check("count Changed");
    fs::remove_file(toml).unwrap();
    home.check("count Usable");
    fs::remove_file(home.path(COUNT)).unwrap();
    home.check("count Gone");
    home.call("count", INPUT, "denied", "is gone");
}

#[test]
fn what_is_loaded_is_what_was_hashed() {
    let home = Home::new();
    // Bytes that no other test has loaded.
    let help = HELP.replace("Counts", "Weighs");
    let path = home.put(COUNT, &program(&help, 1, OK));
    home.add(&path).unwrap();
    let tool = home.registry().usable().remove(0);
    // It changes between a look at it and the call.
    home.put(COUNT, &program(HELP, 2, OK));
    let loaded = runtime().block_on(home.toolbox.load(&tool, &limits("")));
    let Err(error) = loaded else {
        panic!("it was loaded")
    };
    assert!(
        error.to_string().contains("changed since it was approved"),
        "{error}"
    );
    // It changes between the question and the answer.
    let opened = runtime()
        .block_on(home.toolbox.open_file(&path, &limits("")))
        .unwrap();
    let registry = home.registry();
    let proposed = registry
        .propose(&path, &opened, None, None, Place::Workspace)
        .unwrap();
    home.put(COUNT, &program("", 1, OK));
    let error = registry
        .add(&path, &proposed, Place::Workspace)
        .unwrap_err();
    assert!(
        error.to_string().contains("changed while it was looked at"),
        "{error}"
    );
}

#[test]
fn names_are_taken_once() {
    let home = Home::new();
    let refuse = |home: &Home, path: &Path, name: Option<&str>, place, says: &str| {
        let before = home.files();
        let error = home.add_as(path, name, None, place).unwrap_err();
        assert!(error.contains(says), "{error}");
        assert_eq!(home.files(), before);
    };
    let read = program("Usage: read <FILE>\n", 1, OK);
    let read = home.put("elsewhere/read.wasm", &read);
    refuse(
        &home,
        &read,
        None,
        Place::Workspace,
        "another tool has the name `read`",
    );
    refuse(
        &home,
        &read,
        Some("Read It"),
        Place::User,
        "`Read It` is no name of a tool",
    );
    refuse(
        &home,
        &read,
        Some("../x"),
        Place::User,
        "`../x` is no name of a tool",
    );
    home.add_as(&read, Some("mine"), None, Place::User).unwrap();
    home.check("mine Usable");
    home.call("mine", r#"{"file": "a"}"#, "ok", "mine a ");
    refuse(
        &home,
        &read,
        Some("mine"),
        Place::Workspace,
        "another tool has the name `mine`",
    );
    // A file that takes a built-in name or one of the user's.
    home.put("workspace/.boxagnts/tools/read.wasm", b"x");
    home.put("workspace/.boxagnts/tools/mine.wasm", b"x");
    home.put("workspace/.boxagnts/tools/My Tool.wasm", b"x");
    home.check("mine Usable, My Tool Rejected, mine Rejected, read Rejected");
    home.call("mine", r#"{"file": "a"}"#, "ok", "mine a ");
    // Another file under a name that is there.
    let other = home.put("elsewhere/other.wasm", &program("", 1, OK));
    refuse(&home, &other, Some("mine"), Place::User, "is another tool");
}

#[test]
fn levels_are_requests() {
    let home = Home::new();
    let level = |asked: u8, given: Option<Level>| {
        let path = home.put("elsewhere/x.wasm", &component(asked, "{}", SAY));
        let added = home.add_as(&path, None, given, Place::User);
        let level = home.toolbox.level("foreign");
        let _ = home.registry().remove("foreign", None);
        added.map(|_| level.unwrap())
    };
    assert_eq!(level(1, None), Ok(Level::Read));
    assert_eq!(level(5, None), Ok(Level::Network));
    assert_eq!(level(5, Some(Level::Dangerous)), Ok(Level::Dangerous));
    assert_eq!(level(4, Some(Level::None)), Ok(Level::None));
    assert!(level(6, None).unwrap_err().contains("never runs"));
    assert!(
        level(1, Some(Level::Forbidden))
            .unwrap_err()
            .contains("never runs")
    );
    let path = home.put("elsewhere/x.wasm", &component(1, "[]", SAY));
    assert!(home.add(&path).unwrap_err().contains("is no JSON Schema"));
}

#[test]
fn removing_takes_away_what_adding_brought() {
    let home = Home::new();
    let source = home.put("elsewhere/x.wasm", &program(HELP, 1, OK));
    home.put("elsewhere/x.toml", b"level = 'none'");
    let before = home.files();
    home.add(&source).unwrap();
    home.check("count Usable");
    let removed = home.registry().remove("count", None).unwrap();
    assert_eq!(removed, Removed::Deleted(home.path(COUNT)));
    assert_eq!(home.files(), before);
    // What others brought stays.
    home.put(COUNT, &program(HELP, 1, OK));
    home.add(&home.path(COUNT)).unwrap();
    let removed = home
        .registry()
        .remove("count", Some(Place::Workspace))
        .unwrap();
    assert_eq!(removed, Removed::Kept(home.path(COUNT)));
    home.check("count Unapproved");
    // So does what they put in place of it.
    fs::remove_file(home.path(COUNT)).unwrap();
    home.add(&source).unwrap();
    home.put(COUNT, b"x");
    let removed = home.registry().remove("count", None).unwrap();
    assert_eq!(removed, Removed::Kept(home.path(COUNT)));
    let error = home.registry().remove("count", None).unwrap_err();
    assert!(
        error.to_string().contains("no tool `count` was added"),
        "{error}"
    );
}

#[cfg(unix)]
#[test]
fn links_are_no_tools() {
    use std::os::unix::fs::symlink;
    let home = Home::new();
    let source = home.put("elsewhere/x.wasm", &program(HELP, 1, OK));
    home.add(&source).unwrap();
    fs::remove_file(home.path(COUNT)).unwrap();
    symlink(&source, home.path(COUNT)).unwrap();
    home.check("count Rejected");
    // A folder that is a link, for reading and for writing.
    fs::remove_file(home.path(COUNT)).unwrap();
    home.registry().remove("count", None).unwrap();
    let tools = home.path("workspace/.boxagnts/tools");
    fs::remove_dir(&tools).unwrap();
    symlink(home.path("elsewhere"), &tools).unwrap();
    home.check("");
    let before = home.files();
    let error = home.add_as(&source, Some("other"), None, Place::User);
    assert!(error.is_ok(), "{error:?}");
    home.registry().remove("other", None).unwrap();
    let other = home.put("x.wasm", &program(HELP, 1, OK));
    let error = home.add(&other).unwrap_err();
    assert!(error.contains("tools is no folder"), "{error}");
    fs::remove_file(other).unwrap();
    assert_eq!(home.files(), before);
}

#[test]
fn without_approvals_there_are_the_built_in_tools() {
    struct Broken;
    impl Approvals for Broken {
        fn list(&self, _: &Path) -> Result<Vec<Approved>, String> {
            Err("the disk is gone".to_owned())
        }
        fn approve(&self, _: &Path, _: &Approved) -> Result<(), String> {
            Err("the disk is gone".to_owned())
        }
        fn revoke(&self, _: &Path, _: &str) -> Result<bool, String> {
            Err("the disk is gone".to_owned())
        }
    }
    let home = Home::new();
    let folders = ToolFolders {
        workspace: Some(home.path("workspace")),
        user: None,
    };
    let broken = Toolbox::for_workspace(toolbox(), folders, Arc::new(Broken));
    assert_eq!(broken.specs(), toolbox().specs());
    assert_eq!(broken.level("read"), Some(Level::Read));
}
