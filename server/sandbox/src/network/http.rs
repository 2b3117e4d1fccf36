//! One HTTP/1.1 exchange over one connection of its own. Where it goes and how it is framed is
//! ours to say; what the guest asks for is written into that.

use crate::meter::Stop;
use crate::network::gate::{Gate, NetworkError, shown};
use boxagnts_policy::limits::Limit;
use boxagnts_policy::network::Target;
use bytes::Bytes;
use http::header::{
    self, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TRANSFER_ENCODING,
};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Sleep;
use url::Position;

/// Size of the headers of a request or a response.
pub(crate) const MAX_HEAD: usize = 64 << 10;
/// Number of the headers of a request or a response.
const MAX_HEADERS: usize = 100;

/// Headers that say how a connection is used, to whom and by whom.
const OURS: [HeaderName; 12] = [
    header::HOST,
    header::CONNECTION,
    TRANSFER_ENCODING,
    header::UPGRADE,
    header::TE,
    header::TRAILER,
    header::EXPECT,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("http2-settings"),
];

/// Whether a guest may not set this header.
pub(crate) fn is_ours(name: &HeaderName) -> bool {
    OURS.contains(name) || name.as_str().starts_with("proxy-")
}

/// The patience of a guest, where it has less than the call.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Patience {
    pub(crate) connect: Option<Duration>,
    pub(crate) first_byte: Option<Duration>,
    pub(crate) between_bytes: Option<Duration>,
}

/// What a guest asks for.
pub(crate) struct Asked<B> {
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) body: B,
}

/// Makes the request that is sent. The path is the one that was decided, as it was normalised for
/// that.
fn request<B>(target: &Target, asked: Asked<B>) -> Result<Request<B>, NetworkError> {
    let invalid = |why: String| NetworkError::Invalid(format!("`{}`: {why}", shown(target)));
    let Some(url) = target.url() else {
        return Err(invalid("it is no URL".to_owned()));
    };
    if asked.method == Method::CONNECT {
        return Err(invalid("the method `CONNECT` is not for guests".to_owned()));
    }
    if let Some(name) = asked.headers.keys().find(|name| is_ours(name)) {
        return Err(invalid(format!("the header `{name}` is not for guests")));
    }
    if asked.headers.get_all(CONTENT_LENGTH).iter().count() > 1 {
        return Err(invalid("it has `content-length` more than once".to_owned()));
    }
    let path = &url[Position::BeforePath..Position::AfterQuery];
    let size = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + 4;
    let head = path.len() + asked.headers.iter().map(size).sum::<usize>();
    if head > MAX_HEAD || asked.headers.len() > MAX_HEADERS {
        return Err(NetworkError::TooLarge(format!(
            "`{}`: a request may have {MAX_HEADERS} headers and {MAX_HEAD} bytes of them",
            crate::meter::cut(&shown(target), 200)
        )));
    }
    if !path.starts_with('/') {
        return Err(invalid("its path does not begin with `/`".to_owned()));
    }
    let uri = Uri::try_from(path).map_err(|error| invalid(error.to_string()))?;
    let host = &url[Position::BeforeHost..Position::AfterPort];
    let host = HeaderValue::try_from(host).map_err(|error| invalid(error.to_string()))?;
    let mut request = Request::new(asked.body);
    *request.method_mut() = asked.method;
    *request.uri_mut() = uri;
    *request.headers_mut() = asked.headers;
    request.headers_mut().insert(header::HOST, host);
    Ok(request)
}

