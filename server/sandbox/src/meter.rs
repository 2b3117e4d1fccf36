//! Counting what a call uses, and stopping it: memory, host bytes, files, time, cancellation.

use crate::call::{CallFailure, Usage};
use boxagnts_policy::limits::{Limit, Limits};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use wasmtime::{ResourceLimiter, Store, StoreContextMut, Trap, UpdateDeadline};

/// Instances, memories and tables of one call, each. Components of compilers have a handful.
pub(crate) const MAX_ITEMS: u32 = 100;
/// What one element of a table is taken for.
const TABLE_ELEMENT_BYTES: usize = 16;
/// Component handles that a guest may hold; wasmtime's own default is unbounded.
const MAX_HANDLES: usize = 100_000;
/// Host memory that one transfer from the guest may take, when its own memory is smaller.
const MIN_TRANSFER: u64 = 1 << 20;
/// Messages of guests are cut here.
const MAX_MESSAGE: usize = 64 << 10;

/// A stop of ours, thrown through the guest as a trap.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("stopped by the host")]
pub(crate) enum Stop {
    Limit { limit: Limit, used: u64 },
    Cancelled,
}

/// One call's counters.
#[derive(Debug)]
pub(crate) struct Meter {
    limits: Limits,
    started: Instant,
    cancel: CancellationToken,
    memory: usize,
    peak: usize,
    host_bytes: u64,
    files_opened: u64,
    /// Where others stop the call.
    stop: Arc<OnceLock<Stop>>,
}

/// How long a call may be waited for.
pub(crate) struct Deadline {
    pub(crate) timeout: Duration,
    pub(crate) cancel: CancellationToken,
}

/// Data of a store that has a meter.
pub(crate) trait Metered: 'static {
    fn meter(&mut self) -> &mut Meter;
}

impl Meter {
    pub(crate) fn new(limits: Limits, cancel: CancellationToken) -> Meter {
        Meter {
            limits,
            started: Instant::now(),
            cancel,
            memory: 0,
            peak: 0,
            host_bytes: 0,
            files_opened: 0,
            stop: Arc::default(),
        }
    }

    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    pub(crate) fn cancel(&self) -> &CancellationToken {
        &self.cancel
    }

    /// Whoever puts a stop in there ends the call at the next tick.
    pub(crate) fn stop_slot(&self) -> Arc<OnceLock<Stop>> {
        Arc::clone(&self.stop)
    }

    /// The stop that others put there: it counts even when the guest ended before the tick.
    pub(crate) fn stop(&self) -> Option<Stop> {
        self.stop.get().copied()
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Counts bytes that go to the host's files.
    pub(crate) fn writes(&mut self, bytes: usize) -> Result<(), Stop> {
        self.host_bytes = self.host_bytes.saturating_add(bytes as u64);
        if self.host_bytes > self.limits.max_host_bytes {
            return Err(Stop::Limit {
                limit: Limit::max_host_bytes,
                used: self.host_bytes,
            });
        }
        self.check_time()
    }

    /// Counts a file that is opened while `open` others are.
    pub(crate) fn opens(&mut self, open: usize) -> Result<(), Stop> {
        self.files_opened += 1;
        let used = open as u64 + 1;
        if used > self.limits.max_open_files {
            return Err(Stop::Limit {
                limit: Limit::max_open_files,
                used,
            });
        }
        self.check_time()
    }

    /// Time and cancellation. Asked by the epoch, and by host calls: a guest that only makes cheap
    /// host calls is stopped too.
    pub(crate) fn check_time(&self) -> Result<(), Stop> {
        if let Some(stop) = self.stop.get() {
            return Err(*stop);
        }
        if self.cancel.is_cancelled() {
            return Err(Stop::Cancelled);
        }
        let elapsed = self.started.elapsed();
        if elapsed >= self.timeout() {
            return Err(Stop::Limit {
                limit: Limit::wasm_timeout,
                used: milliseconds(elapsed),
            });
        }
        Ok(())
    }

    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_millis(self.limits.wasm_timeout)
    }

    /// How long the call may be waited for.
    pub(crate) fn deadline(&self) -> Deadline {
        Deadline {
            timeout: self.timeout(),
            cancel: self.cancel.clone(),
        }
    }

