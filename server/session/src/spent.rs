//! What models used and cost, by day, session or model.

use crate::error::SessionError;
use crate::sessions::Sessions;
use boxagnts_protocol::commands::{UnpricedCalls, UsageBy, UsageParams, UsageResult, UsageRow};
use boxagnts_store::{ModelCall, Store};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::path::Path;

/// What was used since the day in `params`, in these workspaces or in all, with days of `zone`.
///
/// # Errors
/// A day that is none, or a journal that cannot be read.
pub fn usage(
    store: &Store,
    workspaces: Option<&[String]>,
    params: &UsageParams,
    zone: &TimeZone,
) -> Result<UsageResult, SessionError> {
    let since_ms = match &params.since {
        Some(day) => first_of(day, zone)?,
        None => 0,
    };
    let mut calls = Vec::new();
    match workspaces {
        None => calls = store.model_calls(None, since_ms)?,
        Some(workspaces) => {
            for workspace in workspaces {
                calls.extend(store.model_calls(Some(workspace), since_ms)?);
            }
        }
    }
    Ok(add_up(&calls, params.by, zone))
}

/// Milliseconds since the Unix epoch at which the day of `now_ms` began in `zone`.
pub fn start_of_day(now_ms: u64, zone: &TimeZone) -> u64 {
    let start = day(now_ms, zone).to_zoned_datetime(zone.clone());
    let start = start.map(|start| start.timestamp().as_millisecond());
    start.map_or(now_ms, |ms| u64::try_from(ms).unwrap_or(0))
}

impl Sessions {
    /// What was used in the workspaces with these roots, or in all, with days of this machine.
    ///
    /// # Errors
    /// A day that is none, or a journal that cannot be read.
    pub fn usage<'a>(
        &self,
        params: &UsageParams,
        roots: impl IntoIterator<Item = &'a Path>,
    ) -> Result<UsageResult, SessionError> {
        let roots: Vec<String> = roots
            .into_iter()
            .map(|root| root.display().to_string())
            .collect();
        let workspaces = (!params.all).then_some(&roots[..]);
        let zone = TimeZone::system();
        usage(self.environment().store(), workspaces, params, &zone)
    }

    /// US dollars for the answers of models since then, in every folder, where prices are known.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn spent_since(&self, since_ms: u64) -> Result<Option<f64>, SessionError> {
        let calls = self.environment().store().model_calls(None, since_ms)?;
        Ok(calls
            .iter()
            .filter_map(|call| call.cost_usd)
            .reduce(|sum, cost| sum + cost))
    }
}

fn first_of(given: &str, zone: &TimeZone) -> Result<u64, SessionError> {
    let wrong = || SessionError::Day {
        given: given.to_owned(),
    };
    // Of a date with a time, the rest would be dropped in silence.
    let date: Date = match given.trim() {
        text if text.len() == 10 => text.parse().map_err(|_| wrong())?,
        _ => return Err(wrong()),
    };
    let start = date.to_zoned_datetime(zone.clone()).map_err(|_| wrong())?;
    Ok(u64::try_from(start.timestamp().as_millisecond()).unwrap_or(0))
}

fn day(ms: u64, zone: &TimeZone) -> Date {
    let timestamp = i64::try_from(ms)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok());
    timestamp
        .unwrap_or(Timestamp::MAX)
        .to_zoned_datetime(zone.clone())
        .date()
}

