//! Clocks for guests: as coarse as a program needs them, and too coarse for one that measures what
//! it may not see.

use std::time::{Duration, Instant, SystemTime};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock};

/// What a guest can tell apart.
const RESOLUTION: Duration = Duration::from_millis(1);
const NANOS: u64 = 1_000_000;

/// The time of day, in whole milliseconds.
pub(crate) struct WallClock;

impl HostWallClock for WallClock {
    fn resolution(&self) -> Duration {
        RESOLUTION
    }

    fn now(&self) -> Duration {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = u64::try_from(now.unwrap_or_default().as_millis());
        Duration::from_millis(now.unwrap_or(u64::MAX))
    }
}

/// Where a guest's monotonic time begins: runtimes take zero for a clock that does not work.
const BEGIN: u64 = 1_000;

/// Time since the call began, in whole milliseconds and never zero.
pub(crate) struct MonotonicClock(Instant);

impl MonotonicClock {
    pub(crate) fn new() -> MonotonicClock {
        MonotonicClock(Instant::now())
    }
}

impl HostMonotonicClock for MonotonicClock {
    fn resolution(&self) -> u64 {
        NANOS
    }

    fn now(&self) -> u64 {
        let now = u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX / NANOS);
        now.saturating_add(BEGIN).saturating_mul(NANOS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn monotonic_time_is_never_zero_and_no_finer_than_needed() {
        let clock = MonotonicClock::new();
        let (first, second) = (clock.now(), clock.now());
        assert!(first > 0 && second >= first);
        assert_eq!((first % NANOS, second % NANOS), (0, 0));
    }
}
