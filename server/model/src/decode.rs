//! From the bytes of an answer to deltas: events and lines, what they mean to a provider's decoder,
//! and the bounds that every answer has.

use crate::Delta;
use crate::untrusted::call_id;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, future};
use sse_stream::{Error, SseByteStream};
use std::time::Duration;
use tokio::time::Instant;

/// Bytes of text, thoughts and tool input of one answer, in MiB; more is no answer of a model.
const MAX_ANSWER_MIB: usize = 16;

/// Bytes of one event, in MiB: some repeat the whole answer.
const MAX_EVENT_MIB: usize = 40;

/// Bytes of all events, in MiB: around a word there may be some hundred.
const MAX_BODY_MIB: usize = 512;

/// How an answer is cut into events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Server-sent events.
    Events,
    /// JSON, one value a line.
    Lines,
}

/// Turns a provider's events into deltas.
pub(crate) trait Decoder: Send {
    /// How the answer is cut into events.
    fn framing(&self) -> Framing {
        Framing::Events
    }

    /// Bytes that were read and are not said yet.
    fn held(&self) -> usize;

    /// One event. Names of events are ignored: what counts is in the data too. `None` for a mere
    /// sign of life, and for what is not known.
    fn event(&mut self, data: &str) -> Result<Option<Vec<Delta>>, Failure>;

    /// The stream has ended: what is left to say, or why it may not end here.
    fn end(&mut self) -> Result<Vec<Delta>, Failure>;
}

/// Why an answer cannot go on.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum Failure {
    /// The connection was lost: worth another try while nothing was said.
    #[error("{0}")]
    Lost(String),
    /// The provider is overloaded, in its own words: likewise.
    #[error("{0}")]
    Overloaded(String),
    /// The provider says that it failed.
    #[error("{0}")]
    Provider(String),
    /// The format is broken.
    #[error("{0}")]
    Malformed(String),
    /// It is larger than any answer.
    #[error("{0}")]
    TooLarge(String),
}

impl Failure {
    /// The same with other words.
    pub(crate) fn map(self, change: impl FnOnce(String) -> String) -> Failure {
        match self {
            Failure::Lost(words) => Failure::Lost(change(words)),
            Failure::Overloaded(words) => Failure::Overloaded(change(words)),
            Failure::Provider(words) => Failure::Provider(change(words)),
            Failure::Malformed(words) => Failure::Malformed(change(words)),
            Failure::TooLarge(words) => Failure::TooLarge(change(words)),
        }
    }

    pub(crate) fn ended_early() -> Failure {
        Failure::Lost("the answer ended in the middle".to_owned())
    }
}

/// What an answer says. It ends behind `Stop` or a failure. `patience` is for events that say
/// nothing: signs of life do not count for ever.
pub(crate) fn deltas<S>(
    bytes: S,
    mut decoder: Box<dyn Decoder>,
    patience: Option<Duration>,
) -> impl Stream<Item = Result<Delta, Failure>>
where
    S: Stream<Item = Result<Bytes, Failure>> + Send + 'static,
{
    async_stream::stream! {
        let mut events = events(bytes, decoder.framing());
        let mut heard = patience.map(|_| Instant::now());
        let mut size = 0usize;
        loop {
            let event = match (patience, heard) {
                (Some(patience), Some(since)) => {
                    match tokio::time::timeout_at(since + patience, events.next()).await {
                        Ok(event) => event,
                        Err(_) => {
                            let seconds = patience.as_secs_f32();
                            yield Err(Failure::Lost(format!(
                                "nothing but signs of life came for {seconds} s"
                            )));
                            return;
                        }
                    }
                }
                _ => events.next().await,
            };
            let read = match event {
                None => decoder.end().map(Some),
                Some(event) => event.and_then(|data| decoder.event(&data)),
            };
            match read {
                Err(failure) => {
                    yield Err(failure);
                    return;
                }
                Ok(None) => {}
                Ok(Some(deltas)) => {
                    heard = heard.map(|_| Instant::now());
                    if size.saturating_add(decoder.held()) > MAX_ANSWER_MIB << 20 {
                        yield Err(too_large("an answer", MAX_ANSWER_MIB));
                        return;
                    }
                    for mut delta in deltas {
                        size = size.saturating_add(weight(&delta));
                        if size > MAX_ANSWER_MIB << 20 {
                            yield Err(too_large("an answer", MAX_ANSWER_MIB));
                            return;
                        }
                        if let Delta::ToolCallStart { index, id, .. } = &mut delta {
                            *id = call_id(std::mem::take(id), *index);
                        }
                        let stop = matches!(delta, Delta::Stop(_));
                        yield Ok(delta);
                        if stop {
                            return;
                        }
                    }
                }
            }
        }
    }
}

