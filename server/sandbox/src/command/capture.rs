//! What a command says on its standard output and error.

use crate::meter::{Stop, cut};
use boxagnts_policy::limits::Limit;
use std::sync::{Arc, Mutex, PoisonError};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

/// Keeps what is written, up to a size; beyond it, stops the call or drops the rest.
#[derive(Clone)]
pub(crate) struct Capture {
    kept: Arc<Mutex<Vec<u8>>>,
    max: usize,
    stops: bool,
}

impl Capture {
    pub(super) fn new(max: usize, stops: bool) -> Capture {
        Capture {
            kept: Arc::default(),
            max,
            stops,
        }
    }

    /// What was written, and whether it had to be cut: what stands for bytes that are no UTF-8 is
    /// longer than they are.
    pub(super) fn text(&self) -> (String, bool) {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&kept);
        let shown = cut(&text, self.max);
        (shown.to_owned(), shown.len() < text.len())
    }

    /// Takes what a guest writes.
    pub(crate) fn take(&self, bytes: &[u8]) -> Result<(), Stop> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let room = self.max - kept.len();
        kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if bytes.len() > room && self.stops {
            let used = (self.max + bytes.len() - room) as u64;
            return Err(Stop::Limit {
                limit: Limit::max_output_bytes,
                used,
            });
        }
        Ok(())
    }
}

impl IsTerminal for Capture {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Capture {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        // Only WASI 0.3 asks for this one, and nothing of it is linked.
        Box::new(tokio::io::sink())
    }
}

#[async_trait::async_trait]
impl Pollable for Capture {
    async fn ready(&mut self) {}
}

impl OutputStream for Capture {
    fn write(&mut self, bytes: bytes::Bytes) -> StreamResult<()> {
        self.take(&bytes)
            .map_err(|stop| StreamError::Trap(stop.into()))
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 << 10)
    }
}
