//! One prompt, from the client's words to the reason why it ended. However it ends, the request is
//! answered.

use crate::chat::{Chat, Running, invalid, refused};
use crate::commands;
use crate::observer::Ended;
use crate::prompt::{self, Prompt};
use crate::review::{self, Which};
use agent_client_protocol::Error;
use agent_client_protocol::v1::schema::{ContentBlock, StopReason};
use boxagnts_protocol::update::TurnOutcome;
use boxagnts_session::Ask;
use boxagnts_session::policy::path::WorkspacePath;
use boxagnts_session::workspace::Buffers;
use std::sync::Arc;
use std::time::Duration;

/// How long a cancelled turn may take to end before the client is told that it did.
const ENDING: Duration = Duration::from_secs(5);

/// Answers a prompt.
pub(crate) async fn run(
    chat: Arc<Chat>,
    blocks: Vec<ContentBlock>,
    running: Running,
) -> Result<StopReason, Error> {
    let roots = [chat.folder.root.as_path(), chat.folder.sessions.root()];
    let prompt = prompt::read(&blocks, &roots).map_err(invalid)?;
    chat.folder.files.use_session(&chat.id);
    let ended = match commands::parse(&prompt.text) {
        Some(command) => {
            let command = command.map_err(invalid)?;
            tokio::select! {
                ended = commands::run(&chat, command) => ended.map(|()| StopReason::EndTurn),
                () = running.cancel.cancelled() => Ok(StopReason::Cancelled),
            }
        }
        None => turn(&chat, prompt, &running).await,
    };
    // What was cancelled is not an error, whatever was in the way.
    match running.cancel.is_cancelled() {
        true => Ok(StopReason::Cancelled),
        false => ended,
    }
}

async fn turn(chat: &Arc<Chat>, prompt: Prompt, running: &Running) -> Result<StopReason, Error> {
    let cancel = &running.cancel;
    chat.set_wanted_model().await.map_err(refused)?;
    tokio::select! {
        () = look(chat, &prompt.files) => {}
        () = cancel.cancelled() => return Ok(StopReason::Cancelled),
    }
    let mut ended = chat.folder.followed.wait(&chat.id);
    let ask = Ask {
        prompt: prompt.text,
        session: Some(chat.id.clone()),
        attached: prompt.attached,
        ..Ask::default()
    };
    let asked = chat.folder.blocking(move |folder| folder.sessions.ask(ask));
    asked.await.and_then(|asked| asked).map_err(refused)?;
    let ended = tokio::select! {
        ended = &mut ended => ended,
        () = cancel.cancelled() => {
            let id = chat.id.clone();
            let cancelled = chat.folder.blocking(move |folder| folder.sessions.cancel(&id));
            cancelled.await.and_then(|cancelled| cancelled).map_err(refused)?;
            match tokio::time::timeout(ENDING, &mut ended).await {
                Ok(ended) => ended,
                // It ends without its client.
                Err(_) => return Ok(StopReason::Cancelled),
            }
        }
    };
    let Ended {
        outcome,
        is_refusal,
    } = ended.map_err(|_| Error::new(-32603, "nothing more is heard of the turn"))?;
    let reason = match outcome {
        TurnOutcome::Cancelled => return Ok(StopReason::Cancelled),
        TurnOutcome::Done => StopReason::EndTurn,
        TurnOutcome::Failed { message, .. } if is_refusal => {
            chat.say(&format!("\n\n{message}\n"));
            StopReason::Refusal
        }
        TurnOutcome::Failed { message, .. } => {
            review::tell_waiting(chat).await?;
            return Err(Error::new(-32603, message));
        }
        TurnOutcome::Limit { limit, value, used } => {
            chat.say(&format!(
                "\n\nStopped by `{limit}` = {value}; {used} were used.\n"
            ));
            match limit.as_str() {
                "max_tokens_total" | "max_tokens_recovery_limit" | "total_budget_usd" => {
                    StopReason::MaxTokens
                }
                _ => StopReason::MaxTurnRequests,
            }
        }
    };
    tokio::select! {
        reviewed = review::review(chat, Which::New) => reviewed?,
        () = cancel.cancelled() => {}
    }
    Ok(reason)
}

/// Asks the client for the texts that the turn is about, and for those that were looked at before.
async fn look(chat: &Chat, files: &[WorkspacePath]) {
    let client = &chat.folder.files;
    let mut paths = files.to_vec();
    let known = client.known();
    paths.extend(known.into_iter().rev().filter(|path| !files.contains(path)));
    client.refresh(&paths).await;
}
