//! One attack: a host of its own, the real binary let loose in it, and what must be true after
//! every attempt: it ended as the case says, in time, the secrets are still secret, and the host is
//! what it was.

use crate::preview1::{self, Step};
use crate::process::{self, Ended};
use crate::tree::Tree;
use boxagnts_tests::World;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// A way out, and where it is stopped. The table in README.md has a line for each.
pub(crate) struct Case {
    /// A letter for the kind (F files, G git and configuration, E environment, N network,
    /// R resources, T trust) and a number.
    pub(crate) id: &'static str,
    /// What is tried.
    pub(crate) attack: &'static str,
    /// How attempts end: each in one of these ways, and each of these ways is seen.
    pub(crate) expect: &'static [&'static str],
    /// `wasm_timeout` of every attempt, in milliseconds.
    pub(crate) within_ms: u64,
    /// Tries it.
    pub(crate) run: fn(&mut Attack),
}

impl Case {
    /// What most cases have in common.
    pub(crate) const DEFAULT: Case = Case {
        id: "",
        attack: "",
        expect: &[],
        within_ms: 5_000,
        run: |_| {},
    };

    /// The case as a test.
    pub(crate) fn check(&'static self) {
        let mut attack = Attack::new(self);
        (self.run)(&mut attack);
        attack.finish();
    }
}

/// How late behind its limit a call may end.
const LATE: Duration = Duration::from_secs(1);
/// What a process may take besides: to start, to compile, to find a processor on a busy machine.
const START: Duration = Duration::from_secs(90);

/// The host of one case:
///
/// ```text
/// workspace/        what tools are let at
/// outside/secret    has the canary
/// home/             HOME, with keys that have the canary too
/// ```
pub(crate) struct Attack {
    case: &'static Case,
    host: TempDir,
    /// Scripts and components; not a part of the host.
    aside: TempDir,
    world: World,
    canary: String,
    before: Option<Tree>,
    seen: BTreeSet<String>,
    race: bool,
}

/// One tool call that is about to be made.
pub(crate) struct Call {
    arguments: Vec<String>,
    /// Paths of the host that may be different afterwards.
    changes: Vec<String>,
    environment: Vec<(String, PathBuf)>,
}

impl Call {
    /// `--limit KEY=VALUE`.
    pub(crate) fn limit(self, limit: &str) -> Call {
        self.option("--limit", limit)
    }

    /// `--mode MODE`.
    pub(crate) fn mode(self, mode: &str) -> Call {
        self.option("--mode", mode)
    }

    /// Any option with its value.
    pub(crate) fn option(mut self, name: &str, value: &str) -> Call {
        self.arguments.extend([name.to_owned(), value.to_owned()]);
        self
    }

    /// A path of the host that the user lets it change.
    pub(crate) fn may_change(mut self, path: &str) -> Call {
        self.changes.push(path.to_owned());
        self
    }

    /// A variable of the process.
    pub(crate) fn env(mut self, name: &str, value: &Path) -> Call {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// How a tool call ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// `ok`, a kind of failure, or `limit: NAME`.
    pub(crate) label: String,
    /// The report of `boxagnts tool run --json`.
    pub(crate) report: Value,
    /// What the program said to its user.
    pub(crate) stderr: String,
}

impl Outcome {
    fn new(report: Value, stderr: String) -> Outcome {
        let error = &report["error"];
        let label = match (error["kind"].as_str(), error["limit"].as_str()) {
            _ if report["ok"] == true => "ok".to_owned(),
            (Some("limit"), Some(limit)) => format!("limit: {limit}"),
            (Some(kind), _) => kind.to_owned(),
            _ => panic!("no report: {report}\n{stderr}"),
        };
        Outcome {
            label,
            report,
            stderr,
        }
    }

    /// What the tool answered.
    pub(crate) fn output(&self) -> &str {
        self.report["output"].as_str().expect("an output")
    }

    /// Why it failed.
    pub(crate) fn message(&self) -> &str {
        self.report["error"]["message"].as_str().unwrap_or("")
    }