fn too_large(what: &str, mib: usize) -> Failure {
    Failure::TooLarge(format!("{what} has more than {mib} MiB"))
}

/// Bytes around a call or a thought, so that many empty ones count, too.
pub(crate) const AROUND: usize = 512;

/// Bytes that a delta adds to the conversation.
fn weight(delta: &Delta) -> usize {
    match delta {
        Delta::Text(text) => text.len(),
        Delta::Thinking(thinking) => {
            AROUND + thinking.text.len() + thinking.opaque.to_string().len()
        }
        Delta::ToolCallStart { id, name, .. } => AROUND + id.len() + name.len(),
        Delta::ToolCallInput { json, .. } => json.len(),
        Delta::Usage(_) | Delta::Stop(_) | Delta::Retry { .. } => 0,
    }
}

/// The data of events, bounded in size.
fn events<S>(bytes: S, framing: Framing) -> BoxStream<'static, Result<String, Failure>>
where
    S: Stream<Item = Result<Bytes, Failure>> + Send + 'static,
{
    let mut total = 0usize;
    let mut event = Bound::default();
    let bounded = bytes.map(move |chunk| {
        let chunk = chunk?;
        total = total.saturating_add(chunk.len());
        if total > MAX_BODY_MIB << 20 {
            return Err(too_large("the body of an answer", MAX_BODY_MIB));
        }
        match event.longest(&chunk, framing) > MAX_EVENT_MIB << 20 {
            true => Err(too_large("an event of an answer", MAX_EVENT_MIB)),
            false => Ok(chunk),
        }
    });
    match framing {
        // Keep-alives have no data.
        Framing::Events => SseByteStream::new(bounded)
            .filter_map(|event| {
                future::ready(match event {
                    Ok(event) => event.data.filter(|data| !data.is_empty()).map(Ok),
                    Err(Error::Body(error)) => Some(Err(match error.downcast::<Failure>() {
                        Ok(failure) => *failure,
                        Err(other) => Failure::Lost(other.to_string()),
                    })),
                    Err(error) => Some(Err(Failure::Malformed(error.to_string()))),
                })
            })
            .boxed(),
        Framing::Lines => lines(bounded).boxed(),
    }
}

/// How long the event is that is being read. One that never ends must not fill the memory.
#[derive(Default)]
struct Bound {
    length: usize,
    /// Whether the line that is being read has nothing in it yet.
    fresh: bool,
}

impl Bound {
    /// The longest that an event was in this chunk.
    fn longest(&mut self, chunk: &[u8], framing: Framing) -> usize {
        let mut longest = self.length;
        for &byte in chunk {
            self.length += 1;
            longest = longest.max(self.length);
            let ends = matches!(byte, b'\n' | b'\r');
            // An event ends with an empty line.
            if ends && (framing == Framing::Lines || self.fresh) {
                self.length = 0;
            }
            self.fresh = ends;
        }
        longest
    }
}

fn lines<S>(bytes: S) -> impl Stream<Item = Result<String, Failure>>
where
    S: Stream<Item = Result<Bytes, Failure>>,
{
    let text = |line: &[u8]| match std::str::from_utf8(line) {
        Ok(line) => Ok(line.trim().to_owned()),
        Err(error) => Err(Failure::Malformed(format!("a line: {error}"))),
    };
    async_stream::stream! {
        let mut bytes = std::pin::pin!(bytes);
        let mut line = Vec::new();
        while let Some(chunk) = bytes.next().await {
            let chunk = match chunk {
                Ok(chunk) => chunk,
                Err(failure) => {
                    yield Err(failure);
                    return;
                }
            };
            for piece in chunk.split_inclusive(|byte| *byte == b'\n') {
                line.extend_from_slice(piece);
                if piece.ends_with(b"\n") {
                    let read = text(&line);
                    line.clear();
                    if read.as_deref() != Ok("") {
                        yield read;
                    }
                }
            }
        }
        // What the connection cut off is no line, unless it is all of it.
        match text(&line) {
            Ok(rest) if serde_json::from_str::<serde::de::IgnoredAny>(&rest).is_ok() => {
                yield Ok(rest);
            }
            Ok(_) | Err(_) => {}
        }
    }
}
