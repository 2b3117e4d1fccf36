//! Messages in and out: framing, order, and one answer for whatever comes.
//!
//! The library's own transport ends at the first message that it cannot read. Here a message that
//! is no JSON-RPC is answered and the next one is read.

use crate::capabilities;
use futures::{SinkExt, StreamExt};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::io;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{
    AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, BufWriter,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tower_lsp::jsonrpc::{Error, ErrorCode, Id, Request, Response};
use tower_lsp::{ClientSocket, LanguageServer, LspService};
use tower_service::Service;

/// Longest message, in bytes: a document of this size is none that an editor opens.
const MAX_BODY: usize = 1 << 30;
/// How long answers may take to get out when the client has closed its side.
const LINGER: Duration = Duration::from_secs(1);
/// Longest header line, in bytes.
const MAX_HEADER: u64 = 8 << 10;

/// Serves one client until it says `exit` or closes the input.
pub(crate) async fn serve<I, O, S>(
    input: I,
    output: O,
    service: LspService<S>,
    socket: ClientSocket,
) where
    I: AsyncRead + Unpin,
    O: AsyncWrite,
    S: LanguageServer,
{
    let (requests, mut responses) = socket.split();
    let (answers, answered) = unbounded_channel();
    let (asks, asked) = unbounded_channel();
    let asking = {
        async move {
            let forward = requests.for_each(|request| {
                // A closed channel means that the client is gone.
                let _ = serde_json::to_vec(&request).map(|body| asks.send(body));
                std::future::ready(())
            });
            forward.await;
            std::future::pending::<()>().await;
        }
    };
    let reading = async move {
        let mut calls = Calls {
            service,
            running: JoinSet::new(),
            out: answers,
        };
        let mut input = BufReader::new(input);
        loop {
            let body = match read_frame(&mut input).await {
                Ok(Frame::Body(body)) => body,
                Ok(Frame::Garbage(reason)) => {
                    calls.answer(&Response::from_error(
                        Id::Null,
                        error(ErrorCode::ParseError, reason),
                    ));
                    continue;
                }
                Ok(Frame::End) => break calls.settle().await,
                Err(error) => {
                    tracing::warn!(%error, "the client's messages cannot be read");
                    break calls.settle().await;
                }
            };
            match classify(&body) {
                Message::Request(request) => {
                    let exits = request.method() == "exit";
                    calls.start(request).await;
                    if exits {
                        break;
                    }
                }
                Message::Response(response) => {
                    if responses.send(response).await.is_err() {
                        break;
                    }
                }
                Message::Malformed(answer) => calls.answer(&answer),
            }
        }
    };
    let mut writing = std::pin::pin!(write_frames(output, answered, asked));
    tokio::select! {
        () = reading => {}
        // Ends when the client no longer reads; what it sends then is of no use.
        () = &mut writing => return,
        () = asking => {}
    }
    // What was answered still goes out.
    let _ = tokio::time::timeout(LINGER, writing).await;
}

/// The requests that are being answered.
struct Calls<S> {
    service: LspService<S>,
    running: JoinSet<()>,
    out: UnboundedSender<Vec<u8>>,
}

impl<S: LanguageServer> Calls<S> {
    /// Lets the handler run up to its first wait, so that what comes first is done first, and to
    /// its end in a task of its own.
    async fn start(&mut self, request: Request) {
        while self.running.try_join_next().is_some() {}
        if std::future::poll_fn(|cx| self.service.poll_ready(cx))
            .await
            .is_err()
        {
            return;
        }
        // Until it is answered, nothing else may be.
        if request.method() == "initialize" {
            let (method, id, params) = request.into_parts();
            let mut request = Request::build(method);
            if let Some(id) = id {
                request = request.id(id);
            }
            if let Some(mut params) = params {
                capabilities::keep_untyped(&mut params);
                request = request.params(params);
            }
            let answered = self.service.call(request.finish()).await;
            return send(&self.out, answered.map(|answer| answer.map(with_untyped)));
        }
        let mut call = self.service.call(request);
        let first = futures::poll!(&mut call);
        match first {
            Poll::Ready(answered) => send(&self.out, answered),
            Poll::Pending => {
                let out = self.out.clone();
                self.running.spawn(async move { send(&out, call.await) });
            }
        }
    }

    /// Waits for the answers that are under way, a moment.
    async fn settle(&mut self) {
        let all = async { while self.running.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(LINGER, all).await;
    }

    fn answer(&self, response: &Response) {
        let _ = serde_json::to_vec(response).map(|body| self.out.send(body));
    }
}

fn with_untyped(answer: Response) -> Response {
    let (id, mut body) = answer.into_parts();
    if let Ok(result) = &mut body {
        capabilities::add_untyped(result);
    }
    Response::from_parts(id, body)
}

/// Sends what a handler answered; notifications are not answered, nor is anything behind `exit`.
fn send<E>(out: &UnboundedSender<Vec<u8>>, answered: Result<Option<Response>, E>) {
    if let Ok(Some(response)) = answered {
        let _ = serde_json::to_vec(&response).map(|body| out.send(body));
    }
}

enum Message {
    Request(Request),
    Response(Response),
    /// With what it is answered.
    Malformed(Response),
}

/// What tells the kinds of messages apart; values are passed over unread.
#[derive(Deserialize)]
struct Shape<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    method: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    error: Option<&'a RawValue>,
}

/// A member that is there, even when it is `null`.
fn present<'de, D: Deserializer<'de>>(member: D) -> Result<Option<&'de RawValue>, D::Error> {
    Deserialize::deserialize(member).map(Some)
}

