//! Tools that the user approved, by workspace.

use crate::error::StoreError;
use crate::store::{Store, now_ms};
use rusqlite::params;

pub(crate) const SCHEMA: &str = "
CREATE TABLE approved_tools (
  workspace TEXT NOT NULL,
  name TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  level TEXT NOT NULL,
  description TEXT NOT NULL,
  approved_ms INTEGER NOT NULL,
  PRIMARY KEY (workspace, name)
) STRICT, WITHOUT ROWID;
";

/// A tool as it was approved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovedTool {
    /// The workspace, or whatever else it belongs to.
    pub workspace: String,
    /// Its name there.
    pub name: String,
    /// Of what was approved.
    pub sha256: String,
    /// The level that it was given.
    pub level: String,
    /// What is known of it, as JSON.
    pub description: String,
}

impl Store {
    /// The tools that are approved in a workspace, by name.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn approved_tools(&self, workspace: &str) -> Result<Vec<ApprovedTool>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT workspace, name, sha256, level, description FROM approved_tools
             WHERE workspace = ?1 ORDER BY name",
        )?;
        let rows = statement.query_map([workspace], |row| {
            Ok(ApprovedTool {
                workspace: row.get(0)?,
                name: row.get(1)?,
                sha256: row.get(2)?,
                level: row.get(3)?,
                description: row.get(4)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Keeps an approval, in place of an earlier one of that name.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn approve_tool(&self, tool: &ApprovedTool) -> Result<(), StoreError> {
        self.connection()
            .prepare_cached(
                "INSERT OR REPLACE INTO approved_tools
                 (workspace, name, sha256, level, description, approved_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                tool.workspace,
                tool.name,
                tool.sha256,
                tool.level,
                tool.description,
                now_ms()
            ])?;
        Ok(())
    }

    /// Takes an approval back, and says whether there was one.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn revoke_tool(&self, workspace: &str, name: &str) -> Result<bool, StoreError> {
        let removed = self
            .connection()
            .prepare_cached("DELETE FROM approved_tools WHERE workspace = ?1 AND name = ?2")?
            .execute([workspace, name])?;
        Ok(removed > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn approvals_belong_to_a_workspace_and_a_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        let tool = |workspace: &str, name: &str, sha256: &str| ApprovedTool {
            workspace: workspace.to_owned(),
            name: name.to_owned(),
            sha256: sha256.to_owned(),
            level: "read".to_owned(),
            description: "{}".to_owned(),
        };
        let store = Store::open(&path).unwrap();
        for approved in [
            tool("/w", "b", "1"),
            tool("/w", "a", "2"),
            tool("/v", "a", "3"),
        ] {
            store.approve_tool(&approved).unwrap();
        }
        store.approve_tool(&tool("/w", "b", "4")).unwrap();
        drop(store);
        let store = Store::open(&path).unwrap();
        let check = |workspace: &str, expect: &[ApprovedTool]| {
            assert_eq!(store.approved_tools(workspace).unwrap(), expect);
        };
        check("/w", &[tool("/w", "a", "2"), tool("/w", "b", "4")]);
        assert!(store.revoke_tool("/w", "a").unwrap());
        assert!(!store.revoke_tool("/w", "a").unwrap());
        check("/w", &[tool("/w", "b", "4")]);
        check("/v", &[tool("/v", "a", "3")]);
        check("/", &[]);
    }
}
