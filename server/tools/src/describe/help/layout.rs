//! Which lines of a help text belong together: usage, sections, entries, and what remains as prose.

use super::entry::{begins_flag, spec, split};
use super::text::Line;

/// Longest heading.
const MAX_HEADING: usize = 60;
/// Longest text of one entry that is read, in bytes.
const MAX_ENTRY: usize = 4 << 10;
/// Entries that are read; help and subcommands count.
const MAX_ENTRIES: usize = 600;

/// The kinds of section that matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    About,
    Options,
    Arguments,
    Commands,
    /// Examples, environment and the like: what looks like a flag in there is none.
    Other,
}

/// A flag, a value or a subcommand with what is said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) section: Section,
    pub(super) spec: String,
    /// Wrapped lines joined.
    pub(super) help: String,
    indent: usize,
}

/// A help text, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Layout {
    /// Named without a usage line.
    pub(super) program: Option<String>,
    /// One for each way to call the command.
    pub(super) usage: Vec<String>,
    pub(super) about: Vec<String>,
    pub(super) entries: Vec<Entry>,
}

/// Sorts the lines.
pub(super) fn read(lines: &[Line]) -> Layout {
    let mut sorter = Sorter {
        layout: Layout::default(),
        section: Section::About,
        open: false,
    };
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        at += 1;
        if line.is_blank() {
            sorter.blank();
        } else if sorter.continues(line) {
            sorter.more(line);
        } else if let Some(rest) = usage_heading(&line.text) {
            at = sorter.usage(rest, line.indent, lines, at);
        } else {
            sorter.line(line);
        }
    }
    let Layout { about, usage, .. } = &mut sorter.layout;
    // Some begin with their usage and do not say so.
    if usage.is_empty() && about.first().is_some_and(|line| is_usage(line)) {
        usage.push(about.remove(0));
    }
    while about.last().is_some_and(String::is_empty) {
        about.pop();
    }
    sorter.layout
}

struct Sorter {
    layout: Layout,
    section: Section,
    /// Whether the last entry may go on.
    open: bool,
}

impl Sorter {
    fn blank(&mut self) {
        let about = &mut self.layout.about;
        if self.section == Section::About && about.last().is_some_and(|line| !line.is_empty()) {
            about.push(String::new());
        }
    }

    /// Whether a line goes on with the last entry.
    fn continues(&self, line: &Line) -> bool {
        let Some(entry) = self.layout.entries.last().filter(|_| self.open) else {
            return false;
        };
        if line.indent <= entry.indent {
            return false;
        }
        if entry.section == Section::Commands || !begins_flag(&line.text) {
            // A list of values may be indented by as little as one.
            return entry.section != Section::Arguments || line.indent > entry.indent + 1;
        }
        // `-x` and `    --long` are entries with the same indent to their reader; deeper lines
        // are text that only begins like a flag.
        let short_alone = entry.spec.len() == 2;
        line.indent > entry.indent + 4 || (entry.help.is_empty() && !short_alone)
    }

    fn more(&mut self, line: &Line) {
        if let Some(entry) = self.layout.entries.last_mut() {
            append(&mut entry.help, &line.text);
        }
    }

    fn line(&mut self, line: &Line) {
        self.open = false;
        if let Some(section) = heading(&line.text).filter(|_| line.indent <= 4) {
            self.section = section;
            return;
        }
        let unknown = line.text.ends_with(':') && line.text.len() <= MAX_HEADING;
        if unknown && !self.layout.entries.is_empty() && !begins_flag(&line.text) {
            self.section = Section::Options;
            return;
        }
        match self.section {
            Section::Other => {}
            _ if begins_flag(&line.text) => self.flag(line),
            Section::Arguments | Section::Commands if line.indent > 0 => {
                self.entry(line);
            }
            Section::About => self.layout.about.push(line.text.clone()),
            // Text at the margin behind the entries: bug reports, addresses.
            _ => {}
        }
    }

    fn flag(&mut self, line: &Line) {
        let (declared, said) = split(&line.text);
        let clear = spec(declared)
            .is_some_and(|spec| line.indent > 0 || !said.is_empty() || spec.rest.is_empty());
        if !clear {
            if self.section == Section::About {
                self.layout.about.push(line.text.clone());
            }
            return;
        }
        if self.section == Section::About {
            // Some list flags under headings of their own, which looked like text.
            let about = &mut self.layout.about;
            while about.last().is_some_and(String::is_empty) {
                about.pop();
            }
            about.pop_if(|last| last.ends_with(':'));
            self.section = Section::Options;
        }
        self.entry(line);
    }

