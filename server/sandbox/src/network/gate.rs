//! What one call may do on the network, and what it did.

use crate::meter::{Meter, Stop, bounded, cut, milliseconds};
use crate::network::resolve::{Resolver, SystemResolver, resolve};
use boxagnts_policy::limits::{Limit, Limits};
use boxagnts_policy::network::{ALLOWED_OUTBOUND_HOSTS, NetworkPolicy, NetworkRefusal, Target};
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use url::{Host, Position, Url};

/// Contacts that are told one by one.
const MAX_CONTACTS: usize = 100;
/// Longest text of a contact, in bytes.
const MAX_TOLD: usize = 300;
/// Look-ups for sockets in one call.
const MAX_LOOKUPS: usize = 256;
/// Connections that a call may hold at a time, each with its buffers and a descriptor of ours.
const MAX_CONNECTIONS: usize = 64;

/// What the network of a call is.
#[derive(Clone)]
pub struct Network {
    policy: NetworkPolicy,
    proxy: Option<Url>,
    resolver: Arc<dyn Resolver>,
    #[cfg(test)]
    pub(crate) roots: Vec<rustls::pki_types::CertificateDer<'static>>,
}

impl Network {
    /// `proxy` is an `http:` URL; connections go through it by `CONNECT`.
    pub fn new(policy: NetworkPolicy, proxy: Option<Url>, resolver: Arc<dyn Resolver>) -> Network {
        Network {
            policy,
            proxy,
            resolver,
            #[cfg(test)]
            roots: Vec::new(),
        }
    }

    /// As the machine resolves names, and without a proxy.
    pub fn direct(policy: NetworkPolicy) -> Network {
        Network::new(policy, None, Arc::new(SystemResolver))
    }

    /// None: everything is refused.
    pub fn closed() -> Network {
        Network::direct(NetworkPolicy::closed())
    }

    /// Whether nothing at all is allowed.
    pub fn is_closed(&self) -> bool {
        self.policy.is_closed()
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A proxy's URL may have a password.
        f.debug_struct("Network")
            .field("closed", &self.is_closed())
            .field("proxy", &self.proxy.is_some())
            .finish_non_exhaustive()
    }
}

/// One thing that a guest wanted of the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// URL, or name and port.
    pub target: String,
    /// The address that was decided on; `None` when it did not come to one.
    pub address: Option<IpAddr>,
    /// The decision.
    pub allowed: bool,
    /// Why not.
    pub reason: Option<String>,
}

/// What a call wanted of the network, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contacts {
    /// The first of them.
    pub list: Vec<Contact>,
    /// How many more there were.
    pub beyond: u64,
}

/// Why a guest does not get what it wants of the network. The text names the target.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum NetworkError {
    /// Policy refuses the target, or all of its addresses.
    #[error("{0}")]
    Denied(String),
    /// No URL, or a request that HTTP or we do not have.
    #[error("{0}")]
    Invalid(String),
    #[error("{0}")]
    NotResolved(String),
    #[error("{0}")]
    Connect(String),
    #[error("{0}")]
    Tls(String),
    #[error("{0}")]
    Timeout(String),
    #[error("{0}")]
    TooLarge(String),
    #[error("{0}")]
    Protocol(String),
    /// The call is over.
    #[error(transparent)]
    Stopped(#[from] Stop),
}

/// A guest's words as a record can have them: short, and without what could be mistaken.
fn harmless(text: &str) -> String {
    let text = cut(text, MAX_TOLD);
    text.chars().flat_map(char::escape_debug).collect()
}

/// One call's way to the network.
pub(crate) struct Gate {
    network: Network,
    limits: Limits,
    started: Instant,
    cancel: CancellationToken,
    /// Shared with the call's meter, which stops the guest.
    stop: Arc<OnceLock<Stop>>,
    places: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    contacts: Contacts,
    refusal: Option<String>,
    /// What look-ups of sockets found, for the connections that follow.
    names: HashMap<String, Vec<IpAddr>>,
    /// Look-ups that were begun.
    lookups: usize,
    /// Sockets of the guest, by their number in its table.
    sockets: HashSet<u32>,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}