    /// What it proposed.
    pub(crate) fn diff(&self) -> &str {
        self.report["diff"].as_str().expect("a diff")
    }
}

/// A turn of a model that says what a script says.
pub(crate) struct Turn {
    /// The reports of its tool calls, in order.
    pub(crate) calls: Vec<Outcome>,
    /// The last line of `boxagnts run --json`.
    pub(crate) result: Value,
    /// What the program said to its user.
    pub(crate) stderr: String,
}

impl Attack {
    fn new(case: &'static Case) -> Attack {
        let host = tempfile::tempdir().expect("a folder");
        let home = host.path().join("home");
        // Not a word of the sources, and another one in every run.
        let canary = format!("canary-{:x}", fastrand());
        let attack = Attack {
            case,
            aside: tempfile::tempdir().expect("a folder"),
            world: World::new(&home),
            canary,
            before: None,
            seen: BTreeSet::new(),
            race: false,
            host,
        };
        for path in [
            "outside/secret",
            "home/.ssh/id_rsa",
            "home/.bashrc",
            "home/.gitconfig",
        ] {
            // What git reads must still be a configuration.
            attack.write(path, format!("# {}\n", attack.canary));
        }
        for folder in ["workspace", "home/state"] {
            fs::create_dir(attack.place(folder)).expect("a folder");
        }
        attack.write("workspace/a.txt", "one\ntwo\n");
        attack
    }

    /// A place on the host.
    pub(crate) fn place(&self, path: &str) -> PathBuf {
        self.host.path().join(path)
    }

    /// The folder that tools are let at.
    pub(crate) fn workspace(&self) -> PathBuf {
        self.place("workspace")
    }

    /// A folder that is no part of the host.
    pub(crate) fn aside(&self) -> &Path {
        self.aside.path()
    }

    /// What must appear nowhere.
    pub(crate) fn canary(&self) -> String {
        self.canary.clone()
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let place = self.place(path);
        fs::create_dir_all(place.parent().expect("a folder")).expect("a folder");
        fs::write(&place, content).unwrap_or_else(|error| panic!("{path}: {error}"));
    }

    /// Writes a file of the host, as its user.
    pub(crate) fn file(&mut self, path: &str, content: impl AsRef<[u8]>) {
        self.before = None;
        self.write(path, content);
    }

    /// Changes the host, as its user: gives its folder.
    pub(crate) fn user<T>(&mut self, change: impl FnOnce(&Path) -> T) -> T {
        self.before = None;
        change(self.host.path())
    }

    /// Makes a symbolic link of the host.
    pub(crate) fn link(&mut self, target: impl AsRef<Path>, path: &str) {
        self.before = None;
        let place = self.place(path);
        fs::create_dir_all(place.parent().expect("a folder")).expect("a folder");
        std::os::unix::fs::symlink(target, place).expect("a link");
    }

    /// Makes a FIFO of the host, which nobody ever opens at its other end.
    pub(crate) fn fifo(&mut self, path: &str) {
        self.before = None;
        fifo(&self.place(path));
    }

