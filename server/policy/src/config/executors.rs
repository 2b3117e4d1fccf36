//! Kinds of executors that the user configured: the fields of `[executors.NAME]`.

use super::knobs::{list, scalar, text};
use serde_json::{Value, json};
use std::fmt;

/// How much of what a session may still spend an executor may.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum ExecutorBudget {
    /// All of it, as every other who shares it.
    #[default]
    Shared,
    /// So many hundredths of what is left when it begins.
    Percent(u64),
    /// So much, or what is left when that is less.
    Fixed {
        /// Tokens, all kinds together.
        tokens: u64,
        /// US dollars; infinity for no limit of its own.
        usd: f64,
    },
}

impl ExecutorBudget {
    /// Reads `shared`, `25%`, `200000 tokens`, `200000 tokens, 0.5 usd`.
    fn parse(given: &str) -> Option<ExecutorBudget> {
        let given = given.trim();
        if given == "shared" {
            return Some(ExecutorBudget::Shared);
        }
        if let Some(percent) = given.strip_suffix('%') {
            let percent = percent.trim().parse().ok()?;
            return (1..=100)
                .contains(&percent)
                .then_some(ExecutorBudget::Percent(percent));
        }
        let (tokens, usd) = match given.split_once(',') {
            Some((tokens, usd)) => {
                let usd: f64 = usd.trim().strip_suffix("usd")?.trim().parse().ok()?;
                (tokens, usd)
            }
            None => (given, f64::INFINITY),
        };
        let tokens = tokens
            .trim()
            .strip_suffix("tokens")?
            .trim()
            .replace('_', "");
        let tokens = tokens.parse().ok().filter(|tokens| *tokens > 0)?;
        (usd >= 0.0).then_some(ExecutorBudget::Fixed { tokens, usd })
    }
}

impl fmt::Display for ExecutorBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExecutorBudget::Shared => f.write_str("shared"),
            ExecutorBudget::Percent(percent) => write!(f, "{percent}%"),
            ExecutorBudget::Fixed { tokens, usd } if usd.is_infinite() => {
                write!(f, "{tokens} tokens")
            }
            ExecutorBudget::Fixed { tokens, usd } => write!(f, "{tokens} tokens, {usd} usd"),
        }
    }
}

/// What holds for executors of a kind. A field that is not set is as the session has it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ExecutorKind {
    /// What it is for, as the manager is told.
    pub about: Option<String>,
    /// `provider:model`.
    pub model: Option<String>,
    /// The only tools that it may use.
    pub tools: Option<Vec<String>>,
    /// Model requests that it may make at most.
    pub max_turns: Option<u64>,
    /// What it may spend.
    pub budget: Option<ExecutorBudget>,
    /// Whether it works in a worktree.
    pub worktree: Option<bool>,
}

/// A field with its value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum ExecutorField {
    About(String),
    Model(String),
    Tools(Vec<String>),
    MaxTurns(u64),
    Budget(ExecutorBudget),
    Worktree(bool),
}

pub(super) const EXECUTOR_FIELDS: &[(&str, &str)] = &[
    (
        "about",
        "What executors of the kind NAME are for: the model that may have them is told so.",
    ),
    (
        "model",
        "Their model as `provider:model`. A model can have executors with its own model and with those \
         that are named here, and no others. `default` is the kind of executors without one.",
    ),
    (
        "tools",
        "The only tools that they may use, of those of the session.",
    ),
    (
        "max_turns",
        "Model requests that each may make at most, where `max_turns` is not less.",
    ),
    (
        "budget",
        "What each may spend of what the session has left: `shared` (all of it, with the others), `25%` \
         of it, or `200000 tokens, 0.5 usd`.",
    ),
    (
        "isolation",
        "`overlay`: on your files, with changes in memory; `worktree`: in files of its own, outside of \
         yours.",
    ),
];

