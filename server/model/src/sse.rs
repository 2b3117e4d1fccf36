//! Reading event streams, and what their events mean to a provider's decoder.

use crate::Delta;
use bytes::Bytes;
use futures::{Stream, StreamExt, future};
use sse_stream::{Error, SseByteStream};

/// Bytes of one answer; more is no answer of a model.
const MAX_BODY: usize = 64 << 20;

/// Turns a provider's events into deltas.
pub(crate) trait Decoder: Send {
    /// One event. Names of events are ignored: what counts is in the data too.
    fn event(&mut self, data: &str) -> Result<Vec<Delta>, Failure>;

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
}

/// What an answer says. It ends behind `Stop` or a failure.
pub(crate) fn deltas<S>(
    bytes: S,
    mut decoder: Box<dyn Decoder>,
) -> impl Stream<Item = Result<Delta, Failure>>
where
    S: Stream<Item = Result<Bytes, Failure>>,
{
    async_stream::stream! {
        let mut events = std::pin::pin!(events(bytes));
        loop {
            let read = match events.next().await {
                None => decoder.end(),
                Some(event) => event.and_then(|data| decoder.event(&data)),
            };
            match read {
                Err(failure) => {
                    yield Err(failure);
                    return;
                }
                Ok(deltas) => for delta in deltas {
                    let stop = matches!(delta, Delta::Stop(_));
                    yield Ok(delta);
                    if stop {
                        return;
                    }
                },
            }
        }
    }
}

/// The data of events, bounded in size.
fn events<S>(bytes: S) -> impl Stream<Item = Result<String, Failure>>
where
    S: Stream<Item = Result<Bytes, Failure>>,
{
    let mut total = 0usize;
    let bounded = bytes.map(move |chunk| {
        let chunk = chunk?;
        total = total.saturating_add(chunk.len());
        match total > MAX_BODY {
            true => Err(Failure::Malformed(format!("more than {MAX_BODY} bytes"))),
            false => Ok(chunk),
        }
    });
    // Keep-alives have no data.
    SseByteStream::new(bounded).filter_map(|event| {
        future::ready(match event {
            Ok(event) => event.data.filter(|data| !data.is_empty()).map(Ok),
            Err(Error::Body(error)) => Some(Err(match error.downcast::<Failure>() {
                Ok(failure) => *failure,
                Err(other) => Failure::Lost(other.to_string()),
            })),
            Err(error) => Some(Err(Failure::Malformed(error.to_string()))),
        })
    })
}
