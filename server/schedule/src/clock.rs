//! What time it is, and waiting: the one place where the engine meets real time.

use async_trait::async_trait;
use jiff::Timestamp;
use std::time::Duration;

/// A clock.
#[async_trait]
pub trait Clock: Send + Sync {
    /// What the clock on the wall shows. It may go back, and jump forward.
    fn now(&self) -> Timestamp;

    /// Waits that long, whatever the clock on the wall does meanwhile.
    async fn sleep(&self, time: Duration);
}

/// The machine's clock.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

/// Milliseconds since the Unix epoch, as the journal has times.
pub(crate) fn to_ms(moment: Timestamp) -> u64 {
    u64::try_from(moment.as_millisecond()).unwrap_or(0)
}

/// As [`to_ms`], the other way.
pub(crate) fn from_ms(ms: u64) -> Timestamp {
    let ms = i64::try_from(ms).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX)
}
