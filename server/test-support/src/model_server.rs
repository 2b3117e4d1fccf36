//! A model provider on the loopback interface: it speaks the real streaming formats, answers from
//! a script, and fails in every way that providers fail.

mod connection;
mod wire;

use boxagnts_protocol::conversation::{StopReason, TokenUsage};
use connection::serve;
use serde::Deserialize;
use serde_json::Value;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::runtime::Runtime;

/// The server. It runs in threads of its own, so that tests need no runtime and may block, and
/// ends when it is dropped.
///
/// The path says which format is spoken: `/v1/messages` Anthropic's, `/responses` and
/// `/chat/completions` OpenAI's, `:streamGenerateContent` Gemini's, `/api/chat` Ollama's. Any other
/// is answered with 404, or with the fault's status; Ollama's `/api/show` describes every model and is not recorded.
pub struct ModelServer {
    origin: String,
    requests: Requests,
    runtime: Option<Runtime>,
}

/// What all thoughts are signed with: base64, as with the providers.
pub const SIGNATURE: &str = "Ym94YWdudHM+Pz8+Kys9PQ==";

/// One answer of the server.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    turn: Turn,
    fault: Option<Fault>,
}

/// A way to fail. `after` counts the pieces of text and tool input that are sent before.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// Another status than 200, with these headers and this body.
    Status {
        /// The status.
        code: u16,
        /// The header `retry-after`.
        retry_after: Option<String>,
        /// The body; errors of providers are JSON.
        body: String,
    },
    /// 307 to another place.
    Redirect {
        /// The header `location`.
        location: String,
    },
    /// The connection is closed once the request was read.
    CloseBeforeHeaders,
    /// The connection is closed behind the headers.
    CloseBeforeAnyDelta,
    /// The connection is closed in the middle of the body.
    CloseMidStream {
        /// Pieces before.
        after: usize,
    },
    /// The body ends as bodies should, but the answer does not.
    EndMidStream {
        /// Pieces before.
        after: usize,
    },
    /// An event that is no JSON.
    Malformed {
        /// Pieces before.
        after: usize,
    },
    /// The provider's own error event.
    ErrorEvent {
        /// Pieces before.
        after: usize,
        /// As `overloaded_error`.
        kind: String,
        /// For people.
        message: String,
    },
    /// Nothing more is sent, and the connection stays open until the client closes it.
    Stall {
        /// Pieces before.
        after: usize,
    },
    /// Every byte comes in a chunk of its own, also those of one character.
    SlowDrip,
    /// The answer is cut off at the output limit, in the middle of the last tool's input. Formats
    /// that send a tool's input whole leave the call out.
    TruncatedToolJson,
    /// Between all events come some that nobody knows.
    UnknownEvents,
    /// Signs of life come for ever, and nothing else.
    KeepAlives {
        /// Pieces before.
        after: usize,
    },
    /// An event begins and never ends.
    EndlessEvent,
    /// The tool's input has a text of so many MiB.
    HugeInput {
        /// How many.
        mib: usize,
    },
}

/// A request as it came in.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The path, with what stands behind `?`.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body; `null` when it is no JSON.
    pub body: Value,
    /// When all of the request was there.
    pub arrived: Instant,
    /// When the last byte of the response was written, or the client was found gone.
    pub ended: Option<Instant>,
    /// Whether the client closed the connection before the response was complete.
    pub aborted: bool,
}

/// What an answer says; the same form as in a script of `scripted:FILE`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Turn {
    thinking: String,
    text: String,
    tool_calls: Vec<Call>,
    stop: Option<StopReason>,
    usage: TokenUsage,
    delay_ms: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    name: String,
    #[serde(default)]
    input: Value,
}

impl Turn {
    fn stop(&self) -> StopReason {
        match self.stop {
            Some(stop) => stop,
            None if self.tool_calls.is_empty() => StopReason::EndTurn,
            None => StopReason::ToolUse,
        }
    }
}

impl Answer {
    /// `{"text", "tool_calls": [{"name", "input"}], "stop", "usage", "delay_ms"}`, as in a script,
    /// and `thinking`: thoughts before all that, signed with [`SIGNATURE`] where signatures are.
    pub fn turn(turn: Value) -> Answer {
        let turn = serde_json::from_value(turn)
            .unwrap_or_else(|error| panic!("an answer of the model server: {error}"));
        Answer { turn, fault: None }
    }

    /// A failure. Where it comes after some pieces of an answer, that answer has enough of them.
    pub fn fault(fault: Fault) -> Answer {
        let text = "These words come from a model that is about to fail in some way.";
        let input = match &fault {
            Fault::HugeInput { mib } => serde_json::json!({"content": "x".repeat(mib << 20)}),
            _ => serde_json::json!({"path": "some/rather/long/path.txt"}),
        };
        let calls = vec![Call {
            name: "read".to_owned(),
            input,
        }];
        let calling = matches!(fault, Fault::TruncatedToolJson | Fault::HugeInput { .. });
        let tool_calls = if calling { calls } else { Vec::new() };
        let turn = Turn {
            text: text.to_owned(),
            tool_calls,
            ..Turn::default()
        };
        Answer {
            turn,
            fault: Some(fault),
        }
    }

    /// This answer, failing.
    #[must_use]
    pub fn with(self, fault: Fault) -> Answer {
        Answer {
            fault: Some(fault),
            ..self
        }
    }

    /// A status with an error in the JSON that providers send with it.
    pub fn status(code: u16, retry_after: Option<&str>, message: &str) -> Answer {
        let body = serde_json::json!({"error": {"type": "error", "message": message}});
        let retry_after = retry_after.map(str::to_owned);
        Answer::fault(Fault::Status {
            code,
            retry_after,
            body: body.to_string(),
        })
    }
}

impl ModelServer {
    /// Gives these answers, one for each request in the order of their arrival, and then answers
    /// that say nothing.
    pub fn start(answers: impl IntoIterator<Item = Answer>) -> ModelServer {
        let answers = Mutex::new(answers.into_iter().collect::<VecDeque<Answer>>());
        ModelServer::with(move |_| lock(&answers).pop_front().unwrap_or_default())
    }

    /// Lets a function answer.
    pub fn with(answer: impl Fn(&Recorded) -> Answer + Send + Sync + 'static) -> ModelServer {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        listener
            .set_nonblocking(true)
            .expect("a socket that does not block");
        let requests = Requests::default();
        let (record, answer) = (requests.clone(), Arc::new(answer));
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, record.clone(), Arc::clone(&answer)));
            }
        });
        ModelServer {
            origin: format!("http://127.0.0.1:{port}"),
            requests,
            runtime: Some(runtime),
        }
    }

    /// Scheme, host and port: the base URL of providers of kind `anthropic`. One of kind `openai`
    /// usually has `/v1` behind it, which works as well as nothing.
    pub fn base_url(&self) -> &str {
        &self.origin
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<Recorded> {
        lock(&self.requests.0).clone()
    }
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        // Waiting for the threads would block, which an async test must not.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for ModelServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelServer")
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

impl Recorded {
    /// A header's value; the name is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// What has come in, shared with the connections.
#[derive(Debug, Clone, Default)]
struct Requests(Arc<Mutex<Vec<Recorded>>>);

impl Requests {
    fn add(&self, request: Recorded) -> usize {
        let mut requests = lock(&self.0);
        requests.push(request);
        requests.len() - 1
    }

    fn ended(&self, index: usize, aborted: bool) {
        if let Some(request) = lock(&self.0).get_mut(index) {
            (request.ended, request.aborted) = (Some(Instant::now()), aborted);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
