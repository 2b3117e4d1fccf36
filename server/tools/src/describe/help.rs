//! Reads the help text of a command into a description of it. The text is whatever the command
//! printed, and may be made to mislead: what cannot be read is left out, and nothing here takes
//! long or fails.

mod annotation;
mod entry;
mod layout;
#[cfg(test)]
mod tests;
mod text;
mod usage;

use super::arguments::Invocation;
use super::field::{self, Field, Kind};
use super::{Asked, level_in, tool_name};
use annotation::annotate;
use boxagnts_protocol::tool::ToolSpec;
use entry::Spec;
use layout::{Entry, Layout, Section};
use std::collections::HashSet;
use text::cut;
use usage::{Element, Usage};

/// Most flags and values of one command.
const MAX_FIELDS: usize = 200;
/// Longest description of a command, in bytes.
const MAX_DESCRIPTION: usize = 8 << 10;
/// Longest help of one flag, in bytes.
const MAX_HELP: usize = 1 << 10;
/// Longest name of a flag or a value.
const MAX_NAME: usize = 64;
/// Subcommands that are named.
const MAX_SUBCOMMANDS: usize = 50;

/// What stands for any flags or subcommands in a usage line.
const GENERIC: &[&str] = &[
    "option",
    "options",
    "flag",
    "flags",
    "global",
    "arg",
    "args",
    "argument",
    "arguments",
    "parameters",
];
const COMMANDS: &[&str] = &["command", "commands", "subcommand", "subcommands", "cmd"];

/// What a help text says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Help {
    /// The command as the text names it; `None` when it does not.
    pub(crate) name: Option<String>,
    /// What it does; empty when the text has nothing but flags.
    pub(crate) description: String,
    /// Its flags and values as JSON Schema.
    pub(crate) input_schema: serde_json::Value,
    pub(crate) invocation: Invocation,
    /// The level that it asks for.
    pub(crate) level: Option<Asked>,
    /// Whether there is anything in it to go by.
    pub(crate) is_help: bool,
}

impl Help {
    /// The description as the model gets it, under the name that the tool has here.
    pub(crate) fn spec(&self, name: &str) -> ToolSpec {
        let description = match self.description.is_empty() {
            true => format!("The command `{name}`; it does not say what it does."),
            false => self.description.clone(),
        };
        ToolSpec {
            name: name.to_owned(),
            description,
            input_schema: self.input_schema.clone(),
        }
    }
}

/// Reads a help text.
pub(crate) fn parse(text: &str) -> Help {
    let lines = text::lines(text);
    let level = lines.iter().find_map(|line| level_in(&line.text));
    let layout = layout::read(&lines);
    let mut reader = Reader::default();
    for entry in &layout.entries {
        match entry.section {
            Section::Commands => reader.command(entry),
            Section::Arguments if !entry::begins_flag(&entry.spec) => reader.argument(entry),
            _ => reader.flag(entry),
        }
    }
    let usage = usage::parse(&layout.usage, &|flag| reader.takes_value(flag));
    reader.apply(&usage);
    let program = layout.program.as_deref().or(usage.program.as_deref());
    let (name, about) = about(&layout, program);
    let fields = reader.finish();
    let is_help = !fields.is_empty() || !layout.usage.is_empty();
    let (input_schema, invocation) = field::input(&fields, field::Others::Flags);
    Help {
        name,
        description: describe(about, &reader.commands),
        input_schema,
        invocation,
        level,
        is_help,
    }
}

/// A field with all names that the text has for it.
struct Known {
    field: Field,
    flags: Vec<String>,
    /// A flag of every command, which says nothing of this one.
    ignored: bool,
}

#[derive(Default)]
struct Reader {
    known: Vec<Known>,
    keys: HashSet<String>,
    commands: Vec<String>,
}

impl Reader {
    fn takes_value(&self, flag: &str) -> Option<bool> {
        let known = self.find(flag)?;
        Some(self.known[known].field.kind != Kind::Bare)
    }

    fn find(&self, flag: &str) -> Option<usize> {
        let has = |known: &Known| known.flags.iter().any(|known| known == flag);
        self.known.iter().position(has)
    }

    fn flag(&mut self, entry: &Entry) {
        let Some(spec) = entry::spec(&entry.spec) else {
            return;
        };
        let text = match spec.rest.is_empty() {
            true => entry.help.clone(),
            false => format!("{} {}", spec.rest, entry.help),
        };
        self.declare(&spec, &text);
    }

