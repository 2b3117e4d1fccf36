//! What the user mentions, as text for the model: read through the path policy of tools, searched and
//! fetched by the tools themselves and their gate, and never more than the model can use.

use super::Diagnosed;
use super::files::denied;
use super::images::{self, MAX_IMAGES, Picture};
use super::mentions::{Candidate, Mention, What};
use super::text;
use crate::permission::SessionApprover;
use crate::session::Session;
use boxagnts_policy::path::WorkspacePath;
use boxagnts_protocol::conversation::{Image, ToolCall};
use boxagnts_protocol::tool::ToolReport;
use boxagnts_protocol::update::Shown;
use boxagnts_tools::ToolRequest;
use boxagnts_workspace::{Content, FsErrorCode, Kind};
use serde_json::{Value, json};
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Bytes of one mention.
const MAX_ONE: usize = 64 * 1024;
/// Bytes of all mentions of a prompt.
const MAX_ALL: usize = 256 * 1024;
/// What is left of that must be worth a mention.
const WORTH_IT: usize = 1024;
/// Larger files are for tools.
const MAX_FILE: u64 = 16 << 20;
/// Entries of a folder.
const MAX_ENTRIES: usize = 500;
/// Places of a symbol, and the lines around each.
const MAX_PLACES: usize = 5;
const BEFORE: usize = 2;
const BEHIND: usize = 14;
const MAX_DIAGNOSTICS: usize = 200;
/// How long a large repository may take.
const GIT_TIME: Duration = Duration::from_secs(20);

/// The call of a tool that a mention makes.
const CALL: &str = "mention";

/// What came of the mentions of a prompt.
#[derive(Debug, Default)]
pub(super) struct Resolved {
    /// Blocks for the user's message.
    pub(super) text: String,
    pub(super) shown: Vec<Shown>,
    /// Files and folders that were mentioned.
    pub(super) paths: Vec<WorkspacePath>,
    /// What the model is to see, with what it is called.
    pub(super) pictures: Vec<(String, Image)>,
    /// Why it does not see something, for the user.
    pub(super) unseen: Vec<String>,
    used: usize,
}

/// What is known of pictures before mentions are resolved.
pub(super) struct Pictures<'a> {
    /// Those that come with the prompt, with what they are called.
    pub(super) given: Vec<(String, Picture)>,
    /// Why none can be shown.
    pub(super) blind: Option<&'a str>,
}

/// A mention's text, and how it is called.
struct Found {
    label: String,
    text: String,
    path: Option<WorkspacePath>,
    picture: Option<Picture>,
}

/// Resolves mentions in their order, behind the pictures that come with the prompt. What cannot be had
/// is told.
pub(super) async fn resolve(
    session: &Arc<Session>,
    pictures: Pictures<'_>,
    mentions: Vec<Mention>,
    diagnostics: &[Diagnosed],
    cancel: &CancellationToken,
) -> Resolved {
    let mut resolved = Resolved::default();
    let Pictures { given, blind } = pictures;
    for (what, picture) in given {
        resolved.show(&what, picture, blind);
    }
    for Mention { raw, what } in mentions {
        if cancel.is_cancelled() {
            break;
        }
        let found = match what {
            What::Path { candidates, surely } => {
                let of = Arc::clone(session);
                match blocking(move || path(&of, &candidates)).await {
                    Ok(None) if !surely => continue,
                    Ok(None) => Err("there is no such file or folder".to_owned()),
                    Ok(Some(found)) => Ok(found),
                    Err(reason) => Err(reason),
                }
            }
            What::Diff => diff(session).await,
            What::Proposal => {
                let of = Arc::clone(session);
                blocking(move || proposal(&of)).await
            }
            What::Diagnostics => listed(diagnostics),
            What::Symbol(name) => symbol(session, &name, cancel).await,
            What::Url(url) => page(session, &url, cancel).await,
        };
        match found {
            Ok(Found {
                picture: Some(picture),
                path,
                ..
            }) => {
                // A mention without the full stop of its sentence.
                let name = match path.filter(|_| raw.starts_with('@')) {
                    Some(path) => format!("@{path}"),
                    None => raw,
                };
                resolved.show(&name, picture, blind);
            }
            Ok(found) => resolved.add(&raw, found),
            Err(reason) => resolved.tell(&raw, &reason),
        }
    }
    resolved
}

