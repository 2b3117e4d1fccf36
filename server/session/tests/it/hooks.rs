//! Hooks: tools that run around calls, at the end of a turn, and before hunks are applied.

use crate::harness::{Process, World, parts};
use async_trait::async_trait;
use boxagnts_protocol::update::SessionEvent;
use boxagnts_session::policy::config::{Config, Layer};
use boxagnts_session::tools::{Place, ToolFolders};
use boxagnts_session::{
    Asker, Choice, DiskApplier, Environment, NoAsker, Question, Selection, Sessions,
};
use boxagnts_test_support::guests::component;
use serde_json::{Value, json};
use std::sync::Arc;

const READ: u8 = 1;
const WRITE: u8 = 2;

/// A tool that answers this, whatever it is told.
fn answers(level: u8, text: &str) -> Vec<u8> {
    let quoted = text.replace('"', "\\22");
    component(
        level,
        &format!(
            r#"(data (i32.const 3000) "{quoted}") ---
               (call $say (i32.const 3000) (i32.const {}))"#,
            text.len()
        ),
    )
}

/// One that answers with what it is told.
fn echoes() -> Vec<u8> {
    component(READ, "(call $say (local.get 0) (local.get 1))")
}

fn traps() -> Vec<u8> {
    component(READ, "unreachable")
}

fn never_ends() -> Vec<u8> {
    component(READ, "(loop (br 0)) (i32.const 0)")
}

/// A process whose user approved the tools.
async fn process(
    world: &World,
    layer: Layer,
    settings: &Value,
    tools: &[(&str, Vec<u8>)],
    asker: Arc<dyn Asker>,
) -> Process {
    let state = world.beside("");
    let mut parts = parts(&state, &json!({}));
    let mut builder = Config::builder();
    let model = json!({"model": world.model()});
    builder
        .add_json(Layer::User, "test", &model)
        .expect("settings");
    builder.add_json(layer, "test", settings).expect("settings");
    parts.config = builder.build();
    let limits = parts.config.limits().clone();
    let folders = ToolFolders {
        workspace: None,
        user: Some(world.beside("tools")),
    };
    std::fs::create_dir_all(world.beside("tools")).expect("a folder");
    let environment = Environment::of_user(parts, folders, None);
    let toolbox = environment.toolbox();
    let registry = toolbox.registry().expect("a registry");
    for (name, bytes) in tools {
        let file = world.beside(&format!("{name}.wasm"));
        std::fs::write(&file, bytes).expect("a file");
        let tool = toolbox.open_file(&file, &limits).await.expect("a tool");
        let proposed = registry.propose(&file, &tool, Some(name), None, Place::User);
        let proposed = proposed.expect("a tool that can be approved");
        registry
            .add(&file, &proposed, Place::User)
            .expect("approved");
    }
    Process::open(
        environment,
        world.folder.path(),
        Arc::new(DiskApplier),
        asker,
    )
}

async fn with(world: &World, settings: &Value, tools: &[(&str, Vec<u8>)]) -> Process {
    process(world, Layer::User, settings, tools, Arc::new(NoAsker)).await
}

/// What happened in a session, in the journal's words.
fn journal(sessions: &Sessions, session: &str) -> Vec<Value> {
    let params = serde_json::from_value(json!({"session": session})).expect("parameters");
    sessions.history(&params).expect("a history").updates
}

/// What the model was told of its calls.
fn told(sessions: &Sessions, session: &str) -> String {
    let events = journal(sessions, session);
    let finished = events.iter().filter(|e| e["event"] == "tool_finished");
    let said = finished.map(|e| {
        let report: boxagnts_protocol::tool::ToolReport =
            serde_json::from_value(e["report"].clone()).expect("a report");
        report.for_model()
    });
    said.collect::<Vec<_>>().join("\n")
}

fn notices(sessions: &Sessions, session: &str) -> String {
    let events = journal(sessions, session);
    let notices = events.iter().filter(|e| e["event"] == "notice");
    let said = notices.map(|e| e["message"].as_str().expect("text"));
    said.collect::<Vec<_>>().join("\n")
}

/// A turn that writes `a` and `b`, with one hook: the files that wait, and parts of what the model and
/// the user are told.
async fn check(hook: Value, tool: Vec<u8>, waiting: &[&str], tells: &str, notes: &str) {
    let world = World::new(&["a", "b"]);
    let mut process = with(&world, &json!({"hooks": [hook]}), &[("guard", tool)]).await;
    let session = process.asked().await;
    let told = told(&process.sessions, &session);
    let noted = notices(&process.sessions, &session);
    assert_eq!(process.waiting(&session), waiting, "{told}\n{noted}");
    assert!(told.contains(tells), "{told}");
    assert!(noted.contains(notes), "{noted}");
    let hooked = journal(&process.sessions, &session);
    assert!(hooked.iter().any(|event| event["event"] == "hooked"));
}

