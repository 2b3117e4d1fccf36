//! TLS for guests: the platform's root certificates, no client certificates, nothing kept from one
//! connection to the next.

use crate::network::connect::Stream;
use crate::network::gate::{Gate, NetworkError, shown};
use boxagnts_policy::network::Target;
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls_platform_verifier::Verifier;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use tokio_rustls::TlsConnector;
use url::Host;

/// Speaks TLS on `stream`, and checks that the other end is whom the target names.
pub(crate) async fn wrap(
    gate: &Gate,
    target: &Target,
    stream: Box<dyn Stream>,
) -> Result<Box<dyn Stream>, NetworkError> {
    let failed = |why: String| NetworkError::Tls(format!("TLS to `{}`: {why}", shown(target)));
    let name = match target.host() {
        Host::Ipv4(address) => ServerName::IpAddress(IpAddr::V4(*address).into()),
        Host::Ipv6(address) => ServerName::IpAddress(IpAddr::V6(*address).into()),
        Host::Domain(name) => {
            ServerName::try_from(name.clone()).map_err(|error| failed(error.to_string()))?
        }
    };
    let config = config(gate).await.map_err(&failed)?;
    let stream = TlsConnector::from(config)
        .connect(name, stream)
        .await
        .map_err(|error| failed(error.to_string()))?;
    Ok(Box::new(stream))
}

#[cfg(not(test))]
async fn config(_: &Gate) -> Result<Arc<ClientConfig>, String> {
    shared().await
}

#[cfg(test)]
async fn config(gate: &Gate) -> Result<Arc<ClientConfig>, String> {
    match gate.roots() {
        [] => shared().await,
        roots => build(roots.to_vec()).map(Arc::new),
    }
}

/// One configuration for the process: reading the platform's certificates takes milliseconds.
async fn shared() -> Result<Arc<ClientConfig>, String> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(config) = CONFIG.get() {
        return Ok(Arc::clone(config));
    }
    let made = tokio::task::spawn_blocking(|| build(Vec::new())).await;
    let made = made.map_err(|error| error.to_string())??;
    Ok(Arc::clone(CONFIG.get_or_init(|| Arc::new(made))))
}

fn build(extra: Vec<rustls::pki_types::CertificateDer<'static>>) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let told = |error: rustls::Error| format!("no root certificates can be used: {error}");
    let verifier = if extra.is_empty() {
        Verifier::new(Arc::clone(&provider))
    } else {
        Verifier::new_with_extra_roots(extra, Arc::clone(&provider))
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(told)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier.map_err(told)?))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // A ticket would tell a server that two calls come from the same machine.
    config.resumption = Resumption::disabled();
    Ok(config)
}
