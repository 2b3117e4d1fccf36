//! Knobs that are on or off.

use super::Config;
use serde_json::Value;

/// A knob that is on or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Switch {
    ContextGit,
    ProjectInstructions,
    CommitSignOff,
}

impl Switch {
    pub(super) const ALL: [Switch; 3] = [
        Switch::ContextGit,
        Switch::ProjectInstructions,
        Switch::CommitSignOff,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Switch::ContextGit => "context_git",
            Switch::ProjectInstructions => "project_instructions",
            Switch::CommitSignOff => "commit_sign_off",
        }
    }

    pub(super) fn doc(self) -> &'static str {
        match self {
            Switch::ContextGit => {
                "Whether the model is told the branch, and how many files differ from the last \
                 commit."
            }
            Switch::ProjectInstructions => {
                "Whether the model is told what the workspace says to agents: `AGENTS.md` and its \
                 like, and the commands and skills of the workspace."
            }
            Switch::CommitSignOff => {
                "Whether you sign off what is committed to a branch, with a line `Signed-off-by` of \
                 git's user at the end of the message."
            }
        }
    }

    pub(super) fn get(self, config: &Config) -> bool {
        match self {
            Switch::ContextGit => config.context_git,
            Switch::ProjectInstructions => config.project_instructions,
            Switch::CommitSignOff => config.commit_sign_off,
        }
    }

    pub(super) fn put(self, config: &mut Config, on: bool) {
        match self {
            Switch::ContextGit => config.context_git = on,
            Switch::ProjectInstructions => config.project_instructions = on,
            Switch::CommitSignOff => config.commit_sign_off = on,
        }
    }

    /// The value of a file, or the text of a command line.
    pub(super) fn parse(self, value: &Value) -> Result<bool, String> {
        match value {
            Value::Bool(on) => Ok(*on),
            Value::String(text) if text == "true" => Ok(true),
            Value::String(text) if text == "false" => Ok(false),
            other => Err(format!(
                "`{}` is {other}; expected true or false",
                self.name()
            )),
        }
    }
}