impl ExecutorField {
    pub(super) fn name(&self) -> &'static str {
        match self {
            ExecutorField::About(_) => "about",
            ExecutorField::Model(_) => "model",
            ExecutorField::Tools(_) => "tools",
            ExecutorField::MaxTurns(_) => "max_turns",
            ExecutorField::Budget(_) => "budget",
            ExecutorField::Worktree(_) => "isolation",
        }
    }

    pub(super) fn parse(key: &str, field: &str, value: &Value) -> Result<ExecutorField, String> {
        let wrong =
            |given: &str, expected: &str| format!("`{key}` is `{given}`; expected {expected}");
        Ok(match field {
            "about" => ExecutorField::About(text(key, value)?),
            "model" => match text(key, value)? {
                model if model.trim().is_empty() => return Err(format!("`{key}` is empty")),
                model => ExecutorField::Model(model),
            },
            "tools" => ExecutorField::Tools(list(key, value)?),
            "max_turns" => {
                let given = scalar(key, value)?;
                let turns = given.parse().ok().filter(|turns| *turns > 0);
                let turns = turns.ok_or_else(|| wrong(&given, "a whole number from 1"))?;
                ExecutorField::MaxTurns(turns)
            }
            "budget" => {
                let given = text(key, value)?;
                let budget = ExecutorBudget::parse(&given);
                ExecutorField::Budget(
                    budget.ok_or_else(|| {
                        wrong(&given, "`shared`, `25%`, or `200000 tokens, 0.5 usd`")
                    })?,
                )
            }
            "isolation" => match text(key, value)?.as_str() {
                "overlay" => ExecutorField::Worktree(false),
                "worktree" => ExecutorField::Worktree(true),
                given => return Err(wrong(given, "overlay or worktree")),
            },
            _ => {
                let known: Vec<&str> = EXECUTOR_FIELDS.iter().map(|(name, _)| *name).collect();
                return Err(format!(
                    "unknown key `{key}`; fields of a kind of executor: {}",
                    known.join(", ")
                ));
            }
        })
    }

    pub(super) fn put(&self, kind: &mut ExecutorKind) {
        match self.clone() {
            ExecutorField::About(about) => kind.about = Some(about),
            ExecutorField::Model(model) => kind.model = Some(model),
            ExecutorField::Tools(tools) => kind.tools = Some(tools),
            ExecutorField::MaxTurns(turns) => kind.max_turns = Some(turns),
            ExecutorField::Budget(budget) => kind.budget = Some(budget),
            ExecutorField::Worktree(worktree) => kind.worktree = Some(worktree),
        }
    }
}

impl ExecutorKind {
    /// Name, value and meaning of each field that is set.
    pub(super) fn shown(&self) -> Vec<(&'static str, String, &'static str)> {
        let value = |field: &str| match field {
            "about" => self.about.clone(),
            "model" => self.model.clone(),
            "tools" => self.tools.as_deref().map(super::knobs::shown_list),
            "max_turns" => self.max_turns.map(|turns| turns.to_string()),
            "budget" => self.budget.map(|budget| budget.to_string()),
            _ => self
                .worktree
                .map(|own| if own { "worktree" } else { "overlay" }.to_owned()),
        };
        EXECUTOR_FIELDS
            .iter()
            .filter_map(|(name, doc)| Some((*name, value(name)?, *doc)))
            .collect()
    }
}

/// JSON Schema of a field's value.
pub(super) fn executor_schema(name: &str) -> Value {
    match name {
        "tools" => super::knobs::list_schema(),
        "max_turns" => json!({"type": "integer", "minimum": 1}),
        "isolation" => json!({"enum": ["overlay", "worktree"]}),
        _ => json!({"type": "string"}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(given: &str, expect: Option<&str>) {
        let budget = ExecutorBudget::parse(given);
        assert_eq!(
            budget.map(|budget| budget.to_string()).as_deref(),
            expect,
            "{given}"
        );
    }

    #[test]
    fn budgets_are_read_and_nothing_else() {
        check("shared", Some("shared"));
        check(" 25 %", Some("25%"));
        check("100%", Some("100%"));
        check("200_000 tokens", Some("200000 tokens"));
        check("200000 tokens, 0.5 usd", Some("200000 tokens, 0.5 usd"));
        for wrong in [
            "",
            "0%",
            "101%",
            "all",
            "5",
            "0 tokens",
            "5 tokens, 1",
            "5 tokens, -1 usd",
        ] {
            check(wrong, None);
        }
        check("5 tokens, nan usd", None);
    }
}
