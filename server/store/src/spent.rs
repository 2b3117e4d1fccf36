//! What answers of models used, and what they cost.

use crate::error::StoreError;
use crate::store::Store;
use boxagnts_protocol::conversation::TokenUsage;
use boxagnts_protocol::update::SessionEvent;
use rusqlite::params;

/// As the index of answers, for those in conversations of tool calls.
pub(crate) const SCHEMA: &str = r#"
CREATE INDEX events_answered_nested ON events (at_ms)
  WHERE substr(body, 1, 51) = '{"event":"nested","inner":{"event":"model_answered"';
"#;

/// One answer of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelCall {
    /// Id of the session.
    pub session: String,
    /// Title of the session.
    pub title: String,
    /// When the answer was complete, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// `provider:model`.
    pub model: String,
    /// Its tokens.
    pub usage: TokenUsage,
    /// US dollars, where the price was known.
    pub cost_usd: Option<f64>,
}

impl Store {
    /// The answers of models since `since_ms` in sessions of one workspace or of all, in the order of
    /// their time. What a session took over from another is not among them.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn model_calls(
        &self,
        workspace: Option<&str>,
        since_ms: u64,
    ) -> Result<Vec<ModelCall>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            r#"SELECT s.id, s.title, e.at_ms, e.body,
                      (SELECT json_extract(t.body, '$.model') FROM events t
                       WHERE t.session = e.session AND t.seq < e.seq
                         AND substr(t.body, 1, 22) = '{"event":"turn_started'
                       ORDER BY t.seq DESC LIMIT 1),
                      s.model
               FROM (SELECT session, seq, at_ms, body FROM events
                     WHERE substr(body, 1, 24) = '{"event":"model_answered' AND at_ms >= ?1
                     UNION ALL
                     SELECT session, seq, at_ms, body FROM events
                     WHERE substr(body, 1, 51)
                             = '{"event":"nested","inner":{"event":"model_answered"'
                       AND at_ms >= ?1) e
               JOIN sessions s ON s.key = e.session
               WHERE e.seq > s.inherited AND (?2 IS NULL OR s.workspace = ?2)
               ORDER BY e.at_ms"#,
        )?;
        let since = i64::try_from(since_ms).unwrap_or(i64::MAX);
        let mut rows = statement.query(params![since, workspace])?;
        let mut calls = Vec::new();
        while let Some(row) = rows.next()? {
            let body = row.get_ref(3)?.as_str().unwrap_or_default();
            let event = match serde_json::from_str(body) {
                Ok(SessionEvent::Nested { inner, .. }) => *inner,
                Ok(event) => event,
                // Another version may have written it.
                Err(_) => continue,
            };
            let SessionEvent::ModelAnswered {
                usage, cost_usd, ..
            } = event
            else {
                continue;
            };
            let model: Option<String> = row.get(4)?;
            calls.push(ModelCall {
                session: row.get(0)?,
                title: row.get(1)?,
                at_ms: row.get(2)?,
                model: match model {
                    Some(model) => model,
                    None => row.get(5)?,
                },
                usage,
                cost_usd,
            });
        }
        Ok(calls)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn years_of_words_are_not_read_for_it() {
        let store = Store::in_memory().unwrap();
        // What is asked for is found by the index of such events alone.
        store.model_calls(None, 0).unwrap();
        let connection = store.connection();
        let check = |query: &str, indexes: &[&str]| {
            let plan = format!("EXPLAIN QUERY PLAN {query}");
            let mut statement = connection.prepare(&plan).unwrap();
            let steps: Vec<String> = statement
                .query_map([], |row| row.get(3))
                .unwrap()
                .collect::<Result<_, _>>()
                .unwrap();
            for index in indexes {
                let uses = |step: &String| format!("{step} ").contains(index);
                assert!(steps.iter().any(uses), "{steps:?}");
            }
        };
        check(
            r#"SELECT e.body FROM
            (SELECT session, seq, at_ms, body FROM events
             WHERE substr(body, 1, 24) = '{"event":"model_answered' AND at_ms >= 5
             UNION ALL
             SELECT session, seq, at_ms, body FROM events
             WHERE substr(body, 1, 51) = '{"event":"nested","inner":{"event":"model_answered"'
               AND at_ms >= 5) e
            JOIN sessions s ON s.key = e.session
            WHERE e.seq > s.inherited ORDER BY e.at_ms"#,
            &["events_answered ", "events_answered_nested "],
        );
        check(
            &crate::store::summaries("WHERE workspace = '/w'"),
            &["events_proposed "],
        );
        let waiting = crate::manage::WAITING;
        check(
            &format!("SELECT {waiting} FROM sessions WHERE key = 1"),
            &["events_proposed "],
        );
    }

    #[test]
    fn events_begin_as_the_indexes_expect() {
        let check = |event: SessionEvent, expect: &str| {
            let body = serde_json::to_string(&event).unwrap();
            assert!(body.starts_with(expect), "{body}");
            let schemas = [crate::manage::SCHEMA, crate::schedules::WISHES, SCHEMA];
            assert!(schemas.iter().any(|s| s.contains(expect)), "{expect}");
        };
        check(
            SessionEvent::TurnStarted {
                turn: 1,
                prompt: String::new(),
                context: None,
                model: String::new(),
            },
            r#"{"event":"turn_started"#,
        );
        check(
            SessionEvent::ProposalChanged {
                files: 0,
                pending: 0,
                conflicted: 0,
                changed: Vec::new(),
                rivals: None,
                last_hunk: 0,
            },
            r#"{"event":"proposal_changed"#,
        );
        check(
            SessionEvent::ModelAnswered {
                turn: 1,
                stop: boxagnts_protocol::conversation::StopReason::EndTurn,
                usage: TokenUsage::default(),
                cost_usd: None,
            },
            r#"{"event":"model_answered"#,
        );
        let inner = SessionEvent::ModelAnswered {
            turn: 1,
            stop: boxagnts_protocol::conversation::StopReason::EndTurn,
            usage: TokenUsage::default(),
            cost_usd: None,
        };
        check(
            SessionEvent::Nested {
                inner: Box::new(inner),
                turn: 1,
                parent: String::new(),
            },
            r#"{"event":"nested","inner":{"event":"model_answered""#,
        );
    }
}
