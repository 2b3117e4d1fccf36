//! Approvals of tools, kept in the journal.

use boxagnts_store::{ApprovedTool, Store, StoreError};
use boxagnts_tools::{Approvals, Approved};
use std::path::Path;
use std::sync::Arc;

/// Approvals in the journal, shared by all processes of a user.
#[derive(Debug, Clone)]
pub struct JournalApprovals(Arc<Store>);

impl JournalApprovals {
    /// Those of this journal.
    pub fn new(store: Arc<Store>) -> JournalApprovals {
        JournalApprovals(store)
    }
}

impl Approvals for JournalApprovals {
    fn list(&self, scope: &Path) -> Result<Vec<Approved>, String> {
        let rows = self.0.approved_tools(text(scope)?).map_err(said)?;
        // A row that another version wrote approves nothing here.
        Ok(rows.iter().filter_map(approved).collect())
    }

    fn approve(&self, scope: &Path, approved: &Approved) -> Result<(), String> {
        let level = serde_json::to_value(approved.level).map_err(|error| error.to_string())?;
        let description = serde_json::to_string(approved).map_err(|error| error.to_string())?;
        let row = ApprovedTool {
            workspace: text(scope)?.to_owned(),
            name: approved.name.clone(),
            sha256: approved.sha256.clone(),
            level: level.as_str().unwrap_or_default().to_owned(),
            description,
        };
        self.0.approve_tool(&row).map_err(said)
    }

    fn revoke(&self, scope: &Path, name: &str) -> Result<bool, String> {
        self.0.revoke_tool(text(scope)?, name).map_err(said)
    }
}

/// A path whose text is not its own could stand for another.
fn text(scope: &Path) -> Result<&str, String> {
    scope.to_str().ok_or_else(|| {
        format!(
            "the name of {} is no UTF-8, so nothing can be approved there",
            scope.display()
        )
    })
}

fn said(error: StoreError) -> String {
    error.to_string()
}

fn approved(row: &ApprovedTool) -> Option<Approved> {
    let approved: Option<Approved> = serde_json::from_str(&row.description).ok();
    let approved = approved.filter(|approved| {
        let level = serde_json::to_value(approved.level).ok();
        approved.name == row.name
            && approved.sha256 == row.sha256
            && level.is_some_and(|level| level == row.level)
    });
    if approved.is_none() {
        tracing::warn!(tool = %row.name, "what was approved cannot be read; approve it again");
    }
    approved
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn tool(name: &str) -> Approved {
        serde_json::from_value(json!({
            "name": name,
            "sha256": "ab",
            "level": "read",
            "hosts": ["x.example"],
            "spec": {"name": name, "description": "d", "input_schema": {"type": "object"}},
            "described_by": "help",
            "copied": true,
            "invocation": {"positional": ["file"]},
        }))
        .unwrap()
    }

    #[test]
    fn what_is_approved_comes_back() {
        let store = Arc::new(Store::in_memory().unwrap());
        let approvals = JournalApprovals::new(Arc::clone(&store));
        let (w, v) = (Path::new("/w"), Path::new("/v"));
        approvals.approve(w, &tool("a")).unwrap();
        approvals.approve(v, &tool("b")).unwrap();
        assert_eq!(approvals.list(w).unwrap(), [tool("a")]);
        assert_eq!(approvals.approved(w, "a", "ab").unwrap(), Some(tool("a")));
        assert_eq!(approvals.approved(w, "a", "cd").unwrap(), None);
        assert_eq!(approvals.approved(v, "a", "ab").unwrap(), None);
        assert!(approvals.revoke(w, "a").unwrap());
        assert!(!approvals.revoke(w, "a").unwrap());
        assert!(approvals.list(w).unwrap().is_empty());
    }

    #[test]
    fn a_row_that_contradicts_itself_approves_nothing() {
        let store = Arc::new(Store::in_memory().unwrap());
        let approvals = JournalApprovals::new(Arc::clone(&store));
        let good = serde_json::to_string(&tool("a")).unwrap();
        let check = |sha256: &str, level: &str, description: &str, count: usize| {
            let row = ApprovedTool {
                workspace: "/w".to_owned(),
                name: "a".to_owned(),
                sha256: sha256.to_owned(),
                level: level.to_owned(),
                description: description.to_owned(),
            };
            store.approve_tool(&row).unwrap();
            assert_eq!(approvals.list(Path::new("/w")).unwrap().len(), count);
        };
        check("ab", "read", &good, 1);
        check("cd", "read", &good, 0);
        check("ab", "network", &good, 0);
        check("ab", "read", "{}", 0);
        check("ab", "read", &good.replace("\"read\"", "\"root\""), 0);
    }
}
