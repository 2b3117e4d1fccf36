//! The usage lines of a help text: what must be given, and in which order.

use super::entry::{begins_flag, choices};
use super::text::closing;

/// Longest usage that is read.
const MAX_USAGE: usize = 16 << 10;
/// Most things that usage lines name.
const MAX_ELEMENTS: usize = 1000;

/// What a usage line names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Element {
    /// A flag with its dashes, or the name of a value by its place.
    pub(super) name: String,
    pub(super) is_flag: bool,
    /// The placeholder behind a flag.
    pub(super) value: Option<String>,
    pub(super) required: bool,
    pub(super) repeatable: bool,
    pub(super) choices: Vec<String>,
    /// Written as a word of the command itself would be.
    doubtful: bool,
    /// Stands where only a word of the command can.
    pub(super) literal: bool,
}

impl Element {
    fn new(name: &str, is_flag: bool) -> Element {
        Element {
            name: name.to_owned(),
            is_flag,
            value: None,
            required: true,
            repeatable: false,
            choices: Vec::new(),
            doubtful: false,
            literal: false,
        }
    }
}

/// All usage lines together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) program: Option<String>,
    pub(super) elements: Vec<Element>,
}

/// Reads the usage lines, those that wrap others joined to them. `takes_value` says of a flag what
/// its entry says, when it has one.
pub(super) fn parse(lines: &[String], takes_value: &dyn Fn(&str) -> Option<bool>) -> Usage {
    let mut usage = Usage::default();
    let mut budget = MAX_USAGE;
    for (number, line) in lines.iter().enumerate() {
        if line.len() > budget {
            break;
        }
        budget -= line.len();
        let (program, rest) = line.split_once(' ').unwrap_or((line, ""));
        if number == 0 {
            usage.program = Some(program.to_owned());
        }
        let mut found = Vec::new();
        Reader {
            takes_value,
            found: &mut found,
        }
        .read(rest);
        merge(&mut usage.elements, found, number == 0);
    }
    usage.elements.truncate(MAX_ELEMENTS);
    usage
}

/// Adds what another usage line names. What is not in every one of them need not be given.
fn merge(all: &mut Vec<Element>, found: Vec<Element>, first: bool) {
    let mut line: Vec<Element> = Vec::new();
    for element in found.into_iter().take(MAX_ELEMENTS) {
        match line.iter_mut().find(|known| known.name == element.name) {
            // `FILE [FILE ...]`
            Some(known) => {
                known.required |= element.required;
                known.repeatable = true;
            }
            None => line.push(element),
        }
    }
    if first {
        *all = line;
        return;
    }
    for known in all.iter_mut() {
        let again = line.iter().find(|element| element.name == known.name);
        known.required &= again.is_some_and(|element| element.required);
        known.repeatable |= again.is_some_and(|element| element.repeatable);
    }
    for mut element in line {
        if !all.iter().any(|known| known.name == element.name) && all.len() < MAX_ELEMENTS {
            element.required = false;
            all.push(element);
        }
    }
}

struct Reader<'a> {
    takes_value: &'a dyn Fn(&str) -> Option<bool>,
    found: &'a mut Vec<Element>,
}

/// A bracket that is open.
struct Group {
    optional: bool,
    /// It has alternatives, none of which must be given.
    piped: bool,
    from: usize,
}

