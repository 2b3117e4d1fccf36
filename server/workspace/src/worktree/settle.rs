//! Waits until the disk's clock has gone on: what is written from then on is seen to be newer than all
//! that was written before.

use super::dir::{Dir, Stamp};
use std::ffi::OsStr;
use std::io::Result;
use std::time::{Duration, Instant};

const PROBE: &str = "clock";
/// Clocks of disks go by ticks of a few milliseconds, or by seconds.
const PATIENCE: Duration = Duration::from_millis(2500);

/// Waits in a folder of the same disk. Says whether it is so; a clock that was set back is not waited for.
///
/// # Errors
/// The folder cannot be written.
pub(crate) fn settle<'a>(folder: &Dir, stamps: impl Iterator<Item = &'a Stamp>) -> Result<bool> {
    let Some(latest) = stamps.map(|stamp| stamp.changed).max() else {
        return Ok(true);
    };
    let until = Instant::now() + PATIENCE;
    loop {
        folder.write(PROBE, b"", false)?;
        // Written a second time: a file that was empty already may keep its times.
        let now = folder.write(PROBE, b"x", false)?.stamp.changed;
        if now > latest {
            folder.remove(OsStr::new(PROBE))?;
            return Ok(true);
        }
        if Instant::now() >= until {
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}