    /// Adds a flag, unless it is known or none that could be used.
    fn declare(&mut self, spec: &Spec, text: &str) {
        let long = |name: &&String| name.trim_start_matches('-').len() > 1;
        let Some(flag) = spec.names.iter().find(long).or(spec.names.first()) else {
            return;
        };
        let bare = flag.trim_start_matches('-');
        // `-NUM` stands for `-1`, `-2`, ….
        let stands_for_others = bare.len() > 1
            && !flag.starts_with("--")
            && !bare.contains(|c: char| c.is_ascii_lowercase());
        let named = bare.starts_with(|c: char| c.is_ascii_alphanumeric()) && !stands_for_others;
        let key = bare.replace('-', "_");
        if !named || bare.len() > MAX_NAME || self.keys.contains(&key) {
            return;
        }
        let lower = text.to_ascii_lowercase();
        let ignored = match bare {
            "help" | "version" => true,
            "h" | "H" => lower.contains("help") || lower.is_empty(),
            "V" => lower.contains("version") || lower.is_empty(),
            _ => false,
        };
        if !ignored && self.known.len() >= MAX_FIELDS {
            return;
        }
        let kind = spec.value.as_deref().map_or(Kind::Bare, entry::kind);
        let mut field = Field::new(key.clone(), Some(flag.clone()), kind);
        field.repeatable = spec.repeatable;
        field.value_optional = spec.value_optional;
        field.choices = spec
            .value
            .as_deref()
            .map(entry::choices)
            .unwrap_or_default();
        field.help = text.to_owned();
        annotate(&mut field);
        if !ignored {
            self.keys.insert(key);
        }
        self.known.push(Known {
            field,
            flags: spec.names.clone(),
            ignored,
        });
    }

    /// `<FILE>...  The file`, `[FILE]`, `FILE`, `file`.
    fn argument(&mut self, entry: &Entry) {
        let declared = entry.spec.trim_end_matches([',', ':']);
        // argparse lists the choices of a value without a name, or subcommands.
        if declared.starts_with('{') || declared.contains(' ') && !declared.starts_with(['<', '['])
        {
            return;
        }
        self.place(declared, &entry.help, declared.starts_with('<'));
    }

    /// Adds a value by its place and gives where it is.
    fn place(&mut self, declared: &str, help: &str, required: bool) -> Option<usize> {
        let key = value_key(declared)?;
        if let Some(at) = self.find(&key) {
            return Some(at);
        }
        if self.known.len() >= MAX_FIELDS {
            return None;
        }
        let mut free = key.clone();
        if self.keys.contains(&free) {
            free.push_str("_value");
        }
        if !self.keys.insert(free.clone()) {
            return None;
        }
        let kind = match entry::kind(&key) {
            Kind::Boolean => Kind::Text,
            kind => kind,
        };
        let mut field = Field::new(free, None, kind);
        field.repeatable = declared.contains("...");
        field.required = required;
        field.help = help.to_owned();
        annotate(&mut field);
        if field.kind == Kind::Bare {
            field.kind = Kind::Text;
        }
        self.known.push(Known {
            field,
            // No flag begins without a dash.
            flags: vec![key],
            ignored: false,
        });
        Some(self.known.len() - 1)
    }

    fn command(&mut self, entry: &Entry) {
        let name = entry.spec.split([' ', ',']).next().unwrap_or_default();
        self.subcommand(name);
    }