fn classify(body: &[u8]) -> Message {
    let malformed = |id, code, reason: String| {
        Message::Malformed(Response::from_error(id, error(code, reason)))
    };
    let shape: Shape<'_> = match serde_json::from_slice(body) {
        Ok(shape) => shape,
        Err(error) if error.is_data() => {
            let reason = "a message is one JSON object".to_owned();
            return malformed(Id::Null, ErrorCode::InvalidRequest, reason);
        }
        Err(error) => {
            return malformed(
                Id::Null,
                ErrorCode::ParseError,
                format!("not JSON: {error}"),
            );
        }
    };
    let id = shape
        .id
        .and_then(|id| serde_json::from_str(id.get()).ok())
        .unwrap_or(Id::Null);
    if shape.method.is_none() && (shape.result.is_some() || shape.error.is_some()) {
        return match serde_json::from_slice(body) {
            Ok(response) => Message::Response(response),
            Err(error) => malformed(
                id,
                ErrorCode::InvalidRequest,
                format!("not a response: {error}"),
            ),
        };
    }
    if shape.method.is_none() {
        let reason = "neither a request nor a response: `method` is missing".to_owned();
        return malformed(id, ErrorCode::InvalidRequest, reason);
    }
    match serde_json::from_slice(body) {
        Ok(request) => Message::Request(request),
        Err(error) => malformed(
            id,
            ErrorCode::InvalidRequest,
            format!("not a request: {error}"),
        ),
    }
}

fn error(code: ErrorCode, message: String) -> Error {
    Error {
        code,
        message: message.into(),
        data: None,
    }
}

enum Frame {
    Body(Vec<u8>),
    /// Header lines that frame nothing.
    Garbage(String),
    End,
}

async fn read_frame(input: &mut (impl AsyncBufReadExt + Unpin)) -> io::Result<Frame> {
    let mut length = None;
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = (&mut *input)
            .take(MAX_HEADER)
            .read_until(b'\n', &mut line)
            .await?;
        if read == 0 {
            return Ok(Frame::End);
        }
        let header = String::from_utf8_lossy(&line);
        let header = header.trim();
        if header.is_empty() {
            // Blank lines between messages harm nobody.
            match length {
                Some(length) => return read_body(input, length).await,
                None => continue,
            }
        }
        match header.split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                match value.trim().parse::<usize>() {
                    Ok(value) if value <= MAX_BODY => length = Some(value),
                    // Behind it nothing can be told apart any more.
                    Ok(value) => {
                        return Err(io::Error::other(format!("a message of {value} bytes")));
                    }
                    Err(_) => return Ok(Frame::Garbage(format!("`{header}` is no length"))),
                }
            }
            Some((name, _)) if name.eq_ignore_ascii_case("content-type") => {}
            _ if length.is_some() => {}
            _ => {
                let start: String = header.chars().take(80).collect();
                return Ok(Frame::Garbage(format!(
                    "expected `Content-Length: …`, got `{start}`"
                )));
            }
        }
    }
}

async fn read_body(input: &mut (impl AsyncReadExt + Unpin), length: usize) -> io::Result<Frame> {
    // Grows as bytes come: a length alone takes no memory.
    let mut body = Vec::with_capacity(length.min(64 << 10));
    let read = input.take(length as u64).read_to_end(&mut body).await?;
    if read < length {
        return Ok(Frame::End);
    }
    Ok(Frame::Body(body))
}

/// Writes frames until the senders are gone or the client no longer reads. Answers, which somebody
/// waits for, go before what we have to say.
async fn write_frames(
    output: impl AsyncWrite,
    mut answers: UnboundedReceiver<Vec<u8>>,
    mut others: UnboundedReceiver<Vec<u8>>,
) {
    let mut output = std::pin::pin!(BufWriter::new(output));
    loop {
        let (body, waited_for) = tokio::select! {
            biased;
            Some(body) = answers.recv() => (body, true),
            Some(body) = others.recv() => (body, false),
            else => return,
        };
        let header = format!("Content-Length: {}\r\n\r\n", body.len());
        let written = async {
            output.write_all(header.as_bytes()).await?;
            output.write_all(&body).await?;
            // Many small messages go out in one write.
            if answers.is_empty() && (waited_for || others.is_empty()) {
                output.flush().await
            } else {
                Ok(())
            }
        };
        if let Err(error) = written.await {
            tracing::info!(%error, "the client no longer reads");
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(input: &[u8], expect: &[&str]) {
        let mut input = BufReader::new(input);
        let mut found = Vec::new();
        loop {
            match read_frame(&mut input).await {
                Ok(Frame::Body(body)) => found.push(String::from_utf8(body).unwrap()),
                Ok(Frame::Garbage(reason)) => found.push(format!("? {reason}")),
                Ok(Frame::End) => break,
                Err(error) => {
                    found.push(format!("! {error}"));
                    break;
                }
            }
        }
        assert_eq!(found, expect);
    }

    #[tokio::test]
    async fn frames_are_found_between_garbage() {
        check(b"Content-Length: 2\r\n\r\n{}", &["{}"]).await;
        check(
            b"content-length:2\r\nContent-Type: x\r\n\r\n{}Content-Length: 1\n\n7",
            &["{}", "7"],
        )
        .await;
        check(
            b"hello\nContent-Length: 2\r\n\r\n{}",
            &["? expected `Content-Length: …`, got `hello`", "{}"],
        )
        .await;
        check(
            b"Content-Length: x\r\n\r\nContent-Length: 0\r\n\r\n",
            &["? `Content-Length: x` is no length", ""],
        )
        .await;
        check(
            b"Content-Length: 99999999999\r\n\r\n",
            &["! a message of 99999999999 bytes"],
        )
        .await;
        check(b"Content-Length: 5\r\n\r\n{}", &[]).await;
    }
}
