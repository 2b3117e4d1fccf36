//! Reading an instruction: a verb, its arguments, and the little words between them.

/// What the user wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Instruction {
    /// A word becomes another one.
    RenameWord {
        old: String,
        new: String,
        place: Option<String>,
    },
    /// Text becomes other text.
    Replace {
        old: String,
        new: String,
        place: Option<String>,
    },
    /// Show where text stands.
    Find { text: String, place: Option<String> },
    /// A new file.
    Create { path: String, text: String },
    /// A file goes away.
    Delete { path: String },
    /// A file or directory gets another path.
    Move { from: String, to: String },
}

/// Understands an instruction, or says what is wrong with it.
pub(super) fn parse(text: &str) -> Result<Instruction, String> {
    let mut words = Words {
        rest: without_politeness(text),
    };
    let verb = words.bare().to_lowercase();
    match verb.as_str() {
        "rename" => {
            let old = words.argument("what to rename")?;
            words.expect("to")?;
            let new = words.argument("the new name")?;
            if !is_path(&old) {
                let place = words.place()?;
                within_a_line(&old)?;
                return differing(&old, &new).map(|()| Instruction::RenameWord { old, new, place });
            }
            words.end()?;
            differing(&old, &new)?;
            Ok(Instruction::Move {
                to: target(&old, new),
                from: old,
            })
        }
        "move" => {
            let from = words.argument("what to move")?;
            words.expect("to")?;
            let to = target(&from, words.argument("the new path")?);
            words.end()?;
            differing(&from, &to)?;
            Ok(Instruction::Move { from, to })
        }
        "replace" => {
            let old = words.argument("what to replace")?;
            words.expect("with")?;
            let new = words.maybe_empty("what comes there")?;
            let place = words.place()?;
            within_a_line(&old)?;
            differing(&old, &new)?;
            Ok(Instruction::Replace { old, new, place })
        }
        "find" => find(words),
        "create" => {
            let path = words.argument("the file")?;
            if !words.skip("containing") {
                words.expect("with")?;
            }
            Ok(Instruction::Create {
                path,
                text: file_text(words.rest),
            })
        }
        "delete" => {
            let path = words.argument("the file")?;
            words.end()?;
            Ok(Instruction::Delete { path })
        }
        "" => Err("there is no instruction.".to_owned()),
        _ => Err(format!("`{verb}` is none of the verbs that I know.")),
    }
}

fn find(mut words: Words<'_>) -> Result<Instruction, String> {
    let whole = words.rest.trim();
    let quoted = whole.starts_with(QUOTES);
    let text = words.argument("what to find")?;
    // Without quotes, `find a in b` has a place; any other words are the text.
    let simple = words.rest.split_whitespace().count();
    let has_place = simple == 2 && Words { rest: words.rest }.skip("in");
    if quoted || simple == 0 || has_place {
        let place = words.place()?;
        within_a_line(&text)?;
        return Ok(Instruction::Find { text, place });
    }
    let text = without_full_stop(whole).to_owned();
    within_a_line(&text)?;
    Ok(Instruction::Find { text, place: None })
}

const QUOTES: [char; 3] = ['\'', '"', '`'];

/// Reads words from the left.
struct Words<'a> {
    rest: &'a str,
}

impl<'a> Words<'a> {
    /// Up to the next white space, whatever it is.
    fn bare(&mut self) -> &'a str {
        let rest = self.rest.trim_start();
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        self.rest = &rest[end..];
        &rest[..end]
    }

    /// A word, or something in quotes. `what` names it in complaints.
    fn maybe_empty(&mut self, what: &str) -> Result<String, String> {
        let rest = self.rest.trim_start();
        if let Some(quote) = rest.chars().next().filter(|c| QUOTES.contains(c)) {
            let (text, behind) = unquote(rest)
                .ok_or_else(|| format!("the {quote} that begins {what} is never closed."))?;
            if !behind.is_empty() && !behind.starts_with(char::is_whitespace) && behind != "." {
                return Err(format!(
                    "there is something right behind the quotes of {what}."
                ));
            }
            self.rest = behind;
            return Ok(text);
        }
        let word = self.bare();
        let last = self.rest.trim().is_empty();
        match if last { without_full_stop(word) } else { word } {
            "" => Err(format!("{what} is missing.")),
            word => Ok(word.to_owned()),
        }
    }

    /// As `maybe_empty`, but not empty.
    fn argument(&mut self, what: &str) -> Result<String, String> {
        match self.maybe_empty(what)? {
            text if text.is_empty() => Err(format!("{what} is empty.")),
            text => Ok(text),
        }
    }

    /// Takes a little word if it is there.
    fn skip(&mut self, word: &str) -> bool {
        let before = self.rest;
        let found = self.bare().trim_end_matches(':').eq_ignore_ascii_case(word);
        if !found {
            self.rest = before;
        }
        found
    }

    fn expect(&mut self, word: &str) -> Result<(), String> {
        if self.skip(word) {
            return Ok(());
        }
        Err(match self.bare() {
            "" => format!("`{word} …` is missing."),
            found => format!(
                "`{found}` stands where `{word}` should; put quotes around what has spaces in it."
            ),
        })
    }

    /// `in GLOB`, or nothing, and then the end.
    fn place(&mut self) -> Result<Option<String>, String> {
        let place = match self.skip("in") {
            true => Some(self.argument("the place behind `in`")?),
            false => None,
        };
        self.end()?;
        Ok(place.filter(|place| !place.trim_matches(['.', '/']).is_empty()))
    }

    fn end(&mut self) -> Result<(), String> {
        match self.rest.trim() {
            "" | "." => Ok(()),
            more => Err(format!(
                "`{more}` is more than I expected; put quotes around what has spaces in it."
            )),
        }
    }
}

