//! What a program may hold open, hold in memory and write, and how much of it it has used.

use super::{ENTRY, Failure, Files, MIN_HELD, Outcome};
use crate::files::FileKind;
use crate::meter::Stop;
use boxagnts_policy::limits::Limit;

impl Files {
    /// Counts a listing that is held until it is given back; gives what it is counted with.
    pub(crate) fn hold_listing(&mut self, entries: &[(String, FileKind)]) -> Outcome<u64> {
        let bytes = entries.iter().map(|(name, _)| name.len() as u64 + ENTRY);
        let bytes = bytes.sum();
        self.hold(bytes)?;
        Ok(bytes)
    }

    /// A listing has gone away.
    pub(crate) fn release_listing(&mut self, bytes: u64) {
        self.held = self.held.saturating_sub(bytes);
    }

    /// Counts contents that are held, `more` than now.
    pub(super) fn hold(&mut self, more: u64) -> Outcome<()> {
        let wanted = self.held.saturating_add(more);
        if wanted > self.max_held() {
            return Err(Failure::Stopped(Stop::Limit {
                limit: Limit::wasm_max_memory_size,
                used: wanted,
            }));
        }
        self.held = wanted;
        Ok(())
    }

    pub(super) fn max_held(&self) -> u64 {
        self.limits.wasm_max_memory_size.max(MIN_HELD)
    }

    pub(super) fn count_written(&mut self, bytes: u64) -> Outcome<()> {
        self.written = self.written.saturating_add(bytes);
        if self.written > self.limits.max_host_bytes {
            return Err(Failure::Stopped(Stop::Limit {
                limit: Limit::max_host_bytes,
                used: self.written,
            }));
        }
        Ok(())
    }

    pub(super) fn count_open(&mut self) -> Outcome<()> {
        self.open += 1;
        self.opened += 1;
        if self.open > self.limits.max_open_files {
            return Err(Failure::Stopped(Stop::Limit {
                limit: Limit::max_open_files,
                used: self.open,
            }));
        }
        Ok(())
    }
}