    /// Removes a file of the host, as its user.
    pub(crate) fn remove(&mut self, path: &str) {
        self.before = None;
        fs::remove_file(self.place(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    }

    /// A call of one of our tools, by hand.
    pub(crate) fn tool(&self, name: &str, input: Value) -> Call {
        let input = input.to_string();
        let (mut arguments, run) = (Vec::new(), ["tool", "run", name, "--json", "--input"]);
        arguments.extend(run.map(str::to_owned));
        // An argument of a process has a size; a file has none.
        if input.len() > 64 << 10 {
            let file = self.aside().join("input.json");
            fs::write(&file, input).expect("the input");
            arguments.push(format!("@{}", file.display()));
        } else {
            arguments.push(input);
        }
        Call {
            arguments,
            changes: Vec::new(),
            environment: Vec::new(),
        }
    }

    /// A call of a component, by hand.
    pub(crate) fn guest(&self, wasm: &[u8], input: Value) -> Call {
        let file = self.aside().join("guest.wasm");
        fs::write(&file, wasm).expect("the guest");
        self.tool(&file.display().to_string(), input)
    }

    /// Makes a call that must end in one of the ways of the case.
    #[track_caller]
    pub(crate) fn attempt(&mut self, call: Call) -> Outcome {
        let shown = format!("{:?}", call.arguments);
        let outcome = self.call(call);
        self.expected(&outcome, &shown);
        outcome
    }

    /// Makes a call that must end well: the same as an attempt, but for what makes it one. It shows
    /// that an attempt fails for the right reason.
    #[track_caller]
    pub(crate) fn control(&mut self, call: Call) -> Outcome {
        let shown = format!("{:?}", call.arguments);
        let outcome = self.call(call);
        assert_eq!(outcome.label, "ok", "a control: {shown}\n{outcome:?}");
        outcome
    }

    /// Lets a model make calls one after the other, each of which must end in one of the ways of the
    /// case.
    #[track_caller]
    pub(crate) fn attempts(&mut self, calls: &[(&str, Value)]) -> Vec<Outcome> {
        let turn = self.turn(script(calls), |call| call);
        assert_eq!(turn.calls.len(), calls.len(), "{}", turn.stderr);
        for (outcome, call) in turn.calls.iter().zip(calls) {
            self.expected(outcome, &format!("{call:?}"));
        }
        turn.calls
    }

    /// As [`Attack::attempts`], of calls that must end well.
    #[track_caller]
    pub(crate) fn controls(&mut self, calls: &[(&str, Value)]) -> Vec<Outcome> {
        let turn = self.turn(script(calls), |call| call);
        assert_eq!(turn.calls.len(), calls.len(), "{}", turn.stderr);
        for (outcome, call) in turn.calls.iter().zip(calls) {
            assert_eq!(outcome.label, "ok", "a control: {call:?}\n{outcome:?}");
        }
        turn.calls
    }

    /// Every tool that takes a path, with that path.
    #[track_caller]
    pub(crate) fn attempts_at(&mut self, paths: &[&str]) {
        let calls: Vec<_> = paths.iter().flat_map(|path| with_path(path)).collect();
        for outcome in self.attempts(&calls) {
            assert_eq!(outcome.diff(), "", "it proposes something");
        }
    }

    /// Lets a module of WASI preview 1 take these steps. Each must get an error number of the case;
    /// success is `ok`. Gives what the module said.
    #[track_caller]
    pub(crate) fn attempt_steps(&mut self, steps: &[Step<'_>]) -> Outcome {
        let outcome = self.steps(steps);
        for (error, step) in preview1::errors(outcome.output()).iter().zip(steps) {
            assert!(
                self.case.expect.contains(error),
                "expected {:?} of {step:?}, got {error}:\n{outcome:#?}",
                self.case.expect
            );
            self.seen.insert((*error).to_owned());
        }
        outcome
    }

    /// As [`Attack::attempt_steps`], of steps that must succeed.
    #[track_caller]
    pub(crate) fn control_steps(&mut self, steps: &[Step<'_>]) -> Outcome {
        let outcome = self.steps(steps);
        for (error, step) in preview1::errors(outcome.output()).iter().zip(steps) {
            assert_eq!(*error, "ok", "a control: {step:?}\n{outcome:#?}");
        }
        outcome
    }

    #[track_caller]
    fn steps(&mut self, steps: &[Step<'_>]) -> Outcome {
        let call = self.guest(&preview1::module(steps), json!({}));
        let outcome = self.control(call);
        let taken = preview1::errors(outcome.output()).len();
        assert_eq!(taken, steps.len(), "steps taken\n{outcome:#?}");
        outcome
    }

    /// A turn of `boxagnts run` with this script; `set` adds options.
    #[track_caller]
    pub(crate) fn turn(&mut self, script: Value, set: impl FnOnce(Call) -> Call) -> Turn {
        let file = self.aside().join("script.json");
        fs::write(&file, script.to_string()).expect("the script");
        let model = format!("scripted:{}", file.display());
        let call = Call {
            arguments: ["run", "--json", "--model", &model, "go on"]
                .map(str::to_owned)
                .to_vec(),
            changes: Vec::new(),
            environment: Vec::new(),
        };
        let many = script.as_array().map_or(0, Vec::len) + 50;
        let call = set(call.limit(&format!("max_turns={many}")));
        let ended = self.run(call);
        let mut events = ended.stdout.lines().map(|line| {
            serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"))
        });
        let events: Vec<Value> = events.by_ref().collect();
        let result = events.last().unwrap_or_else(|| panic!("{}", ended.stderr));
        let finished = events.iter().filter(|e| e["event"] == "tool_finished");
        let calls = finished.map(|e| Outcome::new(e["report"].clone(), String::new()));
        let turn = Turn {
            calls: calls.collect(),
            result: result.clone(),
            stderr: ended.stderr,
        };
        for outcome in &turn.calls {
            self.in_time(outcome);
        }
        turn
    }

    /// As [`Attack::turn`] while somebody else changes the workspace: only the case can say how the
    /// host must look afterwards.
    pub(crate) fn turn_in_a_race(&mut self, script: Value) -> Turn {
        self.race = true;
        let turn = self.turn(script, |call| call);
        self.race = false;
        turn
    }

    /// Any command of the program, which must end with this code.
    #[track_caller]
    pub(crate) fn command(&mut self, arguments: &[&str], code: i32) -> Ended {
        let call = Call {
            arguments: arguments.iter().map(|&word| word.to_owned()).collect(),
            changes: Vec::new(),
            environment: Vec::new(),
        };
        self.command_with(call, code)
    }

    /// As [`Attack::command`], for a call that was made with options.
    #[track_caller]
    pub(crate) fn command_with(&mut self, call: Call, code: i32) -> Ended {
        let shown = format!("{:?}", call.arguments);
        let ended = self.run(call);
        assert_eq!(ended.code, Some(code), "{shown}\n{}", ended.stderr);
        ended
    }

    /// A call with these arguments and nothing else.
    pub(crate) fn plain(&self, arguments: &[&str]) -> Call {
        Call {
            arguments: arguments.iter().map(|&word| word.to_owned()).collect(),
            changes: Vec::new(),
            environment: Vec::new(),
        }
    }

    /// Something other than a tool call ended in this way of the case.
    #[track_caller]
    pub(crate) fn saw(&mut self, way: &str) {
        assert!(self.case.expect.contains(&way), "`{way}` is no way to end");
        self.seen.insert(way.to_owned());
    }

    #[track_caller]
    fn expected(&mut self, outcome: &Outcome, shown: &str) {
        let label = outcome.label.as_str();
        let expect = self.case.expect;
        assert!(
            expect.contains(&label),
            "expected {expect:?} of {shown}:\n{outcome:#?}"
        );
        self.seen.insert(label.to_owned());
    }

    #[track_caller]
    fn in_time(&self, outcome: &Outcome) {
        let wall = outcome.report["usage"]["wall_ms"].as_f64().expect("ms");
        let limit = self.limit() + LATE;
        assert!(
            wall <= limit.as_secs_f64() * 1e3,
            "late, {limit:?} is the most:\n{outcome:#?}"
        );
    }

    fn limit(&self) -> Duration {
        Duration::from_millis(self.case.within_ms)
    }

    #[track_caller]
    fn call(&mut self, call: Call) -> Outcome {
        let ended = self.run(call);
        let report = serde_json::from_str(&ended.stdout);
        let report = report.unwrap_or_else(|error| panic!("{error}:\n{ended:#?}"));
        let outcome = Outcome::new(report, ended.stderr);
        self.in_time(&outcome);
        outcome
    }

    #[track_caller]
    fn run(&mut self, call: Call) -> Ended {
        let mut command = self.world.command(&[]);
        command.args(&call.arguments);
        if matches!(call.arguments[0].as_str(), "run" | "tool") {
            let timeout = format!("wasm_timeout={}ms", self.case.within_ms);
            command.args(["--limit", &timeout]);
        }
        command.current_dir(self.workspace());
        // Nothing of a process's environment may get to a tool.
        command.env("BOXAGNTS_ESCAPE_SECRET", &self.canary);
        for (name, value) in &call.environment {
            command.env(name, value);
        }
        if self.race {
            return self.process(command);
        }
        let before = self.before.take().unwrap_or_else(|| self.tree());
        let ended = self.process(command);
        let after = self.tree();
        let mut compared = (before, after.clone());
        for path in &call.changes {
            compared = (compared.0.without(path), compared.1.without(path));
        }
        let difference = compared.0.difference(&compared.1);
        assert!(
            difference.is_empty(),
            "the host has changed:\n{difference}\n{ended:#?}"
        );
        self.before = Some(after);
        ended
    }

    #[track_caller]
    fn process(&self, command: Command) -> Ended {
        let ended = process::run(command, self.limit() + LATE + START);
        for (name, text) in [("stdout", &ended.stdout), ("stderr", &ended.stderr)] {
            assert!(
                !text.contains(&self.canary),
                "the canary is in {name}:\n{ended:#?}"
            );
        }
        assert!(ended.in_time, "it had to be killed:\n{ended:#?}");
        assert!(
            !ended.stderr.contains("panicked"),
            "a panic:\n{}",
            ended.stderr
        );
        ended
    }

    /// Everything on the host but the program's own state.
    fn tree(&self) -> Tree {
        Tree::of(self.host.path(), &self.place("home/state"))
    }

    fn finish(self) {
        let expect: BTreeSet<String> = self.case.expect.iter().map(|&w| w.to_owned()).collect();
        assert_eq!(self.seen, expect, "ways in which attempts ended");
        // Journal and log are read by others as well.
        let mut folders = vec![self.place("home/state")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.is_file() {
                    let bytes = fs::read(&path).expect("a file of the state");
                    let found = bytes
                        .windows(self.canary.len())
                        .any(|window| window == self.canary.as_bytes());
                    assert!(!found, "the canary is in {}", path.display());
                }
            }
        }
    }
}

/// Makes a FIFO.
pub(crate) fn fifo(place: &Path) {
    let made = Command::new("mkfifo").arg(place).status();
    assert!(made.is_ok_and(|made| made.success()), "a FIFO");
}

/// A turn for each call, and an end.
pub(crate) fn script(calls: &[(&str, Value)]) -> Value {
    let call =
        |(name, input): &(&str, Value)| json!({"tool_calls": [{"name": name, "input": input}]});
    let mut turns: Vec<Value> = calls.iter().map(call).collect();
    turns.push(json!({"text": "done"}));
    Value::Array(turns)
}

fn with_path(path: &str) -> Vec<(&'static str, Value)> {
    vec![
        ("read", json!({"path": path})),
        ("list", json!({"path": path})),
        ("glob", json!({"pattern": "*", "path": path})),
        ("grep", json!({"pattern": ".", "path": path})),
        ("write", json!({"path": path, "content": "x"})),
        (
            "edit",
            json!({"path": path, "edits": [{"old_text": "a", "new_text": "x"}]}),
        ),
        ("delete", json!({"path": path})),
        ("rename", json!({"from": path, "to": "taken"})),
        ("rename", json!({"from": "a.txt", "to": path})),
    ]
}

/// A number that differs from run to run; it need not be hard to guess.
fn fastrand() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new()
        .build_hasher()
        .finish()
}

/// A suite that cannot fail shows nothing.
mod tests {
    use super::*;

    const PROBE: Case = Case {
        id: "probe",
        expect: &["ok"],
        ..Case::DEFAULT
    };

    #[test]
    #[should_panic(expected = "the canary is in stdout")]
    fn a_leak_is_noticed() {
        let mut attack = Attack::new(&PROBE);
        let canary = attack.canary();
        attack.file("workspace/plain", canary);
        let call = attack.tool("read", json!({"path": "plain"}));
        attack.attempt(call);
    }

    #[test]
    #[should_panic(expected = "\nworkspace/a.txt: Some")]
    fn a_change_is_noticed() {
        let mut attack = Attack::new(&PROBE);
        let write = [("write", json!({"path": "a.txt", "content": "x"}))];
        attack.turn(script(&write), |call| call.mode("auto"));
    }

    #[test]
    #[should_panic(expected = "expected [\"ok\"]")]
    fn another_end_is_noticed() {
        let mut attack = Attack::new(&PROBE);
        let call = attack.tool("read", json!({"path": "../x"}));
        attack.attempt(call);
    }

    #[test]
    #[should_panic(expected = "ways in which attempts ended")]
    fn an_end_that_is_never_seen_is_noticed() {
        Attack::new(&PROBE).finish();
    }

    #[test]
    fn a_process_that_hangs_is_noticed() {
        let mut hangs = Command::new("sleep");
        hangs.arg("1000");
        assert!(!process::run(hangs, Duration::from_millis(200)).in_time);
        // As a child that outlives its parent.
        let mut leaves = Command::new("sh");
        leaves.args(["-c", "sleep 5 & exit 0"]);
        assert!(!process::run(leaves, Duration::from_millis(200)).in_time);
    }
}