/// Takes quotes off: the text, and what stands behind it. Only double quotes know escapes.
fn unquote(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|c| QUOTES.contains(c))?;
    let mut plain = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' if quote == '"' => match chars.next()?.1 {
                'n' => plain.push('\n'),
                't' => plain.push('\t'),
                c @ ('"' | '\\') => plain.push(c),
                other => plain.extend(['\\', other]),
            },
            c if c == quote => return Some((plain, &text[at + c.len_utf8()..])),
            c => plain.push(c),
        }
    }
    None
}

/// The text for a new file: in quotes, in a fence, or as it is. It ends with a newline.
fn file_text(text: &str) -> String {
    let text = text.trim_end();
    let text = match text
        .trim_start_matches([' ', '\t', '\r'])
        .strip_prefix('\n')
    {
        // Lines of their own keep their indentation.
        Some(lines) => lines,
        None => text.trim_start(),
    };
    let mut content = match (fenced(text), unquote(text)) {
        (Some(inner), _) => inner.to_owned(),
        // Quotes that do not hold everything belong to the text.
        (None, Some((inner, "" | "."))) => inner,
        _ => text.to_owned(),
    };
    if !content.is_empty() && !content.ends_with('\n') {
        content.push('\n');
    }
    content
}

/// What stands between the lines of a Markdown fence.
fn fenced(text: &str) -> Option<&str> {
    let (language, inner) = text.strip_prefix("```")?.split_once('\n')?;
    let inner = inner.strip_suffix("```")?;
    let whole = inner.is_empty() || inner.ends_with('\n');
    (whole && !language.contains('`')).then_some(inner)
}

fn without_politeness(text: &str) -> &str {
    let mut text = text.trim();
    let mut question = false;
    loop {
        let mut words = Words { rest: text };
        let first = words.bare().trim_end_matches(',').to_lowercase();
        match first.as_str() {
            "please" => {}
            "can" | "could" | "would" if words.skip("you") => question = true,
            _ => break,
        }
        text = words.rest.trim_start();
    }
    match text.strip_suffix('?') {
        Some(asked) if question => asked,
        _ => text,
    }
}

/// Takes the end of a sentence off; `.` and `..` are paths.
fn without_full_stop(word: &str) -> &str {
    match word.strip_suffix('.') {
        Some(before) if !before.is_empty() && !before.ends_with(['.', '/']) => before,
        _ => word,
    }
}

/// Whether this is a path rather than a word: it has a `/`, or ends like `.rs`.
fn is_path(word: &str) -> bool {
    let extension = word.rsplit_once('.').map(|(_, extension)| extension);
    let like_a_file = extension.is_some_and(|extension| {
        !extension.is_empty() && extension.chars().all(|c| c.is_alphanumeric() || c == '_')
    });
    word.contains('/') || like_a_file
}

/// A target that ends with `/` is a directory to move into.
fn target(from: &str, to: String) -> String {
    match to.ends_with('/') {
        true => {
            let name = from
                .trim_end_matches('/')
                .rsplit('/')
                .next()
                .unwrap_or(from);
            format!("{to}{name}")
        }
        false => to,
    }
}

fn within_a_line(text: &str) -> Result<(), String> {
    match text.contains(['\n', '\r']) {
        true => Err("I can only search for text within one line.".to_owned()),
        false => Ok(()),
    }
}

fn differing(old: &str, new: &str) -> Result<(), String> {
    match old == new {
        true => Err(format!("both are `{old}`, so there is nothing to do.")),
        false => Ok(()),
    }
}
