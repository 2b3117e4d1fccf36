//! Where keys come from, and where they do not go.

use crate::{hello, listen, settings};
use boxagnts_model::{ProviderKind, connect};
use boxagnts_test_support::{Answer, ModelServer};
use serde_json::json;

const KEY: &str = "sk-secret-0123456789";

/// The server that a provider with this command for its key asked, and what it heard.
async fn ask(
    kind: ProviderKind,
    command: Option<&[&str]>,
    answer: Answer,
) -> (ModelServer, crate::Heard) {
    let server = ModelServer::start([answer]);
    let mut settings = settings(&server, kind);
    if let Some(test) = settings.providers.get_mut("test") {
        test.api_key_command =
            command.map(|command| command.iter().map(ToString::to_string).collect());
    }
    let provider = connect("test:large", &settings).expect("connected");
    let heard = listen(provider.as_ref(), hello()).await;
    (server, heard)
}

fn fine() -> Answer {
    Answer::turn(json!({"text": "fine"}))
}

#[tokio::test]
async fn each_api_has_its_header() {
    let command: Option<&[&str]> = Some(&["echo", KEY]);
    let (server, _) = ask(ProviderKind::OpenAiChat, command, fine()).await;
    let bearer = format!("Bearer {KEY}");
    assert_eq!(
        server.requests()[0].header("authorization"),
        Some(bearer.as_str())
    );
    let (server, _) = ask(ProviderKind::Anthropic, command, fine()).await;
    assert_eq!(server.requests()[0].header("x-api-key"), Some(KEY));
    assert_eq!(
        server.requests()[0].header("anthropic-version"),
        Some("2023-06-01")
    );
}

#[tokio::test]
async fn loopback_needs_none() {
    for (kind, header) in [
        (ProviderKind::OpenAiChat, "authorization"),
        (ProviderKind::Anthropic, "x-api-key"),
    ] {
        let (server, heard) = ask(kind, None, fine()).await;
        assert_eq!(heard.text, "fine");
        assert_eq!(server.requests()[0].header(header), None);
    }
}

#[tokio::test]
async fn the_environment_is_read_with_the_first_request() {
    // Cargo sets this one; tests may not change their environment.
    let value = env!("CARGO_PKG_NAME");
    let server = ModelServer::start([fine()]);
    let mut settings = settings(&server, ProviderKind::OpenAiChat);
    if let Some(test) = settings.providers.get_mut("test") {
        test.api_key_env = Some("CARGO_PKG_NAME".to_owned());
    }
    let provider = connect("test:large", &settings).expect("connected");
    listen(provider.as_ref(), hello()).await;
    let bearer = format!("Bearer {value}");
    assert_eq!(
        server.requests()[0].header("authorization"),
        Some(bearer.as_str())
    );
}

#[tokio::test]
async fn a_key_is_never_repeated() {
    let answer = Answer::status(401, None, &format!("the key {KEY} is wrong"));
    let (_server, heard) = ask(ProviderKind::OpenAiChat, Some(&["echo", KEY]), answer).await;
    assert_eq!(heard.error(), "test answered 401: the key [key] is wrong");
    assert!(!format!("{:?}", heard.error).contains(KEY));
}

#[tokio::test]
async fn a_key_that_cannot_be_had_is_explained() {
    async fn check(command: &[&str], expect: &str) {
        let (server, heard) = ask(ProviderKind::OpenAiChat, Some(command), fine()).await;
        let error = heard.error();
        assert!(
            error.starts_with("no key for test: set providers.test.api_key_env"),
            "{error}"
        );
        assert!(error.contains(expect), "{error}");
        assert_eq!(server.requests().len(), 0, "nothing is sent");
    }
    check(&["/nowhere/at/all"], "`/nowhere/at/all`: ").await;
    check(&["false"], "`false` ended with ").await;
    check(&["true"], "`true` printed nothing").await;
    check(&[], "api_key_command is empty").await;
    check(&["printf", "a\\nb"], "characters that no key has").await;
}

#[test]
fn keys_are_not_sent_in_the_clear() {
    let check = |edit: fn(&mut boxagnts_model::ProviderSettings), expect: Result<(), &str>| {
        let server = ModelServer::start([]);
        let mut settings = settings(&server, ProviderKind::OpenAiChat);
        if let Some(test) = settings.providers.get_mut("test") {
            test.base_url = Some("http://models.example/v1".to_owned());
            edit(test);
        }
        let result = connect("test:large", &settings)
            .map(drop)
            .map_err(|e| e.to_string());
        match (&result, expect) {
            (Ok(()), Ok(())) => {}
            (Err(error), Err(part)) if error.contains(part) => {}
            _ => panic!("{result:?}, expected {expect:?}"),
        }
    };
    check(|_| {}, Ok(()));
    check(
        |test| test.api_key_env = Some("X".into()),
        Err("unencrypted; use https"),
    );
    check(
        |test| test.api_key_command = Some(vec!["x".into()]),
        Err("unencrypted; use https"),
    );
    check(
        |test| test.base_url = Some("file:///x".into()),
        Err("has no host"),
    );
    check(
        |test| test.base_url = Some("ftp://x/".into()),
        Err("neither http"),
    );
    check(|test| test.base_url = Some("x".into()), Err("base_url `x`"));
    check(|test| test.base_url = None, Err("base_url is missing"));
}

#[test]
fn models_have_known_names() {
    let server = ModelServer::start([]);
    let settings = settings(&server, ProviderKind::OpenAiChat);
    let check = |spec: &str, expect: Result<(), &str>| match (connect(spec, &settings), expect) {
        (Ok(provider), Ok(())) => assert_eq!(provider.id(), spec),
        (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
        (got, expect) => panic!("{spec}: {:?}, expected {expect:?}", got.map(drop)),
    };
    check("builtin", Ok(()));
    check("test:a:b", Ok(()));
    check("ollama:x", Ok(()));
    check("test", Err("unknown model `test`"));
    check("test:", Err("unknown model `test:`"));
    check("nobody:x", Err("scripted:FILE, replay:FILE, test:MODEL"));
    check("scripted:/nowhere", Err("script /nowhere: "));
}
