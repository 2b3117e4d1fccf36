//! The host's side of the tool ABI (`tools-wasm/wit`).

use crate::call::{Capabilities, Progress};
use crate::files::{AnyFs, FileKind, FsError, FsErrorCode};
use crate::meter::{Meter, Metered, cut};
use crate::network::{Gate, fetch};
use std::sync::Arc;
use wasmtime::component::{HasSelf, Linker, Resource};

#[allow(missing_docs)]
pub(crate) mod abi {
    wasmtime::component::bindgen!({
        path: "../../tools-wasm/wit",
        world: "tool",
        imports: {
            // The one that waits.
            "boxagnts:tool/http.fetch": async | trappable,
            default: trappable,
        },
        exports: { default: async },
        with: { "boxagnts:tool/workspace-read.walk": super::GuestWalk },
    });
}

pub(crate) use abi::boxagnts::tool::types::ToolError;
use abi::boxagnts::tool::{http, progress, types, workspace_read, workspace_write};

/// A walk that the guest holds, by its number among the call's walks.
pub struct GuestWalk;

/// Longest progress message, in bytes.
const MAX_PROGRESS: usize = 200;
/// Paths that one step of a walk brings, however many the guest wants: they are held in the host.
const MAX_WALK_STEP: u32 = 10_000;

/// Data of a call's store.
pub(crate) struct Host {
    pub(crate) meter: Meter,
    pub(crate) fs: Box<dyn AnyFs>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) progress: Option<Progress>,
    /// The latest denial: when the guest then fails, that was the reason.
    pub(crate) denied: Option<String>,
}

impl Metered for Host {
    fn meter(&mut self) -> &mut Meter {
        &mut self.meter
    }
}

/// Links what is granted, and nothing else.
pub(crate) fn link(linker: &mut Linker<Host>, grants: Capabilities) -> wasmtime::Result<()> {
    types::add_to_linker::<Host, HasSelf<Host>>(linker, |host| host)?;
    if grants.workspace_read {
        workspace_read::add_to_linker::<Host, HasSelf<Host>>(linker, |host| host)?;
    }
    if grants.workspace_write {
        workspace_write::add_to_linker::<Host, HasSelf<Host>>(linker, |host| host)?;
    }
    if grants.http {
        http::add_to_linker::<Host, HasSelf<Host>>(linker, |host| host)?;
    }
    if grants.progress {
        progress::add_to_linker::<Host, HasSelf<Host>>(linker, |host| host)?;
    }
    Ok(())
}

impl Host {
    fn answer<T>(&mut self, result: Result<T, FsError>) -> Result<T, workspace_read::Error> {
        result.map_err(|error| {
            if error.code == FsErrorCode::Denied {
                self.denied = Some(error.message.clone());
            }
            workspace_read::Error {
                code: code(error.code),
                message: error.message,
            }
        })
    }
}

type Answer<T> = wasmtime::Result<Result<T, workspace_read::Error>>;

impl types::Host for Host {}

impl workspace_read::Host for Host {
    fn read(&mut self, path: String, max: u64) -> Answer<Vec<u8>> {
        self.meter.opens(self.fs.open_walks())?;
        // What cannot fit into the guest need not be read.
        let max = max.min(self.meter.limits().wasm_max_memory_size);
        let result = self.fs.read(&path, max);
        Ok(self.answer(result))
    }

    fn stat(&mut self, path: String) -> Answer<workspace_read::Metadata> {
        self.meter.check_time()?;
        let result = self.fs.stat(&path);
        let found = self.answer(result);
        Ok(found.map(|found| workspace_read::Metadata {
            kind: kind(found.kind),
            size: found.size,
        }))
    }

    fn list(&mut self, path: String) -> Answer<Vec<workspace_read::Entry>> {
        self.meter.opens(self.fs.open_walks())?;
        let result = self.fs.list(&path);
        let entry = |entry: crate::files::Entry| workspace_read::Entry {
            name: entry.name,
            kind: kind(entry.kind),
            size: entry.size,
        };
        Ok(self
            .answer(result)
            .map(|entries| entries.into_iter().map(entry).collect()))
    }
}

impl workspace_read::HostWalk for Host {
    fn open(&mut self, path: String) -> Answer<Resource<GuestWalk>> {
        self.meter.opens(self.fs.open_walks())?;
        let result = self.fs.walk(&path);
        Ok(self.answer(result).map(Resource::new_own))
    }

    fn next(&mut self, walk: Resource<GuestWalk>, max: u32) -> Answer<Vec<String>> {
        self.meter.check_time()?;
        let result = self.fs.walk_next(walk.rep(), max.min(MAX_WALK_STEP));
        Ok(self.answer(result))
    }

    fn drop(&mut self, walk: Resource<GuestWalk>) -> wasmtime::Result<()> {
        self.fs.walk_end(walk.rep());
        Ok(())
    }
}

impl workspace_write::Host for Host {
    fn write(&mut self, path: String, content: Vec<u8>) -> Answer<()> {
        self.meter.writes(path.len() + content.len())?;
        let result = self.fs.write(&path, content);
        Ok(self.answer(result))
    }

    fn remove(&mut self, path: String) -> Answer<()> {
        self.meter.writes(path.len())?;
        let result = self.fs.remove(&path);
        Ok(self.answer(result))
    }

    fn rename(&mut self, from: String, to: String) -> Answer<()> {
        self.meter.writes(from.len() + to.len())?;
        let result = self.fs.rename(&from, &to);
        Ok(self.answer(result))
    }
}

impl http::Host for Host {
    async fn fetch(
        &mut self,
        request: http::Request,
    ) -> wasmtime::Result<Result<http::Response, http::Error>> {
        self.meter.check_time()?;
        let fetched = fetch(&self.gate, request).await?;
        if let Err(error) = &fetched
            && error.code == http::ErrorCode::Denied
        {
            self.denied = Some(error.message.clone());
        }
        Ok(fetched)
    }
}

impl progress::Host for Host {
    fn report(&mut self, message: String) -> wasmtime::Result<()> {
        self.meter.check_time()?;
        if let Some(progress) = &self.progress {
            progress(cut(&message, MAX_PROGRESS));
        }
        Ok(())
    }
}

fn kind(kind: FileKind) -> workspace_read::Kind {
    match kind {
        FileKind::File => workspace_read::Kind::File,
        FileKind::Directory => workspace_read::Kind::Directory,
        FileKind::Symlink => workspace_read::Kind::Symlink,
        FileKind::Other => workspace_read::Kind::Other,
    }
}

fn code(code: FsErrorCode) -> workspace_read::ErrorCode {
    use workspace_read::ErrorCode as Abi;
    match code {
        FsErrorCode::NotFound => Abi::NotFound,
        FsErrorCode::Denied => Abi::Denied,
        FsErrorCode::IsDirectory => Abi::IsDirectory,
        FsErrorCode::NotDirectory => Abi::NotDirectory,
        FsErrorCode::NotRegular => Abi::NotRegular,
        FsErrorCode::TooLarge => Abi::TooLarge,
        FsErrorCode::Exists => Abi::Exists,
        FsErrorCode::InvalidPath => Abi::InvalidPath,
        FsErrorCode::Io => Abi::Io,
    }
}
