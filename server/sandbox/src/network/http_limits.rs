//! What a guest may have the host hold by `wasi:http`: texts of requests, and requests and fields
//! themselves. Functions of `wasmtime-wasi-http` that keep something are linked over with ones that
//! count first.

use crate::network::sockets::Networked;
use std::any::Any;
use std::collections::HashSet;
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, LinkerInstance, Resource, ResourceTable};
use wasmtime_wasi_http::p2::bindings::http::types::{
    FieldName, FieldValue, Fields, HeaderError, Host, HostFields, HostOutgoingRequest, Method,
    OutgoingRequest, Scheme,
};
use wasmtime_wasi_http::{WasiHttpCtxView, WasiHttpView};

/// Under this name `wasmtime-wasi-http` links them; a test tells when it no longer does.
const TYPES: &str = "wasi:http/types@0.2.12";
/// Bytes of an authority, a path, a method or a scheme.
const MAX_TEXT: usize = 8 << 10;
/// Requests that a call may hold before it sends them.
const MAX_REQUESTS: usize = 64;
/// Fields that a call may hold, those of its requests besides.
const MAX_FIELDS: usize = 512;

/// What a call may hold of one kind, by numbers in its table.
#[derive(Debug, Default)]
pub(crate) struct Held(HashSet<u32>);

impl Held {
    /// Whether there is room for one more of `T`. Those that are gone are forgotten.
    fn check<T: Any>(&mut self, table: &ResourceTable, max: usize) -> wasmtime::Result<()> {
        if self.0.len() >= max {
            let lives = |rep: u32| table.get(&Resource::<T>::new_borrow(rep)).is_ok();
            self.0.retain(|rep| lives(*rep));
        }
        if self.0.len() >= max {
            wasmtime::bail!("one call may hold {max} of these of `wasi:http`; drop others first");
        }
        Ok(())
    }
}

/// Counts of a store.
#[derive(Debug, Default)]
pub(crate) struct HeldHttp {
    requests: Held,
    fields: Held,
}

fn with_fields<T: Networked + WasiHttpView>(
    mut store: StoreContextMut<'_, T>,
    make: impl FnOnce(&mut WasiHttpCtxView<'_>) -> wasmtime::Result<Resource<Fields>>,
) -> wasmtime::Result<Resource<Fields>> {
    let host = store.data_mut();
    let mut held = std::mem::take(host.held_http());
    let mut http = host.http();
    let made = held.fields.check::<Fields>(http.table, MAX_FIELDS);
    let made = made.and_then(|()| make(&mut http));
    if let Ok(made) = &made {
        held.fields.0.insert(made.rep());
    }
    *host.held_http() = held;
    made
}

/// A setter of the crate's.
type Set<V> =
    fn(&mut WasiHttpCtxView<'_>, Resource<OutgoingRequest>, V) -> wasmtime::Result<Result<(), ()>>;

/// Links a setter of a text that is refused when it is too long.
fn setter<T, V>(
    types: &mut LinkerInstance<'_, T>,
    name: &str,
    len: fn(&V) -> usize,
    set: Set<V>,
) -> wasmtime::Result<()>
where
    T: Networked + WasiHttpView,
    V: wasmtime::component::Lift + wasmtime::component::ComponentType + Send + Sync + 'static,
    (Resource<OutgoingRequest>, V):
        wasmtime::component::ComponentNamedList + wasmtime::component::Lift,
{
    types.func_wrap(
        &format!("[method]outgoing-request.{name}"),
        move |mut store: StoreContextMut<'_, T>,
              (request, value): (Resource<OutgoingRequest>, V)| {
            if len(&value) > MAX_TEXT {
                return Ok((Err(()),));
            }
            Ok((set(&mut store.data_mut().http(), request, value)?,))
        },
    )
}

/// Links ours over those of `wasmtime-wasi-http`.
pub(crate) fn link<T: Networked + WasiHttpView>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let linked = linker
        .instance(TYPES)
        .and_then(|mut types| shadow(&mut types));
    linker.allow_shadowing(false);
    linked
}

fn shadow<T: Networked + WasiHttpView>(types: &mut LinkerInstance<'_, T>) -> wasmtime::Result<()> {
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let method = |method: &Method| match method {
        Method::Other(word) => word.len(),
        _ => 0,
    };
    let scheme = |scheme: &Option<Scheme>| match scheme {
        Some(Scheme::Other(word)) => word.len(),
        _ => 0,
    };
    setter(types, "set-authority", text, |http, request, value| {
        http.set_authority(request, value)
    })?;
    setter(
        types,
        "set-path-with-query",
        text,
        |http, request, value| http.set_path_with_query(request, value),
    )?;
    setter(types, "set-method", method, |http, request, value| {
        http.set_method(request, value)
    })?;
    setter(types, "set-scheme", scheme, |http, request, value| {
        http.set_scheme(request, value)
    })?;
    types.func_wrap(
        "[constructor]outgoing-request",
        |mut store: StoreContextMut<'_, T>, (headers,): (Resource<Fields>,)| {
            let host = store.data_mut();
            let mut held = std::mem::take(host.held_http());
            let mut http = host.http();
            let room = held
                .requests
                .check::<OutgoingRequest>(http.table, MAX_REQUESTS);
            let made = room.and_then(|()| HostOutgoingRequest::new(&mut http, headers));
            if let Ok(made) = &made {
                held.requests.0.insert(made.rep());
            }
            *host.held_http() = held;
            Ok((made?,))
        },
    )?;
    types.func_wrap(
        "[method]outgoing-request.headers",
        |store: StoreContextMut<'_, T>, (request,): (Resource<OutgoingRequest>,)| {
            let made = with_fields(store, |http| HostOutgoingRequest::headers(http, request));
            Ok((made?,))
        },
    )?;
    types.func_wrap(
        "[constructor]fields",
        |store: StoreContextMut<'_, T>, ()| {
            Ok((with_fields(store, |http| HostFields::new(http))?,))
        },
    )?;
    types.func_wrap(
        "[method]fields.clone",
        |store: StoreContextMut<'_, T>, (fields,): (Resource<Fields>,)| {
            let made = with_fields(store, |http| HostFields::clone(http, fields));
            Ok((made?,))
        },
    )?;
    types.func_wrap(
        "[static]fields.from-list",
        |store: StoreContextMut<'_, T>, (entries,): (Vec<(FieldName, FieldValue)>,)| {
            let mut refused = None;
            let made = with_fields(store, |http| {
                http.from_list(entries)
                    .map_err(|error| match http.convert_header_error(error) {
                        Ok(error) => {
                            refused = Some(error);
                            wasmtime::format_err!("refused")
                        }
                        Err(trap) => trap,
                    })
            });
            let made: Result<Resource<Fields>, HeaderError> = match (made, refused) {
                (Ok(made), _) => Ok(made),
                (Err(_), Some(refused)) => Err(refused),
                (Err(trap), None) => return Err(trap),
            };
            Ok((made,))
        },
    )
}
