//! Deciding on what is proposed: one question for each file, with its diff.

use crate::chat::{Chat, lock, refused};
use crate::convert;
use agent_client_protocol::Error;
use agent_client_protocol::v1::schema::{
    Diff, PermissionOption, PermissionOptionKind, RequestPermissionRequest, SessionUpdate,
    ToolCall, ToolCallContent, ToolCallLocation, ToolCallStatus, ToolCallUpdate,
    ToolCallUpdateFields, ToolKind,
};
use boxagnts_protocol::commands::HunkStatus;
use boxagnts_protocol::proposal::{ChangeKind, FileProposal, HunkState};
use boxagnts_session::policy::path::WorkspacePath;
use boxagnts_session::{Selection, Sides};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const ACCEPT: &str = "accept";
const REJECT: &str = "reject";
const LATER: &str = "later";

/// Largest text of a file that is shown whole, in bytes; of larger ones the hunks are.
const MAX_WHOLE: usize = 256 << 10;
/// Most that is shown of the hunks of a file, in bytes.
const MAX_HUNKS: usize = 256 << 10;

/// Which files are asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// Those with hunks that the user did not put off.
    New,
    /// All of them.
    All,
}

/// What the user said to a question.
enum Answer {
    Accept,
    Reject,
    Later,
    /// The question was put away: no more of them.
    Enough,
    /// The client cannot ask.
    Nobody,
}

/// Asks about each file with hunks that wait, and carries out what is said. What is left is told.
pub(crate) async fn review(chat: &Arc<Chat>, which: Which) -> Result<(), Error> {
    let files = chat.folder.waiting(&chat.id).await.map_err(refused)?;
    for file in files {
        let ids: BTreeSet<String> = file.hunks.iter().map(|hunk| hunk.id.clone()).collect();
        if which == Which::New && lock(&chat.later).get(&file.path) == Some(&ids) {
            continue;
        }
        let card = Card::new(chat, &file).await?;
        match card.ask().await {
            Answer::Accept => card.accept(&file).await?,
            Answer::Reject => card.reject(&file).await?,
            Answer::Later => {
                lock(&chat.later).insert(file.path.clone(), ids);
                card.close(ToolCallStatus::Completed, "It waits.");
            }
            Answer::Enough | Answer::Nobody => {
                card.close(ToolCallStatus::Completed, "It waits.");
                break;
            }
        }
    }
    tell_waiting(chat).await
}

/// Says how much waits, if anything does.
pub(crate) async fn tell_waiting(chat: &Arc<Chat>) -> Result<(), Error> {
    let files = chat.folder.waiting(&chat.id).await.map_err(refused)?;
    let hunks: usize = files.iter().map(|file| file.hunks.len()).sum();
    if hunks > 0 {
        let lines = files.iter().map(|file| {
            let ids: Vec<&str> = file.hunks.iter().map(|hunk| hunk.id.as_str()).collect();
            format!("- `{}`: {}\n", file.path, ids.join(", "))
        });
        let lines: String = lines.take(MAX_LISTED).collect();
        let more = match files.len().saturating_sub(MAX_LISTED) {
            0 => String::new(),
            n => format!("- and {n} more files\n"),
        };
        chat.say(&format!(
            "\n\nNot decided yet (`/review`, `/accept`, `/reject`):\n{lines}{more}"
        ));
    }
    Ok(())
}

/// Files that are named in one message.
const MAX_LISTED: usize = 20;

/// The question about a file, as the client shows it: a call with a diff.
struct Card<'a> {
    chat: &'a Arc<Chat>,
    call: ToolCall,
    fits: bool,
}

impl<'a> Card<'a> {
    async fn new(chat: &'a Arc<Chat>, file: &FileProposal) -> Result<Card<'a>, Error> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let (id, path) = (chat.id.clone(), file.path.clone());
        let sides = chat
            .folder
            .blocking(move |folder| folder.sessions.sides(&id, &path));
        let sides = sides.await.and_then(|sides| sides).map_err(refused)?;
        let absolute = chat.folder.root.join(&file.path);
        let mut location = ToolCallLocation::new(absolute);
        if let Some(hunk) = file.hunks.first() {
            location = location.line(hunk.range.start.line.saturating_add(1));
        }
        let call = ToolCall::new(format!("review-{number}"), title(file))
            .kind(match file.kind {
                ChangeKind::Delete => ToolKind::Delete,
                ChangeKind::Rename => ToolKind::Move,
                ChangeKind::Create | ChangeKind::Modify => ToolKind::Edit,
            })
            .status(ToolCallStatus::Pending)
            .content(content(chat, file, sides))
            .locations(vec![location]);
        chat.update(SessionUpdate::ToolCall(call.clone()));
        let fits = file
            .hunks
            .iter()
            .any(|hunk| hunk.state == HunkState::Pending);
        Ok(Card { chat, call, fits })
    }

    async fn ask(&self) -> Answer {
        let option =
            |id: &'static str, name: &'static str, kind| PermissionOption::new(id, name, kind);
        let mut options = Vec::new();
        if self.fits {
            options.push(option(ACCEPT, "Accept", PermissionOptionKind::AllowOnce));
        }
        options.push(option(REJECT, "Reject", PermissionOptionKind::RejectOnce));
        options.push(option(
            LATER,
            "Decide later",
            PermissionOptionKind::RejectOnce,
        ));
        let call = ToolCallUpdate::from(self.call.clone());
        let request = RequestPermissionRequest::new(self.chat.id.clone(), call, options);
        match self.chat.peer.ask(request).await {
            Ok(Some(answer)) => match answer.as_str() {
                ACCEPT if self.fits => Answer::Accept,
                REJECT => Answer::Reject,
                _ => Answer::Later,
            },
            Ok(None) => Answer::Enough,
            Err(error) => {
                tracing::info!(%error, "the client cannot ask");
                Answer::Nobody
            }
        }
    }

