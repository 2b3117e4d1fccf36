//! Reading event streams, and what their events mean to a provider's decoder.

use crate::Delta;
use eventsource_stream::{Event, EventStreamError, Eventsource};
use futures::{Stream, StreamExt};

/// Bytes of one answer; more is no answer of a model.
const MAX_BODY: usize = 64 << 20;

/// Turns a provider's events into deltas.
pub(crate) trait Decoder: Send {
    /// One event.
    fn event(&mut self, name: &str, data: &str) -> Result<Vec<Delta>, Failure>;

    /// The stream has ended: what is left to say, or why it may not end here.
    fn end(&mut self) -> Result<Vec<Delta>, Failure>;
}

/// Why an answer cannot go on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Failure {
    /// The connection was lost: worth another try while nothing was said.
    Lost(String),
    /// The provider is overloaded, in its own words: likewise.
    Overloaded(String),
    /// The provider says that it failed.
    Provider(String),
    /// The format is broken.
    Malformed(String),
}

/// Events of a byte stream, bounded in size.
pub(crate) fn events<S, B, E>(bytes: S) -> impl Stream<Item = Result<Event, Failure>>
where
    S: Stream<Item = Result<B, E>>,
    B: AsRef<[u8]>,
    E: std::fmt::Display,
{
    let mut total = 0usize;
    let bounded = bytes.map(move |chunk| {
        let chunk = chunk.map_err(|error| Failure::Lost(error.to_string()))?;
        total = total.saturating_add(chunk.as_ref().len());
        if total > MAX_BODY {
            return Err(Failure::Malformed(format!("more than {MAX_BODY} bytes")));
        }
        Ok(chunk)
    });
    bounded.eventsource().map(|event| {
        event.map_err(|error| match error {
            EventStreamError::Transport(failure) => failure,
            EventStreamError::Utf8(_) => Failure::Malformed("not UTF-8".to_owned()),
            EventStreamError::Parser(error) => Failure::Malformed(error.to_string()),
        })
    })
}