impl Resolved {
    fn add(&mut self, raw: &str, found: Found) {
        let left = MAX_ALL.saturating_sub(self.used);
        if left < WORTH_IT {
            let reason = format!("what is mentioned has {} KiB already", MAX_ALL >> 10);
            return self.tell(raw, &reason);
        }
        let shown = text::cut(&found.text, MAX_ONE.min(left));
        let label = found.label;
        let cut = match shown.len() < found.text.len() {
            true => format!(", the first {} of {} bytes", shown.len(), found.text.len()),
            false => String::new(),
        };
        text::push_block(
            &mut self.text,
            &format!("The user mentions {label}{cut}:"),
            "",
            shown,
        );
        self.used += shown.len();
        self.paths.extend(found.path);
        self.shown.push(Shown {
            what: raw.to_owned(),
            bytes: shown.len() as u64,
            sha256: text::sha256(shown),
        });
    }

    /// Shows a picture, where the model can see and there is room.
    fn show(&mut self, what: &str, picture: Picture, blind: Option<&str>) {
        let reason = match (blind, self.pictures.len()) {
            (Some(reason), _) => reason.to_owned(),
            (None, MAX_IMAGES..) => format!("a prompt has at most {MAX_IMAGES} pictures"),
            _ => {
                let name = text::label(what, 200);
                let number = self.pictures.len() + 1;
                let _ = write!(
                    self.text,
                    "\n\n[The user shows {name}, which is image {number} here]"
                );
                self.shown.push(Shown {
                    what: what.to_owned(),
                    bytes: picture.bytes,
                    sha256: picture.sha256.clone(),
                });
                self.pictures.push((what.to_owned(), picture.into_image()));
                return;
            }
        };
        let name = text::line(what, 200);
        self.unseen
            .push(format!("{name} is not shown to the model: {reason}"));
        self.tell(what, &reason);
    }

    fn tell(&mut self, raw: &str, reason: &str) {
        let raw = text::label(raw, 200);
        // Quotes in it are ours.
        let reason = text::line(&reason.replace('[', "(").replace(']', ")"), 500);
        let _ = write!(
            self.text,
            "\n\n[The user mentions `{raw}`, which is not shown: {reason}]"
        );
    }
}

/// Runs what takes time where it holds up nobody.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.unwrap_or_else(|error| Err(error.to_string()))
}

/// The likeliest of the candidates that there is; an error is why it cannot be shown.
fn path(session: &Session, candidates: &[Candidate]) -> Result<Option<Found>, String> {
    let mut why = None;
    for candidate in candidates {
        for path in meant(session, &candidate.path) {
            let path = match path {
                Ok(path) => path,
                Err(reason) => {
                    why = Some(reason);
                    continue;
                }
            };
            match shown(session, &path, candidate.lines) {
                Ok(found) => return Ok(Some(found)),
                Err((FsErrorCode::NotFound | FsErrorCode::NotDirectory, _)) => {}
                // There is something of that name: nothing else is meant.
                Err((_, reason)) => return Err(reason),
            }
        }
    }
    why.map_or(Ok(None), Err)
}

/// What a path may mean: seen from where tools begin, then from the workspace; absolute within it.
fn meant(session: &Session, given: &str) -> Vec<Result<WorkspacePath, String>> {
    let root = session.overlay.root();
    if let Ok(below) = std::path::Path::new(given).strip_prefix(root) {
        let below = below.to_string_lossy();
        return vec![WorkspacePath::parse(&below).map_err(|error| error.to_string())];
    }
    let plain = WorkspacePath::parse(given).map_err(|error| error.to_string());
    let config = session.config();
    let work_dir = &config.mounts().work_dir;
    match &plain {
        Ok(path) if !work_dir.is_root() => {
            let joined = work_dir.join(path.as_str());
            vec![joined.map_err(|error| error.to_string()), plain]
        }
        _ => vec![plain],
    }
}

