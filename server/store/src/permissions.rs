//! What the user said once for later calls: for one workspace, one tool as its component is, and one
//! scope.

use crate::error::StoreError;
use crate::store::{Store, now_ms};
use rusqlite::{OptionalExtension, params};

pub(crate) const SCHEMA: &str = "
CREATE TABLE permissions (
  workspace TEXT NOT NULL,
  tool_sha256 TEXT NOT NULL,
  scope TEXT NOT NULL,
  tool TEXT NOT NULL,
  allowed INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  PRIMARY KEY (workspace, tool_sha256, scope)
) STRICT, WITHOUT ROWID;
";

/// A remembered answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    /// The workspace that it holds in.
    pub workspace: String,
    /// The tool's name when the user was asked.
    pub tool: String,
    /// SHA-256 of its component.
    pub tool_sha256: String,
    /// What calls it holds for.
    pub scope: String,
    /// Whether they may run.
    pub allowed: bool,
    /// Milliseconds since the Unix epoch.
    pub at_ms: u64,
}

impl Store {
    /// What the user said about such calls.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn permission(
        &self,
        workspace: &str,
        tool_sha256: &str,
        scope: &str,
    ) -> Result<Option<bool>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT allowed FROM permissions
             WHERE workspace = ?1 AND tool_sha256 = ?2 AND scope = ?3",
        )?;
        let found = statement.query_row(params![workspace, tool_sha256, scope], |row| row.get(0));
        Ok(found.optional()?)
    }

    /// Remembers an answer, in the place of an earlier one.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn remember_permission(
        &self,
        workspace: &str,
        tool: &str,
        tool_sha256: &str,
        scope: &str,
        allowed: bool,
    ) -> Result<(), StoreError> {
        self.connection()
            .prepare_cached(
                "INSERT OR REPLACE INTO permissions
                 (workspace, tool_sha256, scope, tool, allowed, at_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                workspace,
                tool_sha256,
                scope,
                tool,
                allowed,
                now_ms()
            ])?;
        Ok(())
    }

    /// The remembered answers, of one workspace or of all, the latest first.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn permissions(&self, workspace: Option<&str>) -> Result<Vec<Permission>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT workspace, tool, tool_sha256, scope, allowed, at_ms FROM permissions
             WHERE ?1 IS NULL OR workspace = ?1 ORDER BY at_ms DESC, tool",
        )?;
        let rows = statement.query_map([workspace], |row| {
            Ok(Permission {
                workspace: row.get(0)?,
                tool: row.get(1)?,
                tool_sha256: row.get(2)?,
                scope: row.get(3)?,
                allowed: row.get(4)?,
                at_ms: row.get(5)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Forgets the answers of a workspace about one tool, or about all; gives how many there were.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn forget_permissions(
        &self,
        workspace: &str,
        tool: Option<&str>,
    ) -> Result<usize, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "DELETE FROM permissions WHERE workspace = ?1 AND (?2 IS NULL OR tool = ?2)",
        )?;
        Ok(statement.execute(params![workspace, tool])?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_holds_for_what_was_asked_and_no_more() {
        let store = Store::in_memory().unwrap();
        store
            .remember_permission("/w", "fetch", "aa", "tool", true)
            .unwrap();
        let check = |workspace: &str, hash: &str, scope: &str, expect: Option<bool>| {
            let got = store.permission(workspace, hash, scope).unwrap();
            assert_eq!(got, expect, "{workspace} {hash} {scope}");
        };
        check("/w", "aa", "tool", Some(true));
        check("/other", "aa", "tool", None);
        // The tool is another when its component is.
        check("/w", "bb", "tool", None);
        check("/w", "aa", "input 1", None);
        store
            .remember_permission("/w", "fetch", "aa", "tool", false)
            .unwrap();
        check("/w", "aa", "tool", Some(false));
        assert_eq!(store.permissions(Some("/w")).unwrap().len(), 1);
        assert_eq!(store.permissions(Some("/other")).unwrap(), []);
        assert_eq!(store.forget_permissions("/w", Some("other")).unwrap(), 0);
        assert_eq!(store.forget_permissions("/w", None).unwrap(), 1);
        check("/w", "aa", "tool", None);
    }
}
