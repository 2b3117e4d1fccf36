//! What a turn cost, and its session, and the day.

use crate::turn::Ended;
use boxagnts_session::{Sessions, start_of_day};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// In words; `None` when nothing has a price.
pub(super) fn of(sessions: &Sessions, ended: &Ended) -> Option<String> {
    // Without a price of its own, the turn is not what the others are about.
    ended.turn.cost_usd?;
    let now = u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(0);
    let since = start_of_day(now, &TimeZone::system());
    let day = sessions.spent_since(since).unwrap_or_else(|error| {
        tracing::warn!(%error, "cannot add up what the day cost");
        None
    });
    in_words(ended.turn.cost_usd, ended.cost_usd, day)
}

fn in_words(turn: Option<f64>, session: Option<f64>, day: Option<f64>) -> Option<String> {
    let shown = |cost: Option<f64>| cost.filter(|cost| *cost > 0.0).map(|c| format!("${c:.4}"));
    let costs = [(turn, ""), (session, " the session"), (day, " today")];
    let mut parts: Vec<String> = Vec::new();
    let mut before = None;
    for (cost, what) in costs {
        let Some(cost) = shown(cost) else { continue };
        // What says no more than the part before it says nothing.
        if before.as_ref() != Some(&cost) {
            parts.push(format!("{cost}{what}"));
        }
        before = Some(cost);
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_told_once() {
        let check = |turn, session, day, expect: Option<&str>| {
            assert_eq!(in_words(turn, session, day).as_deref(), expect);
        };
        check(None, None, None, None);
        check(Some(0.0), Some(0.0), Some(0.0), None);
        check(Some(0.5), Some(0.5), Some(0.5), Some("$0.5000"));
        check(
            Some(0.5),
            Some(0.75),
            Some(0.75),
            Some("$0.5000, $0.7500 the session"),
        );
        check(
            Some(0.5),
            Some(0.5),
            Some(2.0),
            Some("$0.5000, $2.0000 today"),
        );
        check(
            Some(0.5),
            Some(1.0),
            Some(2.0),
            Some("$0.5000, $1.0000 the session, $2.0000 today"),
        );
        check(
            Some(0.0),
            Some(1.0),
            Some(2.0),
            Some("$1.0000 the session, $2.0000 today"),
        );
    }
}
