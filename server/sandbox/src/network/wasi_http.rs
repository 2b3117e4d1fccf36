//! `wasi:http` for commands: outgoing requests, each decided by the gate. A redirect is an answer
//! like any other here; the guest asks again, and is decided again.

use crate::network::gate::{Gate, NetworkError};
use crate::network::http::{Answer, Asked, Patience, exchange, is_ours};
use http::uri::Scheme;
use http_body_util::BodyExt;
use std::sync::Arc;
use wasmtime_wasi_http::{
    Error, ForbiddenHeaderFilter, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpHooks,
};

/// Memory that the headers of one request may take.
const MAX_FIELDS: usize = 32 << 10;
/// What is buffered of a request's body, and of those of a call that makes very many: they are held
/// in the host, sent or not.
const BODY_CHUNK: usize = 64 << 10;
const SMALL_CHUNK: usize = 256;
/// Bodies of a call that get the larger buffer.
const FEW_BODIES: usize = 256;

/// What a store with `wasi:http` holds for it.
pub(crate) struct HttpHooks {
    gate: Arc<Gate>,
    bodies: usize,
}

impl HttpHooks {
    pub(crate) fn new(gate: Arc<Gate>) -> HttpHooks {
        HttpHooks { gate, bodies: 0 }
    }

    /// The context to use them with.
    pub(crate) fn context() -> WasiHttpCtx {
        let mut context = WasiHttpCtx::new();
        context.set_field_size_limit(MAX_FIELDS);
        context
    }
}

type Sent = Result<
    (
        http::Response<WasiBody>,
        Box<dyn Future<Output = Result<(), Error>> + Send>,
    ),
    Error,
>;

impl WasiHttpHooks for HttpHooks {
    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        Arc::new(is_ours)
    }

    fn set_host_header(&mut self) -> bool {
        false
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        self.bodies += 1;
        if self.bodies <= FEW_BODIES {
            BODY_CHUNK
        } else {
            SMALL_CHUNK
        }
    }

    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let gate = Arc::clone(&self.gate);
        Box::new(async move {
            let response = send(&gate, request, options).await.map_err(told)?;
            let body = |answer: Answer| answer.map_err(told).boxed_unsync();
            // The answer's body drives its connection.
            let driven: Box<dyn Future<Output = Result<(), Error>> + Send> =
                Box::new(std::future::ready(Ok(())));
            Ok((response.map(body), driven))
        })
    }
}

async fn send(
    gate: &Arc<Gate>,
    request: http::Request<WasiBody>,
    options: Option<RequestOptions>,
) -> Result<http::Response<Answer>, NetworkError> {
    let (parts, body) = request.into_parts();
    let uri = &parts.uri;
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    // Anything else would name another host than the authority does.
    let path = match path.as_bytes().first() {
        None => "/".to_owned(),
        Some(b'/') => path.to_owned(),
        Some(b'?') => format!("/{path}"),
        Some(_) => {
            let message = format!("`{path}` is no path of `{authority}`; begin it with `/`");
            return Err(gate.refuse(path, &message));
        }
    };
    let scheme = uri.scheme().unwrap_or(&Scheme::HTTPS);
    let target = gate.target(&format!("{scheme}://{authority}{path}"))?;
    let patience = Patience {
        connect: options.as_ref().and_then(|o| o.connect_timeout),
        first_byte: options.as_ref().and_then(|o| o.first_byte_timeout),
        between_bytes: options.as_ref().and_then(|o| o.between_bytes_timeout),
    };
    let asked = Asked {
        method: parts.method,
        headers: parts.headers,
        body,
    };
    exchange(gate, &target, asked, patience).await
}

/// The guest's name for it; the report has ours.
fn told(error: NetworkError) -> Error {
    match error {
        NetworkError::Denied(_) => Error::HttpRequestDenied,
        NetworkError::Invalid(_) => Error::HttpRequestUriInvalid,
        NetworkError::NotResolved(message) => Error::DnsError {
            rcode: Some(message),
            info_code: None,
        },
        NetworkError::Connect(_) => Error::ConnectionRefused,
        NetworkError::Tls(_) => Error::TlsCertificateError,
        NetworkError::Timeout(_) => Error::ConnectionTimeout,
        NetworkError::TooLarge(_) => Error::HttpResponseHeaderSectionSize(None),
        NetworkError::Protocol(_) => Error::HttpProtocolError,
        NetworkError::Stopped(_) => Error::ConnectionTerminated,
    }
}