impl Reader<'_> {
    fn read(&mut self, text: &str) {
        let mut groups: Vec<Group> = vec![Group {
            optional: false,
            piped: false,
            from: 0,
        }];
        let mut closed: Option<usize> = None;
        // The flag just read, when its value may follow, and that whose value was just read.
        let mut flag: Option<usize> = None;
        let mut valued: Option<usize> = None;
        let mut rest = text.trim_start();
        while let Some(c) = rest.chars().next() {
            if self.found.len() > MAX_ELEMENTS {
                return;
            }
            let behind = &rest[c.len_utf8()..];
            if c == ' ' {
                rest = behind;
                continue;
            }
            let last_flag = flag.take();
            let last_closed = closed.take();
            let last_valued = valued.take();
            match c {
                // `--tags TAG [TAG ...]`
                '[' if last_valued.is_some()
                    && closing(rest).is_some_and(|end| {
                        rest[..end].ends_with("...]") && !rest[..end].contains('-')
                    }) =>
                {
                    if let Some(element) = last_valued.and_then(|at| self.found.get_mut(at)) {
                        element.repeatable = true;
                    }
                    rest = &rest[closing(rest).unwrap_or(1)..];
                }
                '[' | '(' => {
                    groups.push(Group {
                        optional: c == '[',
                        piped: false,
                        from: self.found.len(),
                    });
                    // `--color[=WHEN]`, `-n[N]`: the value of what was just read.
                    if behind.starts_with('=') {
                        flag = last_flag;
                    }
                    rest = behind;
                }
                ']' | ')' => {
                    if groups.len() > 1
                        && let Some(group) = groups.pop()
                    {
                        if group.piped {
                            self.literal(group.from);
                        }
                        if group.optional || group.piped {
                            self.relax(group.from);
                        }
                        closed = Some(group.from);
                    }
                    rest = behind;
                }
                '|' => {
                    if let Some(group) = groups.last_mut() {
                        group.piped = true;
                    }
                    rest = behind;
                }
                '=' => {
                    flag = last_flag;
                    rest = behind;
                }
                '.' if rest.starts_with("...") => {
                    let from = last_closed.unwrap_or(self.found.len().saturating_sub(1));
                    for element in &mut self.found[from..] {
                        element.repeatable = true;
                    }
                    rest = rest[3..].trim_start();
                }
                '-' if begins_flag(rest) => {
                    let end = rest
                        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'))
                        .unwrap_or(rest.len());
                    self.found.push(Element::new(&rest[..end], true));
                    flag = Some(self.found.len() - 1);
                    rest = &rest[end..];
                }
                '<' | '{' => {
                    let Some(end) = closing(rest) else { return };
                    valued = self.value(&rest[..end], last_flag);
                    rest = &rest[end..];
                }
                _ => {
                    let end = rest
                        .find([' ', '[', ']', '(', ')', '|', '<', '{', '=', ','])
                        .unwrap_or(rest.len());
                    let end = rest[..end].find("...").unwrap_or(end);
                    let end = end.max(c.len_utf8());
                    valued = self.value(&rest[..end], last_flag);
                    rest = &rest[end..];
                    // `option(s)`
                    rest = rest.strip_prefix("(s)").unwrap_or(rest);
                }
            }
        }
        self.words_of_the_command();
        if groups.first().is_some_and(|group| group.piped) {
            self.literal(0);
            self.relax(0);
        }
    }

    fn literal(&mut self, from: usize) {
        for element in &mut self.found[from..] {
            element.literal |= element.doubtful;
        }
    }

    /// A bare word that must be there is one of the command, when nothing says that it stands for
    /// others: being repeatable does, and standing behind `[options]`.
    fn words_of_the_command(&mut self) {
        let mut behind_options = false;
        for element in self.found.iter_mut() {
            let options = ["option", "options", "opts", "flags"];
            let names_options = options.contains(&element.name.to_ascii_lowercase().as_str());
            behind_options |= !element.required && (element.is_flag || names_options);
            let stands_for_others = behind_options || element.repeatable;
            element.literal |= element.doubtful && element.required && !stands_for_others;
        }
    }

    fn relax(&mut self, from: usize) {
        for element in &mut self.found[from..] {
            element.required = false;
        }
    }

    /// A placeholder: the value of the flag before it, which is given, or a value by its place.
    fn value(&mut self, text: &str, flag: Option<usize>) -> Option<usize> {
        if let Some(element) = flag.and_then(|at| self.found.get_mut(at))
            && (self.takes_value)(&element.name) != Some(false)
        {
            element.value = Some(text.trim_matches(['<', '>']).to_owned());
            return flag;
        }
        let name = text.trim_matches(['<', '>']);
        let loud = name.chars().any(|c| c.is_ascii_uppercase())
            && !name.chars().any(|c| c.is_ascii_lowercase());
        let mut element = Element::new(name, false);
        element.doubtful = !text.starts_with(['<', '{']) && !loud;
        if text.starts_with('{') {
            element.choices = choices(text);
            element.name = "choice".to_owned();
        }
        if name.chars().any(char::is_alphanumeric) {
            self.found.push(element);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `!` required, `*` repeatable, `~` a word of the command.
    fn check(lines: &[&str], expect: &str) {
        let lines: Vec<String> = lines.iter().map(|&line| line.to_owned()).collect();
        let usage = parse(&lines, &|flag| (flag == "--bare").then_some(false));
        let shown = usage.elements.iter().map(|element| {
            let value = element.value.as_ref().map(|value| format!("={value}"));
            format!(
                "{}{}{}{}{}",
                element.name,
                value.unwrap_or_default(),
                if element.required { "!" } else { "" },
                if element.repeatable { "*" } else { "" },
                if element.literal { "~" } else { "" },
            )
        });
        assert_eq!(shown.collect::<Vec<_>>().join(" "), expect, "{lines:?}");
    }

    #[test]
    fn usage_says_what_is_required() {
        check(&["tool"], "");
        check(
            &["tool [OPTIONS] --file-path <FILE_PATH> [FILES]..."],
            "OPTIONS --file-path=FILE_PATH! FILES*",
        );
        check(&["tool --bare <FILE>"], "--bare! FILE!");
        check(
            &["grep [OPTION]... PATTERNS [FILE]..."],
            "OPTION* PATTERNS! FILE*",
        );
        check(
            &["p [-h] [-f F] --req REQ file [file ...]"],
            "-h -f=F --req=REQ! file!*",
        );
        check(&["p [--t T [T ...]] [more]"], "--t=T* more");
        check(&["p (on|off) >-x"], "on~ off~ -x!~");
        check(&["p [--color[=WHEN]] <a>"], "--color=WHEN a!");
        check(&["p (--a | --b=<x>) <c>..."], "--a --b=x c!*");
        check(
            &["p new <x>", "p move <x> [--s=<kn>]"],
            "new~ x! move~ --s=kn",
        );
        check(&["p {a,b} ..."], "choice!*");
        check(
            &["p [option(s)] in-file [out-file]"],
            "option in-file! out-file",
        );
        check(&["p [options] file..."], "options file!*");
        check(&["p commit [options]"], "commit!~ options");
        check(&["p ]]) ... [", "p | <"], "");
    }
}
