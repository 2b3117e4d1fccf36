//! Code actions and lenses: asking about a selection, deciding on pending hunks.

use crate::convert;
use crate::folder::Folder;
use crate::server::Shared;
use boxagnts_protocol::commands::{
    ACCEPT, ASK, AskParams, DecideParams, REJECT, SHOW_PATCH, SPLIT, SessionParams, SplitParams,
    TextDocument, UNDO, UndoParams, WhenBusy,
};
use boxagnts_protocol::proposal::{Hunk, HunkState};
use boxagnts_session::PageQuery;
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tower_lsp::ls_types::{
    CodeAction, CodeActionKind, CodeActionOrCommand, CodeActionParams, CodeLens, Command, Range,
};

/// What "Ask BoxAgnts…" asks about a selection that is no instruction by itself.
const SELECTION_PROMPT: &str =
    "Do what the selected text asks for (a comment, a TODO, or an obvious fix of the code).";

/// What begins a comment, in most languages.
const COMMENT_MARKS: &[&str] = &["///", "//!", "//", "/*", "*", "#", "--", ";;", ";", "%"];

/// A hunk that waits, with where it is.
pub(crate) struct Waiting {
    pub(crate) session: String,
    pub(crate) hunk: Hunk,
    /// In the client's encoding.
    pub(crate) range: Range,
    /// How many hunks of its tool call wait, in all files.
    pub(crate) siblings: usize,
}

/// Every hunk that waits in a folder with the URI of its file, of all sessions that this process
/// knows.
pub(crate) fn all_waiting(shared: &Shared, folder: &Folder) -> Vec<(String, Waiting)> {
    waiting_in(shared, folder, None)
}

fn waiting_in(
    shared: &Shared,
    folder: &Folder,
    files: Option<Vec<String>>,
) -> Vec<(String, Waiting)> {
    let encoding = shared.documents.encoding();
    let mut found = Vec::new();
    let query = PageQuery {
        files,
        waiting: true,
        ..PageQuery::default()
    };
    for session in shared.sessions_of(folder) {
        let Ok(proposal) = folder.page(&session, &query) else {
            continue;
        };
        let sizes = folder.sessions.group_sizes(&session).unwrap_or_default();
        for file in proposal.files {
            let rope = shared.documents.rope(&file.uri);
            for hunk in file.hunks {
                let range = convert::range(hunk.range);
                let range = rope
                    .as_ref()
                    .map_or(range, |rope| encoding.encode_range(rope, range));
                let group = hunk.group.as_ref();
                let siblings = group.and_then(|group| sizes.get(group.as_str()).copied());
                let siblings = siblings.unwrap_or(1);
                found.push((
                    file.uri.clone(),
                    Waiting {
                        session: session.clone(),
                        hunk,
                        range,
                        siblings,
                    },
                ));
            }
        }
    }
    found
}

/// The hunks that wait in a document.
fn waiting(shared: &Shared, folder: &Folder, uri: &str) -> Vec<Waiting> {
    let Some(path) = folder.names.relative(uri) else {
        return Vec::new();
    };
    let all = waiting_in(shared, folder, Some(vec![path])).into_iter();
    all.filter(|(file, _)| file == uri)
        .map(|(_, waiting)| waiting)
        .collect()
}

/// Hunks of one tool call.
struct Group {
    session: String,
    id: String,
    count: usize,
}

/// The tool calls that made these hunks, where one made several of them.
fn groups(hunks: &[Waiting]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for Waiting {
        session,
        hunk,
        siblings,
        ..
    } in hunks
    {
        let Some(id) = &hunk.group else { continue };
        let known = groups.iter().any(|group| group.id == *id);
        if *siblings > 1 && !known {
            groups.push(Group {
                session: session.clone(),
                id: id.clone(),
                count: *siblings,
            });
        }
    }
    groups
}

