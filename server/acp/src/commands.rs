//! What is decided by words, without the model: `/review`, `/accept`, `/reject`, `/undo`.

use crate::chat::{Chat, refused};
use crate::convert;
use crate::review::{self, Which};
use agent_client_protocol::Error;
use boxagnts_protocol::commands::{CheckpointKind, RefusedFile};
use boxagnts_protocol::proposal::FileProposal;
use boxagnts_session::Selection;
use boxagnts_session::policy::path::WorkspacePath;
use boxagnts_session::workspace::Buffers;
use std::sync::Arc;

/// Name, meaning and what to write behind.
pub(crate) const OURS: &[(&str, &str, &str)] = &[
    ("review", "Asks about each file with changes that wait", ""),
    (
        "accept",
        "Writes changes that wait",
        "nothing for all, or paths, or ids of hunks",
    ),
    (
        "reject",
        "Drops changes that wait; the model hears of it, and of your comment",
        "nothing for all, or paths, or ids of hunks, then a comment",
    ),
    ("undo", "Takes the changes back that were accepted last", ""),
];

/// Checkpoints that are looked through for the latest one.
const MAX_CHECKPOINTS: usize = 100;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    Review,
    Accept(Vec<String>),
    Reject(Vec<String>),
    Undo,
}

/// The command that a prompt is; `None` when it is none of ours.
pub(crate) fn parse(text: &str) -> Option<Result<Command, String>> {
    let text = text.trim();
    let (name, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let alone = |command: Command| match rest.trim() {
        "" => Ok(command),
        rest => Err(format!("`{name}` takes nothing, and `{rest}` is behind it")),
    };
    match name {
        "/review" => Some(alone(Command::Review)),
        "/undo" => Some(alone(Command::Undo)),
        "/accept" => Some(words(rest).map(Command::Accept)),
        "/reject" => Some(words(rest).map(Command::Reject)),
        _ => None,
    }
}

/// Words, with those in quotes as one.
fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (word, behind) = match rest.strip_prefix('"') {
            Some(quoted) => quoted
                .split_once('"')
                .ok_or("a quotation mark is missing")?,
            None => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
        };
        words.push(word.to_owned());
        rest = behind.trim_start();
    }
    Ok(words)
}

/// Carries a command out, and says what came of it.
pub(crate) async fn run(chat: &Arc<Chat>, command: Command) -> Result<(), Error> {
    match command {
        Command::Undo => return undo(chat).await,
        Command::Review | Command::Accept(_) | Command::Reject(_) => {}
    }
    let files = chat.folder.waiting(&chat.id).await.map_err(refused)?;
    if files.is_empty() {
        chat.say("Nothing waits for a decision.\n");
        return Ok(());
    }
    let hunks = match command {
        Command::Accept(words) => {
            let (hunks, rest) = chosen(chat, &files, words);
            if let Some(word) = rest.first() {
                chat.say(&unknown(word, &files));
                return Ok(());
            }
            review::accept(chat, Selection::Hunks(hunks)).await?
        }
        Command::Reject(words) => {
            let (hunks, rest) = chosen(chat, &files, words);
            if let (true, Some(word)) = (hunks.is_empty(), rest.first()) {
                chat.say(&unknown(word, &files));
                return Ok(());
            }
            let comment = (!rest.is_empty()).then(|| rest.join(" "));
            review::reject(chat, Selection::Hunks(hunks), comment).await?
        }
        _ => return review::review(chat, Which::All).await,
    };
    chat.say(&format!("{}\n", convert::decided(&hunks)));
    review::tell_waiting(chat).await
}

