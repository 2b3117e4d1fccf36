//! What the editor holds that is not on disk yet.

use boxagnts_policy::path::WorkspacePath;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// An open document of the editor.
#[derive(Debug, Clone)]
pub struct Buffer {
    /// Its text, line endings as the editor has them.
    pub text: Arc<str>,
    /// The editor's version of it.
    pub version: i32,
    /// Whether it has unsaved changes: then it is what the user means, else the disk is.
    pub dirty: bool,
}

/// The editor's open documents. Answers at once, from memory.
pub trait Buffers: Send + Sync {
    /// The open document at that path.
    fn get(&self, path: &WorkspacePath) -> Option<Buffer>;

    /// Where documents are open.
    fn open_paths(&self) -> Vec<WorkspacePath>;

    /// Asks the editor what it holds of these files, where it does not tell by itself; [`Buffers::get`]
    /// answers by that afterwards. Ends in bounded time, whatever the editor does.
    fn refresh<'a>(
        &'a self,
        _paths: &'a [WorkspacePath],
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(std::future::ready(()))
    }
}

/// For faces without an editor.
#[derive(Debug, Clone, Copy)]
pub struct NoBuffers;

impl Buffers for NoBuffers {
    fn get(&self, _path: &WorkspacePath) -> Option<Buffer> {
        None
    }

    fn open_paths(&self) -> Vec<WorkspacePath> {
        Vec::new()
    }
}