    fn entry(&mut self, line: &Line) {
        if self.layout.entries.len() >= MAX_ENTRIES {
            return;
        }
        let (spec, said) = split(&line.text);
        let mut help = String::new();
        append(&mut help, said);
        self.layout.entries.push(Entry {
            section: self.section,
            spec: spec.to_owned(),
            help,
            indent: line.indent,
        });
        self.open = true;
    }

    /// Takes the usage that begins here, and gives the number of the line behind it.
    fn usage(&mut self, rest: &str, indent: usize, lines: &[Line], mut at: usize) -> usize {
        self.open = false;
        if self.layout.entries.is_empty() {
            self.section = Section::About;
        }
        if let Some(program) = rest.strip_prefix("of ") {
            self.layout.program = Some(program.trim_end_matches(':').to_owned());
            return at;
        }
        let mut usage: Vec<String> = Vec::new();
        let word = |text: &str| text.split(' ').next().unwrap_or_default().to_owned();
        let mut program = None;
        if !rest.is_empty() {
            program = Some(word(rest));
            usage.push(rest.to_owned());
        } else if lines.get(at).is_some_and(Line::is_blank) {
            at += 1;
        }
        while let Some(line) = lines.get(at).filter(|line| !line.is_blank()) {
            let (declared, said) = split(&line.text);
            if line.indent <= indent || (!said.is_empty() && spec(declared).is_some()) {
                break;
            }
            let or = line.text.strip_prefix("or:").map(str::trim_start);
            let text = or.unwrap_or(&line.text);
            let program: &String = program.get_or_insert_with(|| word(text));
            let behind = text.strip_prefix(program.as_str());
            let again = behind.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
            // GNU programs say what they do right below, hardly indented.
            let wrapped = line.indent >= indent + WRAPPED || goes_on(text);
            if or.is_none() && !again && !usage.is_empty() && !wrapped {
                break;
            }
            at += 1;
            match usage.last_mut() {
                Some(last) if or.is_none() && !again => append(last, text),
                _ => usage.push(text.to_owned()),
            }
        }
        self.layout.usage.extend(usage);
        at
    }
}

/// Joins a line to a text, as far as it is read.
fn append(text: &mut String, line: &str) {
    if text.len() + line.len() >= MAX_ENTRY {
        return;
    }
    if !text.is_empty() && !line.is_empty() {
        text.push(' ');
    }
    text.push_str(line);
}

/// Columns by which a usage line that goes on is indented at least, where it looks like prose.
const WRAPPED: usize = 4;

/// Whether a line can be the rest of a usage that is wrapped, and is no prose.
fn goes_on(text: &str) -> bool {
    let word = text.split(' ').next().unwrap_or_default();
    text.starts_with(['[', '<', '(', '{', '-', '|', '.'])
        || word.ends_with("...")
        || !word.chars().any(char::is_lowercase)
}

/// A command and only placeholders behind it.
fn is_usage(line: &str) -> bool {
    let mut words = line.split(' ').skip(1).peekable();
    words.peek().is_some() && words.all(|word| word.starts_with(['<', '[', '-']))
}

/// What stands behind `Usage:`.
fn usage_heading(text: &str) -> Option<&str> {
    let (word, rest) = text.split_at_checked(5)?;
    if !word.eq_ignore_ascii_case("usage") {
        return None;
    }
    match rest.strip_prefix(':') {
        Some(rest) => Some(rest.trim_start()),
        None if rest.is_empty() => Some(""),
        None => rest
            .strip_prefix(' ')
            .filter(|rest| rest.starts_with("of ") && rest.ends_with(':')),
    }
}

/// The section that a heading begins, when it is one of those that everybody uses.
fn heading(text: &str) -> Option<Section> {
    let shouted = !text.chars().any(|c| c.is_ascii_lowercase()) && !text.contains(['-', '<', '[']);
    let title = match text.strip_suffix(':') {
        Some(title) => title,
        None if shouted => text,
        None => return None,
    };
    if title.len() > MAX_HEADING || title.starts_with('-') {
        return None;
    }
    let title = title.to_ascii_lowercase();
    let last = title.split(' ').next_back().unwrap_or_default();
    Some(match last {
        "options" | "flags" | "switches" => Section::Options,
        "arguments" if title.contains("optional") || title.contains("named") => Section::Options,
        "arguments" | "args" | "positionals" | "positional" | "operands" => Section::Arguments,
        "commands" | "subcommands" => Section::Commands,
        "name" | "description" | "synopsis" => Section::About,
        "examples" | "example" | "environment" | "variables" | "codes" | "status" | "notes"
        | "note" | "author" | "authors" | "version" | "copyright" | "topics" => Section::Other,
        _ => return None,
    })
}
