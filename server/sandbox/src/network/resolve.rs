//! From names to addresses.

use crate::network::gate::NetworkError;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::{Arc, OnceLock};
use tokio::sync::Semaphore;

/// Look-ups of all calls at a time. One that hangs keeps a thread until the system gives up.
const CONCURRENT_LOOKUPS: usize = 16;
/// Addresses of one name that are looked at.
const MAX_ADDRESSES: usize = 32;

/// Finds the addresses of names.
#[async_trait::async_trait]
pub trait Resolver: Send + Sync {
    /// The addresses of `host`, best first.
    ///
    /// # Errors
    /// The name has none, or nobody answers.
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<IpAddr>>;
}

/// As the machine does it for every program.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

#[async_trait::async_trait]
impl Resolver for SystemResolver {
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<IpAddr>> {
        static LOOKUPS: OnceLock<Arc<Semaphore>> = OnceLock::new();
        let lookups = LOOKUPS.get_or_init(|| Arc::new(Semaphore::new(CONCURRENT_LOOKUPS)));
        let place = Arc::clone(lookups).acquire_owned().await;
        let place = place.map_err(io::Error::other)?;
        let host = host.to_owned();
        let task = tokio::task::spawn_blocking(move || {
            // The place is free when the thread is, not when the guest's patience is over.
            let _place = place;
            (host.as_str(), port)
                .to_socket_addrs()
                .map(|found| found.map(|address| address.ip()).collect())
        });
        task.await.map_err(io::Error::other)?
    }
}

/// Resolves once, for the gate.
pub(crate) async fn resolve(
    resolver: &Arc<dyn Resolver>,
    host: &str,
    port: u16,
) -> Result<Vec<IpAddr>, NetworkError> {
    let mut found = resolver.resolve(host, port).await.map_err(|error| {
        NetworkError::NotResolved(format!("`{host}` cannot be resolved: {error}"))
    })?;
    let mut seen = std::collections::HashSet::new();
    found.retain(|address| seen.insert(*address));
    found.truncate(MAX_ADDRESSES);
    Ok(found)
}