impl Gate {
    pub(crate) fn new(network: Network, meter: &Meter) -> Arc<Gate> {
        Arc::new(Gate {
            network,
            limits: meter.limits().clone(),
            started: meter.started(),
            cancel: meter.cancel().clone(),
            stop: meter.stop_slot(),
            places: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
            state: Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.network.is_closed()
    }

    pub(crate) fn proxy(&self) -> Option<&Url> {
        self.network.proxy.as_ref()
    }

    pub(crate) fn resolver(&self) -> &Arc<dyn Resolver> {
        &self.network.resolver
    }

    #[cfg(test)]
    pub(crate) fn roots(&self) -> &[rustls::pki_types::CertificateDer<'static>] {
        &self.network.roots
    }

    /// Ends the call: the meter sees it at the next tick, and the report tells it.
    pub(crate) fn stop(&self, stop: Stop) -> Stop {
        *self.stop.get_or_init(|| stop)
    }

    pub(crate) fn stopped(&self) -> Option<Stop> {
        self.stop.get().copied()
    }

    /// Takes what was contacted out of the gate.
    pub(crate) fn contacts(&self) -> Contacts {
        std::mem::take(&mut self.state().contacts)
    }

    /// The reason of the latest refusal.
    pub(crate) fn refusal(&self) -> Option<String> {
        self.state().refusal.clone()
    }

    fn note(&self, target: &str, address: Option<IpAddr>, refused: Option<&str>) {
        let mut state = self.state();
        if let Some(reason) = refused {
            state.refusal = Some(reason.to_owned());
        }
        let contacts = &mut state.contacts;
        if contacts.list.len() < MAX_CONTACTS {
            contacts.list.push(Contact {
                target: harmless(target),
                address,
                allowed: refused.is_none(),
                reason: refused.map(harmless),
            });
        } else {
            contacts.beyond = contacts.beyond.saturating_add(1);
        }
    }

    /// Notes that `target`, which need not be readable, is refused for `reason`.
    pub(crate) fn refuse(&self, target: &str, reason: &str) -> NetworkError {
        self.note(target, None, Some(reason));
        NetworkError::Denied(reason.to_owned())
    }

    /// A URL as a target.
    pub(crate) fn target(&self, url: &str) -> Result<Target, NetworkError> {
        Target::parse_url(url).map_err(|refusal| {
            let reason = refusal.to_string();
            self.note(url, None, Some(&reason));
            NetworkError::Invalid(reason)
        })
    }

    /// Whether a target is allowed, before anything is looked up.
    pub(crate) fn check(&self, target: &Target) -> Result<(), NetworkError> {
        self.allows(target)
            .map_err(|refusal| self.refuse(&shown(target), &refusal.to_string()))
    }

    fn allows(&self, target: &Target) -> Result<(), NetworkRefusal> {
        self.network.policy.check(target)
    }

    /// The addresses that a connection to `target` may go to: resolved once, each decided.
    pub(crate) async fn addresses(&self, target: &Target) -> Result<Vec<SocketAddr>, NetworkError> {
        self.check(target)?;
        let found = match target.host() {
            Host::Ipv4(address) => vec![IpAddr::V4(*address)],
            Host::Ipv6(address) => vec![IpAddr::V6(*address)],
            Host::Domain(name) => {
                let resolved = resolve(self.resolver(), name, target.port()).await;
                if resolved.is_err() {
                    // It was asked for all the same.
                    self.note(&shown(target), None, None);
                }
                resolved?
            }
        };
        let allowed = self.allowed(target, found)?;
        let pinned = |address| SocketAddr::new(address, target.port());
        Ok(allowed.into_iter().map(pinned).collect())
    }

    /// Those of `found` that policy allows; an error when it allows none.
    fn allowed(&self, target: &Target, found: Vec<IpAddr>) -> Result<Vec<IpAddr>, NetworkError> {
        let (target_shown, mut refused) = (shown(target), None);
        let mut allowed = Vec::new();
        for address in found {
            match self.network.policy.check_address(target, address) {
                Ok(()) => allowed.push(address),
                Err(refusal) => {
                    let reason = refusal.to_string();
                    self.note(&target_shown, Some(address), Some(&reason));
                    refused = Some(reason);
                }
            }
        }
        match (allowed.is_empty(), refused) {
            (false, _) => Ok(allowed),
            (true, Some(reason)) => Err(NetworkError::Denied(reason)),
            (true, None) => Err(NetworkError::NotResolved(format!(
                "`{target_shown}` has no address; check the name"
            ))),
        }
    }

    /// Notes a connection that is made, or tried.
    pub(crate) fn contacted(&self, target: &Target, address: IpAddr) {
        self.note(&shown(target), Some(address), None);
    }

    /// Room for one more connection, for as long as what is returned lives.
    pub(crate) fn place(&self) -> Result<OwnedSemaphorePermit, NetworkError> {
        Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            NetworkError::Connect(format!(
                "one call may hold {MAX_CONNECTIONS} connections; finish others first"
            ))
        })
    }