/// The actions at a range.
pub(crate) fn code_actions(
    shared: &Arc<Shared>,
    folder: &Folder,
    params: &CodeActionParams,
) -> Vec<CodeActionOrCommand> {
    let wanted = params.context.only.as_ref();
    let offers = |kind: &CodeActionKind| {
        wanted.is_none_or(|only| {
            only.iter().any(|want| {
                let (want, kind) = (want.as_str(), kind.as_str());
                want.is_empty() || kind == want || kind.starts_with(&format!("{want}."))
            })
        })
    };
    let uri = convert::normalize(params.text_document.uri.as_str());
    let mut actions = Vec::new();
    let mut add = |title: String, kind: &CodeActionKind, command: Command, diagnostics| {
        if offers(kind) {
            actions.push(CodeActionOrCommand::CodeAction(CodeAction {
                title,
                kind: Some(kind.clone()),
                command: Some(command),
                diagnostics,
                ..CodeAction::default()
            }));
        }
    };

    let refactor = CodeActionKind::REFACTOR;
    let here = |hunk: &Waiting| touches(hunk.range, params.range);
    let hunks: Vec<Waiting> = waiting(shared, folder, &uri)
        .into_iter()
        .filter(here)
        .collect();
    for Waiting { session, hunk, .. } in &hunks {
        let one = Some(vec![hunk.id.clone()]);
        let title = format!("Accept hunk {}", hunk.id);
        add(
            title.clone(),
            &refactor,
            decide(ACCEPT, &title, session, one.clone(), None),
            None,
        );
        let title = format!("Reject hunk {}", hunk.id);
        add(
            title.clone(),
            &refactor,
            decide(REJECT, &title, session, one, None),
            None,
        );
    }
    for group in groups(&hunks) {
        let title = format!("Accept all {} hunks of this change", group.count);
        add(
            title.clone(),
            &refactor,
            decide_group(ACCEPT, &title, &group),
            None,
        );
    }
    if let Some(Waiting { session, hunk, .. }) = hunks.first() {
        if hunk.note.is_none() && hunk.state == HunkState::Pending {
            let title = format!("Split hunk {}", hunk.id);
            let params = SplitParams {
                session: session.clone(),
                hunk: hunk.id.clone(),
            };
            add(
                title.clone(),
                &refactor,
                command(SPLIT, &title, &params),
                None,
            );
        }
        let title = "Show the whole proposal";
        let params = SessionParams {
            session: session.clone(),
        };
        add(
            title.to_owned(),
            &refactor,
            command(SHOW_PATCH, title, &params),
            None,
        );
        let file = Some(vec![uri.clone()]);
        let title = "Accept all hunks in this file";
        add(
            title.to_owned(),
            &refactor,
            decide(ACCEPT, title, session, None, file.clone()),
            None,
        );
        let title = "Reject all hunks in this file";
        add(
            title.to_owned(),
            &refactor,
            decide(REJECT, title, session, None, file),
            None,
        );
    }

    if shared.applied.load(Ordering::Relaxed) {
        let title = "Take back what was accepted last";
        let command = command(UNDO, title, &UndoParams::default());
        add(title.to_owned(), &refactor, command, None);
    }
    for diagnostic in &params.context.diagnostics {
        if diagnostic.source.as_deref() == Some(crate::observer::SOURCE) {
            continue;
        }
        let source = diagnostic.source.as_deref().unwrap_or("the editor");
        let line = diagnostic.range.start.line + 1;
        let prompt = format!(
            "Fix this diagnostic of {source} at line {line}: {}",
            diagnostic.message
        );
        let title = "Fix this diagnostic with BoxAgnts";
        let command = ask(title, prompt, &uri, diagnostic.range);
        let diagnostics = Some(vec![diagnostic.clone()]);
        add(
            title.to_owned(),
            &CodeActionKind::QUICKFIX,
            command,
            diagnostics,
        );
    }
    let range = params.range;
    let title = "Ask BoxAgnts…";
    let selected = selected(shared, &uri, range);
    let prompt = instruction(&selected).unwrap_or_else(|| SELECTION_PROMPT.to_owned());
    add(
        title.to_owned(),
        &refactor,
        ask(title, prompt, &uri, range),
        None,
    );
    let title = "Explain with BoxAgnts";
    let prompt = "Explain the selected code. Change nothing.".to_owned();
    add(
        title.to_owned(),
        &refactor,
        ask(title, prompt, &uri, range),
        None,
    );
    actions
}

