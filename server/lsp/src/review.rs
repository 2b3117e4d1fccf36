//! Reviewing a proposal with nothing but standard LSP: questions, and documents shown at hunks.

use crate::commands;
use crate::convert;
use crate::folder::Folder;
use crate::server::{Shared, blocking};
use boxagnts_protocol::proposal::{FileProposal, Hunk, HunkState, Proposal};
use boxagnts_protocol::update::TurnOutcome;
use boxagnts_session::Selection;
use std::collections::HashSet;
use std::sync::Arc;
use tower_lsp::ls_types::{MessageActionItem, MessageType, Range, ShowDocumentParams};

const REVIEW: &str = "Review";
const ACCEPT_ALL: &str = "Accept all";
const REJECT_ALL: &str = "Reject all";
const ACCEPT: &str = "Accept";
const REJECT: &str = "Reject";
const LATER: &str = "Later";
const STOP: &str = "Stop";
/// Longest text of a hunk in a question, in lines.
const QUESTION_LINES: usize = 14;
/// Longest answer of the model in a message, in characters.
const MAX_SAID: usize = 1500;

/// A turn that has ended.
pub(crate) struct Ended {
    pub(crate) session: String,
    pub(crate) outcome: TurnOutcome,
    /// The model's last words.
    pub(crate) said: String,
}

/// Tells how a turn ended, and asks what to do with its proposal.
pub(crate) async fn after_turn(shared: Arc<Shared>, folder: Arc<Folder>, ended: Ended) {
    let Ended {
        session,
        outcome,
        said,
    } = ended;
    let client = &shared.client;
    match &outcome {
        TurnOutcome::Done | TurnOutcome::Cancelled => {}
        TurnOutcome::Limit { limit, value, used } => {
            let message = format!(
                "BoxAgnts stopped at the limit `{limit}`: {used} of {value} used; ask again to go \
                 on, or raise the limit"
            );
            client.show_message(MessageType::WARNING, message).await;
        }
        TurnOutcome::Failed { message, .. } => {
            client
                .show_message(MessageType::ERROR, format!("BoxAgnts: {message}"))
                .await;
        }
    }
    let Some(proposal) = proposal(&folder, &session).await else {
        return;
    };
    let waiting = ids(&proposal);
    let said: String = said.trim().chars().take(MAX_SAID).collect();
    if waiting.is_empty() {
        if !said.is_empty() {
            client.show_message(MessageType::INFO, said).await;
        }
        return;
    }
    let files = proposal
        .files
        .iter()
        .filter(|file| file.hunks.iter().any(waits))
        .count();
    let gap = if said.is_empty() { "" } else { "\n" };
    let question = format!(
        "BoxAgnts proposes {} in {}.{gap}{said}",
        plural(waiting.len(), "hunk"),
        plural(files, "file")
    );
    match ask(&shared, question, &[REVIEW, ACCEPT_ALL, REJECT_ALL])
        .await
        .as_deref()
    {
        Some(REVIEW) => one_by_one(&shared, &folder, &session, waiting).await,
        Some(ACCEPT_ALL) => accept(&shared, &folder, &session, &waiting).await,
        Some(REJECT_ALL) => reject(&shared, &folder, &session, &waiting).await,
        _ => {}
    }
}

/// Goes through the hunks that the user was told of; those that are decided elsewhere meanwhile
/// are passed over.
async fn one_by_one(shared: &Arc<Shared>, folder: &Arc<Folder>, session: &str, ids: Vec<String>) {
    let count = ids.len();
    for (index, id) in ids.iter().enumerate() {
        let Some(proposal) = proposal(folder, session).await else {
            return;
        };
        let found = proposal.files.iter().find_map(|file| {
            let hunk = file
                .hunks
                .iter()
                .find(|hunk| hunk.id == *id && waits(hunk))?;
            Some((file, hunk))
        });
        let Some((file, hunk)) = found else { continue };
        show(shared, file, hunk).await;
        let conflict = match hunk.state {
            HunkState::Conflicted => ", conflicts with your text",
            _ => "",
        };
        let question = format!(
            "{} line {} ({id}, {} of {count}{conflict})\n{}",
            file.path,
            hunk.range.start.line + 1,
            index + 1,
            summary(hunk, QUESTION_LINES)
        );
        let rest = &ids[index..];
        match ask(shared, question, &[ACCEPT, REJECT, LATER, ACCEPT_ALL, STOP])
            .await
            .as_deref()
        {
            Some(ACCEPT) => accept(shared, folder, session, &rest[..1]).await,
            Some(REJECT) => reject(shared, folder, session, &rest[..1]).await,
            Some(LATER) => {}
            Some(ACCEPT_ALL) => return accept(shared, folder, session, rest).await,
            _ => return,
        }
    }
}

