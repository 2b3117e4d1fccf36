//! Providers against a server that speaks their formats and fails as they fail.
// Helpers fail as tests do.
#![allow(clippy::expect_used)]

mod answers;
mod conformance;
mod decoding;
mod faults;
mod hostile;
mod keys;
mod recordings;
mod requests;
mod services;
mod stream;
mod thinking;

use boxagnts_model::{
    Delta, ModelError, Provider, ProviderKind, ProviderSettings, Request, RetryPolicy, Settings,
    connect,
};
use boxagnts_protocol::conversation::{Content, Message, Role, StopReason, Thinking, TokenUsage};
use boxagnts_test_support::{Answer, ModelServer};
use futures::StreamExt;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const ALL: [ProviderKind; 5] = ProviderKind::ALL;

/// All that an answer had to say.
#[derive(Debug, Default)]
struct Heard {
    text: String,
    thinking: Vec<Thinking>,
    /// Id, name and input by place.
    calls: BTreeMap<usize, (String, String, String)>,
    usage: TokenUsage,
    stop: Option<StopReason>,
    /// Attempts that failed, the wait behind them, and why.
    retries: Vec<(u32, Duration, String)>,
    error: Option<ModelError>,
}

impl Heard {
    /// Names and inputs of calls.
    fn calls(&self) -> Vec<(&str, &str)> {
        self.calls
            .values()
            .map(|(_, name, json)| (name.as_str(), json.as_str()))
            .collect()
    }

    fn error(&self) -> String {
        self.error
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default()
    }
}

/// Waits that no test notices, with a name `test` for a provider of that kind.
fn settings(server: &ModelServer, kind: ProviderKind) -> Settings {
    let provider = ProviderSettings {
        kind: Some(kind),
        base_url: Some(server.base_url().to_owned()),
        ..ProviderSettings::default()
    };
    Settings {
        providers: BTreeMap::from([("test".to_owned(), provider)]),
        max_output_tokens: 1000,
        models: BTreeMap::new(),
        base_dir: PathBuf::new(),
        retry: RetryPolicy {
            attempts: 3,
            first_wait: Duration::from_millis(1),
            longest_wait: Duration::from_millis(2),
            longest_retry_after: Duration::from_millis(50),
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(10),
        },
        proxy: None,
    }
}

fn provider(server: &ModelServer, kind: ProviderKind) -> Arc<dyn Provider> {
    connect("test:large", &settings(server, kind)).expect("connected")
}

fn request(messages: Vec<Message>) -> Request {
    Request {
        system: "Be brief.".into(),
        messages: Arc::new(messages),
        tools: Arc::new([]),
        max_output_tokens: 1000,
        answers: 0,
    }
}

fn hello() -> Request {
    request(vec![message(Role::User, vec![text("hello")])])
}

fn message(role: Role, content: Vec<Content>) -> Message {
    Message { role, content }
}

fn text(text: &str) -> Content {
    Content::Text {
        text: text.to_owned(),
    }
}

/// Listens to an answer until it ends, and checks that nothing comes behind its end.
async fn listen(provider: &dyn Provider, request: Request) -> Heard {
    let mut heard = Heard::default();
    let mut deltas = provider.stream(request);
    while let Some(delta) = deltas.next().await {
        assert!(
            heard.stop.is_none() && heard.error.is_none(),
            "{delta:?} behind the end"
        );
        match delta {
            Ok(Delta::Text(text)) => heard.text.push_str(&text),
            Ok(Delta::Thinking(thinking)) => heard.thinking.push(thinking),
            Ok(Delta::ToolCallStart { index, id, name }) => {
                let before = heard.calls.insert(index, (id, name, String::new()));
                assert_eq!(before, None, "a call begins once");
            }
            Ok(Delta::ToolCallInput { index, json }) => {
                heard
                    .calls
                    .get_mut(&index)
                    .expect("the call has begun")
                    .2
                    .push_str(&json);
            }
            Ok(Delta::Usage(usage)) => heard.usage = usage,
            Ok(Delta::Stop(stop)) => heard.stop = Some(stop),
            Ok(Delta::Retry {
                attempt,
                wait,
                reason,
            }) => {
                assert!(
                    heard.text.is_empty(),
                    "asked again after something was said"
                );
                heard.retries.push((attempt, wait, reason));
            }
            Err(error) => heard.error = Some(error),
        }
    }
    assert!(
        heard.stop.is_some() != heard.error.is_some(),
        "one end: {heard:?}"
    );
    heard
}

/// What a provider of this kind hears when the server gives these answers.
async fn hear(kind: ProviderKind, answers: &[Answer]) -> Heard {
    let server = ModelServer::start(answers.to_vec());
    listen(provider(&server, kind).as_ref(), hello()).await
}
