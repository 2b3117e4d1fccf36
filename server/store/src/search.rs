//! Finding sessions by what was said in them. The index is brought up to date when somebody
//! searches, so that it costs nothing while a model speaks.

use crate::error::StoreError;
use crate::store::{Store, summaries, summary};
use boxagnts_protocol::commands::SessionSummary;
use boxagnts_protocol::update::SessionEvent;
use rusqlite::{Transaction, params, params_from_iter};

/// Words of a search that count.
const MAX_WORDS: usize = 32;

/// The index has the places of three characters in a row; it cannot find fewer.
const INDEXED_CHARS: usize = 3;

/// Sessions that are taken up in one transaction.
const AT_ONCE: usize = 32;

/// What is shown of a place, on each side of it, in characters.
const AROUND: usize = 40;

impl Store {
    /// The sessions, of one workspace or of all, in whose title, prompts and answers all of the
    /// words are, wherever and in whatever case; those with the latest events first.
    ///
    /// # Errors
    /// The journal cannot be read, or its index not be written.
    pub fn search_sessions(
        &self,
        workspace: Option<&str>,
        text: &str,
    ) -> Result<Vec<SessionSummary>, StoreError> {
        let text = text.replace('\0', " ");
        let words: Vec<&str> = text.split_whitespace().take(MAX_WORDS).collect();
        if words.is_empty() {
            return self.sessions(workspace);
        }
        self.index()?;
        let mut conditions = String::new();
        let mut values: Vec<Option<String>> = vec![workspace.map(str::to_owned)];
        for word in &words {
            values.push(Some(like(word)));
            let title = values.len();
            let said = match word.chars().count() >= INDEXED_CHARS {
                true => {
                    values.push(Some(format!("\"{}\"", word.replace('"', "\"\""))));
                    format!("words MATCH ?{}", values.len())
                }
                false => format!("said LIKE ?{title} ESCAPE '\\'"),
            };
            conditions.push_str(&format!(
                " AND (title LIKE ?{title} ESCAPE '\\'
                       OR key IN (SELECT rowid FROM words WHERE {said}))"
            ));
        }
        let connection = self.connection();
        let mut statement = connection.prepare(&summaries(&format!(
            "WHERE (?1 IS NULL OR workspace = ?1){conditions}
             ORDER BY updated_ms DESC, key DESC"
        )))?;
        let found: Vec<(SessionSummary, i64)> = statement
            .query_map(params_from_iter(values), |row| {
                Ok((summary(row)?, row.get("key")?))
            })?
            .collect::<Result<_, _>>()?;
        let mut said = connection.prepare_cached("SELECT said FROM words WHERE rowid = ?1")?;
        let mut sessions = Vec::new();
        for (mut session, key) in found {
            let mut rows = said.query([key])?;
            if let Some(row) = rows.next()? {
                session.found = excerpt(row.get_ref(0)?.as_str().unwrap_or_default(), &words);
            }
            sessions.push(session);
        }
        Ok(sessions)
    }

    /// Takes up what was said since the last search, some sessions at a time: others write meanwhile.
    fn index(&self) -> Result<(), StoreError> {
        let behind: Vec<i64> = self
            .connection()
            .prepare_cached(
                "SELECT key FROM sessions s LEFT JOIN indexed i ON i.session = s.key
                 WHERE coalesce((SELECT max(seq) FROM events e WHERE e.session = s.key), 0)
                       > coalesce(i.seq, 0)",
            )?
            .query_map([], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        for some in behind.chunks(AT_ONCE) {
            self.write(|transaction| some.iter().try_for_each(|key| index(transaction, *key)))?;
        }
        Ok(())
    }
}

fn index(transaction: &Transaction<'_>, key: i64) -> Result<(), StoreError> {
    // Somebody may have removed it since it was found to be behind.
    let is_there: bool = transaction
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM sessions WHERE key = ?1)")?
        .query_row([key], |row| row.get(0))?;
    if !is_there {
        return Ok(());
    }
    let mut said = String::new();
    let mut statement = transaction.prepare_cached(
        r#"SELECT body FROM events WHERE session = ?1
             AND (substr(body, 1, 22) = '{"event":"turn_started'
                  OR substr(body, 1, 20) = '{"event":"text_delta')
           ORDER BY seq"#,
    )?;
    let mut rows = statement.query([key])?;
    while let Some(row) = rows.next()? {
        let body = row.get_ref(0)?.as_str().unwrap_or_default();
        match serde_json::from_str(body) {
            Ok(SessionEvent::TurnStarted { prompt, .. }) => {
                said.push('\n');
                said.push_str(&prompt);
                said.push('\n');
            }
            Ok(SessionEvent::TextDelta { text, .. }) => said.push_str(&text),
            // Another version wrote it.
            _ => {}
        }
    }
    // Of what is no text, SQLite sees what comes before it.
    let said = said.replace('\0', " ");
    transaction
        .prepare_cached("DELETE FROM words WHERE rowid = ?1")?
        .execute([key])?;
    transaction
        .prepare_cached("INSERT INTO words (rowid, said) VALUES (?1, ?2)")?
        .execute(params![key, said])?;
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO indexed (session, seq)
             SELECT ?1, coalesce(max(seq), 0) FROM events WHERE session = ?1",
        )?
        .execute([key])?;
    Ok(())
}

/// A pattern that fits whatever has the word in it.
fn like(word: &str) -> String {
    let mut pattern = String::from("%");
    for c in word.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

/// The first place that has one of the words, in a line.
fn excerpt(said: &str, words: &[&str]) -> Option<String> {
    let (at, length) = words.iter().find_map(|word| find(said, word))?;
    let before: String = said[..at].chars().rev().take(AROUND).collect();
    let before: String = before.chars().rev().collect();
    let cut_before = before.len() < at;
    let rest = &said[at..];
    let shown: String = rest.chars().take(AROUND + length).collect();
    let cut_behind = shown.len() < rest.len();
    let text = format!("{before}{shown}");
    let text: Vec<&str> = text.split_whitespace().collect();
    let dots = |cut| if cut { "…" } else { "" };
    Some(format!(
        "{}{}{}",
        dots(cut_before),
        text.join(" "),
        dots(cut_behind)
    ))
}

/// Where a text has a word, in whatever case, and how many characters it is.
fn find(text: &str, word: &str) -> Option<(usize, usize)> {
    let lower = |c: char| c.to_lowercase().next().unwrap_or(c);
    let word: Vec<char> = word.chars().map(lower).collect();
    let fits = |rest: &str| {
        let mut chars = rest.chars().map(lower);
        word.iter().all(|c| chars.next() == Some(*c))
    };
    let at = text
        .char_indices()
        .map(|(at, _)| at)
        .find(|at| fits(&text[*at..]))?;
    Some((at, word.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_is_removed_meanwhile_is_not_indexed() {
        let store = Store::in_memory().unwrap();
        store.write(|transaction| index(transaction, 7)).unwrap();
        let count = |table: &str| -> i64 {
            let count = format!("SELECT count(*) FROM {table}");
            let connection = store.connection();
            connection.query_row(&count, [], |row| row.get(0)).unwrap()
        };
        assert_eq!((count("words"), count("indexed")), (0, 0));
    }
}
