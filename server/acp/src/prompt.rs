//! What the client's user says, as a prompt.

use crate::convert::fence;
use agent_client_protocol::v1::schema::{ContentBlock, EmbeddedResourceResource};
use boxagnts_session::policy::path::WorkspacePath;
use boxagnts_session::{Attachment, Picture};
use std::path::{Path, PathBuf};

/// Longest prompt, embedded texts included, in bytes.
const MAX_PROMPT: usize = 4 << 20;

/// A prompt, and the files that it is about.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Prompt {
    pub(crate) text: String,
    pub(crate) files: Vec<WorkspacePath>,
    /// Pictures that the model is to see.
    pub(crate) attached: Vec<Attachment>,
}

/// Puts the blocks together: links to files become mentions, and embedded texts stand behind the
/// user's words. `roots` are the spellings of the workspace folder.
///
/// # Errors
/// What of it cannot be used, for the user.
pub(crate) fn read(blocks: &[ContentBlock], roots: &[&Path]) -> Result<Prompt, String> {
    let mut prompt = Prompt::default();
    let mut embedded = String::new();
    for block in blocks {
        match block {
            ContentBlock::Text(text) => prompt.text.push_str(&text.text),
            ContentBlock::ResourceLink(link) => prompt.link(&link.uri, &link.name, roots),
            ContentBlock::Resource(resource) => match &resource.resource {
                EmbeddedResourceResource::TextResourceContents(contents) => {
                    let name = match place(&contents.uri, roots) {
                        Some((path, lines)) => {
                            let name = format!("`{path}`{}", words(lines));
                            prompt.files.push(path);
                            name
                        }
                        None => format!("`{}`", contents.uri),
                    };
                    let text = &contents.text;
                    let fence = fence(text);
                    prompt.word(&name);
                    embedded.push_str(&format!(
                        "\n\n[The user shows {name}:]\n{fence}\n{}\n{fence}",
                        text.trim_end_matches('\n')
                    ));
                }
                _ => return Err("embedded data that is no text cannot be used".to_owned()),
            },
            ContentBlock::Image(image) => {
                let picture = Picture::from_base64(&image.mime_type, &image.data);
                let picture = picture.map_err(|reason| format!("a picture: {reason}"))?;
                prompt.attached.push(Attachment::Picture(picture));
            }
            ContentBlock::Audio(_) => return Err("sound cannot be used".to_owned()),
            _ => return Err("a part of the prompt is of an unknown kind".to_owned()),
        }
    }
    if prompt.text.trim().is_empty() {
        return Err("the prompt is empty; say what you want done".to_owned());
    }
    prompt.mentions();
    prompt.text.push_str(&embedded);
    if prompt.text.len() > MAX_PROMPT {
        return Err(format!(
            "the prompt has {} bytes, and at most {MAX_PROMPT} can be used",
            prompt.text.len()
        ));
    }
    Ok(prompt)
}

impl Prompt {
    fn link(&mut self, uri: &str, name: &str, roots: &[&Path]) {
        match place(uri, roots) {
            Some((path, lines)) => {
                let lines = lines.map(|(first, last)| format!(":{first}-{last}"));
                let lines = lines.unwrap_or_default();
                let plain = |c: char| c.is_alphanumeric() || "/._-+".contains(c);
                match path.as_str().chars().all(plain) {
                    true => self.word(&format!("@{path}{lines}")),
                    false => self.word(&format!("@\"{path}\"{lines}")),
                }
                self.files.push(path);
            }
            // Elsewhere, where tools do not read.
            None if uri.starts_with("http") => self.word(uri),
            None => self.word(&format!("{name} ({uri})")),
        }
    }

    /// Adds words that do not run into those before.
    fn word(&mut self, word: &str) {
        if !self.text.is_empty() && !self.text.ends_with(|c: char| c.is_whitespace() || c == '(') {
            self.text.push(' ');
        }
        self.text.push_str(word);
        self.text.push(' ');
    }