fn add_up(calls: &[ModelCall], by: UsageBy, zone: &TimeZone) -> UsageResult {
    let mut rows: BTreeMap<String, UsageRow> = BTreeMap::new();
    let mut total = UsageRow::default();
    let mut unpriced: BTreeMap<&str, u64> = BTreeMap::new();
    for call in calls {
        let key = match by {
            UsageBy::Day => day(call.at_ms, zone).to_string(),
            UsageBy::Session => call.session.clone(),
            UsageBy::Model => call.model.clone(),
        };
        let row = rows.entry(key.clone()).or_default();
        row.key = key;
        if by == UsageBy::Session {
            row.title = Some(call.title.clone());
        }
        for row in [row, &mut total] {
            row.calls += 1;
            row.tokens.add(&call.usage);
            match call.cost_usd {
                Some(cost) => row.cost_usd = Some(row.cost_usd.unwrap_or(0.0) + cost),
                None => row.unpriced_calls += 1,
            }
        }
        if call.cost_usd.is_none() {
            *unpriced.entry(&call.model).or_default() += 1;
        }
    }
    let mut rows: Vec<UsageRow> = rows.into_values().collect();
    if by != UsageBy::Day {
        let size = |row: &UsageRow| (row.cost_usd.unwrap_or(0.0), row.tokens.total());
        rows.sort_by(|a, b| {
            let ((a, a_tokens), (b, b_tokens)) = (size(a), size(b));
            b.total_cmp(&a).then(b_tokens.cmp(&a_tokens))
        });
    }
    let unpriced = unpriced.into_iter().map(|(model, calls)| UnpricedCalls {
        model: model.to_owned(),
        calls,
    });
    UsageResult {
        rows,
        total,
        unpriced: unpriced.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use boxagnts_protocol::conversation::TokenUsage;

    /// 2026-03-29 is the day on which Berlin loses an hour.
    const NIGHT: u64 = 1_774_740_600_000;
    const HOUR: u64 = 3_600_000;

    fn call(
        session: &str,
        at_ms: u64,
        model: &str,
        tokens: u64,
        cost_usd: Option<f64>,
    ) -> ModelCall {
        ModelCall {
            session: session.to_owned(),
            title: format!("title of {session}"),
            at_ms,
            model: model.to_owned(),
            usage: TokenUsage {
                input_tokens: tokens,
                ..TokenUsage::default()
            },
            cost_usd,
        }
    }

    fn check(by: UsageBy, expect: &[(&str, u64, u64, Option<f64>, u64)]) {
        let calls = [
            call("a", NIGHT, "m:1", 1, Some(0.25)),
            call("a", NIGHT + HOUR, "m:2", 2, None),
            call("b", NIGHT + 23 * HOUR, "m:1", 4, Some(0.5)),
            call("c", NIGHT + 24 * HOUR, "m:2", 8, None),
        ];
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let result = add_up(&calls, by, &zone);
        let rows: Vec<_> = result
            .rows
            .iter()
            .map(|row| {
                let tokens = row.tokens.input_tokens;
                (
                    row.key.as_str(),
                    row.calls,
                    tokens,
                    row.cost_usd,
                    row.unpriced_calls,
                )
            })
            .collect();
        assert_eq!(rows, expect);
        assert_eq!(
            (
                result.total.calls,
                result.total.cost_usd,
                result.total.unpriced_calls
            ),
            (4, Some(0.75), 2)
        );
        assert_eq!(result.unpriced.len(), 1);
        assert_eq!(
            (result.unpriced[0].model.as_str(), result.unpriced[0].calls),
            ("m:2", 2)
        );
        let titled = result.rows.iter().all(|row| row.title.is_some());
        assert_eq!(titled, by == UsageBy::Session);
    }

    #[test]
    fn calls_are_added_up() {
        // 00:30 on the 29th, and 23 hours later it is the 30th.
        check(
            UsageBy::Day,
            &[
                ("2026-03-29", 2, 3, Some(0.25), 1),
                ("2026-03-30", 2, 12, Some(0.5), 1),
            ],
        );
        check(
            UsageBy::Session,
            &[
                ("b", 1, 4, Some(0.5), 0),
                ("a", 2, 3, Some(0.25), 1),
                ("c", 1, 8, None, 1),
            ],
        );
        check(
            UsageBy::Model,
            &[("m:1", 2, 5, Some(0.75), 0), ("m:2", 2, 10, None, 2)],
        );
    }

    #[test]
    fn days_are_read_and_nothing_else() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let check = |text: &str, expect: Option<u64>| {
            let got = first_of(text, &zone);
            assert_eq!(got.as_ref().ok().copied(), expect, "{text}: {got:?}");
        };
        check("2026-03-29", Some(NIGHT - HOUR / 2));
        check("1960-01-01", Some(0));
        for wrong in [
            "",
            "yesterday",
            "2026-02-30",
            "2026-03-29T10:00",
            "29.03.2026",
        ] {
            check(wrong, None);
        }
        assert_eq!(start_of_day(NIGHT + HOUR, &zone), NIGHT - HOUR / 2);
        start_of_day(u64::MAX, &zone);
    }
}
