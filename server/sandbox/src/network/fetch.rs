//! `http` for tools of our own ABI: a whole answer at once, redirects followed, every hop decided
//! from the start.

use crate::network::gate::{Gate, NetworkError, shown};
use crate::network::http::{Answer, Asked, Patience, exchange};
use crate::world::abi::boxagnts::tool::http as abi;
use boxagnts_policy::network::{Scheme, Target};
use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_LANGUAGE, HeaderMap, HeaderName, HeaderValue, LOCATION, USER_AGENT,
};
use http::{Method, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use std::sync::Arc;
use url::Position;

/// What ends a fetch.
pub(crate) enum FetchError {
    Network(NetworkError),
    TooManyRedirects(String),
}

impl From<NetworkError> for FetchError {
    fn from(error: NetworkError) -> FetchError {
        FetchError::Network(error)
    }
}

/// Does it on a task of the runtime: TLS wants more stack than a guest has left.
pub(crate) async fn fetch(
    gate: &Arc<Gate>,
    request: abi::Request,
) -> wasmtime::Result<Result<abi::Response, abi::Error>> {
    let gate = Arc::clone(gate);
    // Ended with the call, if that is dropped.
    let task = wasmtime_wasi::runtime::spawn(async move { follow(&gate, request).await });
    let error = match task.await {
        Ok(response) => return Ok(Ok(response)),
        Err(error) => error,
    };
    let (code, message) = match error {
        FetchError::TooManyRedirects(message) => (abi::ErrorCode::TooManyRedirects, message),
        FetchError::Network(NetworkError::Stopped(stop)) => return Err(stop.into()),
        FetchError::Network(error) => (code(&error), error.to_string()),
    };
    Ok(Err(abi::Error { code, message }))
}

fn code(error: &NetworkError) -> abi::ErrorCode {
    match error {
        NetworkError::Denied(_) => abi::ErrorCode::Denied,
        NetworkError::Invalid(_) => abi::ErrorCode::InvalidRequest,
        NetworkError::NotResolved(_) => abi::ErrorCode::NotResolved,
        NetworkError::Connect(_) => abi::ErrorCode::Connect,
        NetworkError::Tls(_) => abi::ErrorCode::Tls,
        NetworkError::Timeout(_) | NetworkError::Stopped(_) => abi::ErrorCode::Timeout,
        NetworkError::TooLarge(_) => abi::ErrorCode::TooLarge,
        NetworkError::Protocol(_) => abi::ErrorCode::Protocol,
    }
}

async fn follow(gate: &Arc<Gate>, request: abi::Request) -> Result<abi::Response, FetchError> {
    let invalid = |what: &str| {
        let message = format!("`{}`: {what}", crate::meter::cut(&request.url, 200));
        NetworkError::Invalid(message)
    };
    let mut method = Method::from_bytes(request.method.as_bytes())
        .map_err(|_| invalid("its method is no word of HTTP"))?;
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| invalid("a header has a name that HTTP does not allow"))?;
        let value = HeaderValue::from_str(value)
            .map_err(|_| invalid(&format!("the header `{name}` has control characters")))?;
        let full = |_| NetworkError::TooLarge("a request has too many headers".to_owned());
        headers.try_append(name, value).map_err(full)?;
    }
    // The body is whole, so its length is known here.
    headers.remove(http::header::CONTENT_LENGTH);
    let mut body = request.body.map(Bytes::from);
    let mut target = gate.target(&request.url)?;
    let max_redirects = gate.limits().max_redirects;
    let mut redirects = 0;
    loop {
        let asked = Asked {
            method: method.clone(),
            headers: headers.clone(),
            body: Full::new(body.clone().unwrap_or_default()),
        };
        let response = exchange(gate, &target, asked, Patience::default()).await?;
        let Some(next) = redirect(gate, &target, &response)? else {
            return Ok(read(&target, response).await?);
        };
        redirects += 1;
        if redirects > max_redirects {
            return Err(FetchError::TooManyRedirects(format!(
                "`{}` redirects more than {max_redirects} times (`max_redirects`)",
                crate::meter::cut(&request.url, 200)
            )));
        }
        let status = response.status();
        let becomes_get = match status {
            StatusCode::SEE_OTHER => method != Method::HEAD,
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => method == Method::POST,
            _ => false,
        };
        if becomes_get {
            method = Method::GET;
            body = None;
            let of_body = |name: &HeaderName| name.as_str().starts_with("content-");
            let gone: Vec<HeaderName> = headers.keys().filter(|n| of_body(n)).cloned().collect();
            for name in gone {
                headers.remove(name);
            }
        }
        let origin = |target: &Target| (target.scheme(), target.host().clone(), target.port());
        if origin(&next) != origin(&target) {
            // What was meant for one host is not told to another, by whatever name it goes.
            if body.as_ref().is_some_and(|body| !body.is_empty()) {
                let reason = format!(
                    "`{}` redirects a request with a body to `{}`; ask for that URL itself if it \
                     is meant",
                    shown(&target),
                    shown(&next)
                );
                return Err(gate.refuse(&shown(&next), &reason).into());
            }
            body = None;
            let mut kept = HeaderMap::new();
            for name in [ACCEPT, ACCEPT_LANGUAGE, USER_AGENT] {
                for value in headers.get_all(&name) {
                    kept.append(name.clone(), value.clone());
                }
            }
            headers = kept;
        }
        target = next;
    }
}

/// Where an answer sends us, if it does.
fn redirect(
    gate: &Gate,
    from: &Target,
    response: &Response<Answer>,
) -> Result<Option<Target>, NetworkError> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = response.headers().get(LOCATION) else {
        return Ok(None);
    };
    let lost = || {
        let message = format!("`{}` redirects to what is no URL", shown(from));
        NetworkError::Protocol(message)
    };
    let location = location.to_str().map_err(|_| lost())?;
    let base = from.url().ok_or_else(lost)?;
    // A text with a scheme is read as it stands: joining would forgive what reading does not.
    let to = if url::Url::parse(location).is_ok() {
        gate.target(location)?
    } else {
        gate.target(base.join(location).map_err(|_| lost())?.as_str())?
    };
    if from.scheme() == Scheme::Https && to.scheme() != Scheme::Https {
        let reason = format!(
            "`{}` redirects to `{}`, which is not encrypted; ask for that URL itself if it is meant",
            shown(from),
            shown(&to)
        );
        return Err(gate.refuse(&shown(&to), &reason));
    }
    Ok(Some(to))
}

async fn read(target: &Target, response: Response<Answer>) -> Result<abi::Response, NetworkError> {
    let (parts, mut answer) = response.into_parts();
    // Told beforehand, it need not be waited for; nor is more than the limit ever held.
    answer.announce(answer.size_hint().lower())?;
    let mut body = Vec::new();
    while let Some(frame) = answer.frame().await {
        if let Ok(data) = frame?.into_data() {
            body.extend_from_slice(&data);
        }
    }
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let header = |(name, value): (&HeaderName, &HeaderValue)| (name.to_string(), text(value));
    let url = target
        .url()
        .map(|url| url[..Position::AfterQuery].to_owned());
    Ok(abi::Response {
        url: url.unwrap_or_default(),
        status: parts.status.as_u16(),
        headers: parts.headers.iter().map(header).collect(),
        body,
    })
}