    /// Writes the hunks that were shown and fit.
    async fn accept(&self, file: &FileProposal) -> Result<(), Error> {
        let fit = file
            .hunks
            .iter()
            .filter(|hunk| hunk.state == HunkState::Pending);
        let ids = fit.map(|hunk| hunk.id.clone()).collect();
        let hunks = accept(self.chat, Selection::Hunks(ids)).await?;
        let written = hunks.iter().all(|hunk| hunk.state == HunkState::Accepted);
        let status = match written {
            true => ToolCallStatus::Completed,
            false => ToolCallStatus::Failed,
        };
        self.close(status, &convert::decided(&hunks));
        Ok(())
    }

    async fn reject(&self, file: &FileProposal) -> Result<(), Error> {
        let ids = file.hunks.iter().map(|hunk| hunk.id.clone()).collect();
        let hunks = reject(self.chat, Selection::Hunks(ids), None).await?;
        // In ACP, what the user does not want has failed.
        self.close(ToolCallStatus::Failed, &convert::decided(&hunks));
        Ok(())
    }

    fn close(&self, status: ToolCallStatus, text: &str) {
        let mut content = self.call.content.clone();
        content.push(text.into());
        let fields = ToolCallUpdateFields::new().status(status).content(content);
        let update = ToolCallUpdate::new(self.call.tool_call_id.clone(), fields);
        self.chat.update(SessionUpdate::ToolCallUpdate(update));
    }
}

/// Applies a selection, and waits until it is.
pub(crate) async fn accept(
    chat: &Arc<Chat>,
    selection: Selection,
) -> Result<Vec<HunkStatus>, Error> {
    let (id, sessions) = (chat.id.clone(), Arc::clone(&chat.folder.sessions));
    let accepted = chat
        .folder
        .blocking(move |_| sessions.accept(&id, &selection));
    let (_, applied) = accepted
        .await
        .and_then(|accepted| accepted)
        .map_err(refused)?;
    applied
        .await
        .map_err(|error| Error::new(-32603, error.to_string()))
}

/// Drops a selection.
pub(crate) async fn reject(
    chat: &Arc<Chat>,
    selection: Selection,
    comment: Option<String>,
) -> Result<Vec<HunkStatus>, Error> {
    let id = chat.id.clone();
    let rejected = chat
        .folder
        .blocking(move |folder| folder.sessions.reject(&id, &selection, comment));
    let rejected = rejected
        .await
        .and_then(|rejected| rejected)
        .map_err(refused)?;
    Ok(rejected.hunks)
}

fn title(file: &FileProposal) -> String {
    let path = &file.path;
    let hunks = match file.hunks.len() {
        1 => "1 hunk".to_owned(),
        n => format!("{n} hunks"),
    };
    match (file.kind, &file.from) {
        (ChangeKind::Create, _) => format!("Review new file {path}"),
        (ChangeKind::Delete, _) => format!("Review deletion of {path}"),
        (ChangeKind::Rename, Some(from)) => format!("Review {from} moved to {path}"),
        _ => format!("Review {path}: {hunks}"),
    }
}

fn content(chat: &Chat, file: &FileProposal, sides: Sides) -> Vec<ToolCallContent> {
    let absolute = chat.folder.root.join(&file.path);
    let mut content: Vec<ToolCallContent> = Vec::new();
    let danger = WorkspacePath::parse(&file.path)
        .ok()
        .and_then(|path| path.dangerous());
    if let Some(reason) = danger {
        content.push(format!("Look closely: {reason}.").into());
    }
    let is_new = file.kind == ChangeKind::Create;
    let Sides { base, proposed } = sides;
    if base.len().max(proposed.len()) <= MAX_WHOLE && base != proposed {
        let old = (!is_new).then_some(base);
        content.push(Diff::new(absolute.clone(), proposed).old_text(old).into());
    } else {
        let mut bytes = 0;
        let changes = file
            .hunks
            .iter()
            .filter(|hunk| hunk.state == HunkState::Pending);
        for hunk in changes.filter(|hunk| hunk.old_text != hunk.new_text) {
            bytes += hunk.old_text.len() + hunk.new_text.len();
            if bytes > MAX_HUNKS {
                content.push("The rest is too long to be shown.".into());
                break;
            }
            let diff = Diff::new(absolute.clone(), hunk.new_text.clone());
            content.push(diff.old_text(hunk.old_text.clone()).into());
        }
    }
    for hunk in &file.hunks {
        if let Some(note) = &hunk.note {
            content.push(format!("{}: {note}", hunk.id).into());
        }
        if hunk.state == HunkState::Conflicted {
            let fence = convert::fence(&hunk.new_text);
            content.push(
                format!(
                    "{} conflicts with your text at line {}, and stays as it is:\n{fence}\n{}{fence}",
                    hunk.id,
                    hunk.range.start.line.saturating_add(1),
                    hunk.new_text
                )
                .into(),
            );
        }
    }
    content
}