fn selected(shared: &Shared, uri: &str, range: Range) -> String {
    let Some(rope) = shared.documents.rope(uri) else {
        return String::new();
    };
    let at = |position| shared.documents.encoding().char_at(&rope, position);
    let (start, end) = (at(range.start), at(range.end));
    rope.get_slice(start..end)
        .map(|text| text.to_string())
        .unwrap_or_default()
}

/// The words of a selected comment: where an editor has no place to type a prompt, a comment is
/// one. `None` when something else than a comment is selected.
fn instruction(selected: &str) -> Option<String> {
    let mut words = Vec::new();
    let lines = selected
        .lines()
        .map(|line| line.trim().trim_end_matches("*/").trim_end());
    for line in lines.filter(|line| !line.is_empty()) {
        let mark = COMMENT_MARKS.iter().find(|mark| line.starts_with(**mark))?;
        let line = line[mark.len()..].trim();
        words.push(line.strip_prefix("TODO:").unwrap_or(line).trim_start());
    }
    let words = words.join("\n").trim().to_owned();
    (!words.is_empty()).then_some(words)
}

/// Lenses above the hunks that wait.
pub(crate) fn code_lenses(shared: &Arc<Shared>, folder: &Folder, uri: &str) -> Vec<CodeLens> {
    let mut lenses = Vec::new();
    for Waiting {
        session,
        hunk,
        range,
        ..
    } in waiting(shared, folder, uri)
    {
        let one = Some(vec![hunk.id.clone()]);
        let offered: &[(&str, &str)] = match hunk.state {
            HunkState::Conflicted => &[(REJECT, "Your text changed here: keep it, reject")],
            _ => &[(ACCEPT, "Accept"), (REJECT, "Reject")],
        };
        for (command, verb) in offered {
            let title = format!("{verb} {}", hunk.id);
            let command = decide(command, &title, &session, one.clone(), None);
            lenses.push(CodeLens {
                range,
                command: Some(command),
                data: None,
            });
        }
    }
    lenses
}

/// An empty range touches what begins or ends at it.
fn touches(a: Range, b: Range) -> bool {
    a.start <= b.end && b.start <= a.end
}

fn decide(
    name: &str,
    title: &str,
    session: &str,
    hunks: Option<Vec<String>>,
    files: Option<Vec<String>>,
) -> Command {
    let session = session.to_owned();
    command(
        name,
        title,
        &DecideParams {
            session,
            hunks,
            files,
            groups: None,
            all: None,
            comment: None,
        },
    )
}

fn decide_group(name: &str, title: &str, group: &Group) -> Command {
    command(
        name,
        title,
        &DecideParams {
            session: group.session.clone(),
            hunks: None,
            files: None,
            groups: Some(vec![group.id.clone()]),
            all: None,
            comment: None,
        },
    )
}

fn ask(title: &str, prompt: String, uri: &str, range: Range) -> Command {
    let text_document = Some(TextDocument {
        uri: uri.to_owned(),
    });
    let range = Some(convert::proposal_range(range));
    command(
        ASK,
        title,
        &AskParams {
            prompt,
            text_document,
            range,
            session: None,
            diagnostics: None,
            images: Vec::new(),
            settings: None,
            when_busy: WhenBusy::default(),
        },
    )
}

fn command(name: &str, title: &str, params: &impl Serialize) -> Command {
    Command {
        title: title.to_owned(),
        command: name.to_owned(),
        arguments: serde_json::to_value(params).ok().map(|params| vec![params]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(selected: &str, expect: Option<&str>) {
        assert_eq!(instruction(selected).as_deref(), expect, "{selected:?}");
    }

    #[test]
    fn a_selected_comment_is_an_instruction() {
        check("# rename a to b\n", Some("rename a to b"));
        check("    // TODO: rename a to b", Some("rename a to b"));
        check("/* make it\n * faster\n */", Some("make it\nfaster"));
        check("-- a\n\n-- b", Some("a\nb"));
        check("let a = 1; // rename a", None);
        check("//", None);
        check("", None);
    }
}