/// The hunks that the words name, and the words from the first one on that names none. No words, and
/// `all`, are all hunks.
fn chosen(chat: &Chat, files: &[FileProposal], words: Vec<String>) -> (Vec<String>, Vec<String>) {
    let all = || {
        files
            .iter()
            .flat_map(|file| &file.hunks)
            .map(|hunk| hunk.id.clone())
            .collect()
    };
    if words.is_empty() {
        return (all(), Vec::new());
    }
    let mut hunks: Vec<String> = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let path = word.trim_start_matches('@');
        let absolute = |file: &FileProposal| chat.folder.root.join(&file.path);
        let file = files
            .iter()
            .find(|file| file.path == path || absolute(file).to_str() == Some(path));
        let named: Vec<String> = match file {
            Some(file) => file.hunks.iter().map(|hunk| hunk.id.clone()).collect(),
            None if word == "all" => all(),
            None => {
                let hunks = files.iter().flat_map(|file| &file.hunks);
                hunks
                    .filter(|hunk| hunk.id == *word)
                    .map(|hunk| hunk.id.clone())
                    .collect()
            }
        };
        if named.is_empty() {
            return (hunks, words.get(at..).unwrap_or_default().to_vec());
        }
        for id in named {
            if !hunks.contains(&id) {
                hunks.push(id);
            }
        }
    }
    (hunks, Vec::new())
}

fn unknown(word: &str, files: &[FileProposal]) -> String {
    let names = files.iter().flat_map(|file| {
        let ids = file.hunks.iter().map(|hunk| hunk.id.clone());
        std::iter::once(format!("`{}`", file.path)).chain(ids)
    });
    let names: Vec<String> = names.take(50).collect();
    format!(
        "`{word}` is no file and no hunk that waits, so nothing was done. What waits: {}.\n",
        names.join(", ")
    )
}

async fn undo(chat: &Arc<Chat>) -> Result<(), Error> {
    let id = chat.id.clone();
    let latest = chat.folder.blocking(move |folder| {
        let checkpoints = folder.sessions.checkpoints(Some(&id), MAX_CHECKPOINTS)?;
        let latest = checkpoints
            .into_iter()
            .find(|batch| batch.kind == CheckpointKind::Accept && !batch.undone);
        Ok(latest)
    });
    let latest = latest.await.and_then(|latest| latest).map_err(refused)?;
    let Some(latest) = latest else {
        chat.say("Nothing was accepted in this session that is not taken back already.\n");
        return Ok(());
    };
    let paths: Vec<WorkspacePath> = latest
        .files
        .iter()
        .filter_map(|path| WorkspacePath::parse(path).ok())
        .collect();
    chat.folder.files.refresh(&paths).await;
    let (id, sessions) = (chat.id.clone(), Arc::clone(&chat.folder.sessions));
    let undoing = chat
        .folder
        .blocking(move |_| sessions.undo(Some(latest.checkpoint), Some(&id)));
    let undoing = undoing.await.and_then(|undoing| undoing).map_err(refused)?;
    let result = undoing.task.await;
    let result = result.map_err(|error| Error::new(-32603, error.to_string()))?;
    let result = result.map_err(refused)?;
    let mut text = String::new();
    if !result.files.is_empty() {
        text.push_str(&format!("Taken back: {}.\n", result.files.join(", ")));
    }
    for RefusedFile { path, reason } in &result.refused {
        text.push_str(&format!("`{path}` was not taken back: {reason}\n"));
    }
    chat.say(&text);
    review::tell_waiting(chat).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Option<Result<Command, &str>>) {
        match (parse(text), expect) {
            (Some(Err(got)), Some(Err(part))) => assert!(got.contains(part), "{got}"),
            (got, expect) => assert_eq!(got, expect.map(|e| e.map_err(str::to_owned)), "{text}"),
        }
    }

    #[test]
    fn prompts_that_are_commands_are_known() {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        check("accept", None);
        check("/acceptance", None);
        check("/help", None);
        check(" /review ", Some(Ok(Command::Review)));
        check("/review x", Some(Err("takes nothing")));
        check("/undo", Some(Ok(Command::Undo)));
        check("/accept", Some(Ok(Command::Accept(vec![]))));
        check(
            "/accept h1\n h2",
            Some(Ok(Command::Accept(owned(&["h1", "h2"])))),
        );
        check(
            "/reject \"a b.rs\" use tabs",
            Some(Ok(Command::Reject(owned(&["a b.rs", "use", "tabs"])))),
        );
        check("/accept \"a", Some(Err("quotation mark")));
    }
}
