//! The scheduled tasks of workspace folders: runs them while the editor has the folder open, and tells
//! its user which proposals wait.

use crate::folder::Folder;
use crate::server::Shared;
use boxagnts_protocol::schedule::{self, SchedulesParams};
use boxagnts_schedule::{News, OpenFolder, waiting_text};
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

/// Runs the tasks of a folder until it is closed, and tells of what they propose.
pub(crate) fn serve(
    shared: &Arc<Shared>,
    environment: &Arc<Environment>,
    folder: &Arc<Folder>,
    open: &OpenFolder,
) {
    let root = folder.sessions.root();
    let mut news = shared.jobs.serve(environment, root, open);
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        while let Some(news) = news.recv().await {
            tell(&shared, news).await;
        }
    });
}

/// Sends all that waits, and shows what is new of it to the user of an editor that does not.
async fn tell(shared: &Shared, News { new, waiting }: News) {
    let Some(text) = waiting_text(&new) else {
        return;
    };
    let params = SchedulesParams { waiting };
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