    /// The files that the words mention by an `@`, as far as they can be told.
    fn mentions(&mut self) {
        let words = self.text.split_whitespace();
        let mentioned = words.filter_map(|word| {
            let word = word.strip_prefix('@')?;
            // A name with spaces is not in one word.
            let path = match word.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"')?.0,
                None => word,
            };
            let path = path.trim_end_matches(['.', ',', ';', ':', '!', '?', ')']);
            let path = match path.rsplit_once(':') {
                Some((path, lines)) if lines.starts_with(|c: char| c.is_ascii_digit()) => path,
                _ => path,
            };
            WorkspacePath::parse(path).ok()
        });
        let new: Vec<WorkspacePath> = mentioned
            .filter(|path| !self.files.contains(path))
            .collect();
        self.files.extend(new);
    }
}

/// The file of the workspace that a URI names, and the lines of it.
fn place(uri: &str, roots: &[&Path]) -> Option<(WorkspacePath, Option<(u32, u32)>)> {
    let uri = url::Url::parse(uri)
        .ok()
        .filter(|uri| uri.scheme() == "file")?;
    let file: PathBuf = uri.to_file_path().ok()?;
    let below = roots.iter().find_map(|root| file.strip_prefix(root).ok())?;
    let path = WorkspacePath::parse(below.to_str()?).ok()?;
    Some((path, uri.fragment().and_then(lines)))
}

/// First and last line of `L3`, `L3-L5`, `L3:5`, as editors write it.
fn lines(fragment: &str) -> Option<(u32, u32)> {
    let numbers = fragment.strip_prefix('L')?;
    let (first, last) = numbers.split_once(['-', ':']).unwrap_or((numbers, numbers));
    let first: u32 = first.parse().ok()?;
    let last: u32 = last.trim_start_matches('L').parse().ok()?;
    Some((first, last))
}

fn words(lines: Option<(u32, u32)>) -> String {
    match lines {
        Some((first, last)) if first == last => format!(", line {first}"),
        Some((first, last)) => format!(", lines {first} to {last}"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn check(blocks: Value, expect: Result<(&str, &[&str]), &str>) {
        let blocks: Vec<ContentBlock> = serde_json::from_value(blocks).expect("blocks");
        let got = read(&blocks, &[Path::new("/w"), Path::new("/real/w")]);
        match (&got, expect) {
            (Ok(prompt), Ok((text, files))) => {
                let names: Vec<&str> = prompt.files.iter().map(WorkspacePath::as_str).collect();
                assert_eq!((prompt.text.as_str(), &names[..]), (text, files));
            }
            (Err(got), Err(part)) => assert!(got.contains(part), "{got}"),
            (got, expect) => panic!("{got:?} is not {expect:?}"),
        }
    }

    fn text(text: &str) -> Value {
        json!({"type": "text", "text": text})
    }

    fn link(uri: &str) -> Value {
        json!({"type": "resource_link", "uri": uri, "name": "n"})
    }

    #[test]
    fn blocks_become_a_prompt() {
        check(json!([text("do it")]), Ok(("do it", &[])));
        check(
            json!([text("explain"), link("file:///w/src/a.rs"), text("please")]),
            Ok(("explain @src/a.rs please", &["src/a.rs"])),
        );
        check(
            json!([text("see "), link("file:///real/w/a%20b.rs#L3-L5")]),
            Ok(("see @\"a b.rs\":3-5 ", &["a b.rs"])),
        );
        check(
            json!([
                text("see "),
                link("file:///etc/passwd"),
                link("https://docs.rs")
            ]),
            Ok(("see n (file:///etc/passwd) https://docs.rs ", &[])),
        );
        check(
            json!([text("fix @a.rs:3, @b/c.rs.")]),
            Ok(("fix @a.rs:3, @b/c.rs.", &["a.rs", "b/c.rs"])),
        );
        check(
            json!([text("why"), {"type": "resource", "resource":
                {"uri": "file:///w/a.rs#L1:2", "text": "```\nx\n"}}]),
            Ok((
                "why `a.rs`, lines 1 to 2 \n\n[The user shows `a.rs`, lines 1 to 2:]\n````\n```\nx\n````",
                &["a.rs"],
            )),
        );
    }

    #[test]
    fn what_cannot_be_used_is_told() {
        check(json!([]), Err("empty"));
        check(json!([text("  ")]), Err("empty"));
        check(
            json!([text("a"), {"type": "image", "data": "", "mimeType": "image/png"}]),
            Err("a picture: "),
        );
        check(json!([text(&"a".repeat(MAX_PROMPT + 1))]), Err("at most"));
    }
}
