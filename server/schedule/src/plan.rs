//! Which times of a job are to be decided on now, and how: pure, so that every clock can be tried.

use crate::clock::{from_ms, to_ms};
use crate::times::Times;
use boxagnts_protocol::schedule::{CatchUp, SkipReason};
use boxagnts_session::store::{Firing, FiringKind};
use jiff::{SignedDuration, Timestamp};

/// How late a time may be looked at and still counts as kept: twice as long as engines sleep.
const LATE: SignedDuration = SignedDuration::from_secs(60);
/// A clock that is corrected by less has not gone back.
const CORRECTED: SignedDuration = SignedDuration::from_secs(2);
/// Runs that make up for missed times, one after the other, at most.
const MOST_QUEUED: usize = 10;
/// Missed times that are counted, at most.
const MOST_COUNTED: u64 = 1_000;

/// What is to be decided on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The times, in order.
    pub(crate) firings: Vec<Firing>,
    /// The last time that is decided on then, in milliseconds since the Unix epoch.
    pub(crate) decided_ms: u64,
}

/// What is to be decided on of a job at `now`, whose times began to count and were last decided on at
/// these moments; `None` when there is nothing.
///
/// When the clock has gone back, times count again from a minute before `now` on, for one may have come
/// since somebody looked, but none from before the job's began to. Those that were claimed stay claimed;
/// those that only a jump forward had made look missed come after all.
pub(crate) fn plan(
    times: &Times,
    catch_up: CatchUp,
    (since_ms, decided_ms): (u64, u64),
    now: Timestamp,
) -> Option<Plan> {
    let decided = from_ms(decided_ms);
    let late = now.checked_sub(LATE).unwrap_or(now);
    let went_back = now < decided.checked_sub(CORRECTED).unwrap_or(decided);
    let since = from_ms(since_ms).min(now);
    let decided = if went_back { late.max(since) } else { decided };
    let kept: Vec<u64> = between(times, decided.max(late), now).collect();
    let missed = match decided < late {
        true => Missed::between(times, decided, late),
        false => Missed::default(),
    };
    let last = kept.last().or(missed.last()).copied();
    let decided_ms = last.or_else(|| went_back.then(|| to_ms(decided)))?;
    let mut firings = Vec::new();
    firings.extend(missed.firings(catch_up, !kept.is_empty()));
    firings.extend(kept.into_iter().map(|due_ms| Firing {
        due_ms,
        missed: 0,
        what: FiringKind::Run,
    }));
    Some(Plan {
        firings,
        decided_ms,
    })
}

/// The last time that passed between the two moments, and how many there were before it.
pub(crate) fn passed(times: &Times, since_ms: u64, now: Timestamp) -> Option<(u64, u64)> {
    let missed = Missed::between(times, from_ms(since_ms), now);
    missed.last().map(|last| (*last, missed.count - 1))
}

/// The times behind `from`, up to and with `to`.
fn between(times: &Times, from: Timestamp, to: Timestamp) -> impl Iterator<Item = u64> + '_ {
    let next = move |at: &Timestamp| times.after(*at).filter(|at| *at <= to);
    std::iter::successors(next(&from), next).map(to_ms)
}

/// Times that nobody looked at while they came.
#[derive(Debug, Default)]
struct Missed {
    /// How many, counted up to a bound.
    count: u64,
    /// The latest of them, in order.
    latest: Vec<u64>,
}

impl Missed {
    fn between(times: &Times, from: Timestamp, to: Timestamp) -> Missed {
        // Backwards: years of seconds may lie between.
        let last = |before: Timestamp| times.until(before).filter(|at| *at > from);
        let before = |at: &Timestamp| last(at.checked_sub(SignedDuration::from_nanos(1)).ok()?);
        let mut missed = Missed::default();
        for at in std::iter::successors(last(to), before) {
            if missed.count == MOST_COUNTED {
                break;
            }
            missed.count += 1;
            if missed.latest.len() < MOST_QUEUED {
                missed.latest.push(to_ms(at));
            }
        }
        missed.latest.reverse();
        missed
    }

    fn last(&self) -> Option<&u64> {
        self.latest.last()
    }

    /// What becomes of them. `kept` says whether a time follows that is kept.
    fn firings(&self, catch_up: CatchUp, kept: bool) -> Vec<Firing> {
        let Some(last) = self.last() else {
            return Vec::new();
        };
        let one = |what| {
            vec![Firing {
                due_ms: *last,
                missed: self.count - 1,
                what,
            }]
        };
        match catch_up {
            CatchUp::All => {
                let before = self.count - self.latest.len() as u64;
                let queue = self.latest.iter().enumerate().map(|(at, due_ms)| Firing {
                    due_ms: *due_ms,
                    missed: if at == 0 { before } else { 0 },
                    what: FiringKind::Queue,
                });
                queue.collect()
            }
            // The run that follows at once does what the missed ones would have.
            CatchUp::Once if !kept => one(FiringKind::Run),
            CatchUp::Once | CatchUp::Skip => one(FiringKind::Skip(SkipReason::Missed)),
        }
    }
}