fn shown(
    session: &Session,
    path: &WorkspacePath,
    lines: Option<(usize, usize)>,
) -> Result<Found, (FsErrorCode, String)> {
    // A call of its own: what is read becomes what the model has seen.
    let mut call = session.overlay.begin(CALL);
    let text = path.as_str();
    let at = if path.is_root() { "." } else { text };
    let (kind, size) = call.stat(at).map_err(|error| (error.code, error.message))?;
    let tool = if kind == Kind::Directory {
        "list"
    } else {
        "read"
    };
    if let Some(reason) = denied(&session.config(), tool, at) {
        return Err((FsErrorCode::Denied, reason));
    }
    if kind == Kind::Directory {
        let entries = call.list(at).map_err(|error| (error.code, error.message))?;
        let mut listing = String::new();
        for (entry, _) in entries.iter().take(MAX_ENTRIES) {
            let slash = if entry.kind == Kind::Directory {
                "/"
            } else {
                ""
            };
            let _ = writeln!(listing, "{}{slash}", text::line(&entry.name, 255));
        }
        if entries.len() > MAX_ENTRIES {
            let _ = writeln!(listing, "… and {} more", entries.len() - MAX_ENTRIES);
        }
        return Ok(Found {
            label: format!("the folder `{}`", text::label(&path.to_string(), 1000)),
            text: listing,
            path: path.join("AGENTS.md").ok(),
            picture: None,
        });
    }
    if size > MAX_FILE {
        let reason = format!("`{path}` has {size} bytes; search it with `grep`");
        return Err((FsErrorCode::TooLarge, reason));
    }
    let bytes = call
        .read(at, MAX_FILE)
        .map_err(|error| (error.code, error.message))?;
    if lines.is_none() && images::media_type(&bytes).is_some() {
        let picture = Picture::from_bytes(&bytes);
        let picture = picture.map_err(|reason| (FsErrorCode::TooLarge, reason))?;
        let _ = call.commit();
        return Ok(Found {
            label: String::new(),
            text: String::new(),
            path: Some(path.clone()),
            picture: Some(picture),
        });
    }
    let content = Content::from_bytes(bytes);
    let Some(whole) = content.text() else {
        return Err((FsErrorCode::NotRegular, format!("`{path}` is no text")));
    };
    let name = text::label(text, 1000);
    let (label, text) = match lines {
        None => (format!("`{name}`"), whole.to_owned()),
        Some((first, last)) => {
            let text: String = excerpt(whole, first, last);
            if text.is_empty() {
                let count = whole.lines().count();
                let reason = format!("`{path}` has {count} lines");
                return Err((FsErrorCode::InvalidPath, reason));
            }
            (format!("`{name}`, lines {first}-{last}"), text)
        }
    };
    // Nothing was changed; the overlay remembers what the model has seen.
    let _ = call.commit();
    Ok(Found {
        label,
        text,
        path: Some(path.clone()),
        picture: None,
    })
}

/// Lines from first to last, counted from 1.
fn excerpt(text: &str, first: usize, last: usize) -> String {
    let lines = text.split_inclusive('\n').skip(first.saturating_sub(1));
    lines.take((last + 1).saturating_sub(first)).collect()
}

async fn diff(session: &Arc<Session>) -> Result<Found, String> {
    let of = Arc::clone(session);
    let reading = blocking(move || {
        let may = |path: &WorkspacePath| denied(&of.config(), "read", path.as_str()).is_none();
        of.overlay.uncommitted(MAX_ONE, may)
    });
    let found = tokio::time::timeout(GIT_TIME, reading).await;
    let found = found.map_err(|_| "the repository takes too long to read".to_owned())??;
    if found.diff.is_empty() && found.left_out == 0 {
        return Err("nothing differs from the last commit".to_owned());
    }
    let more = match found.left_out {
        0 => String::new(),
        n => format!("; {n} more files do not fit"),
    };
    Ok(Found {
        label: format!("what is not committed{more}"),
        text: found.diff,
        path: None,
        picture: None,
    })
}

