//! What users approved of tools that do not come with BoxAgnts.

use crate::describe::DescribedBy;
use crate::describe::arguments::Invocation;
use boxagnts_policy::permission::Level;
use boxagnts_protocol::tool::ToolSpec;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// A tool as a user approved it: these bytes, under this name, with this level. Its description is
/// kept here, so that nothing of the tool's need run to offer it to a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Approved {
    /// Its name, which is that of its file.
    pub name: String,
    /// Of its file and of the description beside it.
    pub sha256: String,
    /// The level that it was given.
    pub level: Level,
    /// Hosts that it may ask for.
    pub hosts: Vec<String>,
    /// What the model is told.
    pub spec: ToolSpec,
    /// Who described it.
    pub described_by: DescribedBy,
    /// Whether its files were put into their folder by `boxagnts tool add`.
    pub copied: bool,
    #[serde(default)]
    pub(crate) invocation: Invocation,
}

/// Where approvals are kept. `scope` is a workspace folder, or the user's folder of tools.
pub trait Approvals: Send + Sync {
    /// Everything that is approved in a scope.
    ///
    /// # Errors
    /// Approvals cannot be read; nothing is approved then.
    fn list(&self, scope: &Path) -> Result<Vec<Approved>, String>;

    /// The approval of these bytes under this name.
    ///
    /// # Errors
    /// As [`Approvals::list`].
    fn approved(&self, scope: &Path, name: &str, sha256: &str) -> Result<Option<Approved>, String> {
        let mut all = self.list(scope)?.into_iter();
        Ok(all.find(|approved| approved.name == name && approved.sha256 == sha256))
    }

    /// Keeps an approval, in place of an earlier one of that name.
    ///
    /// # Errors
    /// It cannot be written.
    fn approve(&self, scope: &Path, approved: &Approved) -> Result<(), String>;

    /// Takes an approval back, and says whether there was one.
    ///
    /// # Errors
    /// It cannot be written.
    fn revoke(&self, scope: &Path, name: &str) -> Result<bool, String>;
}

/// Approvals that are gone with the process.
#[derive(Debug, Default)]
pub struct MemoryApprovals(Mutex<BTreeMap<(PathBuf, String), Approved>>);

impl Approvals for MemoryApprovals {
    fn list(&self, scope: &Path) -> Result<Vec<Approved>, String> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let here = all.iter().filter(|((place, _), _)| place == scope);
        Ok(here.map(|(_, approved)| approved.clone()).collect())
    }

    fn approve(&self, scope: &Path, approved: &Approved) -> Result<(), String> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (scope.to_owned(), approved.name.clone());
        all.insert(key, approved.clone());
        Ok(())
    }

    fn revoke(&self, scope: &Path, name: &str) -> Result<bool, String> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(all.remove(&(scope.to_owned(), name.to_owned())).is_some())
    }
}
