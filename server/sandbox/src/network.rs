//! The network as guests have it: one gate that decides every connection of a call, whichever
//! interface asks for it, and tells afterwards what was asked.
//!
//! A name is resolved once for a connection, every address is decided, and the connection goes to
//! an address that was allowed; nothing looks the name up again in between.

mod connect;
mod fetch;
mod gate;
mod http;
mod http_limits;
mod resolve;
mod sockets;
mod tls;
mod wasi_http;

pub use gate::{Contact, Contacts, Network};
pub use resolve::{Resolver, SystemResolver};

pub(crate) use fetch::fetch;
pub(crate) use gate::Gate;
pub(crate) use http_limits::HeldHttp;
pub(crate) use sockets::{Networked, configure};
pub(crate) use wasi_http::HttpHooks;

use wasmtime::component::Linker;

/// Links what guests reach the network by: `wasi:http`, and our sockets and look-ups in place of
/// those of `wasmtime-wasi`, which are to be linked before.
pub(crate) fn link<T>(linker: &mut Linker<T>) -> wasmtime::Result<()>
where
    T: Networked + wasmtime_wasi_http::WasiHttpView,
{
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
    http_limits::link(linker)?;
    sockets::link(linker)
}