fn proposal(session: &Session) -> Result<Found, String> {
    let diff = session.overlay.diff();
    if diff.is_empty() {
        return Err("nothing is proposed".to_owned());
    }
    Ok(Found {
        label: "what you propose and the user has not decided on".to_owned(),
        text: diff,
        path: None,
        picture: None,
    })
}

fn listed(diagnostics: &[Diagnosed]) -> Result<Found, String> {
    if diagnostics.is_empty() {
        return Err("the editor sent no diagnostics".to_owned());
    }
    let mut list = String::new();
    for Diagnosed { path, diagnostic } in diagnostics.iter().take(MAX_DIAGNOSTICS) {
        let severity = match diagnostic.severity {
            Some(2) => "warning",
            Some(3) => "information",
            Some(4) => "hint",
            _ => "error",
        };
        let source = diagnostic
            .source
            .as_deref()
            .map(|source| format!(" ({})", text::line(source, 50)));
        let _ = writeln!(
            list,
            "{}:{}: {severity}: {}{}",
            text::line(path, 300),
            diagnostic.range.start.line + 1,
            text::line(&diagnostic.message, 1000),
            source.unwrap_or_default()
        );
    }
    if diagnostics.len() > MAX_DIAGNOSTICS {
        let _ = writeln!(list, "… and {} more", diagnostics.len() - MAX_DIAGNOSTICS);
    }
    Ok(Found {
        label: "the editor's diagnostics".to_owned(),
        text: list,
        path: None,
        picture: None,
    })
}

/// Runs a tool as the model would: through the gate, asking the user where it asks.
async fn call(
    session: &Arc<Session>,
    name: &str,
    input: Value,
    cancel: &CancellationToken,
) -> ToolReport {
    let call = ToolCall {
        id: CALL.to_owned(),
        name: name.to_owned(),
        input,
    };
    let toolbox = session.environment.toolbox();
    let approver = SessionApprover { session };
    let config = session.config();
    let running = toolbox.run(ToolRequest {
        call: &call,
        config: &config,
        overlay: &session.overlay,
        ask: None,
        approver: &approver,
        cancel: cancel.clone(),
        progress: None,
        natives: None,
    });
    tokio::select! {
        biased;
        () = cancel.cancelled() => {
            ToolReport::refused(boxagnts_protocol::tool::FailureKind::Cancelled, "cancelled")
        }
        report = running => report,
    }
}

/// What defines a name, in most languages.
const DEFINES: &str = "fn|struct|enum|trait|union|type|const|static|mod|macro_rules!|class|interface|\
                       def|function|func|fun|var|let|val|object|module|namespace|package|record|\
                       protocol|extension|typedef|#define|sub|proc|defmodule|defp|defn|data|newtype";

async fn symbol(
    session: &Arc<Session>,
    name: &str,
    cancel: &CancellationToken,
) -> Result<Found, String> {
    let last = name.rsplit([':', '.']).next().unwrap_or(name);
    let last = last.replace('$', r"\$");
    let definition = format!(r"(?:^|[^\w])(?:{DEFINES})\*?\s+(?:\([^)]*\)\s*)?{last}(?:[^\w]|$)");
    let anywhere = format!(r"(?:^|[^\w$]){last}(?:[^\w]|$)");
    for (pattern, what) in [(definition, "definition"), (anywhere, "use")] {
        let input = json!({"pattern": pattern, "limit": MAX_PLACES});
        let report = call(session, "grep", input, cancel).await;
        if let Some(error) = report.error {
            return Err(error.message);
        }
        let places: Vec<(String, usize)> = report.output.lines().filter_map(place).collect();
        if places.is_empty() {
            continue;
        }
        let of = Arc::clone(session);
        let text = blocking(move || Ok(around(&of, &places))).await?;
        // A rule keeps all of them from the model.
        if text.is_empty() {
            continue;
        }
        let found = format!("`{name}`: each {what} that a search found first");
        return Ok(Found {
            label: found,
            text,
            path: None,
            picture: None,
        });
    }
    Err(format!("no file has `{name}`"))
}

