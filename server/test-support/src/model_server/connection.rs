//! One connection: a request is read, recorded, and answered with or without a fault. Written by
//! hand because an HTTP library does its best to prevent the faults.

use super::wire::{Event, Format, ollama};
use super::{Answer, Fault, Recorded, Requests};
use serde_json::{Value, json};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A request that is larger than this is a mistake of the test.
const MAX_REQUEST: usize = 64 << 20;

/// Why a response ended early.
enum Early {
    /// The fault says so.
    Fault,
    /// The client went away.
    Client,
}

impl From<io::Error> for Early {
    fn from(_: io::Error) -> Early {
        Early::Client
    }
}

pub(super) async fn serve<F>(mut socket: TcpStream, requests: Requests, answer: Arc<F>)
where
    F: Fn(&Recorded) -> Answer,
{
    let _ = socket.set_nodelay(true);
    let Ok(Some(request)) = read_request(&mut socket).await else {
        return;
    };
    if request.path.ends_with("/api/show") {
        let _ = whole(&mut socket, 200, "", &ollama::shown().to_string()).await;
        let _ = socket.shutdown().await;
        return;
    }
    let (path, body) = (request.path.clone(), request.body.clone());
    let answer = answer(&request);
    let index = requests.add(request);
    let done = respond(&mut socket, &path, &body, &answer).await;
    let _ = socket.shutdown().await;
    requests.ended(index, matches!(done, Err(Early::Client)));
}

/// Reads a request to its end; `None` when the client only looked in.
async fn read_request(socket: &mut TcpStream) -> io::Result<Option<Recorded>> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        if socket.read_buf(&mut bytes).await? == 0 || bytes.len() > MAX_REQUEST {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
    let mut lines = head.split("\r\n");
    let path = lines
        .next()
        .unwrap_or_default()
        .split(' ')
        .nth(1)
        .unwrap_or_default()
        .to_owned();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length
        .and_then(|(_, value)| value.parse::<usize>().ok())
        .unwrap_or(0);
    let mut body = bytes.split_off(head_end + 4);
    while body.len() < length.min(MAX_REQUEST) {
        if socket.read_buf(&mut body).await? == 0 {
            return Ok(None);
        }
    }
    Ok(Some(Recorded {
        path,
        headers,
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
        arrived: Instant::now(),
        ended: None,
        aborted: false,
    }))
}

async fn respond(
    socket: &mut TcpStream,
    path: &str,
    request: &Value,
    answer: &Answer,
) -> Result<(), Early> {
    wait(socket, Duration::from_millis(answer.turn.delay_ms)).await?;
    let fault = answer.fault.as_ref();
    match fault {
        Some(Fault::CloseBeforeHeaders) => return Err(Early::Fault),
        Some(Fault::Status {
            code,
            retry_after,
            body,
        }) => {
            let header = retry_after
                .as_ref()
                .map(|wait| format!("retry-after: {wait}\r\n"));
            return whole(socket, *code, &header.unwrap_or_default(), body).await;
        }
        Some(Fault::Redirect { location }) => {
            return whole(socket, 307, &format!("location: {location}\r\n"), "").await;
        }
        _ => {}
    }
    let Some(format) = Format::of(path) else {
        let body = json!({"error": {"message": format!("there is nothing at {path}")}});
        return whole(socket, 404, "", &body.to_string()).await;
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {}\r\ntransfer-encoding: chunked\r\n\
         connection: close\r\n\r\n",
        format.content_type()
    );
    socket.write_all(head.as_bytes()).await?;
    if fault == Some(&Fault::CloseBeforeAnyDelta) {
        return Err(Early::Fault);
    }
    let truncated = fault == Some(&Fault::TruncatedToolJson);
    if fault == Some(&Fault::EndlessEvent) {
        return endless(socket, format).await;
    }
    let events = format.events(&answer.turn, &asked(path, request), truncated);
    let place = fault.and_then(|fault| fault.place(&events));
    for (index, event) in events.iter().enumerate() {
        if Some(index) == place
            && let Some(fault) = fault
        {
            fail(socket, format, fault).await?;
            break;
        }
        if fault == Some(&Fault::UnknownEvents) {
            chunk(socket, format.unknown().as_bytes()).await?;
        }
        if fault == Some(&Fault::SlowDrip) {
            for byte in event.text.as_bytes() {
                chunk(socket, std::slice::from_ref(byte)).await?;
                tokio::task::yield_now().await;
            }
        } else {
            chunk(socket, event.text.as_bytes()).await?;
        }
    }
    socket.write_all(b"0\r\n\r\n").await?;
    Ok(())
}

