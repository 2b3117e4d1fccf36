//! Rules `allow`, `ask` and `deny`: `TOOL` or `TOOL(ARGUMENT=GLOB, …)`. An allowing rule takes an
//! input as narrowly as it can be taken, the others as widely.

mod names;

use crate::command;
use crate::network::Target;
use crate::path::folded;
use globset::{GlobBuilder, GlobMatcher};
use serde_json::Value;
use std::fmt;

pub use names::KnownTool;
pub(crate) use names::no_tool;

/// Longest rule, in bytes.
const MAX_RULE_BYTES: usize = 4096;
/// What rules call a path, whatever the tool calls it.
const PATH: &str = "path";
/// Paths of a call that has no `path`: what moves has two.
const PATHS: &[&str] = &["from", "to"];
/// Arguments whose text is a shell's.
const COMMANDS: &[&str] = &["command", "cmd", "script", "shell"];

/// What a rule says about a call that it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Go ahead without asking.
    Allow,
    /// Ask the user.
    Ask,
    /// Never.
    Deny,
}

impl Verdict {
    /// The knob that has its rules.
    pub fn knob(self) -> &'static str {
        match self {
            Verdict::Allow => "allow",
            Verdict::Ask => "ask",
            Verdict::Deny => "deny",
        }
    }
}

/// One rule.
#[derive(Debug, Clone)]
pub struct Rule {
    text: String,
    tool: Pattern,
    arguments: Vec<(String, Pattern)>,
}

impl PartialEq for Rule {
    fn eq(&self, other: &Rule) -> bool {
        self.text == other.text
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// All rules of a session.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rules {
    /// What needs no question.
    pub allow: Vec<Rule>,
    /// What needs a question whatever the tool's level.
    pub ask: Vec<Rule>,
    /// What is never done.
    pub deny: Vec<Rule>,
}

impl Rules {
    /// The first rule that matches a call: those that deny before those that ask before those that
    /// allow.
    pub fn verdict(&self, tool: &str, input: &Value) -> Option<(Verdict, &Rule)> {
        [Verdict::Deny, Verdict::Ask, Verdict::Allow]
            .into_iter()
            .find_map(|verdict| {
                let rule = self
                    .of(verdict)
                    .iter()
                    .find(|rule| rule.matches(verdict, tool, input))?;
                Some((verdict, rule))
            })
    }

    /// The rules of one kind.
    pub fn of(&self, verdict: Verdict) -> &[Rule] {
        match verdict {
            Verdict::Allow => &self.allow,
            Verdict::Ask => &self.ask,
            Verdict::Deny => &self.deny,
        }
    }
}

impl Rule {
    /// Reads a rule; an error continues "`rule` …".
    ///
    /// # Errors
    /// Text that is no rule, with what would be one.
    pub fn parse(text: &str) -> Result<Rule, String> {
        let text = text.trim();
        if text.len() > MAX_RULE_BYTES {
            return Err("is longer than 4096 bytes".to_owned());
        }
        let (tool, rest) = match text.split_once('(') {
            Some((tool, rest)) => (tool.trim(), Some(rest)),
            None => (text, None),
        };
        if tool.is_empty() {
            return Err(format!("names no tool; {EXPECTED}"));
        }
        // A comma makes sense between braces alone; elsewhere somebody wrote two rules as one.
        let two = tool.contains(',') && !tool.contains('{');
        if two || tool.contains(|c: char| c.is_whitespace() || ")=\"".contains(c)) {
            return Err(format!("is no rule; {EXPECTED}"));
        }
        Ok(Rule {
            text: text.to_owned(),
            tool: Pattern::new(tool)?,
            arguments: match rest {
                Some(rest) => arguments(rest)?,
                None => Vec::new(),
            },
        })
    }

    /// As it is configured.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether a call is meant in any spelling, as a rule that denies takes it.
    pub(crate) fn matches_widely(&self, tool: &str, input: &Value) -> bool {
        self.matches(Verdict::Deny, tool, input)
    }

