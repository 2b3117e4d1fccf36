//! Words for states and reasons in the tables, and rows as runs.

use boxagnts_protocol::schedule::{JobRun, RunState, SkipReason};
use rusqlite::Row;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

/// The columns that [`run`] reads.
pub(super) const COLUMNS: &str = "due_ms, attempt, state, skipped, missed, started_ms, ended_ms, \
                                  session, tokens, cost_usd, hunks, message";

const STATES: &[(RunState, &str)] = &[
    (RunState::Waiting, "waiting"),
    (RunState::Running, "running"),
    (RunState::Done, "done"),
    (RunState::Limit, "limit"),
    (RunState::Cancelled, "cancelled"),
    (RunState::Failed, "failed"),
    (RunState::Timeout, "timeout"),
    (RunState::Interrupted, "interrupted"),
    (RunState::Skipped, "skipped"),
];

const REASONS: &[(SkipReason, &str)] = &[
    (SkipReason::StillRunning, "still_running"),
    (SkipReason::Paused, "paused"),
    (SkipReason::Budget, "budget"),
    (SkipReason::Missed, "missed"),
    (SkipReason::Replaced, "replaced"),
];

/// A value that the tables have as a word.
pub(super) struct Word<T>(pub(super) T);

fn word<T: PartialEq>(words: &'static [(T, &'static str)], value: &T) -> ToSqlOutput<'static> {
    let known = words.iter().find(|(known, _)| known == value);
    // Every value has its word; the tests go through them all.
    ToSqlOutput::from(known.map_or("", |(_, word)| word))
}

fn value<T: Copy>(words: &[(T, &'static str)], column: ValueRef<'_>) -> FromSqlResult<Word<T>> {
    let text = column.as_str()?;
    let known = words.iter().find(|(_, word)| *word == text);
    known
        .map(|(value, _)| Word(*value))
        .ok_or_else(|| FromSqlError::Other(format!("unknown word `{text}`").into()))
}

impl ToSql for Word<RunState> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(word(STATES, &self.0))
    }
}

impl FromSql for Word<RunState> {
    fn column_result(column: ValueRef<'_>) -> FromSqlResult<Self> {
        value(STATES, column)
    }
}

impl ToSql for Word<SkipReason> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(word(REASONS, &self.0))
    }
}

impl FromSql for Word<SkipReason> {
    fn column_result(column: ValueRef<'_>) -> FromSqlResult<Self> {
        value(REASONS, column)
    }
}

/// A row of [`COLUMNS`].
pub(super) fn run(row: &Row<'_>) -> rusqlite::Result<JobRun> {
    Ok(JobRun {
        due_ms: row.get(0)?,
        attempt: row.get(1)?,
        state: row.get::<_, Word<RunState>>(2)?.0,
        skipped: row
            .get::<_, Option<Word<SkipReason>>>(3)?
            .map(|word| word.0),
        missed: row.get(4)?,
        started_ms: row.get(5)?,
        ended_ms: row.get(6)?,
        session: row.get(7)?,
        tokens: row.get(8)?,
        cost_usd: row.get(9)?,
        hunks: row.get(10)?,
        message: row.get(11)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_protocol() {
        for (state, word) in STATES {
            assert_eq!(serde_json::to_value(state).unwrap(), *word);
        }
        for (reason, word) in REASONS {
            assert_eq!(serde_json::to_value(reason).unwrap(), *word);
        }
    }
}