    /// What an ending means; `None` is that of a guest that was not waited for any longer.
    pub(crate) fn ended<T>(&self, ended: Option<wasmtime::Result<T>>) -> Result<T, CallFailure> {
        // Even when the guest was faster than the tick that tells it.
        if let Some(stop) = self.stop() {
            return Err(self.stopped(stop));
        }
        match ended {
            Some(Ok(result)) => Ok(result),
            Some(Err(error)) => Err(self.explain(&error)),
            None => Err(match self.check_time() {
                Err(stop) => self.stopped(stop),
                Ok(()) => CallFailure::Internal("the call ended too early".to_owned()),
            }),
        }
    }

    fn grow(&mut self, more: usize) -> wasmtime::Result<bool> {
        let wanted = self.memory.saturating_add(more);
        if wanted as u64 > self.limits.wasm_max_memory_size {
            // A trap and not just a refusal: a guest that ignores refusals would burn its fuel and
            // the report would name the wrong limit.
            let used = wanted as u64;
            return Err(Stop::Limit {
                limit: Limit::wasm_max_memory_size,
                used,
            }
            .into());
        }
        self.memory = wanted;
        self.peak = self.peak.max(wanted);
        Ok(true)
    }

    pub(crate) fn usage(&self, fuel_left: u64) -> Usage {
        Usage {
            fuel: self.limits.wasm_fuel.saturating_sub(fuel_left),
            wall: self.started.elapsed(),
            peak_memory_bytes: self.peak as u64,
            host_bytes: self.host_bytes,
            files_opened: self.files_opened,
        }
    }

    /// What a trap means.
    pub(crate) fn explain(&self, error: &wasmtime::Error) -> CallFailure {
        if let Some(stop) = error.downcast_ref::<Stop>() {
            return self.stopped(*stop);
        }
        let limit = |limit: Limit, used: u64| CallFailure::Limit {
            limit,
            value: self.limits.get(limit) as u64,
            used,
        };
        match error.downcast_ref::<Trap>() {
            Some(Trap::OutOfFuel) => limit(Limit::wasm_fuel, self.limits.wasm_fuel),
            Some(Trap::StackOverflow) => {
                limit(Limit::wasm_max_wasm_stack, self.limits.wasm_max_wasm_stack)
            }
            Some(trap) => CallFailure::Trap(trap.to_string()),
            // Only the cause: the chain around it has addresses and names of ours.
            None => CallFailure::Trap(bounded(error.root_cause().to_string())),
        }
    }

    pub(crate) fn stopped(&self, stop: Stop) -> CallFailure {
        match stop {
            Stop::Cancelled => CallFailure::Cancelled,
            Stop::Limit { limit, used } => CallFailure::Limit {
                limit,
                value: self.limits.get(limit) as u64,
                used,
            },
        }
    }
}

pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A guest's message, cut.
pub(crate) fn bounded(message: String) -> String {
    if message.len() <= MAX_MESSAGE {
        return message;
    }
    format!("{} [cut]", cut(&message, MAX_MESSAGE))
}

/// At most `max` bytes, ending between characters.
pub(crate) fn cut(text: &str, max: usize) -> &str {
    if text.len() <= max {
        return text;
    }
    let end = (0..=max)
        .rev()
        .find(|&end| text.is_char_boundary(end))
        .unwrap_or(0);
    &text[..end]
}

impl ResourceLimiter for Meter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.grow(desired.saturating_sub(current))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.grow(
            desired
                .saturating_sub(current)
                .saturating_mul(TABLE_ELEMENT_BYTES),
        )
    }

    fn instances(&self) -> usize {
        MAX_ITEMS as usize
    }

    fn tables(&self) -> usize {
        MAX_ITEMS as usize
    }

    fn memories(&self) -> usize {
        MAX_ITEMS as usize
    }
}

/// Sets every limit on a store that was just made.
pub(crate) fn govern<T: Metered>(store: &mut Store<T>) -> wasmtime::Result<()> {
    let limits = store.data_mut().meter().limits().clone();
    store.set_fuel(limits.wasm_fuel)?;
    store.limiter(|data| data.meter());
    // A guest can say all that it holds, so that the limit on output meets every output; what it
    // says several times at once is held several times in the host, and stops here.
    let transfer = limits.wasm_max_memory_size.max(MIN_TRANSFER);
    store.set_hostcall_fuel(usize::try_from(transfer).unwrap_or(usize::MAX));
    store.set_max_component_handles(MAX_HANDLES);
    // Every tick of the epoch asks the meter.
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|mut store: StoreContextMut<'_, T>| {
        store.data_mut().meter().check_time()?;
        Ok(UpdateDeadline::Continue(1))
    });
    Ok(())
}
