//! When a run that failed is tried again: later each time, and not all jobs at once.

use boxagnts_session::store::Claimed;
use std::time::Duration;

/// Before the second attempt.
const FIRST: Duration = Duration::from_secs(30);
/// Before any.
const LONGEST: Duration = Duration::from_secs(30 * 60);

/// How long to wait behind an attempt that failed; `None` when it was the last one.
///
/// Twice as long each time, and up to a quarter longer by chance, where chance is the run's own: the
/// same run always waits equally long, and jobs that failed together do not come back together.
pub(crate) fn wait(run: &Claimed, retries: u32) -> Option<Duration> {
    if run.attempt > retries {
        return None;
    }
    let doubled = 1u32
        .checked_shl(run.attempt.saturating_sub(1))
        .unwrap_or(u32::MAX);
    let wait = FIRST.saturating_mul(doubled).min(LONGEST);
    Some(wait + wait.mul_f64(0.25 * chance(run)))
}

/// From 0 to 1, spread evenly over runs (the finaliser of splitmix64).
fn chance(run: &Claimed) -> f64 {
    let mut mixed = run.due_ms
        ^ run.key.unsigned_abs().rotate_left(40)
        ^ u64::from(run.attempt).rotate_left(20);
    for factor in [0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb] {
        mixed ^= mixed >> 30;
        mixed = mixed.wrapping_mul(factor);
    }
    mixed ^= mixed >> 31;
    f64::from((mixed >> 32) as u32) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(attempt: u32, retries: u32, expect: Option<u64>) {
        let waits = |key| {
            let run = Claimed {
                key,
                due_ms: 1_700_000_000_000,
                attempt,
            };
            wait(&run, retries)
        };
        let Some(least) = expect else {
            assert_eq!(waits(1), None);
            return;
        };
        for key in 1..100 {
            let seconds = waits(key).unwrap().as_secs_f64();
            assert!(
                (least as f64..=1.25 * least as f64).contains(&seconds),
                "{seconds}"
            );
        }
        assert_ne!(waits(1), waits(2));
        assert_eq!(waits(1), waits(1));
    }

    #[test]
    fn waits_grow_to_a_bound_and_end() {
        check(1, 0, None);
        check(1, 2, Some(30));
        check(2, 2, Some(60));
        check(3, 2, None);
        check(5, 20, Some(480));
        check(7, 20, Some(1800));
        check(40, 100, Some(1800));
    }
}