    /// What is left of the call's time.
    pub(crate) fn rest(&self) -> Duration {
        let timeout = Duration::from_millis(self.limits.wasm_timeout);
        timeout.saturating_sub(self.started.elapsed())
    }

    /// Runs something for no longer than the call may take, and ends it when the call is cancelled.
    pub(crate) async fn within<T>(&self, work: impl Future<Output = T>) -> Result<T, Stop> {
        if let Some(stop) = self.stop.get() {
            return Err(*stop);
        }
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(self.stop(Stop::Cancelled)),
            () = tokio::time::sleep(self.rest()) => Err(self.stop(Stop::Limit {
                limit: Limit::wasm_timeout,
                used: milliseconds(self.started.elapsed()).max(self.limits.wasm_timeout),
            })),
            done = work => Ok(done),
        }
    }

    /// Whether a socket of the guest may connect: policy allows the address itself, or it was found
    /// by a look-up of this call for a name that policy allows with this port.
    pub(crate) fn may_connect(&self, to: SocketAddr) -> bool {
        let target = Target::tcp_address(to);
        let refusal = match self.allows(&target) {
            Ok(()) => match self.network.policy.check_address(&target, to.ip()) {
                Ok(()) => {
                    self.contacted(&target, to.ip());
                    return true;
                }
                Err(refusal) => refusal,
            },
            Err(refusal) => refusal,
        };
        let known: Vec<String> = {
            let state = self.state();
            let having = state.names.iter().filter(|(_, at)| at.contains(&to.ip()));
            having.map(|(name, _)| name.clone()).collect()
        };
        for name in known {
            let Ok(target) = Target::tcp_name(&name, to.port()) else {
                continue;
            };
            let policy = &self.network.policy;
            if policy.check(&target).is_ok() && policy.check_address(&target, to.ip()).is_ok() {
                self.contacted(&target, to.ip());
                return true;
            }
        }
        self.note(&shown(&target), Some(to.ip()), Some(&refusal.to_string()));
        false
    }

    /// Decides whether a name may be looked up for sockets. Only names that some rule for sockets
    /// allows are: a look-up tells the name to whoever answers it.
    pub(crate) fn may_look_up(&self, name: &str) -> Result<Target, NetworkError> {
        // The port is not known yet; it is decided when the connection is made.
        let target = Target::tcp_name(name, 1).map_err(|refusal| {
            self.note(name, None, Some(&refusal.to_string()));
            NetworkError::Invalid(refusal.to_string())
        })?;
        let Host::Domain(name) = target.host() else {
            return Ok(target);
        };
        let known = self.state().names.contains_key(name);
        let reason = if !self.network.policy.allows_name(name) {
            format!(
                "`{name}` is not looked up: no entry of `{ALLOWED_OUTBOUND_HOSTS}` allows sockets \
                 to it; add `tcp://{name}:PORT` to allow them"
            )
        } else if known || self.count_lookup() {
            return Ok(target);
        } else {
            format!("`{name}` is not looked up: one call may look up {MAX_LOOKUPS} names")
        };
        Err(self.refuse(name, &reason))
    }

    fn count_lookup(&self) -> bool {
        let mut state = self.state();
        state.lookups += 1;
        state.lookups <= MAX_LOOKUPS
    }

    /// Looks up what [`Gate::may_look_up`] allowed, and remembers the addresses that policy allows.
    pub(crate) async fn look_up(&self, target: &Target) -> Result<Vec<IpAddr>, NetworkError> {
        let name = match target.host() {
            // Nothing to look up, nothing to learn.
            Host::Ipv4(address) => return Ok(vec![IpAddr::V4(*address)]),
            Host::Ipv6(address) => return Ok(vec![IpAddr::V6(*address)]),
            Host::Domain(name) => name,
        };
        if let Some(known) = self.state().names.get(name) {
            // One look-up a call: later answers could be others.
            return Ok(known.clone());
        }
        let found = self.within(resolve(self.resolver(), name, 0)).await??;
        let allowed = self.allowed(target, found)?;
        self.note(name, None, None);
        let mut state = self.state();
        Ok(state.names.entry(name.clone()).or_insert(allowed).clone())
    }

    /// Works on the numbers of the guest's sockets.
    pub(crate) fn with_sockets<T>(&self, work: impl FnOnce(&mut HashSet<u32>) -> T) -> T {
        work(&mut self.state().sockets)
    }
}

/// A target for people: what follows the path may be secret.
pub(crate) fn shown(target: &Target) -> String {
    match target.url() {
        Some(url) => bounded(url[..Position::AfterPath].to_owned()),
        None => target.to_string(),
    }
}
