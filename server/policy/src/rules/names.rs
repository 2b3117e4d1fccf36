//! Names in rules that no tool has: a rule that is misspelt would stop nothing, and say nothing.

use super::{PATH, PATHS, Rule, Verdict};
use serde_json::Value;

/// A tool, as rules may name it.
#[derive(Debug, Clone, Copy)]
pub struct KnownTool<'a> {
    /// Its name.
    pub name: &'a str,
    /// JSON Schema of its input.
    pub input_schema: &'a Value,
}

impl<'a> KnownTool<'a> {
    /// `None` when it does not say.
    fn arguments(&self) -> Option<Vec<&'a str>> {
        let properties = self.input_schema.get("properties")?.as_object()?;
        Some(properties.keys().map(String::as_str).collect())
    }

    fn takes(&self, argument: &str) -> bool {
        self.arguments().is_none_or(|arguments| {
            let has = |name: &&str| arguments.contains(name);
            has(&argument) || (argument == PATH && PATHS.iter().any(has))
        })
    }
}

impl Rule {
    /// What is misspelt, as it seems, with what may be meant; `None` when there is such a call.
    pub(crate) fn misspelt(&self, verdict: Verdict, tools: &[KnownTool<'_>]) -> Option<String> {
        let widely = verdict != Verdict::Allow;
        let means = |tool: &&KnownTool<'_>| {
            self.tool.matches(tool.name) || (widely && self.tool.matches_folded(tool.name))
        };
        let meant: Vec<_> = tools.iter().filter(means).collect();
        if meant.is_empty() {
            let names = tools.iter().map(|tool| tool.name);
            return Some(no_tool(&self.tool.text, names));
        }
        let unknown = |name: &&str| !meant.iter().any(|tool| tool.takes(name));
        let name = self.arguments.iter().map(|(name, _)| name.as_str());
        let name = name.clone().find(unknown)?;
        let known: Vec<&str> = meant
            .iter()
            .filter_map(|tool| tool.arguments())
            .flatten()
            .collect();
        let meant = match nearest(name, known.iter().copied()) {
            Some(other) => format!("did you mean `{other}`?"),
            None if meant.len() == 1 => format!("it has {}", known.join(", ")),
            None => "`boxagnts tool describe NAME` shows a tool's".to_owned(),
        };
        Some(format!(
            "`{}` has no argument `{name}`; {meant}",
            self.tool.text
        ))
    }
}

/// Says that there is no such tool, and which may be meant.
pub(crate) fn no_tool<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> String {
    let meant = match nearest(name, names) {
        Some(other) => format!("did you mean `{other}`?"),
        None => "`boxagnts tool list` shows those that there are".to_owned(),
    };
    format!("there is no tool `{name}`; {meant}")
}

/// The name that is like another but for a slip.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let distances = known.map(|other| (crate::config::distance(other, name), other));
    let (distance, other) = distances.min()?;
    (distance <= 3 && distance * 2 <= name.len()).then_some(other)
}
