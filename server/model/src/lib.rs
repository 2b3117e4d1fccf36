//! Model providers behind one trait: text, tool calls, usage and stop reasons as a stream.

mod anthropic;
mod builtin;
mod connect;
mod error;
mod http;
mod key;
mod openai;
mod record;
mod recording;
mod replay;
mod scripted;
mod secrets;
mod sse;

pub use builtin::BUILTIN_GRAMMAR;
pub use connect::{ProviderKind, ProviderSettings, Settings, connect};
pub use error::ModelError;
pub use http::RetryPolicy;
pub use record::Recording;
pub use scripted::Turn as ScriptedTurn;

use boxagnts_protocol::conversation::{Message, Price, StopReason, TokenUsage};
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
}

/// A piece of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delta {
    /// More text.
    Text(String),
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
    let chunks = chunks
        .iter()
        .map(|chunk| Ok(bytes::Bytes::copy_from_slice(chunk)));
    let decoder = match kind {
        ProviderKind::OpenAi => openai::decoder(),
        ProviderKind::Anthropic => anthropic::decoder(),
    };
    let mut deltas = Vec::new();
    for delta in futures::executor::block_on_stream(Box::pin(sse::deltas(
        futures::stream::iter(chunks),
        decoder,
    ))) {
        match delta {
            Ok(delta) => deltas.push(delta),
            Err(failure) => return (deltas, Some(failure.to_string())),
        }
    }
    (deltas, None)
}

/// A model that can be asked.
pub trait Provider: Send + Sync {
    /// `provider:model`.
    fn id(&self) -> &str;

    /// What it costs; `None` when that is unknown.
    fn price(&self) -> Option<Price>;

    /// Tokens to ask for in one answer.
    fn max_output_tokens(&self) -> u64;

    /// Asks. Nothing happens before the stream is polled.
    fn stream(&self, request: Request) -> DeltaStream;

    /// Whether a request would have the key that it needs. Sends nothing.
    fn check_key(&self) -> BoxFuture<'_, Result<(), ModelError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}
