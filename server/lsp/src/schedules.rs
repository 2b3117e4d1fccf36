//! The scheduled tasks of workspace folders: runs them while the editor has the folder open, and tells
//! its user which proposals wait.

use crate::folder::Folder;
use crate::server::Shared;
use boxagnts_protocol::schedule::{self, SchedulesParams, WaitingProposal};
use boxagnts_schedule::{Happened, waiting_text};
use boxagnts_session::Environment;
use std::sync::Arc;
use tower_lsp::ls_types::MessageType;
use tower_lsp::ls_types::notification::Notification;

/// `boxagnts/schedules`.
enum SchedulesNotification {}

impl Notification for SchedulesNotification {
    type Params = SchedulesParams;
    const METHOD: &'static str = schedule::METHOD;
}

/// Runs the tasks of a folder for as long as the server is up, and tells of what they propose: at once
/// what waits since before, then each that ends.
pub(crate) fn serve(shared: &Arc<Shared>, environment: &Arc<Environment>, folder: &Arc<Folder>) {
    let mut happened = shared.jobs.serve(environment, folder.sessions.root());
    let (shared, environment) = (Arc::clone(shared), Arc::clone(environment));
    let workspace = folder.sessions.root().display().to_string();
    tokio::spawn(async move {
        let waiting = waiting(&environment, &workspace).await;
        tell(&shared, &waiting, &waiting).await;
        while let Some(happened) = happened.recv().await {
            let Happened::Ended { run, .. } = happened else {
                continue;
            };
            if run.hunks == 0 {
                continue;
            }
            let waiting = self::waiting(&environment, &workspace).await;
            let of_run =
                |proposal: &&WaitingProposal| Some(&proposal.session) == run.session.as_ref();
            let new: Vec<_> = waiting.iter().filter(of_run).cloned().collect();
            tell(&shared, &waiting, &new).await;
        }
    });
}

async fn waiting(environment: &Arc<Environment>, workspace: &str) -> Vec<WaitingProposal> {
    let (environment, workspace) = (Arc::clone(environment), workspace.to_owned());
    let read = move || environment.store().waiting_proposals(Some(&workspace));
    match tokio::task::spawn_blocking(read).await {
        Ok(Ok(waiting)) => waiting,
        Ok(Err(error)) => {
            tracing::warn!(%error, "cannot tell which proposals wait");
            Vec::new()
        }
        Err(error) => {
            tracing::error!(%error, "looking for proposals stopped");
            Vec::new()
        }
    }
}

/// Sends all that waits, and shows what is new of it to the user of an editor that does not.
async fn tell(shared: &Shared, waiting: &[WaitingProposal], new: &[WaitingProposal]) {
    let Some(text) = waiting_text(new) else {
        return;
    };
    let params = SchedulesParams {
        waiting: waiting.to_vec(),
    };
    let client = &shared.client;
    client
        .send_notification::<SchedulesNotification>(params)
        .await;
    if shared.can().review {
        return;
    }
    client
        .show_message(MessageType::INFO, format!("BoxAgnts: {text}"))
        .await;
}
