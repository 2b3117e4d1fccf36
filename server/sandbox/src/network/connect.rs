//! Connections to addresses that were decided, straight or through the user's proxy.

use crate::network::gate::{Gate, NetworkError, shown};
use crate::network::resolve::resolve;
use crate::network::tls;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use boxagnts_policy::network::{Scheme, Target};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, header};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use url::{Host, Url};

/// How long connecting may take, names, proxy and TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// What a proxy may say before it connects.
const MAX_PROXY_HEAD: usize = 16 << 10;

/// Bytes in both directions.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection that was allowed.
pub(crate) struct Connection {
    pub(crate) stream: Box<dyn Stream>,
    /// Gives the call's room for it back.
    pub(crate) place: OwnedSemaphorePermit,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl Gate {
    /// Decides a target and connects to it. `patience` is the guest's own, if it has one.
    pub(crate) async fn connect(
        &self,
        target: &Target,
        patience: Option<Duration>,
    ) -> Result<Connection, NetworkError> {
        let place = self.place()?;
        let patience = patience.unwrap_or(CONNECT_TIMEOUT).min(CONNECT_TIMEOUT);
        let work = tokio::time::timeout(patience, self.open(target));
        let stream = self.within(work).await?.map_err(|_| {
            NetworkError::Timeout(format!(
                "connecting to `{}` took longer than {} ms",
                shown(target),
                patience.as_millis()
            ))
        })??;
        Ok(Connection { stream, place })
    }

    async fn open(&self, target: &Target) -> Result<Box<dyn Stream>, NetworkError> {
        let addresses = self.addresses(target).await?;
        let mut failed = None;
        for address in addresses {
            self.contacted(target, address.ip());
            let opened = match self.proxy() {
                None => straight(address).await,
                Some(proxy) => self.through(proxy, address).await,
            };
            match opened {
                Ok(stream) => {
                    return match target.scheme() {
                        Scheme::Https => tls::wrap(self, target, stream).await,
                        Scheme::Http | Scheme::Tcp => Ok(stream),
                    };
                }
                Err(error) => failed = Some((address, error)),
            }
        }
        let why = match failed {
            Some((address, error)) => format!("{address}: {error}"),
            None => "it has no address".to_owned(),
        };
        Err(NetworkError::Connect(format!(
            "`{}` cannot be reached: {why}",
            shown(target)
        )))
    }

    /// Through the proxy, whose own address the user's configuration allows. It is given the address
    /// and not the name, or it would be the one that decides where the connection goes.
    async fn through(&self, proxy: &Url, to: SocketAddr) -> io::Result<Box<dyn Stream>> {
        let proxied = |error: io::Error| io::Error::new(error.kind(), format!("proxy: {error}"));
        if proxy.scheme() != "http" {
            let why = "only proxies with an `http:` URL can be used";
            return Err(proxied(io::Error::other(why)));
        }
        let port = proxy.port_or_known_default().unwrap_or(80);
        let found = match proxy.host() {
            Some(Host::Ipv4(address)) => vec![IpAddr::V4(address)],
            Some(Host::Ipv6(address)) => vec![IpAddr::V6(address)],
            Some(Host::Domain(name)) => resolve(self.resolver(), name, port)
                .await
                .map_err(|error| proxied(io::Error::other(error)))?,
            None => Vec::new(),
        };
        let mut failed = io::Error::other("it has no address");
        for address in found {
            match straight(SocketAddr::new(address, port)).await {
                Ok(stream) => return tunnel(proxy, stream, to).await.map_err(proxied),
                Err(error) => failed = error,
            }
        }
        Err(proxied(failed))
    }
}

async fn straight(to: SocketAddr) -> io::Result<Box<dyn Stream>> {
    let stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    Ok(Box::new(stream))
}

async fn tunnel(
    proxy: &Url,
    stream: Box<dyn Stream>,
    to: SocketAddr,
) -> io::Result<Box<dyn Stream>> {
    let to = to.to_string();
    let mut request = Request::builder()
        .method(Method::CONNECT)
        .uri(&to)
        .header(header::HOST, &to);
    if let Some(credentials) = credentials(proxy) {
        request = request.header(header::PROXY_AUTHORIZATION, credentials?);
    }
    let request = request
        .body(Empty::<Bytes>::new())
        .map_err(io::Error::other)?;
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(MAX_PROXY_HEAD)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    let answered = async {
        let response = sender.send_request(request).await?;
        if !response.status().is_success() {
            return Ok(Err(response.status()));
        }
        hyper::upgrade::on(response).await.map(Ok)
    };
    // The connection has to be driven until it is handed over.
    let driven = async {
        let ended = connection.with_upgrades().await;
        match ended {
            Ok(()) => std::future::pending().await,
            Err(error) => error,
        }
    };
    let answer: hyper::Result<_> = tokio::select! {
        biased;
        answer = answered => answer,
        error = driven => Err(error),
    };
    match answer.map_err(io::Error::other)? {
        Ok(upgraded) => Ok(Box::new(TokioIo::new(upgraded))),
        Err(status) => Err(io::Error::other(format!("it answers {status}"))),
    }
}

/// The user and password of a proxy's URL, as HTTP sends them.
fn credentials(proxy: &Url) -> Option<io::Result<HeaderValue>> {
    if proxy.username().is_empty() && proxy.password().is_none() {
        return None;
    }
    let mut plain: Vec<u8> = percent_decode_str(proxy.username()).collect();
    plain.push(b':');
    plain.extend(percent_decode_str(proxy.password().unwrap_or_default()));
    let value = HeaderValue::try_from(format!("Basic {}", BASE64_STANDARD.encode(&plain)));
    Some(value.map_err(io::Error::other).map(|mut value| {
        value.set_sensitive(true);
        value
    }))
}
