//! `wasi:sockets` for commands: streams to where policy allows, and look-ups of names that it
//! allows. No guest listens, and none sends a datagram.

use crate::network::gate::{Gate, NetworkError};
use crate::network::http_limits::HeldHttp;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use wasmtime::component::{HasData, Linker, Resource};
use wasmtime_wasi::p2::bindings::sockets::ip_name_lookup::{self, ResolveAddressStream};
use wasmtime_wasi::p2::bindings::sockets::network::{
    self, ErrorCode, IpAddress, IpAddressFamily, Network,
};
use wasmtime_wasi::p2::bindings::sockets::tcp_create_socket;
use wasmtime_wasi::p2::{DynPollable, Pollable, SocketError, TcpSocket, subscribe};
use wasmtime_wasi::runtime::{AbortOnDropJoinHandle, spawn};
use wasmtime_wasi::sockets::{SocketAddrUse, WasiSocketsCtxView, WasiSocketsView};
use wasmtime_wasi::{WasiCtxBuilder, WasiView};

/// Sockets that a call may hold at a time: each is a descriptor of ours.
const MAX_SOCKETS: usize = 64;

/// Data of a store whose guest has sockets.
pub(crate) trait Networked: WasiView + 'static {
    /// The call's way to the network.
    fn gate(&self) -> &Arc<Gate>;
    /// What it holds by `wasi:http`.
    fn held_http(&mut self) -> &mut HeldHttp;
}

/// Sets a context up so that its sockets ask the gate. Without it every socket is refused.
pub(crate) fn configure(builder: &mut WasiCtxBuilder, gate: &Arc<Gate>) {
    let asked = Arc::clone(gate);
    builder
        .allow_tcp(!gate.is_closed())
        .allow_udp(false)
        // Ours is linked in its place.
        .allow_ip_name_lookup(false)
        .socket_addr_check(move |address, wanted| {
            let allowed = match wanted {
                // What the system does before it connects. Another address or port of the machine
                // is none of the guest's business.
                SocketAddrUse::TcpBind => address.ip().is_unspecified() && address.port() == 0,
                SocketAddrUse::TcpConnect => asked.may_connect(address),
                SocketAddrUse::TcpListen
                | SocketAddrUse::TcpAccept
                | SocketAddrUse::UdpBind
                | SocketAddrUse::UdpSend
                | SocketAddrUse::UdpReceive => false,
            };
            Box::pin(std::future::ready(allowed))
        });
}

/// Links ours over those of `wasmtime-wasi`.
pub(crate) fn link<T: Networked>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let linked = tcp_create_socket::add_to_linker::<T, Sockets>(linker, view)
        .and_then(|()| ip_name_lookup::add_to_linker::<T, Sockets>(linker, view));
    linker.allow_shadowing(false);
    linked
}

struct Sockets;

impl HasData for Sockets {
    type Data<'a> = SocketsView<'a>;
}

pub(crate) struct SocketsView<'a> {
    gate: Arc<Gate>,
    inner: WasiSocketsCtxView<'a>,
}

fn view<T: Networked>(host: &mut T) -> SocketsView<'_> {
    SocketsView {
        gate: Arc::clone(host.gate()),
        inner: host.sockets(),
    }
}

impl tcp_create_socket::Host for SocketsView<'_> {
    fn create_tcp_socket(
        &mut self,
        family: IpAddressFamily,
    ) -> Result<Resource<TcpSocket>, SocketError> {
        let table = &self.inner.table;
        let held = self.gate.with_sockets(|sockets| {
            let lives = |rep: u32| table.get(&Resource::<TcpSocket>::new_borrow(rep)).is_ok();
            sockets.retain(|rep| lives(*rep));
            sockets.len()
        });
        if held >= MAX_SOCKETS {
            return Err(ErrorCode::NewSocketLimit.into());
        }
        let socket = self.inner.create_tcp_socket(family)?;
        self.gate
            .with_sockets(|sockets| sockets.insert(socket.rep()));
        Ok(socket)
    }
}

fn code(error: &NetworkError) -> ErrorCode {
    match error {
        NetworkError::Denied(_) => ErrorCode::AccessDenied,
        NetworkError::Invalid(_) => ErrorCode::InvalidArgument,
        NetworkError::NotResolved(_) => ErrorCode::NameUnresolvable,
        _ => ErrorCode::TemporaryResolverFailure,
    }
}

type Found = Result<std::vec::IntoIter<IpAddr>, ErrorCode>;

/// A look-up that the guest holds.
enum Lookup {
    Pending(AbortOnDropJoinHandle<Result<Vec<IpAddr>, NetworkError>>),
    Ready(Found),
}

impl Lookup {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<&mut Found> {
        if let Lookup::Pending(task) = self {
            let Poll::Ready(found) = std::pin::Pin::new(task).poll(cx) else {
                return Poll::Pending;
            };
            *self = Lookup::Ready(found.map(Vec::into_iter).map_err(|error| code(&error)));
        }
        match self {
            Lookup::Ready(found) => Poll::Ready(found),
            Lookup::Pending(_) => Poll::Pending,
        }
    }
}

#[async_trait::async_trait]
impl Pollable for Lookup {
    async fn ready(&mut self) {
        std::future::poll_fn(|cx| self.poll(cx).map(|_| ())).await
    }
}

impl ip_name_lookup::Host for SocketsView<'_> {
    fn resolve_addresses(
        &mut self,
        network: Resource<Network>,
        name: String,
    ) -> Result<Resource<ResolveAddressStream>, SocketError> {
        self.inner.table.get(&network)?;
        let gate = Arc::clone(&self.gate);
        let target = gate.may_look_up(&name).map_err(|error| code(&error))?;
        let task = spawn(async move { gate.look_up(&target).await });
        let lookup = self.inner.table.push(Lookup::Pending(task))?;
        // To the guest it is the resource of that interface, whatever is behind its number.
        Ok(Resource::new_own(lookup.rep()))
    }
}

impl ip_name_lookup::HostResolveAddressStream for SocketsView<'_> {
    fn resolve_next_address(
        &mut self,
        stream: Resource<ResolveAddressStream>,
    ) -> Result<Option<IpAddress>, SocketError> {
        let lookup = Resource::<Lookup>::new_borrow(stream.rep());
        let lookup = self.inner.table.get_mut(&lookup)?;
        match lookup.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => Err(ErrorCode::WouldBlock.into()),
            Poll::Ready(Ok(found)) => Ok(found.next().map(IpAddress::from)),
            Poll::Ready(Err(code)) => Err((*code).into()),
        }
    }

    fn subscribe(
        &mut self,
        stream: Resource<ResolveAddressStream>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(
            self.inner.table,
            Resource::<Lookup>::new_borrow(stream.rep()),
        )
    }

    fn drop(&mut self, stream: Resource<ResolveAddressStream>) -> wasmtime::Result<()> {
        let lookup = Resource::<Lookup>::new_own(stream.rep());
        self.inner.table.delete(lookup)?;
        Ok(())
    }
}

impl network::Host for SocketsView<'_> {
    fn convert_error_code(&mut self, error: SocketError) -> wasmtime::Result<ErrorCode> {
        self.inner.convert_error_code(error)
    }

    fn network_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        self.inner.network_error_code(error)
    }
}

impl network::HostNetwork for SocketsView<'_> {
    fn drop(&mut self, network: Resource<Network>) -> wasmtime::Result<()> {
        network::HostNetwork::drop(&mut self.inner, network)
    }
}
