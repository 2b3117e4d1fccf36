//! Pictures on their way to a model: mentioned, or with the prompt, and again when a session comes back.

use crate::harness::{Process, parts};
use boxagnts_protocol::update::SessionEvent;
use boxagnts_session::{
    Applier, Ask, Attachment, DiskApplier, Environment, NoAsker, Picture, SessionError,
};
use boxagnts_test_support::{Answer, ModelServer};
use serde_json::{Value, json};
use std::sync::Arc;
use tempfile::TempDir;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\nred";
const GIF: &[u8] = b"GIF89ablue";
const RED: &str = "data:image/png;base64,iVBORw0KGgpyZWQ=";
const BLUE: &str = "data:image/gif;base64,R0lGODlhYmx1ZQ==";

struct World {
    folder: TempDir,
    state: TempDir,
    model: ModelServer,
}

impl World {
    fn new() -> World {
        let world = World {
            folder: TempDir::new().expect("a folder"),
            state: TempDir::new().expect("a folder"),
            model: ModelServer::with(|_| Answer::turn(json!({"text": "Fine."}))),
        };
        let write = |name: &str, bytes: &[u8]| {
            std::fs::write(world.folder.path().join(name), bytes).expect("a file");
        };
        write("shot.png", PNG);
        write("large.png", &[PNG, &[0; 4_000_000]].concat());
        write("secret.png", PNG);
        world
    }

    fn process(&self, images: bool) -> Process {
        let settings = json!({
            "model": "m:x",
            "providers": {"m": {"base_url": self.model.base_url()}},
            "models": {"m:x": {"images": images}},
            "deny": ["read(path=secret*)"],
        });
        let environment = Environment::new(parts(self.state.path(), &settings));
        let applier: Arc<dyn Applier> = Arc::new(DiskApplier);
        Process::open(environment, self.folder.path(), applier, Arc::new(NoAsker))
    }

    /// The messages of the latest request.
    fn messages(&self) -> Vec<Value> {
        let requests = self.model.requests();
        let body = &requests.last().expect("a request").body;
        body["messages"].as_array().expect("messages").clone()
    }
}

fn ask(prompt: &str, attached: Vec<Attachment>, session: Option<&str>) -> Ask {
    Ask {
        prompt: prompt.to_owned(),
        attached,
        session: session.map(str::to_owned),
        ..Ask::default()
    }
}

fn picture(bytes: &[u8]) -> Attachment {
    Attachment::Picture(Picture::from_bytes(bytes).expect("a picture"))
}

/// What is told while a turn runs.
async fn turn(process: &mut Process, ask: Ask) -> (String, Vec<SessionEvent>) {
    let session = process.sessions.ask(ask).expect("asked").session;
    let mut events = Vec::new();
    loop {
        let event = process.until(|_| true).await;
        events.push(event);
        if let Some(SessionEvent::TurnEnded { .. }) = events.last() {
            return (session, events);
        }
    }
}