async fn show(shared: &Shared, file: &FileProposal, hunk: &Hunk) {
    let exists = convert::file_path(&file.uri).is_some_and(|path| path.exists());
    if !shared.can().show_document || !exists {
        return;
    }
    let Some(uri) = convert::uri(&file.uri) else {
        return;
    };
    // Hunks begin at line starts, where all encodings agree.
    let start = convert::range(hunk.range).start;
    let shown = shared.client.show_document(ShowDocumentParams {
        uri,
        external: Some(false),
        take_focus: Some(true),
        selection: Some(Range { start, end: start }),
    });
    if let Err(error) = shown.await {
        tracing::info!(%error, "the client shows no document");
    }
}

/// Asks and gives the title of the answer; `None` when the user gave none. A client that cannot ask
/// shows the question: its user decides by code actions.
async fn ask(shared: &Shared, question: String, actions: &[&str]) -> Option<String> {
    let action = |title: &&str| MessageActionItem {
        title: (*title).to_owned(),
        properties: Default::default(),
    };
    let actions = actions.iter().map(action).collect();
    let client = &shared.client;
    let answer = client.show_message_request(MessageType::INFO, &question, Some(actions));
    match answer.await {
        Ok(answer) => answer.map(|answer| answer.title),
        Err(error) => {
            tracing::info!(%error, "the client cannot ask");
            client.show_message(MessageType::INFO, question).await;
            None
        }
    }
}

async fn accept(shared: &Shared, folder: &Arc<Folder>, session: &str, ids: &[String]) {
    let (here, name) = (Arc::clone(folder), session.to_owned());
    let Some(selection) = still_waiting(folder, session, ids).await else {
        return;
    };
    let accepted = blocking(move || {
        here.sessions
            .accept(&name, &selection)
            .map_err(commands::error)
    });
    match accepted.await {
        // What was not applied is told by the update that the decision brings.
        Ok((_, task)) => drop(task.await),
        Err(error) => {
            shared
                .client
                .show_message(MessageType::ERROR, error.message)
                .await
        }
    }
}

async fn reject(shared: &Shared, folder: &Arc<Folder>, session: &str, ids: &[String]) {
    let (here, name) = (Arc::clone(folder), session.to_owned());
    let Some(selection) = still_waiting(folder, session, ids).await else {
        return;
    };
    let rejected = blocking(move || {
        here.sessions
            .reject(&name, &selection, None)
            .map_err(commands::error)
    });
    if let Err(error) = rejected.await {
        shared
            .client
            .show_message(MessageType::ERROR, error.message)
            .await;
    }
}

/// An answer covers what the question showed, and of that what nobody has decided since.
async fn still_waiting(folder: &Arc<Folder>, session: &str, asked: &[String]) -> Option<Selection> {
    let now: HashSet<String> = ids(&proposal(folder, session).await?).into_iter().collect();
    let waiting: Vec<String> = asked
        .iter()
        .filter(|id| now.contains(*id))
        .cloned()
        .collect();
    (!waiting.is_empty()).then_some(Selection::Hunks(waiting))
}

async fn proposal(folder: &Arc<Folder>, session: &str) -> Option<Proposal> {
    let (here, name) = (Arc::clone(folder), session.to_owned());
    blocking(move || here.proposal(&name).map_err(commands::error))
        .await
        .ok()
}

fn waits(hunk: &Hunk) -> bool {
    matches!(hunk.state, HunkState::Pending | HunkState::Conflicted)
}

fn ids(proposal: &Proposal) -> Vec<String> {
    let hunks = proposal.files.iter().flat_map(|file| &file.hunks);
    hunks
        .filter(|hunk| waits(hunk))
        .map(|hunk| hunk.id.clone())
        .collect()
}

/// A hunk as removed and added lines, or its note, in at most `most` lines.
pub(crate) fn summary(hunk: &Hunk, most: usize) -> String {
    let note = hunk.note.iter().cloned();
    let old = hunk.old_text.lines().map(|line| format!("- {line}"));
    let new = hunk.new_text.lines().map(|line| format!("+ {line}"));
    let mut lines: Vec<String> = note.chain(old).chain(new).collect();
    if lines.len() > most {
        let more = lines.len() - (most - 1);
        lines.truncate(most - 1);
        lines.push(format!("… {}", plural(more, "more line")));
    }
    lines.join("\n")
}

fn plural(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use boxagnts_protocol::proposal::{Position, Range};

    fn check(note: Option<&str>, old: &str, new: &str, expect: &str) {
        let start = Position {
            line: 0,
            character: 0,
        };
        let hunk = Hunk {
            id: "h1".into(),
            state: HunkState::Pending,
            range: Range { start, end: start },
            old_text: old.into(),
            new_text: new.into(),
            live_text: None,
            note: note.map(str::to_owned),
            group: None,
            executor: None,
        };
        assert_eq!(summary(&hunk, 4), expect);
    }

    #[test]
    fn hunks_are_summed_up() {
        check(None, "a\n", "b\nc\n", "- a\n+ b\n+ c");
        check(None, "", "1\n2\n3\n4\n5\n", "+ 1\n+ 2\n+ 3\n… 2 more lines");
        check(Some("moves the file"), "", "", "moves the file");
    }
}