/// Decides, connects, asks, and comes back with the beginning of the answer.
pub(crate) async fn exchange<B>(
    gate: &Arc<Gate>,
    target: &Target,
    asked: Asked<B>,
    patience: Patience,
) -> Result<Response<Answer>, NetworkError>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let request = request(target, asked)?;
    let connection = gate.connect(target, patience.connect).await?;
    let place = connection.place;
    let failed = |error: hyper::Error| broken(target, &error);
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(MAX_HEAD)
        .max_header_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .handshake(TokioIo::new(connection.stream))
        .await
        .map_err(failed)?;
    // The connection lives with the answer, and no longer than the call may take.
    let mut driver = JoinSet::new();
    let driving = Arc::clone(gate);
    driver.spawn(async move {
        let _place = place;
        let ended = driving.within(connection).await;
        if let Ok(Err(error)) = ended {
            tracing::debug!(%error, "a guest's connection broke");
        }
    });
    let asking = sender.send_request(request);
    let response = match patience.first_byte {
        None => gate.within(asking).await?,
        Some(patience) => {
            let first = gate.within(tokio::time::timeout(patience, asking));
            first.await?.map_err(|_| {
                let message = format!("`{}` does not answer in time", shown(target));
                NetworkError::Timeout(message)
            })?
        }
    };
    let response = response.map_err(failed)?;
    let protocol = |why: &str| {
        let message = format!(
            "`{}` answers what HTTP does not allow: {why}",
            shown(target)
        );
        Err(NetworkError::Protocol(message))
    };
    let headers = response.headers();
    let lengths = headers.get_all(CONTENT_LENGTH).iter().count();
    if lengths > 1 {
        return protocol("more than one `content-length`");
    }
    if lengths == 1 && headers.contains_key(TRANSFER_ENCODING) {
        return protocol("`content-length` and `transfer-encoding`");
    }
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return protocol("another protocol than was asked for");
    }
    let size = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + 4;
    let received = response.headers().iter().map(size).sum::<usize>() as u64;
    let gate = Arc::clone(gate);
    Ok(response.map(|incoming| Answer {
        incoming,
        received,
        gate,
        target: shown(target),
        pause: patience.between_bytes.map(|pause| (pause, None)),
        _driver: driver,
    }))
}

fn broken(target: &Target, error: &hyper::Error) -> NetworkError {
    let target = shown(target);
    if error.is_parse_too_large() {
        let message = format!("`{target}` answers with more than {MAX_HEAD} bytes of headers");
        return NetworkError::TooLarge(message);
    }
    let mut why = error.to_string();
    if let Some(cause) = std::error::Error::source(error) {
        why = format!("{why}: {cause}");
    }
    NetworkError::Protocol(format!("`{target}`: {why}"))
}

/// The body of an answer, as it comes, up to the limit.
#[derive(Debug)]
pub(crate) struct Answer {
    incoming: Incoming,
    received: u64,
    gate: Arc<Gate>,
    target: String,
    /// The guest's patience between bytes, and the pause that is waited for.
    pause: Option<(Duration, Option<Pin<Box<Sleep>>>)>,
    _driver: JoinSet<()>,
}

impl Answer {
    /// Whether `bytes` more would still be taken.
    pub(crate) fn announce(&self, bytes: u64) -> Result<(), Stop> {
        let used = self.received.saturating_add(bytes);
        if used > self.gate.limits().max_response_bytes {
            let limit = Limit::max_response_bytes;
            return Err(self.gate.stop(Stop::Limit { limit, used }));
        }
        Ok(())
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = NetworkError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, NetworkError>>> {
        let this = self.get_mut();
        match Pin::new(&mut this.incoming).poll_frame(cx) {
            Poll::Pending => {
                if let Some((pause, waiting)) = &mut this.pause {
                    let sleep = || Box::pin(tokio::time::sleep(*pause));
                    let waiting = waiting.get_or_insert_with(sleep);
                    ready!(waiting.as_mut().poll(cx));
                    let message = format!("`{}` pauses for too long", this.target);
                    return Poll::Ready(Some(Err(NetworkError::Timeout(message))));
                }
                Poll::Pending
            }
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Ready(Some(Ok(frame))) => {
                if let Some((_, waiting)) = &mut this.pause {
                    *waiting = None;
                }
                let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
                if let Err(stop) = this.announce(bytes) {
                    return Poll::Ready(Some(Err(stop.into())));
                }
                this.received += bytes;
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                // When the call is over, that is why the connection was.
                let error = match this.gate.stopped() {
                    Some(stop) => stop.into(),
                    None => {
                        let message = format!("`{}` broke off: {error}", this.target);
                        NetworkError::Protocol(message)
                    }
                };
                Poll::Ready(Some(Err(error)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
