//! The next step of an instruction, given what has been done.

use super::Done;
use super::instruction::Instruction;
use crate::scripted::{Call, Turn};
use serde_json::{Value, json};
use std::fmt::Write;

/// Files that are searched for at once.
const MAX_FILES: usize = 10_000;
/// Edits of one answer.
const CHUNK: usize = 100;
/// Failures that are told one by one.
const MAX_TOLD: usize = 20;

/// What to do or say next.
pub(super) fn next(instruction: &Instruction, done: &[Done<'_>]) -> Turn {
    match instruction {
        Instruction::RenameWord { old, new, place } => change(
            &Change {
                old,
                new,
                place: place.as_deref(),
                whole_word: true,
            },
            done,
        ),
        Instruction::Replace { old, new, place } => change(
            &Change {
                old,
                new,
                place: place.as_deref(),
                whole_word: false,
            },
            done,
        ),
        Instruction::Find { text, place } => match done {
            [] => call("grep", search(&regex::escape(text), place.as_deref())),
            [done, ..] => match done.outcome {
                Ok(found) if found.starts_with(NO_MATCHES) => say(nothing(
                    &format!("{} is not", code(text)),
                    place.as_deref(),
                    found,
                )),
                Ok(found) => say(found.to_owned()),
                Err(why) => say(format!("I could not search: {why}")),
            },
        },
        Instruction::Create { path, text } => create(path, text, done),
        Instruction::Delete { path } => single(
            done,
            "delete",
            json!({"path": path}),
            &format!("delete {}", code(path)),
        ),
        Instruction::Move { from, to } => {
            let what = format!("move {} to {}", code(from), code(to));
            single(done, "rename", json!({"from": from, "to": to}), &what)
        }
    }
}

/// An answer of nothing but text.
pub(super) fn say(text: String) -> Turn {
    Turn {
        text,
        ..Turn::default()
    }
}

/// A plan to do all that is left of an instruction.
pub(super) fn proposal(instruction: &Instruction, done: &[Done<'_>]) -> Turn {
    let plan = match instruction {
        Instruction::RenameWord { old, new, .. } => {
            let what = format!("Rename the word {} to {}", code(old), code(new));
            in_files(&what, done)
        }
        Instruction::Replace { old, new, .. } => {
            let what = format!("Replace {} with {}", code(old), code(new));
            in_files(&what, done)
        }
        Instruction::Find { text, .. } => format!("Search for {}.", code(text)),
        Instruction::Create { path, text } => {
            let lines = text.lines().map(|line| format!("    {line}\n"));
            format!("Create {}:\n\n{}", code(path), lines.collect::<String>())
        }
        Instruction::Delete { path } => format!("Delete {}.", code(path)),
        Instruction::Move { from, to } => format!("Move {} to {}.", code(from), code(to)),
    };
    call(super::PROPOSE_PLAN, json!({"plan": plan}))
}

/// What is to be done in the files that were found, with all of their names.
fn in_files(what: &str, done: &[Done<'_>]) -> String {
    let found = done.first().and_then(|grep| grep.outcome.ok());
    let (paths, remarks) = found_paths(found.unwrap_or_default());
    let mut plan = format!("{what} in {}:\n", files(paths.len()));
    for path in paths {
        let _ = write!(plan, "\n- {}", code(path));
    }
    let remarks = explained(remarks);
    if !remarks.is_empty() {
        let _ = write!(plan, "\n\n{remarks}");
    }
    plan
}

/// The paths that `grep` found, and what it remarked.
fn found_paths(found: &str) -> (Vec<&str>, &str) {
    // Every path ends its line; what follows the last of them are remarks.
    let (paths, remarks) = found.rsplit_once('\n').unwrap_or(("", found));
    (paths.lines().collect(), remarks)
}

fn call(name: &str, input: Value) -> Turn {
    Turn {
        tool_calls: vec![Call {
            name: name.to_owned(),
            input,
        }],
        ..Turn::default()
    }
}

/// One call, whose own words are the answer.
fn single(done: &[Done<'_>], tool: &str, input: Value, what: &str) -> Turn {
    match done {
        [] => call(tool, input),
        [done, ..] => match done.outcome {
            Ok(text) => say(text.to_owned()),
            Err(why) => say(format!("I could not {what}: {why}")),
        },
    }
}

/// Looks first: `write` would replace what is there.
fn create(path: &str, text: &str, done: &[Done<'_>]) -> Turn {
    match done {
        [] => call("read", json!({"path": path, "limit": 1})),
        [read] => match read.outcome {
            Ok(_) => say(format!(
                "{} exists already and was left alone. Use `replace X with Y in {path}` to change \
                 it, or delete it first.",
                code(path)
            )),
            // Any other failure may be a file that cannot be read as text.
            Err(why) if why.contains("does not exist") => {
                call("write", json!({"path": path, "content": text}))
            }
            Err(why) => say(format!("I could not create {}: {why}", code(path))),
        },
        [_, write, ..] => match write.outcome {
            Ok(text) => say(text.to_owned()),
            Err(why) => say(format!("I could not create {}: {why}", code(path))),
        },
    }
}

/// The same replacement in many files.
struct Change<'a> {
    old: &'a str,
    new: &'a str,
    place: Option<&'a str>,
    whole_word: bool,
}

fn change(change: &Change<'_>, done: &[Done<'_>]) -> Turn {
    let Some((grep, edits)) = done.split_first() else {
        let mut input = search(&change.pattern(), change.place);
        input["output"] = json!("files");
        input["limit"] = json!(MAX_FILES);
        return call("grep", input);
    };
    let found = match grep.outcome {
        Err(why) => return say(format!("I could not search, so nothing was changed: {why}")),
        Ok(found) => found,
    };
    let (paths, remarks) = found_paths(found);
    if paths.is_empty() {
        let how = if change.whole_word {
            " as a whole word"
        } else {
            ""
        };
        let what = format!("{} does not occur{how}", code(change.old));
        return say(nothing(&what, change.place, remarks));
    }
    let left = paths.get(edits.len()..).unwrap_or_default();
    // Where everything fails the reason is the same, and more of it helps nobody.
    let hopeless = edits.len() >= CHUNK && edits.iter().all(|edit| edit.outcome.is_err());
    if left.is_empty() || hopeless {
        return say(change.summary(edits, left.len(), remarks));
    }
    let calls = left.iter().take(CHUNK).map(|path| change.edit(path));
    Turn {
        tool_calls: calls.collect(),
        ..Turn::default()
    }
}

impl Change<'_> {
    /// A regular expression for it.
    fn pattern(&self) -> String {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let edge = |end: Option<char>| match end.is_some_and(is_word) && self.whole_word {
            true => r"\b",
            false => "",
        };
        let (first, last) = (self.old.chars().next(), self.old.chars().next_back());
        format!("{}{}{}", edge(first), regex::escape(self.old), edge(last))
    }

    fn edit(&self, path: &str) -> Call {
        let mut edit = json!({"old_text": self.old, "new_text": self.new, "replace_all": true});
        if self.whole_word {
            edit["whole_word"] = json!(true);
        }
        Call {
            name: "edit".to_owned(),
            input: json!({"path": path, "edits": [edit]}),
        }
    }

    fn summary(&self, edits: &[Done<'_>], untried: usize, remarks: &str) -> String {
        let failed: Vec<(&str, &str)> = edits
            .iter()
            .filter_map(|edit| {
                Some((
                    edit.call.input["path"].as_str().unwrap_or("?"),
                    edit.outcome.err()?,
                ))
            })
            .collect();
        let (old, new) = (code(self.old), code(self.new));
        let verb = if self.whole_word {
            "Renamed"
        } else {
            "Replaced"
        };
        let joint = if self.whole_word { "to" } else { "with" };
        let made = edits.len() - failed.len();
        let mut text = match made {
            0 => format!("{old} was not changed anywhere."),
            _ => format!("{verb} {old} {joint} {new} in {}.", files(made)),
        };
        if !failed.is_empty() {
            let _ = writeln!(text, " {} could not be changed:", files(failed.len()));
            for (path, why) in failed.iter().take(MAX_TOLD) {
                let _ = write!(text, "\n- {}: {why}", code(path));
            }
            if failed.len() > MAX_TOLD {
                let _ = write!(text, "\n- and {} more", failed.len() - MAX_TOLD);
            }
        }
        if untried > 0 {
            let _ = write!(text, "\n\n{} were not tried.", files(untried));
        }
        let remarks = explained(remarks);
        if !remarks.is_empty() {
            let _ = write!(text, "\n\n{remarks}");
        }
        text
    }
}

const NO_MATCHES: &str = "[no matches]";

fn nothing(what: &str, place: Option<&str>, remarks: &str) -> String {
    let place = place
        .map(|place| format!(" in {}", code(place)))
        .unwrap_or_default();
    let remarks = explained(remarks);
    let gap = if remarks.is_empty() { "" } else { " " };
    format!("{what} in any visible file{place}; nothing to do.{gap}{remarks}")
}

/// What `grep` remarked, as sentences about the work.
fn explained(remarks: &str) -> String {
    let remarks = remarks.trim().replace(NO_MATCHES, "");
    let remarks = remarks.trim_start_matches('[').trim_end_matches(']');
    let sentences = remarks
        .split("][")
        .filter(|remark| !remark.is_empty())
        .map(|remark| match remark.split_once(';') {
            Some((only, _)) if only.starts_with("only the first") => {
                format!("There are more: these are {only}. Say it again for the rest.")
            }
            _ => format!("Not searched: {remark}."),
        });
    sentences.collect::<Vec<String>>().join(" ")
}

/// Input of `grep` for a pattern at a place.
fn search(pattern: &str, place: Option<&str>) -> Value {
    let mut input = json!({"pattern": pattern});
    let Some(place) = place else { return input };
    let trimmed = place
        .strip_prefix("./")
        .unwrap_or(place)
        .trim_end_matches('/');
    let is_glob = place.contains(['*', '?', '[', ']', '{', '}', ',', '!', '\\']);
    match (
        is_glob,
        trimmed.contains('/') || place.ends_with('/') || place.starts_with("./"),
    ) {
        // `[id]` is a class of characters, and a usual name of directories: both are meant.
        (true, _) if place.contains('[') && !place.contains(['{', '\\']) => {
            let literal = place.replace('[', "\\[").replace(']', "\\]");
            input["glob"] = json!(format!("{{{place},{literal}}}"));
        }
        (true, _) => input["glob"] = json!(place),
        (false, true) => input["path"] = json!(trimmed),
        // A bare name may be a file or a directory, at any depth.
        (false, false) => input["glob"] = json!(format!("{{**/{place},**/{place}/**}}")),
    }
    input
}

fn files(count: usize) -> String {
    format!("{count} file{}", if count == 1 { "" } else { "s" })
}

/// Text as Markdown code.
fn code(text: &str) -> String {
    match text.contains('`') {
        true => format!("`` {text} ``"),
        false => format!("`{text}`"),
    }
}
