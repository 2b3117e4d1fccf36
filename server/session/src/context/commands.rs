//! Slash commands and skills: Markdown files of the workspace and of the user that a prompt names, or
//! that a model reads when a task fits. They are texts for the model, and can do nothing else.

use super::files::{Document, Files};
use super::{front_matter, text};
use boxagnts_policy::mounts::Mounts;
use boxagnts_policy::path::WorkspacePath;
use boxagnts_protocol::commands::{CommandOrigin, PromptCommand};
use boxagnts_workspace::Kind;
use std::collections::BTreeMap;
use std::fmt::Write;

const PROJECT_COMMANDS: &str = ".boxagnts/commands";
const USER_COMMANDS: &str = "commands";
/// Of the workspace, strongest first.
const PROJECT_SKILLS: [&str; 2] = [".boxagnts/skills", ".claude/skills"];
const USER_SKILLS: &str = "skills";
const SKILL_FILE: &str = "SKILL.md";

const HELP: &str = "help";
const MODE: &str = "mode";
const SKILL: &str = "skill";
const COMPACT: &str = "compact";

/// Commands and skills of one place that are looked at.
const MAX_FILES: usize = 200;
/// Skills that the model is told of.
const MAX_LISTED: usize = 50;
/// Characters of a description.
const MAX_DESCRIPTION: usize = 250;
const MAX_NAME: usize = 64;
/// Bytes of a command with its arguments in it. A short file can name them thousands of times.
const MAX_FILLED_IN: usize = 128 * 1024;

/// A skill, as far as it is told without being asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Skill {
    pub(super) name: String,
    description: String,
    origin: CommandOrigin,
    /// Below the workspace, or below the user's folder.
    path: String,
}

/// What a prompt that begins with a slash stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Expansion {
    /// It is to be answered with this, by nobody else.
    Answer(String),
    /// The conversation is to be summed up, with attention to this.
    Compact { focus: String },
    /// The user wants another mode, or to know which it is.
    Mode(String),
    /// The text of a command or a skill.
    Text {
        label: String,
        text: String,
        document: Document,
    },
    /// There is no such thing; a note for the model.
    Unknown(String),
}

/// The name and the rest of a prompt that begins as a command does. A path is none.
fn parse(prompt: &str) -> Option<(&str, &str)> {
    let rest = prompt.trim_start().strip_prefix('/')?;
    let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
    let (name, arguments) = rest.split_at(end);
    is_name(name).then(|| (name, arguments.trim()))
}

fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    !name.is_empty()
        && name.len() <= MAX_NAME
        && name.chars().all(fits)
        && !name.starts_with(['-', '_'])
}

/// Whether a session answers the prompt itself, whatever its model is, as `/help`.
pub fn answers_itself(prompt: &str) -> bool {
    parse(prompt).is_some_and(|(name, _)| matches!(name, HELP | MODE))
}

/// What the prompt stands for; `None` when it is no command.
pub(super) fn expand(files: &mut Files<'_>, prompt: &str) -> Option<Expansion> {
    let (name, arguments) = parse(prompt)?;
    let expanded = match name {
        HELP => return Some(Expansion::Answer(help(&all(files)))),
        COMPACT => {
            return Some(Expansion::Compact {
                focus: arguments.to_owned(),
            });
        }
        MODE => return Some(Expansion::Mode(arguments.to_owned())),
        SKILL => {
            let name = arguments.split_whitespace().next().unwrap_or_default();
            skill(files, name)
        }
        name => match command(files, name, arguments) {
            None => skill(files, name),
            found => found,
        },
    };
    Some(expanded.unwrap_or_else(|| {
        let known: Vec<String> = all(files)
            .into_iter()
            .map(|c| format!("/{}", c.name))
            .collect();
        let name = prompt
            .split_whitespace()
            .take(if name == SKILL { 2 } else { 1 });
        let name: Vec<&str> = name.collect();
        Expansion::Unknown(format!(
            "The user's prompt begins with `{}`, which is no command; the commands are: {}",
            name.join(" "),
            known.join(", ")
        ))
    }))
}

fn command(files: &mut Files<'_>, name: &str, arguments: &str) -> Option<Expansion> {
    let (document, origin) = find(files, name)?;
    let (_, body) = front_matter::split(&document.text);
    let (text, cut) = filled_in(body.trim(), arguments);
    let note = match cut {
        true => ", cut: it is too long with its arguments",
        false => document.note(),
    };
    let label = format!(
        "The user's command `/{name}` stands for this text, {}{note}:",
        wrote(origin, &document),
    );
    Some(Expansion::Text {
        label,
        text,
        document,
    })
}