    fn subcommand(&mut self, name: &str) {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':' | '.');
        let usable = !name.is_empty() && name.len() <= MAX_NAME && name.chars().all(plain);
        let known = self.commands.iter().any(|known| known == name);
        if usable && name != "help" && !known && self.commands.len() < MAX_SUBCOMMANDS {
            self.commands.push(name.to_owned());
        }
    }

    /// What usage lines add to the entries: what must be given, in which order, and what has no
    /// entry of its own.
    fn apply(&mut self, usage: &Usage) {
        let mut order = Vec::new();
        for element in &usage.elements {
            if element.is_flag {
                self.use_flag(element);
            } else if let Some(at) = self.use_value(element) {
                order.push(at);
            }
        }
        // Flags keep the order of their entries, values come in that of the usage line.
        let mut rest: Vec<Option<Known>> = self.known.drain(..).map(Some).collect();
        let mut placed: Vec<Known> = Vec::new();
        for at in order {
            placed.extend(rest.get_mut(at).and_then(Option::take));
        }
        self.known = rest.into_iter().flatten().collect();
        let flags = self.known.iter().filter(|known| known.field.flag.is_some());
        let at = flags.count();
        self.known.sort_by_key(|known| known.field.flag.is_none());
        self.known.splice(at..at, placed);
    }

    fn use_flag(&mut self, element: &Element) {
        if self.find(&element.name).is_none() {
            let spec = Spec {
                names: vec![element.name.clone()],
                value: element.value.clone(),
                repeatable: element.repeatable,
                ..Spec::default()
            };
            self.declare(&spec, "");
        }
        if let Some(at) = self.find(&element.name) {
            let field = &mut self.known[at].field;
            field.required |= element.required;
            field.repeatable |= element.repeatable && field.kind != Kind::Bare;
        }
    }

    fn use_value(&mut self, element: &Element) -> Option<usize> {
        let word = element.name.to_lowercase();
        let key = value_key(&element.name)?;
        let at = match self.find(&key) {
            Some(at) => at,
            None if GENERIC.contains(&word.as_str()) => return None,
            None if COMMANDS.contains(&word.as_str()) => return None,
            None if !element.choices.is_empty() && element.repeatable => {
                element
                    .choices
                    .iter()
                    .for_each(|name| self.subcommand(name));
                return None;
            }
            None if element.literal => {
                self.subcommand(&element.name);
                return None;
            }
            None => self.place(&element.name, "", element.required)?,
        };
        let field = &mut self.known[at].field;
        field.required = element.required;
        field.repeatable |= element.repeatable;
        if field.choices.is_empty() {
            field.choices.clone_from(&element.choices);
        }
        Some(at)
    }

    fn finish(&mut self) -> Vec<Field> {
        let known = self.known.drain(..).filter(|known| !known.ignored);
        let mut fields: Vec<Field> = known.map(|known| known.field).collect();
        let mut seen_optional = false;
        for field in &mut fields {
            field.settle();
            field.help = cut(&field.help, MAX_HELP);
            // A value that may be left out cannot stand before one that must be given.
            if field.flag.is_none() {
                field.required &= !seen_optional;
                seen_optional |= !field.required;
                if matches!(field.kind, Kind::Bare | Kind::Boolean) {
                    field.kind = Kind::Text;
                }
            }
        }
        fields
    }
}

/// The key of a value by its place: its name in lower case.
fn value_key(declared: &str) -> Option<String> {
    let declared = declared.trim_end_matches("...");
    let inner = declared.trim_matches(['<', '>', '[', ']', '(', ')', '{', '}', ' ', '.']);
    let mut key = String::new();
    for c in inner.chars() {
        match c {
            c if c.is_ascii_alphanumeric() => key.push(c.to_ascii_lowercase()),
            _ if key.is_empty() || key.ends_with('_') => {}
            _ => key.push('_'),
        }
    }
    let key = key.trim_end_matches('_');
    (!key.is_empty() && key.len() <= MAX_NAME).then(|| key.to_owned())
}

/// The name of the command, and what the text says of it.
fn about(layout: &Layout, program: Option<&str>) -> (Option<String>, String) {
    let mut name = program.and_then(tool_name);
    let mut about = layout.about.clone();
    let is_version = |word: &str| {
        word.trim_start_matches('v')
            .starts_with(|c: char| c.is_ascii_digit())
    };
    // `tool 1.2.3` and its author come before what some parsers print of a command.
    if let Some(first) = about.first() {
        let mut words = first.split(' ');
        let title = words.next().and_then(tool_name);
        let version = words.next();
        let alone = version.is_none() && title.is_some() && title == name;
        let versioned = version.is_some_and(is_version) && words.next().is_none();
        if alone || (versioned && (name.is_none() || title == name)) {
            name = name.or(title);
            about.remove(0);
        }
    }
    about.retain(|line| !(line.contains('@') && line.contains('<') && line.ends_with('>')));
    if let (Some(first), Some(name)) = (about.first_mut(), &name)
        && let Some((title, rest)) = first.split_once(" - ")
        && tool_name(title).as_ref() == Some(name)
    {
        *first = rest.trim_start().to_owned();
    }
    (name, about.join("\n").trim().to_owned())
}

fn describe(about: String, commands: &[String]) -> String {
    let mut text = cut(&about, MAX_DESCRIPTION - 2048);
    if !commands.is_empty() {
        if !text.is_empty() {
            text.push_str("\n\n");
        }
        text.push_str("Its subcommands cannot be called: ");
        text.push_str(&commands.join(", "));
        text.push('.');
    }
    cut(&text, MAX_DESCRIPTION)
}
