//! The past of a session, told again when a client loads it.

use crate::chat::{Chat, refused};
use crate::convert;
use agent_client_protocol::Error;
use agent_client_protocol::v1::schema::{ContentChunk, SessionUpdate};
use boxagnts_protocol::commands::HistoryParams;
use boxagnts_protocol::update::{SessionEvent, TurnOutcome, Update};
use std::path::Path;

/// Longest text in one update, in bytes: answers are journalled in small pieces.
const MAX_PIECE: usize = 16 << 10;

/// Tells everything that happened, in order.
pub(crate) async fn replay(chat: &Chat) -> Result<(), Error> {
    let mut told = Told::new(chat);
    let mut after = None;
    loop {
        let params = HistoryParams {
            session: chat.id.clone(),
            after,
            limit: None,
        };
        let page = chat
            .folder
            .blocking(move |folder| folder.sessions.history(&params));
        let page = page.await.and_then(|page| page).map_err(refused)?;
        for update in page.updates {
            // Events of another version of the program are passed over.
            if let Ok(Update { event, .. }) = serde_json::from_value(update) {
                told.event(&event);
            }
        }
        after = page.next;
        if after.is_none() {
            told.flush();
            return Ok(());
        }
    }
}

struct Told<'a> {
    chat: &'a Chat,
    root: &'a Path,
    said: String,
}

impl Told<'_> {
    fn new(chat: &Chat) -> Told<'_> {
        Told {
            chat,
            root: &chat.folder.root,
            said: String::new(),
        }
    }

    fn event(&mut self, event: &SessionEvent) {
        if let SessionEvent::TextDelta { text, .. } = event {
            self.said.push_str(text);
            if self.said.len() > MAX_PIECE {
                self.flush();
            }
            return;
        }
        let words = words(event);
        let updates = convert::updates(event, self.root);
        if words.is_none() && updates.is_empty() && !is_prompt(event) {
            return;
        }
        self.flush();
        if let SessionEvent::TurnStarted { prompt, .. } = event {
            let chunk = ContentChunk::new(prompt.as_str().into());
            self.chat.update(SessionUpdate::UserMessageChunk(chunk));
        }
        for update in updates {
            self.chat.update(update);
        }
        if let Some(words) = words {
            self.chat.say(&format!("\n\n{words}\n"));
        }
    }

    fn flush(&mut self) {
        if !self.said.is_empty() {
            self.chat.say(&std::mem::take(&mut self.said));
        }
    }
}

fn is_prompt(event: &SessionEvent) -> bool {
    matches!(event, SessionEvent::TurnStarted { .. })
}

/// What is told of an event in words, because nothing of ACP stands for it.
fn words(event: &SessionEvent) -> Option<String> {
    match event {
        SessionEvent::Decided { hunks, comment, .. } => {
            let comment = comment.as_ref().map(|text| format!("\nComment: {text}"));
            let text = convert::decided(hunks);
            (!text.is_empty()).then(|| text + &comment.unwrap_or_default())
        }
        SessionEvent::Undone { result, .. } if !result.files.is_empty() => {
            Some(format!("Taken back: {}.", result.files.join(", ")))
        }
        SessionEvent::Recovered {
            applied,
            files,
            refused,
            ..
        } => Some(boxagnts_session::recovered(*applied, files, refused)),
        SessionEvent::TurnEnded { outcome, .. } => match outcome {
            TurnOutcome::Done => None,
            TurnOutcome::Cancelled => Some("*Cancelled.*".to_owned()),
            TurnOutcome::Failed { message, .. } => Some(format!("*{message}*")),
            TurnOutcome::Limit { limit, value, .. } => {
                Some(format!("*Stopped by `{limit}` = {value}.*"))
            }
        },
        event => convert::aside(event).map(|text| format!("*{text}*")),
    }
}