/// The pictures of the user's message, and parts of its text.
async fn check(prompt: &str, attached: Vec<Attachment>, pictures: &[&str], tells: &[&str]) {
    let world = World::new();
    turn(&mut world.process(true), ask(prompt, attached, None)).await;
    let messages = world.messages();
    let content = &messages.last().expect("a message")["content"];
    let pieces = content.as_array().cloned().unwrap_or_default();
    let urls = pieces.iter().filter_map(|p| p["image_url"]["url"].as_str());
    assert_eq!(urls.collect::<Vec<_>>(), pictures, "{content}");
    for part in tells {
        let said = serde_json::to_string(content).expect("JSON");
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[tokio::test]
async fn pictures_are_mentioned_or_come_along() {
    let first = "[The user shows picture 1, which is image 1 here]";
    let file = "[The user shows @shot.png, which is image";
    check("see @shot.png.", vec![], &[RED], &[file]).await;
    check("what is it?", vec![picture(GIF)], &[BLUE], &[first]).await;
    let all = vec![Attachment::Path("shot.png".to_owned()), picture(GIF)];
    check("@shot.png", all, &[BLUE, RED, RED], &[first, file]).await;
    let missing = Attachment::Path("gone.png".to_owned());
    check("x", vec![missing], &[], &["there is no such file"]).await;
    check("@large.png", vec![], &[], &["at most 3750000"]).await;
    let rule = "is denied by the rule `read(path=secret*)`";
    check("@secret.png", vec![], &[], &["which is not shown", rule]).await;
    let secret = Attachment::Path("secret.png".to_owned());
    check("x", vec![secret], &[], &[rule]).await;
}

#[tokio::test]
async fn a_prompt_has_so_many_pictures_and_no_more() {
    let world = World::new();
    let mut process = world.process(true);
    let nine = ask("x", vec![picture(GIF); 9], None);
    let error = process.sessions.ask(nine).expect_err("too many");
    assert!(matches!(error, SessionError::Attached(_)));
    assert!(error.to_string().contains("at most 8"), "{error}");
    let eight = ask("@shot.png", vec![picture(GIF); 8], None);
    let (_, events) = turn(&mut process, eight).await;
    let notice = events.iter().find_map(|event| match event {
        SessionEvent::Notice { message } => Some(message.as_str()),
        _ => None,
    });
    let expect = "@shot.png is not shown to the model: a prompt has at most 8 pictures";
    assert_eq!(notice, Some(expect));
}

#[tokio::test]
async fn a_model_that_sees_nothing_gets_the_text() {
    let world = World::new();
    let (_, events) = turn(
        &mut world.process(false),
        ask("see @shot.png", vec![picture(GIF)], None),
    )
    .await;
    let notices = events.iter().filter_map(|event| match event {
        SessionEvent::Notice { message } if message.contains("takes no pictures") => Some(message),
        _ => None,
    });
    assert_eq!(notices.count(), 2);
    let messages = world.messages();
    let said = messages.last().expect("a message")["content"]
        .as_str()
        .expect("text");
    assert!(
        said.contains("which is not shown: m:x takes no pictures"),
        "{said}"
    );
}

#[tokio::test]
async fn a_session_comes_back_with_its_pictures() {
    let world = World::new();
    let (session, events) = {
        let mut process = world.process(true);
        turn(&mut process, ask("see @shot.png", vec![picture(GIF)], None)).await
    };
    let before = world.messages();
    // Whoever listens is told of it without its bytes.
    let told = events.iter().filter_map(|event| match event {
        SessionEvent::Attached { what, image, .. } => Some((what.as_str(), image.data.as_str())),
        _ => None,
    });
    assert_eq!(
        told.collect::<Vec<_>>(),
        [("picture 1", ""), ("@shot.png", "")]
    );
    std::fs::remove_file(world.folder.path().join("shot.png")).expect("gone");
    turn(
        &mut world.process(true),
        ask("and?", vec![], Some(&session)),
    )
    .await;
    let after = world.messages();
    assert_eq!(after[..before.len()], before);
}

#[tokio::test]
async fn an_imported_picture_is_one() {
    let world = World::new();
    let mut process = world.process(true);
    let (session, _) = turn(&mut process, ask("x", vec![picture(GIF)], None)).await;
    let summary = process.sessions.summary(&session).expect("a session");
    let store = boxagnts_session::store::Store::open(&world.state.path().join("journal.db"));
    let entries = store
        .expect("a journal")
        .events(&session, 0)
        .expect("events");
    let text = boxagnts_session::export(&summary, entries);
    assert!(process.sessions.import(&text, None).is_ok());
    let other = text.replace("R0lGODlhYmx1ZQ==", "bm8gcGljdHVyZQ==");
    let error = process
        .sessions
        .import(&other, None)
        .expect_err("no picture");
    assert!(error.to_string().contains("no picture"), "{error}");
}