/// The file of a command. The user's own comes first: a repository does not put another in its place.
fn find(files: &mut Files<'_>, name: &str) -> Option<(Document, CommandOrigin)> {
    let found = files.user(&format!("{USER_COMMANDS}/{name}.md"));
    if let Some(document) = usable(found) {
        return Some((document, CommandOrigin::User));
    }
    let found = files.project(&format!("{PROJECT_COMMANDS}/{name}.md"));
    usable(found).map(|document| (document, CommandOrigin::Project))
}

fn skill(files: &mut Files<'_>, name: &str) -> Option<Expansion> {
    if !is_name(name) {
        return None;
    }
    let skill = skills(files).into_iter().find(|skill| skill.name == name)?;
    let document = usable(match skill.origin {
        CommandOrigin::User => files.user(&skill.path),
        _ => files.project(&skill.path),
    })?;
    let (_, body) = front_matter::split(&document.text);
    let label = format!(
        "The user's prompt asks for the skill `{name}`, {}{}:",
        wrote(skill.origin, &document),
        document.note()
    );
    Some(Expansion::Text {
        label,
        text: body.trim().to_owned(),
        document,
    })
}

fn wrote(origin: CommandOrigin, document: &Document) -> String {
    let name = text::line(&document.name, 300);
    match origin {
        CommandOrigin::Project => {
            format!("which whoever wrote the repository wrote in `{name}`")
        }
        _ => format!("which the user wrote: `{name}`"),
    }
}

fn usable(found: Result<Option<Document>, String>) -> Option<Document> {
    found.unwrap_or_else(|problem| {
        tracing::warn!(%problem, "a command or skill is not used");
        None
    })
}

/// `$ARGUMENTS` and `$1` to `$9`, in one pass: what is put in is not looked at again. Says whether the
/// text was cut at [`MAX_FILLED_IN`].
fn filled_in(body: &str, arguments: &str) -> (String, bool) {
    let words = words(arguments);
    let mut text = String::with_capacity(body.len());
    let mut rest = body;
    while text.len() <= MAX_FILLED_IN
        && let Some(at) = rest.find('$')
    {
        text.push_str(&rest[..at]);
        let behind = &rest[at + 1..];
        let digit = behind
            .chars()
            .next()
            .and_then(|c| c.to_digit(10))
            .filter(|d| *d > 0);
        if let Some(after) = behind.strip_prefix("ARGUMENTS") {
            put_in(&mut text, arguments);
            rest = after;
        } else if let Some(digit) = digit {
            put_in(
                &mut text,
                words.get(digit as usize - 1).map_or("", String::as_str),
            );
            rest = &behind[1..];
        } else {
            text.push('$');
            rest = behind;
        }
    }
    text.push_str(rest);
    let end = text::cut(&text, MAX_FILLED_IN).len();
    let cut = end < text.len();
    text.truncate(end);
    (text, cut)
}

/// Puts in no more than shows that it is too much.
fn put_in(text: &mut String, more: &str) {
    let left = (MAX_FILLED_IN + 1).saturating_sub(text.len());
    text.push_str(&more[..text::ceil_char_boundary(more, left)]);
}