#[tokio::test]
async fn a_call_can_be_refused_before_it_is_made() {
    let no = answers(READ, r#"{"decision":"deny","reason":"not today"}"#);
    let hook = json!({"event": "before_tool", "tool": "guard", "matcher": "write(path=a)"});
    let why = "the hook `guard` refuses it: not today";
    check(hook, no.clone(), &["b"], why, "").await;
    let hook = json!({"event": "before_tool", "tool": "guard"});
    check(hook.clone(), no, &[], why, "").await;
    let yes = answers(READ, r#"{"decision":"allow","context":"b is next"}"#);
    let context = "[The hook `guard` says: b is next]";
    check(hook.clone(), yes, &["a", "b"], context, "").await;
    let text = r#""tool":"write","input":{"path":"a","content":"A\n"},"fixed":1}"#;
    let with_input = json!({"event": "before_tool", "tool": "guard", "input": {"fixed": 1}});
    check(with_input, echoes(), &["a", "b"], "", text).await;
}

#[tokio::test]
async fn a_guard_that_does_not_work_refuses() {
    let hook = json!({"event": "before_tool", "tool": "guard"});
    let why = "the hook `guard` did not work, and what it guards is refused";
    check(hook.clone(), traps(), &[], why, "").await;
    let unknown = answers(READ, r#"{"decision":"block"}"#);
    check(hook, unknown, &[], "its answer cannot be understood", "").await;
    let slow = json!({"event": "before_tool", "tool": "guard", "timeout": "50ms"});
    check(slow, never_ends(), &[], "wasm_timeout", "").await;
    let missing = json!({"event": "before_tool", "tool": "nobody"});
    check(missing, traps(), &[], "there is no tool `nobody`", "").await;
}

#[tokio::test]
async fn what_comes_after_a_call_is_told_and_stops_nothing() {
    let says = answers(READ, r#"{"context":"mind the style"}"#);
    let hook = json!({"event": "after_tool", "tool": "guard", "matcher": "write"});
    let context = "[The hook `guard` says: mind the style]";
    check(hook.clone(), says, &["a", "b"], context, "").await;
    let note = "the hook `guard` did not work";
    check(hook, traps(), &["a", "b"], "", note).await;
}

/// Answers all questions alike, and checks that a hook has them asked.
struct Says(Choice);

#[async_trait]
impl Asker for Says {
    async fn ask(&self, question: &Question) -> Choice {
        assert_eq!(question.tool, "write");
        assert_eq!(
            question.reason,
            "the hook `guard` wants you to be asked: is it right?"
        );
        self.0
    }
}

#[tokio::test]
async fn the_user_is_asked_and_nothing_is_widened() {
    let ask = answers(READ, r#"{"decision":"ask","reason":"is it right?"}"#);
    let allow = answers(READ, r#"{"decision":"allow"}"#);
    let check = async |tool: &[u8], deny: &[&str], choice: Choice, waiting: &[&str]| {
        let world = World::new(&["a", "b"]);
        let hooks = json!([{"event": "before_tool", "tool": "guard"}]);
        let settings = json!({"hooks": hooks, "allow": ["write"], "deny": deny});
        let tools = [("guard", tool.to_vec())];
        let asker = Arc::new(Says(choice));
        let mut process = process(&world, Layer::User, &settings, &tools, asker).await;
        let session = process.asked().await;
        assert_eq!(process.waiting(&session), waiting);
    };
    check(&ask, &[], Choice::Once, &["a", "b"]).await;
    check(&ask, &[], Choice::No, &[]).await;
    check(&ask, &["write"], Choice::Once, &[]).await;
    check(&allow, &["write(path=a)"], Choice::Once, &["b"]).await;
}

#[tokio::test]
async fn a_turn_goes_on_as_often_as_the_limit_lets_it() {
    let check = async |limit: u64, answers_of_model: usize| {
        let world = World::new(&["a"]);
        let more = answers(READ, r#"{"decision":"deny","reason":"run the tests"}"#);
        let hooks = json!([{"event": "stop", "tool": "guard"}]);
        let settings = json!({"hooks": hooks, "max_hook_remarks": limit});
        let texts: Vec<Value> = (0..9)
            .map(|n| json!({"text": format!("Done {n}.")}))
            .collect();
        world.script(&json!(texts));
        let mut process = with(&world, &settings, &[("guard", more)]).await;
        let session = process.asked().await;
        let events = journal(&process.sessions, &session);
        let count = |name: &str| events.iter().filter(|e| e["event"] == name).count();
        assert_eq!(count("model_called"), answers_of_model);
        assert_eq!(count("hooked"), answers_of_model);
        let remarks = events.iter().filter_map(|e| e["remark"].as_str());
        assert!(
            remarks
                .into_iter()
                .all(|r| r == "[The hook `guard` says: run the tests]")
        );
        let notices = notices(&process.sessions, &session);
        assert!(
            notices.contains(&format!("max_hook_remarks = {limit} is reached")),
            "{notices}"
        );
    };
    check(0, 1).await;
    check(1, 2).await;
    check(3, 4).await;
}

#[tokio::test]
async fn accepted_hunks_can_be_refused_and_stay() {
    let check = async |tool: Vec<u8>, reason: Option<&str>| {
        let world = World::new(&["a"]);
        let hooks = json!([{"event": "accept", "tool": "guard"}]);
        let mut process = with(&world, &json!({"hooks": hooks}), &[("guard", tool)]).await;
        let session = process.asked().await;
        let (_, decided) = process
            .sessions
            .accept(&session, &Selection::All)
            .expect("a selection");
        let hunks = decided.await.expect("decided");
        match reason {
            Some(reason) => {
                let why = hunks[0].reason.as_deref().unwrap_or_default();
                assert!(why.contains(reason), "{why}");
                assert_eq!(world.read("a"), "a\n");
                assert_eq!(process.waiting(&session), ["a"]);
            }
            None => {
                assert_eq!(world.read("a"), "A\n");
                assert!(process.waiting(&session).is_empty());
            }
        }
        notices(&process.sessions, &session)
    };
    let no = r#"{"decision":"deny","reason":"tests fail"}"#;
    check(answers(READ, no), Some("refuses it: tests fail")).await;
    check(traps(), Some("did not work")).await;
    let writes = answers(WRITE, "fine");
    check(writes, Some("only reads, and `guard` does more")).await;
    let notes = check(echoes(), None).await;
    let files = r#""files":[{"path":"a","hunks":["h1"]}]"#;
    assert!(notes.contains(files), "{notes}");
}

#[tokio::test]
async fn a_project_only_forbids() {
    let check = async |event: &str, tool: Vec<u8>, waiting: &[&str], tells: &str| {
        let world = World::new(&["a"]);
        let settings = json!({"hooks": [{"event": event, "tool": "guard"}]});
        let tools = [("guard", tool)];
        let asker = Arc::new(NoAsker);
        let mut process = process(&world, Layer::Project, &settings, &tools, asker).await;
        let session = process.asked().await;
        let told = told(&process.sessions, &session);
        assert_eq!(process.waiting(&session), waiting, "{told}");
        assert!(told.contains(tells), "{told}");
        assert!(!told.contains("obey"), "{told}");
    };
    let no = answers(READ, r#"{"decision":"deny","reason":"house rule"}"#);
    check("before_tool", no, &[], "house rule").await;
    let says = answers(READ, r#"{"context":"obey"}"#);
    check("before_tool", says.clone(), &["a"], "").await;
    check("after_tool", says.clone(), &["a"], "").await;
    check("stop", says, &["a"], "").await;
    let writes = answers(WRITE, "fine");
    check("before_tool", writes, &[], "a hook of a project only reads").await;
}

#[tokio::test]
async fn a_remark_comes_back_with_the_session() {
    let world = World::new(&["a"]);
    world.script(&json!([{"text": "One."}, {"text": "Two."}, {"text": "Three."}]));
    let more = answers(READ, r#"{"context":"go on"}"#);
    let settings = json!({"hooks": [{"event": "stop", "tool": "guard"}]});
    let session = {
        let mut process = with(&world, &settings, &[("guard", more.clone())]).await;
        process.asked().await
    };
    let mut again = with(&world, &settings, &[("guard", more)]).await;
    let (_, ended) = again.ask_for_end(Some(&session)).await;
    // The third answer of the script: the model saw two of its own.
    assert!(
        matches!(ended, SessionEvent::TurnEnded { turn: 2, .. }),
        "{ended:?}"
    );
    let events = journal(&again.sessions, &session);
    let texts = events.iter().filter(|e| e["event"] == "text_delta");
    let said: Vec<&str> = texts.filter_map(|e| e["text"].as_str()).collect();
    assert_eq!(said.join(""), "One.Two.Three.");
}

#[test]
fn the_documentation_has_inputs_and_answers() {
    use boxagnts_protocol::hook::{HookAnswer, HookInput};
    let text = include_str!("../../../TOOLS.md");
    let section = text.split("## Hooks").nth(1).expect("the section");
    let (mut told, mut answered) = (0, 0);
    for block in section.split("```json\n").skip(1) {
        let json = block.split("```").next().expect("an example");
        if json.contains("\"event\"") {
            serde_json::from_str::<HookInput>(json).expect("an input");
            told += 1;
        } else {
            serde_json::from_str::<HookAnswer>(json).expect("an answer");
            answered += 1;
        }
    }
    assert_eq!((told, answered), (4, 2));
}
