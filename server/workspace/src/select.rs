//! Which hunks a decision is about.

use crate::change::{FileChange, Name};
use crate::error::DecideError;
use crate::overlay::State;
use crate::plan::Selection;
use boxagnts_policy::path::WorkspacePath;
use std::collections::HashSet;

impl State {
    /// Whether a hunk is on its way into the user's text.
    pub(crate) fn applies(&self, id: &str) -> bool {
        let mut in_flight = self.in_flight.values();
        in_flight.any(|in_flight| in_flight.hunks.iter().any(|other| other == id))
    }

    pub(crate) fn check_free(&self, ids: &[String]) -> Result<(), DecideError> {
        match ids.iter().find(|id| self.applies(id)) {
            None => Ok(()),
            Some(id) => Err(DecideError::Unfit {
                id: id.clone(),
                reason: "it is being applied; try again when that has ended".to_owned(),
            }),
        }
    }

    /// The ids of the hunks that wait, by file.
    pub(crate) fn waiting(&self) -> Vec<(WorkspacePath, Vec<String>)> {
        let ids = |change: &FileChange| change.names().map(|name| name.id.to_string()).collect();
        self.changes
            .iter()
            .map(|(path, change)| (path.clone(), ids(change)))
            .collect()
    }

    /// The selected hunks by file.
    pub(crate) fn select(
        &self,
        selection: &Selection,
    ) -> Result<Vec<(WorkspacePath, Vec<String>)>, DecideError> {
        let listed = |names: Vec<String>| match names.is_empty() {
            true => "none".to_owned(),
            false => names.join(", "),
        };
        match selection {
            Selection::All => Ok(self.waiting()),
            Selection::Files(paths) => {
                let waiting = self.waiting();
                let known: HashSet<&str> = waiting.iter().map(|(path, _)| path.as_str()).collect();
                if let Some(path) = paths.iter().find(|path| !known.contains(path.as_str())) {
                    let changed = waiting.iter().map(|(known, _)| known.to_string());
                    return Err(DecideError::UnknownFile {
                        path: path.clone(),
                        changed: listed(changed.collect()),
                    });
                }
                let paths: HashSet<&str> = paths.iter().map(String::as_str).collect();
                let chosen = |(path, _): &(WorkspacePath, _)| paths.contains(path.as_str());
                Ok(waiting.into_iter().filter(chosen).collect())
            }
            Selection::Hunks(ids) => {
                let wanted: HashSet<&str> = ids.iter().map(String::as_str).collect();
                let chosen = self.choose(|name| wanted.contains(&*name.id));
                let found: HashSet<&str> = chosen
                    .iter()
                    .flat_map(|(_, ids)| ids)
                    .map(String::as_str)
                    .collect();
                if let Some(id) = ids.iter().find(|id| !found.contains(id.as_str())) {
                    let waiting = self.waiting().into_iter().flat_map(|(_, ids)| ids);
                    return Err(DecideError::UnknownHunk {
                        id: id.clone(),
                        waiting: listed(waiting.collect()),
                    });
                }
                Ok(chosen)
            }
            Selection::Groups(groups) => {
                let mut known: Vec<String> = Vec::new();
                for (_, change) in self.changes.iter() {
                    known.extend(
                        change
                            .names()
                            .filter_map(|name| Some(name.group.as_ref()?.to_string())),
                    );
                }
                if let Some(group) = groups.iter().find(|group| !known.contains(group)) {
                    known.sort();
                    known.dedup();
                    return Err(DecideError::UnknownGroup {
                        group: group.clone(),
                        waiting: listed(known),
                    });
                }
                let wanted: HashSet<&str> = groups.iter().map(String::as_str).collect();
                let of = |name: &Name| {
                    name.group
                        .as_deref()
                        .is_some_and(|group| wanted.contains(group))
                };
                Ok(self.choose(of))
            }
        }
    }

    fn choose(&self, wanted: impl Fn(&Name) -> bool) -> Vec<(WorkspacePath, Vec<String>)> {
        let chosen = self.changes.iter().map(|(path, change)| {
            let names = change.names().filter(|name| wanted(name));
            let ids: Vec<String> = names.map(|name| name.id.to_string()).collect();
            (path.clone(), ids)
        });
        chosen.filter(|(_, ids)| !ids.is_empty()).collect()
    }
}
