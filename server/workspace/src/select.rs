//! Which hunks a decision is about.

use crate::change::Name;
use crate::error::DecideError;
use crate::overlay::State;
use crate::plan::Selection;
use boxagnts_policy::path::WorkspacePath;
use std::collections::{BTreeMap, HashSet};

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
        self.choose(|_| true)
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
                let names = self.names().map(|(_, name)| name);
                let known = names.filter_map(|name| Some(name.group.as_ref()?.to_string()));
                let mut known: Vec<String> = known.collect();
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

    /// The hunks that wait, those that do not fit behind the others of their file.
    pub(crate) fn names(&self) -> impl Iterator<Item = (&WorkspacePath, &Name)> {
        let proposed = self.changes.iter();
        let proposed = proposed.map(|(path, change)| (path, &**change));
        let rivals = self.rivals.iter();
        let rivals = rivals.flat_map(|(path, rivals)| rivals.iter().map(move |r| (path, r)));
        let all = proposed.chain(rivals);
        all.flat_map(|(path, change)| change.names().map(move |name| (path, name)))
    }

    fn choose(&self, wanted: impl Fn(&Name) -> bool) -> Vec<(WorkspacePath, Vec<String>)> {
        let mut chosen: BTreeMap<&WorkspacePath, Vec<String>> = BTreeMap::new();
        for (path, name) in self.names().filter(|(_, name)| wanted(name)) {
            chosen.entry(path).or_default().push(name.id.to_string());
        }
        let chosen = chosen.into_iter();
        chosen.map(|(path, ids)| (path.clone(), ids)).collect()
    }
}