impl Fault {
    /// The event before which it comes: the piece that it counts to, or what follows the last one.
    fn place(&self, events: &[Event]) -> Option<usize> {
        let after = match self {
            Fault::CloseMidStream { after }
            | Fault::EndMidStream { after }
            | Fault::Malformed { after }
            | Fault::ErrorEvent { after, .. }
            | Fault::KeepAlives { after }
            | Fault::Stall { after } => *after,
            _ => return None,
        };
        let mut pieces = events
            .iter()
            .enumerate()
            .filter(|(_, event)| event.is_piece);
        let behind_last = || {
            events
                .iter()
                .rposition(|event| event.is_piece)
                .map_or(1, |at| at + 1)
        };
        Some(pieces.nth(after).map_or_else(behind_last, |(at, _)| at))
    }
}

/// What a fault does in the middle of a body; `Ok` when the body ends behind it.
async fn fail(socket: &mut TcpStream, format: Format, fault: &Fault) -> Result<(), Early> {
    match fault {
        Fault::CloseMidStream { .. } => Err(Early::Fault),
        Fault::Malformed { .. } => chunk(socket, format.malformed().as_bytes()).await,
        Fault::ErrorEvent { kind, message, .. } => {
            chunk(socket, format.error(kind, message).as_bytes()).await
        }
        Fault::Stall { .. } => until_closed(socket).await,
        Fault::KeepAlives { .. } => loop {
            chunk(socket, format.keep_alive().as_bytes()).await?;
            wait(socket, Duration::from_millis(10)).await?;
        },
        _ => Ok(()),
    }
}

/// An event that goes on until the client has had enough.
async fn endless(socket: &mut TcpStream, format: Format) -> Result<(), Early> {
    chunk(socket, format.begun().as_bytes()).await?;
    let more = "x".repeat(1 << 20);
    loop {
        chunk(socket, more.as_bytes()).await?;
    }
}

/// The request's body; where the model is named in the path it is in the body too.
fn asked(path: &str, body: &Value) -> Value {
    let mut body = body.clone();
    if let Some((_, model)) = path.split_once("/models/")
        && body.is_object()
    {
        body["model"] = json!(model.split(':').next());
    }
    body
}

/// A response with all of its body at once.
async fn whole(socket: &mut TcpStream, code: u16, headers: &str, body: &str) -> Result<(), Early> {
    let length = body.len();
    let response = format!(
        "HTTP/1.1 {code} Scripted\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}"
    );
    socket.write_all(response.as_bytes()).await?;
    Ok(())
}

/// One chunk of a body.
async fn chunk(socket: &mut TcpStream, bytes: &[u8]) -> Result<(), Early> {
    let mut framed = format!("{:x}\r\n", bytes.len()).into_bytes();
    framed.extend_from_slice(bytes);
    framed.extend_from_slice(b"\r\n");
    socket.write_all(&framed).await?;
    Ok(())
}

/// Lets time pass, unless the client goes away.
async fn wait(socket: &mut TcpStream, time: Duration) -> Result<(), Early> {
    if time.is_zero() {
        return Ok(());
    }
    match tokio::time::timeout(time, until_closed(socket)).await {
        Ok(closed) => closed,
        Err(_) => Ok(()),
    }
}

/// Waits for the client to go away.
async fn until_closed(socket: &mut TcpStream) -> Result<(), Early> {
    let mut ignored = [0; 1024];
    while socket.read(&mut ignored).await? > 0 {}
    Err(Early::Client)
}
