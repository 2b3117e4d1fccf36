//! Reading and writing open files as streams of `wasi:io`.

use super::files::{Failure, Files};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};

/// Bytes that one write may bring.
const PERMIT: usize = 64 << 10;

/// The files of a call, shared by its store and its streams.
pub(crate) type SharedFiles = Arc<Mutex<Files>>;

pub(crate) fn lock(files: &SharedFiles) -> MutexGuard<'_, Files> {
    files.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An open file with a place in it; closes its share of the file when it goes away.
pub(crate) struct FileStream {
    files: SharedFiles,
    number: u64,
    /// `None` appends.
    offset: Option<u64>,
}

impl FileStream {
    pub(crate) fn new(
        files: &SharedFiles,
        number: u64,
        offset: Option<u64>,
    ) -> Result<FileStream, Failure> {
        lock(files).share(number)?;
        Ok(FileStream {
            files: Arc::clone(files),
            number,
            offset,
        })
    }

    fn advance(&mut self, bytes: usize) {
        if let Some(offset) = &mut self.offset {
            *offset = offset.saturating_add(bytes as u64);
        }
    }
}

impl Drop for FileStream {
    fn drop(&mut self) {
        // What cannot be written is told when the call ends.
        let _ = lock(&self.files).close(self.number);
    }
}

/// A refusal as the guest finds it behind `filesystem-error-code`.
#[derive(Debug, thiserror::Error)]
#[error("the file operation failed: {0:?}")]
pub(crate) struct Refused(pub(crate) super::files::Errno);

fn failed(failure: Failure) -> StreamError {
    match failure {
        Failure::Refused(errno) => StreamError::LastOperationFailed(Refused(errno).into()),
        Failure::Stopped(stop) => StreamError::Trap(stop.into()),
    }
}

#[async_trait::async_trait]
impl Pollable for FileStream {
    async fn ready(&mut self) {}
}

#[async_trait::async_trait]
impl InputStream for FileStream {
    fn read(&mut self, size: usize) -> StreamResult<bytes::Bytes> {
        if size == 0 {
            return Ok(bytes::Bytes::new());
        }
        let offset = self.offset.unwrap_or_default();
        let read = lock(&self.files).read(self.number, offset, size as u64);
        let bytes = read.map_err(failed)?;
        if bytes.is_empty() {
            return Err(StreamError::Closed);
        }
        self.advance(bytes.len());
        Ok(bytes.into())
    }
}

#[async_trait::async_trait]
impl OutputStream for FileStream {
    fn write(&mut self, bytes: bytes::Bytes) -> StreamResult<()> {
        let written = lock(&self.files).write(self.number, self.offset, &bytes);
        written.map_err(failed)?;
        self.advance(bytes.len());
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(PERMIT)
    }
}
