//! Model providers behind one trait: text, tool calls, usage and stop reasons as a stream.

mod anthropic;
mod builtin;
mod chat;
mod connect;
mod decode;
mod error;
mod gemini;
mod http;
mod key;
mod models;
mod ollama;
mod record;
mod recording;
mod remote;
mod replay;
mod responses;
mod scripted;
mod secrets;
mod services;
mod untrusted;

pub use builtin::{BUILTIN_GRAMMAR, builtin_refuses};
pub use connect::{Effort, ProviderKind, ProviderSettings, Settings, connect};
pub use error::ModelError;
pub use http::{KEEP_ALIVE_PATIENCE, RetryPolicy};
pub use models::{ModelInfo, ModelTable, ThinkingStyle};
pub use record::Recording;
pub use scripted::Turn as ScriptedTurn;
pub use services::{Service, services};

use boxagnts_protocol::conversation::{Message, Price, StopReason, Thinking, TokenUsage};
use boxagnts_protocol::tool::ToolSpec;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// One request to a model.
#[derive(Debug, Clone)]
pub struct Request {
    /// The system prompt.
    pub system: Arc<str>,
    /// The conversation; the last message is the user's.
    pub messages: Arc<Vec<Message>>,
    /// Tools that the model may call.
    pub tools: Arc<[ToolSpec]>,
    /// Tokens that the answer may have.
    pub max_output_tokens: u64,
    /// Answers of the session so far, those included that the conversation has no more.
    pub answers: u64,
}

/// A piece of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delta {
    /// More text.
    Text(String),
    /// Thoughts, complete, at their place in the answer. They are to be kept in the conversation,
    /// for this model alone, and are nothing that it says.
    Thinking(Thinking),
    /// A tool call begins.
    ToolCallStart {
        /// Ties fragments of the input to the call.
        index: usize,
        /// The provider's id of the call.
        id: String,
        /// The tool.
        name: String,
    },
    /// A fragment of a call's input; all fragments together are JSON, or nothing for `{}`.
    ToolCallInput {
        /// As in the start.
        index: usize,
        /// The fragment.
        json: String,
    },
    /// Tokens of this call so far.
    Usage(TokenUsage),
    /// The answer is complete; nothing follows.
    Stop(StopReason),
    /// The provider failed before it said anything, and is asked again.
    Retry {
        /// The attempt that failed, from 1.
        attempt: u32,
        /// How long we wait.
        wait: Duration,
        /// Why.
        reason: String,
    },
}

/// A stream of pieces. It ends behind `Stop` or an error; dropping it ends the request.
pub type DeltaStream = BoxStream<'static, Result<Delta, ModelError>>;

/// What an answer says that came in these chunks, and how it failed if it did: the way from bytes
/// to deltas without a connection, for fuzzing.
#[doc(hidden)]
pub fn fuzz_decode(kind: ProviderKind, chunks: &[&[u8]]) -> (Vec<Delta>, Option<String>) {
    let chunks: Vec<_> = chunks
        .iter()
        .map(|chunk| Ok(bytes::Bytes::copy_from_slice(chunk)))
        .collect();
    let decoder = remote::decoder(kind, "fuzz:model");
    let mut deltas = Vec::new();
    for delta in futures::executor::block_on_stream(Box::pin(decode::deltas(
        futures::stream::iter(chunks),
        decoder,
        None,
    ))) {
        match delta {
            Ok(delta) => deltas.push(delta),
            Err(failure) => return (deltas, Some(failure.to_string())),
        }
    }
    (deltas, None)
}

/// Where a model is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// In this process; it costs nothing.
    Process,
    /// Behind an address of this machine.
    Machine,
    /// Somewhere else.
    Network,
}

/// A model that can be asked.
pub trait Provider: Send + Sync {
    /// `provider:model`.
    fn id(&self) -> &str;

    /// What it costs; `None` when that is unknown.
    fn price(&self) -> Option<Price>;

    /// Tokens to ask for in one answer: what is configured, or the most that the model can.
    fn max_output_tokens(&self) -> u64;

    /// What is known of the model; `None` when nothing is: then limits on tokens govern.
    fn info(&self) -> Option<&ModelInfo> {
        None
    }

    /// Whether it is shown pictures: what is not known of a model is no reason to keep them from it.
    fn sees_images(&self) -> bool {
        self.info().and_then(|info| info.images) != Some(false)
    }

    /// Who answers: somebody may have to be paid for it.
    fn reach(&self) -> Reach {
        Reach::Process
    }

    /// Asks. Nothing happens before the stream is polled.
    fn stream(&self, request: Request) -> DeltaStream;

    /// Whether a request would have the key that it needs. Sends nothing.
    fn check_key(&self) -> BoxFuture<'_, Result<(), ModelError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}