    fn matches(&self, verdict: Verdict, tool: &str, input: &Value) -> bool {
        let widely = verdict != Verdict::Allow;
        let named = self.tool.matches(tool) || (widely && self.tool.matches_folded(tool));
        named
            && self.arguments.iter().all(|(name, pattern)| {
                let is_command = COMMANDS.contains(&name.to_ascii_lowercase().as_str());
                let values = values(input, name);
                let mut values = values.iter();
                // With a folder moves what is in it.
                let moves =
                    PATHS.contains(&name.as_str()) || (name == PATH && input.get(PATH).is_none());
                let holds = |value: &Value| {
                    moves && value.as_str().is_some_and(|path| pattern.is_below(path))
                };
                match widely {
                    true => values.any(|value| found(pattern, value, is_command) || holds(value)),
                    false => {
                        values.len() > 0 && values.all(|value| taken(pattern, value, is_command))
                    }
                }
            })
    }
}

/// What a call has for an argument of a rule.
fn values<'a>(input: &'a Value, name: &str) -> Vec<&'a Value> {
    let value = |name: &str| input.get(name).filter(|value| !value.is_null());
    match value(name) {
        Some(value) => vec![value],
        None if name == PATH => PATHS.iter().filter_map(|name| value(name)).collect(),
        None => Vec::new(),
    }
}

const EXPECTED: &str = "expected `TOOL` or `TOOL(ARGUMENT=GLOB, …)`";

/// `ARGUMENT=GLOB, …)`.
fn arguments(text: &str) -> Result<Vec<(String, Pattern)>, String> {
    let mut arguments = Vec::new();
    let mut rest = text;
    loop {
        let Some((name, after)) = rest.split_once('=') else {
            return Err(format!("has an argument without `=`; {EXPECTED}"));
        };
        let name = name.trim();
        if name.is_empty() || name.contains(|c: char| c.is_whitespace() || "(),\"".contains(c)) {
            return Err(format!("has an argument without a name; {EXPECTED}"));
        }
        let after = after.trim_start();
        let (glob, after) = match after.strip_prefix('"') {
            Some(quoted) => unquoted(quoted)?,
            None => {
                let ends = after.find([',', ')']).unwrap_or(after.len());
                let (glob, after) = after.split_at(ends);
                let glob = glob.trim_end();
                if glob.is_empty() {
                    return Err(format!(
                        "has no value for `{name}`; write `*` for any, or `\"\"` for an empty one"
                    ));
                }
                if glob.contains(['(', '"']) {
                    return Err(format!(
                        "has a parenthesis or a quote in the value for `{name}`; put the value \
                         into double quotes"
                    ));
                }
                (glob.to_owned(), after)
            }
        };
        arguments.push((name.to_owned(), Pattern::new(&glob)?));
        let after = after.trim_start();
        if let Some(after) = after.strip_prefix(',') {
            rest = after;
        } else if let Some(after) = after.strip_prefix(')') {
            if after.trim().is_empty() {
                return Ok(arguments);
            }
            return Err(
                "goes on after its `)`; put values with parentheses into double quotes".to_owned(),
            );
        } else {
            return Err(format!("has no `)`; {EXPECTED}"));
        }
    }
}

/// Up to the closing quote, in which `\"` is a quote and every other backslash is the glob's.
fn unquoted(text: &str) -> Result<(String, &str), String> {
    let mut glob = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((glob, &text[at + 1..])),
            '\\' => match chars.next() {
                Some((_, '"')) => glob.push('"'),
                Some((_, next)) => glob.extend(['\\', next]),
                None => break,
            },
            c => glob.push(c),
        }
    }
    Err("has a quote that is not closed".to_owned())
}

/// Whether any text in the value, in any of its spellings, is meant.
fn found(pattern: &Pattern, value: &Value, is_command: bool) -> bool {
    let found_text = |text: &str| {
        pattern.matches_widely(text)
            || (is_command
                && command::parts(text)
                    .iter()
                    .any(|part| pattern.matches_widely(part)))
    };
    match value {
        Value::String(text) => found_text(text),
        Value::Array(elements) => {
            let words: Option<Vec<&str>> = elements.iter().map(Value::as_str).collect();
            elements
                .iter()
                .any(|element| found(pattern, element, is_command))
                || (is_command && words.is_some_and(|words| found_text(&words.join(" "))))
        }
        Value::Object(fields) => fields
            .values()
            .any(|field| found(pattern, field, is_command)),
        Value::Null => false,
        scalar => found_text(&scalar.to_string()),
    }
}