/// The place that a line of `grep` names, as in `src/a.rs:10:fn a()`.
fn place(line: &str) -> Option<(String, usize)> {
    let mut colons = line.match_indices(':');
    colons.find_map(|(at, _)| {
        let (number, _) = line[at + 1..].split_once(':')?;
        let number = number.parse().ok()?;
        Some((line[..at].to_owned(), number))
    })
}

/// The lines around places. The paths are as tools see them.
fn around(session: &Session, places: &[(String, usize)]) -> String {
    let config = session.config();
    let work_dir = &config.mounts().work_dir;
    let mut text = String::new();
    let mut shown: Vec<(&str, usize)> = Vec::new();
    for (path, line) in places.iter().take(MAX_PLACES) {
        let near = |(other, at): &(&str, usize)| other == path && line.abs_diff(*at) < BEHIND;
        if shown.iter().any(near) {
            continue;
        }
        let Ok(whole) = work_dir.join(path) else {
            continue;
        };
        let kept = |path: &str| denied(&session.config(), "read", path).is_some();
        if kept(path) || kept(whole.as_str()) {
            continue;
        }
        let mut call = session.overlay.begin(CALL);
        let Ok(bytes) = call.read(whole.as_str(), MAX_FILE) else {
            continue;
        };
        let content = Content::from_bytes(bytes);
        let first = line.saturating_sub(BEFORE).max(1);
        let part = excerpt(content.text().unwrap_or_default(), first, line + BEHIND);
        let _ = write!(text, "{path}, from line {first}:\n{part}");
        text.push_str(if part.ends_with('\n') { "\n" } else { "\n\n" });
        shown.push((path, *line));
    }
    text
}

async fn page(
    session: &Arc<Session>,
    url: &str,
    cancel: &CancellationToken,
) -> Result<Found, String> {
    let input = json!({"url": url, "max_chars": MAX_ONE / 2});
    let report = call(session, "web_fetch", input, cancel).await;
    match report.error {
        Some(error) => Err(error.message),
        None => Ok(Found {
            label: format!("<{}>", text::label(url, 2000)),
            text: report.output,
            path: None,
            picture: None,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_grep() {
        let check = |line: &str, expect: Option<(&str, usize)>| {
            let expect = expect.map(|(path, line)| (path.to_owned(), line));
            assert_eq!(place(line), expect, "{line}");
        };
        check("src/a.rs:10:fn a() {}", Some(("src/a.rs", 10)));
        check("a:b.rs:7:x: 8:", Some(("a:b.rs", 7)));
        check("no place", None);
        check("[cut: 3 more]", None);
    }

    #[test]
    fn lines_from_to() {
        assert_eq!(excerpt("a\nb\nc", 2, 3), "b\nc");
        assert_eq!(excerpt("a\nb\nc", 1, 1), "a\n");
        assert_eq!(excerpt("a\n", 5, 9), "");
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let mut resolved = Resolved::default();
        for n in 0..6 {
            let found = Found {
                label: format!("`f{n}`"),
                text: "line\n".repeat(20_000),
                path: None,
                picture: None,
            };
            resolved.add(&format!("@f{n}"), found);
        }
        assert!(
            resolved.text.len() < MAX_ALL + 2000,
            "{}",
            resolved.text.len()
        );
        assert!(
            resolved
                .text
                .contains("`f0`, the first 65535 of 100000 bytes:]")
        );
        assert!(
            resolved
                .text
                .contains("`@f5`, which is not shown: what is mentioned has 256 KiB")
        );
        let mut blocks = resolved.text.split("\n\n[");
        assert_eq!(blocks.next(), Some(""));
        assert!(blocks.all(|block| block.starts_with("The user")));
    }
}