/// Words, with what is quoted in one.
fn words(arguments: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in arguments.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => word.get_or_insert_default().push(c),
            None if c.is_whitespace() => words.extend(word.take()),
            // Within a word it is an apostrophe.
            None if matches!(c, '"' | '\'') && word.is_none() => {
                quote = Some(c);
                word = Some(String::new());
            }
            None => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// Every command that there is, the built-in ones first.
pub(super) fn all(files: &mut Files<'_>) -> Vec<PromptCommand> {
    let built_in = |name: &str, description: &str, hint: Option<&str>| PromptCommand {
        name: name.to_owned(),
        description: description.to_owned(),
        argument_hint: hint.map(str::to_owned),
        origin: CommandOrigin::BuiltIn,
    };
    let mut all = vec![
        built_in(HELP, "Lists the commands and what can be mentioned.", None),
        built_in(
            MODE,
            "Says the mode of the session, or switches it.",
            Some("[plan|review|auto]"),
        ),
        built_in(SKILL, "Loads a skill.", Some("NAME [what to do]")),
        built_in(
            COMPACT,
            "Has the model sum up the conversation, which then goes on with the summary.",
            Some("[what matters]"),
        ),
    ];
    let mut named: BTreeMap<String, PromptCommand> = BTreeMap::new();
    let mine = files.user_names(USER_COMMANDS, Kind::File);
    let theirs = files.project_names(PROJECT_COMMANDS, Kind::File);
    for file in mine
        .iter()
        .take(MAX_FILES)
        .chain(theirs.iter().take(MAX_FILES))
    {
        let Some(name) = file.strip_suffix(".md").filter(|name| is_name(name)) else {
            continue;
        };
        if matches!(name, HELP | MODE | SKILL | COMPACT) || named.contains_key(name) {
            continue;
        }
        let Some((document, origin)) = find(files, name) else {
            continue;
        };
        let (fields, body) = front_matter::split(&document.text);
        let first = body.lines().map(|line| line.trim_start_matches(['#', ' ']));
        let first = || first.clone().find(|line| !line.trim().is_empty());
        let described = fields.get("description").map(String::as_str).or_else(first);
        let command = PromptCommand {
            name: name.to_owned(),
            description: text::line(described.unwrap_or_default(), MAX_DESCRIPTION),
            argument_hint: fields.get("argument-hint").map(|hint| text::line(hint, 80)),
            origin,
        };
        named.insert(name.to_owned(), command);
    }
    all.extend(named.into_values());
    all
}

/// Every skill that there is; the user's own come first.
pub(super) fn skills(files: &mut Files<'_>) -> Vec<Skill> {
    let mut found: Vec<Skill> = Vec::new();
    let mut add = |folder: &str, name: String, origin, document: Option<Document>| {
        let Some(document) = document.filter(|_| is_name(&name)) else {
            return;
        };
        if found.iter().any(|skill| skill.name == name) {
            return;
        }
        let (fields, _) = front_matter::split(&document.text);
        let description = fields.get("description").map_or("", String::as_str);
        found.push(Skill {
            description: text::line(description, MAX_DESCRIPTION),
            path: format!("{folder}/{name}/{SKILL_FILE}"),
            name,
            origin,
        });
    };
    for name in files
        .user_names(USER_SKILLS, Kind::Directory)
        .into_iter()
        .take(MAX_FILES)
    {
        let document = usable(files.user(&format!("{USER_SKILLS}/{name}/{SKILL_FILE}")));
        add(USER_SKILLS, name, CommandOrigin::User, document);
    }
    for folder in PROJECT_SKILLS {
        let names = files.project_names(folder, Kind::Directory);
        for name in names.into_iter().take(MAX_FILES) {
            let document = usable(files.project(&format!("{folder}/{name}/{SKILL_FILE}")));
            add(folder, name, CommandOrigin::Project, document);
        }
    }
    found
}

/// What the system prompt says of skills; `None` without any.
pub(super) fn listed(skills: &[Skill], mounts: &Mounts) -> Option<String> {
    if skills.is_empty() {
        return None;
    }
    let mut text = String::from(
        "Skills: how to do special tasks. When one fits, read its file first. Those of the project \
         are instructions of the project.\n",
    );
    for skill in skills.iter().take(MAX_LISTED) {
        // Where tools begin below the root, they may not reach it.
        let path = WorkspacePath::parse(&skill.path).ok();
        let path = path.filter(|path| path.is_within(&mounts.work_dir));
        let below = path.as_ref().map(|path| {
            let below = path.as_str().strip_prefix(mounts.work_dir.as_str());
            below.unwrap_or(path.as_str()).trim_start_matches('/')
        });
        let place = match (skill.origin, below) {
            (CommandOrigin::Project, Some(below)) => format!("`{below}`"),
            _ => format!("the user's prompt loads it with `/{SKILL} {}`", skill.name),
        };
        let _ = write!(text, "\n- `{}` ({place})", skill.name);
        if !skill.description.is_empty() {
            let _ = write!(text, ": {}", skill.description);
        }
    }
    if skills.len() > MAX_LISTED {
        let _ = write!(text, "\n- and {} more", skills.len() - MAX_LISTED);
    }
    Some(text)
}

fn help(commands: &[PromptCommand]) -> String {
    let mut text = String::from("A prompt may begin with:\n\n");
    for PromptCommand {
        name,
        description,
        argument_hint,
        origin,
    } in commands
    {
        let hint = argument_hint.as_deref().map(|hint| format!(" {hint}"));
        let origin = match origin {
            CommandOrigin::BuiltIn => "",
            CommandOrigin::User => " (yours)",
            CommandOrigin::Project => " (of the project)",
        };
        let _ = writeln!(
            text,
            "- `/{name}{}`{origin}: {description}",
            hint.unwrap_or_default()
        );
    }
    text.push_str(
        "\nIt may mention `@path`, `@path:10-20`, `@folder`, `@\"path with spaces\"`, `@diff` (what \
         is not committed), `@proposal` (what waits for your decision), `@diagnostics` (of the \
         editor), `@symbol:NAME` and `@url:https://…`.",
    );
    text
}

#[cfg(test)]
mod tests;