/// Whether everything in the value is meant.
fn taken(pattern: &Pattern, value: &Value, is_command: bool) -> bool {
    match value {
        Value::String(text) if is_command && command::is_compound(text) => {
            pattern.is_literal() && pattern.text == *text
        }
        Value::String(text) => pattern.matches_narrowly(text),
        Value::Array(elements) => {
            !elements.is_empty()
                && elements.iter().all(|element| {
                    !matches!(element, Value::Array(_) | Value::Object(_))
                        && taken(pattern, element, is_command)
                })
        }
        Value::Null | Value::Object(_) => false,
        scalar => pattern.matches(&scalar.to_string()),
    }
}

#[derive(Debug, Clone)]
struct Pattern {
    text: String,
    glob: GlobMatcher,
    /// For paths in their normal form: without `./`.
    normal: GlobMatcher,
    /// For what a file system may take for the same.
    folded: GlobMatcher,
    /// As `folded`, for the folders that it names on the way to what it is for.
    folders: Vec<GlobMatcher>,
}

impl Pattern {
    fn new(text: &str) -> Result<Pattern, String> {
        let compile = |glob: &str, fold: bool| {
            GlobBuilder::new(glob)
                .literal_separator(false)
                .backslash_escape(true)
                .case_insensitive(fold)
                .build()
                .map(|glob| glob.compile_matcher())
        };
        let normal = Some(text.trim_start_matches("./")).filter(|normal| !normal.is_empty());
        let normal = normal.unwrap_or(text);
        let read = || -> Result<Pattern, globset::Error> {
            Ok(Pattern {
                text: text.to_owned(),
                glob: compile(text, false)?,
                normal: compile(normal, false)?,
                folded: compile(&folded(normal), true)?,
                folders: above(normal)
                    // One that is cut within braces is none.
                    .filter_map(|folder| compile(&folded(folder), true).ok())
                    .collect(),
            })
        };
        read().map_err(|error| format!("has a glob that cannot be read: {}", error.kind()))
    }

    fn is_literal(&self) -> bool {
        !self.text.contains(['*', '?', '[', ']', '{', '}', '\\'])
    }

    fn matches(&self, text: &str) -> bool {
        self.glob.is_match(text)
    }

    fn matches_folded(&self, text: &str) -> bool {
        self.folded.is_match(folded(text))
    }

    fn matches_widely(&self, text: &str) -> bool {
        self.matches(text)
            || self.matches_folded(text)
            || url(text).is_some_and(|url| self.matches(&url) || self.matches_folded(&url))
            || [normal(text), normal(&text.replace('\\', "/"))]
                .iter()
                .any(|path| self.normal.is_match(path) || self.matches_folded(path))
    }

    /// Whether what is meant is below a folder that the pattern names.
    fn is_below(&self, folder: &str) -> bool {
        let spellings = [normal(folder), normal(&folder.replace('\\', "/"))];
        let mut spellings = spellings.iter().map(|path| folded(path));
        spellings.any(|path| self.folders.iter().any(|folder| folder.is_match(&path)))
    }

    /// A path that goes up is only what it leads to, and a URL only what is requested.
    fn matches_narrowly(&self, text: &str) -> bool {
        if let Some(url) = url(text) {
            return self.matches(&url);
        }
        let goes_up = text.split(['/', '\\']).any(|part| part == "..");
        (self.matches(text) && !goes_up) || self.normal.is_match(normal(text))
    }
}

/// The globs of the folders above what a glob is for; those that would be any folder are left out.
fn above(glob: &str) -> impl Iterator<Item = &str> {
    let folders = glob.match_indices('/').map(|(at, _)| &glob[..at]);
    folders.filter(|folder| {
        let name = folder.rsplit('/').next().unwrap_or_default();
        name.contains(|c| !"*?".contains(c))
    })
}

/// A URL as it would be requested, whatever its spelling.
fn url(text: &str) -> Option<String> {
    if !text.contains("://") {
        return None;
    }
    let target = Target::parse_url(text).ok()?;
    target.url().map(|url| url.as_str().to_owned())
}

/// As a path, without what does not change where it leads.
fn normal(text: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let root = if text.starts_with('/') { "/" } else { "" };
    format!("{root}{}", parts.join("/"))
}

/// Splits a list of rules at the commas between them.
pub(crate) fn split_list(text: &str) -> Vec<&str> {
    let (mut depth, mut quoted, mut escaped, mut begin) = (0usize, false, false, 0);
    let mut rules = Vec::new();
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' if depth > 0 => quoted = !quoted,
            _ if quoted => {}
            '(' | '{' => depth += 1,
            ')' | '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                rules.push(&text[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    rules.push(&text[begin..]);
    rules
}

#[cfg(test)]
mod tests;
