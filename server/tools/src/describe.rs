//! What tools that do not come with BoxAgnts say of themselves, and how they are called.

pub(crate) mod arguments;
mod field;
pub(crate) mod file;
mod help;
mod order;

use crate::input::{MAX_REFERENCES, references};
pub use order::DescribedBy;
pub(crate) use order::{Description, describe};

use boxagnts_policy::permission::Level;
use serde_json::Value;

/// Longest name of a tool.
const MAX_NAME: usize = 64;

/// A level as a tool asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    /// One that there is.
    Level(Level),
    /// Something else.
    Unknown(String),
}

impl Asked {
    /// Reads a word such as `read` or `read-only`.
    pub(crate) fn parse(word: &str) -> Asked {
        match word.to_ascii_lowercase().as_str() {
            "none" => Asked::Level(Level::None),
            "read" | "readonly" | "read-only" | "read_only" => Asked::Level(Level::Read),
            "write" => Asked::Level(Level::Write),
            "execute" => Asked::Level(Level::Execute),
            "network" => Asked::Level(Level::Network),
            "dangerous" => Asked::Level(Level::Dangerous),
            "forbidden" => Asked::Level(Level::Forbidden),
            _ => Asked::Unknown(word.chars().take(MAX_NAME).collect()),
        }
    }
}

/// The level that a line of text asks for: `Permission level: write`, `[level: read]`,
/// `permission: network` at its beginning.
fn level_in(line: &str) -> Option<Asked> {
    let lower = line.to_ascii_lowercase();
    let behind = [
        "permission level",
        "permission-level",
        "permission_level",
        "[level",
    ]
    .iter()
    .find_map(|key| lower.find(key).map(|at| at + key.len()))
    .or_else(|| {
        lower
            .starts_with("permission")
            .then_some("permission".len())
    })?;
    let word = line[behind..]
        .trim_start()
        .strip_prefix([':', '='])?
        .trim_start();
    let word = word.trim_start_matches(['`', '"', '\'']);
    let end = word
        .find(|c: char| !(c.is_alphanumeric() || c == '-' || c == '_'))
        .unwrap_or(word.len());
    (end > 0).then(|| Asked::parse(&word[..end]))
}

/// A name as tools have it: at most 64 of `a-z`, `0-9`, `_` and `-`. From a program's name or path.
pub(crate) fn tool_name(given: &str) -> Option<String> {
    let file = given.rsplit(['/', '\\']).next().unwrap_or_default();
    let stem = [".wasm", ".exe", ".js", ".py", ".sh"]
        .iter()
        .find_map(|extension| file.strip_suffix(extension))
        .unwrap_or(file);
    let mut name = String::new();
    for c in stem.chars().take(MAX_NAME) {
        match c.to_ascii_lowercase() {
            c if c.is_ascii_alphanumeric() || c == '_' || c == '-' => name.push(c),
            _ if name.is_empty() || name.ends_with('-') => {}
            _ => name.push('-'),
        }
    }
    let name = name.trim_matches('-');
    (!name.is_empty()).then(|| name.to_owned())
}

/// Whether inputs can be checked against a schema, in bounded time.
pub(crate) fn usable(schema: &Value) -> Result<(), String> {
    bounded(schema)?;
    jsonschema::validator_for(schema)
        .map(drop)
        .map_err(|error| format!("is no JSON Schema: {error}"))
}

/// Whether checking an input against a schema takes bounded time.
fn bounded(schema: &Value) -> Result<(), String> {
    match references(schema) {
        count if count > MAX_REFERENCES => Err(format!(
            "has {count} references, more than {MAX_REFERENCES}"
        )),
        _ => Ok(()),
    }
}

/// What is made of a help text, for fuzzing.
#[doc(hidden)]
pub fn fuzz_help(text: &str) -> boxagnts_protocol::tool::ToolSpec {
    help::parse(text).spec("tool")
}
