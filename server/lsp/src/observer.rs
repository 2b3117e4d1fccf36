//! Tells the client what happens in sessions: updates, progress, diagnostics at hunks that wait,
//! and a question when a turn ends with a proposal.
//!
//! Everything here runs in tasks of its own; waiting for the client holds up no handler.

use crate::actions::{self, Waiting};
use crate::convert;
use crate::folder::Folder;
use crate::patch::{self, ContentRefresh, RefreshParams};
use crate::review::{self, Ended};
use crate::server::Shared;
use boxagnts_protocol::commands::{HunkStatus, RefusedFile};
use boxagnts_protocol::proposal::HunkState;
use boxagnts_protocol::question::UserAnswer;
use boxagnts_protocol::update::{self, PlanStatus, SessionEvent, TurnOutcome, Update};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tower_lsp::ls_types::notification::Notification;
use tower_lsp::ls_types::{
    Diagnostic, DiagnosticSeverity, MessageType, NumberOrString, ProgressToken,
};

/// Source of our diagnostics.
pub(crate) const SOURCE: &str = "boxagnts";
/// Typing is let settle before hunks are shown at their new places.
const SETTLE: Duration = Duration::from_millis(250);
/// Editors tell of their open documents soon after they have started us.
const DOCUMENTS: Duration = Duration::from_secs(1);
/// Longest text of a hunk in a diagnostic, in lines.
const DIAGNOSTIC_LINES: usize = 12;
/// Longest answer that is kept for the client's message, in bytes.
const MAX_SAID: usize = 8 << 10;

/// `boxagnts/update`.
enum UpdateNotification {}

impl Notification for UpdateNotification {
    type Params = Update;
    const METHOD: &'static str = update::METHOD;
}

/// Follows the sessions of a folder for as long as it lives.
pub(crate) fn watch(shared: &Arc<Shared>, folder: &Arc<Folder>) {
    let observer = Observer {
        shared: Arc::clone(shared),
        folder: Arc::clone(folder),
        turns: HashMap::new(),
        executors: HashMap::new(),
    };
    tokio::spawn(observer.run(folder.sessions.subscribe()));
}

/// Carries hunks over to what documents have become: their states at once, the marks at their new
/// places when typing pauses.
pub(crate) fn follow_documents(shared: &Arc<Shared>) {
    let looking = Arc::clone(shared);
    let settled = Arc::new(Notify::new());
    let typed = Arc::clone(&settled);
    tokio::spawn(async move {
        loop {
            looking.moved.notified().await;
            typed.notify_one();
            let shared = Arc::clone(&looking);
            let look = move || {
                shared
                    .known_folders()
                    .iter()
                    .for_each(|folder| folder.sessions.look())
            };
            if let Err(error) = tokio::task::spawn_blocking(look).await {
                tracing::error!(%error, "looking at changed documents stopped");
            }
        }
    });
    if shared.can().code_lens {
        // The client asks for lenses again by itself.
        return;
    }
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        loop {
            settled.notified().await;
            tokio::time::sleep(SETTLE).await;
            let looking = Arc::clone(&shared);
            let look = move || looking.known_folders();
            for folder in tokio::task::spawn_blocking(look).await.unwrap_or_default() {
                mark(&shared, &folder).await;
            }
        }
    });
}

/// Brings batches to an end that a killed server left in a folder, once the editor has told its
/// documents.
pub(crate) async fn recover(shared: Arc<Shared>, folder: Arc<Folder>) {
    tokio::time::sleep(DOCUMENTS).await;
    if let Err(error) = folder.sessions.recover().await {
        let message = format!("BoxAgnts: interrupted changes cannot be looked at: {error}");
        shared
            .client
            .show_message(MessageType::ERROR, message)
            .await;
    }
}

/// The session whose turn a progress token belongs to.
pub(crate) fn session_of(token: &ProgressToken) -> Option<String> {
    let NumberOrString::String(token) = token else {
        return None;
    };
    let mut parts = token.strip_prefix("boxagnts/")?.split('/');
    parts.next().map(str::to_owned)
}

struct Observer {
    shared: Arc<Shared>,
    folder: Arc<Folder>,
    /// By session.
    turns: HashMap<String, Running>,
    /// Sessions of executors that run, with the session that wants each.
    executors: HashMap<String, String>,
}

/// What is kept of a running turn.
struct Running {
    /// What it is doing; the progress display ends with the sender.
    doing: Option<watch::Sender<String>>,
    /// The latest answer of the model.
    said: String,
    /// The plan that it wants approved.
    plan: Option<String>,
    /// Executors of it: how many wait, run, and have ended.
    executors: [u64; 3],
}

impl Observer {
    async fn run(mut self, mut updates: UnboundedReceiver<Update>) {
        while let Some(update) = updates.recv().await {
            let Update { session, event, .. } = update.clone();
            self.shared
                .client
                .send_notification::<UpdateNotification>(update)
                .await;
            self.on(session, event).await;
        }
    }

    async fn on(&mut self, session: String, event: SessionEvent) {
        match event {
            SessionEvent::TurnStarted { turn, prompt, .. } => {
                // Before its first hunk comes: only known sessions are shown. What an executor changes
                // is shown by the session that wants it.
                if !self.executors.contains_key(&session) {
                    self.shared.remember(&session, &self.folder);
                }
                let can = self.shared.can();
                let doing = can
                    .progress
                    .then(|| progress(&self.shared, &session, turn, &prompt));
                self.turns.insert(
                    session,
                    Running {
                        doing,
                        said: String::new(),
                        plan: None,
                        executors: [0; 3],
                    },
                );
            }
            SessionEvent::ModelCalled { compacting, .. } => {
                if let Some(running) = self.turns.get_mut(&session) {
                    running.said.clear();
                    running.doing(match compacting {
                        true => "summing up the conversation",
                        false => "thinking",
                    });
                }
            }
            SessionEvent::TextDelta { text, .. } => {
                if let Some(running) = self.turns.get_mut(&session)
                    && running.said.len() < MAX_SAID
                {
                    running.said.push_str(&text);
                }
            }
            SessionEvent::Configured { .. } | SessionEvent::Instructed { .. } => {}
            SessionEvent::ModelRetry { reason, .. } => self.doing(&session, &reason),
            SessionEvent::ToolStarted { call, .. } => {
                let object = ["path", "pattern", "from"]
                    .iter()
                    .find_map(|key| call.input.get(key));
                let object = object
                    .and_then(|object| object.as_str())
                    .unwrap_or_default();
                self.doing(&session, format!("{} {object}", call.name).trim_end());
            }
            SessionEvent::ExecutorQueued { .. } => self.executors(&session, [1, 0, 0]),
            SessionEvent::ExecutorStarted { executor, .. } => {
                self.executors.insert(executor, session.clone());
                self.executors(&session, [-1, 1, 0]);
            }
            SessionEvent::ExecutorEnded { executor, .. } => {
                let began = self.executors.remove(&executor).is_some();
                self.executors(&session, if began { [0, -1, 1] } else { [-1, 0, 1] });
            }
            SessionEvent::ProposalChanged { .. } if self.executors.contains_key(&session) => {}
            SessionEvent::ProposalChanged { .. } => self.show_hunks(&session).await,
            SessionEvent::Decided {
                hunks, checkpoint, ..
            } => {
                if checkpoint.is_some() {
                    self.shared.applied.store(true, Ordering::Relaxed);
                }
                self.warn(&hunks).await;
            }
            SessionEvent::Undone { result, .. } => {
                for RefusedFile { path, reason } in &result.refused {
                    let text = format!("`{path}` was not taken back: {reason}");
                    self.say(MessageType::WARNING, &text).await;
                }
            }
            SessionEvent::Recovered {
                applied,
                files,
                refused,
                ..
            } => {
                let text = boxagnts_session::recovered(applied, &files, &refused);
                self.say(MessageType::WARNING, &text).await;
            }
            SessionEvent::Notice { message } => self.say(MessageType::WARNING, &message).await,
            SessionEvent::TurnEnded { outcome, .. } => {
                let said = self
                    .turns
                    .remove(&session)
                    .map(|turn| turn.said)
                    .unwrap_or_default();
                if !self.executors.contains_key(&session) {
                    self.ended(session, outcome, said);
                }
            }
            SessionEvent::Dropped { prompts } => {
                let text = format!("dropped what waited: {}", prompts.join("; "));
                self.say(MessageType::WARNING, &text).await;
            }
            SessionEvent::Asked { question, .. } => {
                if let Some(running) = self.turns.get_mut(&session) {
                    running.doing("waits for your answer");
                    running.plan = question.detail;
                }
            }
            SessionEvent::Answered { answer, .. } => {
                if let Some(running) = self.turns.get_mut(&session)
                    && let Some(plan) = running.plan.take()
                    // The turn ends with it.
                    && answer == UserAnswer::Nobody
                {
                    running.said = plan;
                }
            }
            SessionEvent::Plan { items, .. } => {
                let at = |status| items.iter().filter(|item| item.status == status).count();
                let now = items.iter().find(|i| i.status == PlanStatus::InProgress);
                let now = now.map_or("", |item| &item.text);
                let done = at(PlanStatus::Completed);
                self.doing(&session, format!("{done}/{} {now}", items.len()).trim_end());
            }
            SessionEvent::Nested { inner, .. } => {
                if let SessionEvent::ToolStarted { call, .. } = *inner {
                    self.doing(&session, &format!("sub-question: {}", call.name));
                }
            }
            SessionEvent::ModeChanged { .. }
            | SessionEvent::ModelAnswered { .. }
            | SessionEvent::Compacted { .. }
            | SessionEvent::Steered { .. }
            | SessionEvent::Queued { .. }
            | SessionEvent::Noted { .. }
            | SessionEvent::Thought { .. }
            | SessionEvent::Attached { .. }
            | SessionEvent::Hooked { .. }
            | SessionEvent::ToolFinished { .. } => {}
        }
    }

    /// So many more executors of a turn wait, run, and have ended.
    fn executors(&mut self, session: &str, more: [i64; 3]) {
        let Some(running) = self.turns.get_mut(session) else {
            return;
        };
        for (count, more) in running.executors.iter_mut().zip(more) {
            *count = count.saturating_add_signed(more);
        }
        let [wait, run, ended] = running.executors;
        running.doing(&format!("executors: {run} run, {wait} wait, {ended} ended"));
    }

    fn doing(&self, session: &str, what: &str) {
        if let Some(running) = self.turns.get(session) {
            running.doing(what);
        }
    }

    async fn say(&self, kind: MessageType, text: &str) {
        let message = format!("BoxAgnts: {text}");
        self.shared.client.show_message(kind, message).await;
    }

    /// Where lenses and diagnostics are, they are made anew; so are documents of the proposal.
    async fn show_hunks(&self, session: &str) {
        let can = self.shared.can();
        if can.virtual_documents {
            let client = self.shared.client.clone();
            let uri = patch::uri(session);
            tokio::spawn(async move {
                let refreshed = client.send_request::<ContentRefresh>(RefreshParams { uri });
                if let Err(error) = refreshed.await {
                    tracing::debug!(%error, "the client does not refresh documents");
                }
            });
        }
        if !can.code_lens {
            mark(&self.shared, &self.folder).await;
        } else if can.refresh_lenses && self.shared.shows_lenses.load(Ordering::Relaxed) {
            let client = self.shared.client.clone();
            tokio::spawn(async move { client.code_lens_refresh().await });
        }
    }

    /// A decision that was not carried out must not go unseen.
    async fn warn(&self, hunks: &[HunkStatus]) {
        if self.shared.can().review {
            return;
        }
        for hunk in hunks
            .iter()
            .filter(|hunk| hunk.state != HunkState::Accepted)
        {
            if let Some(reason) = &hunk.reason {
                let message = format!("BoxAgnts: {} was not applied: {reason}", hunk.id);
                self.shared
                    .client
                    .show_message(MessageType::WARNING, message)
                    .await;
            }
        }
    }

    fn ended(&self, session: String, outcome: TurnOutcome, said: String) {
        if self.shared.can().review {
            return;
        }
        let (shared, folder) = (Arc::clone(&self.shared), Arc::clone(&self.folder));
        // The user may take any time to answer.
        tokio::spawn(review::after_turn(
            shared,
            folder,
            Ended {
                session,
                outcome,
                said,
            },
        ));
    }
}

impl Running {
    fn doing(&self, what: &str) {
        if let Some(doing) = &self.doing {
            doing.send_replace(what.to_owned());
        }
    }
}

/// Begins a progress display with a cancel button. It shows what is sent, at the client's own
/// pace, and ends when the sender is dropped.
fn progress(shared: &Shared, session: &str, turn: u64, prompt: &str) -> watch::Sender<String> {
    let (sender, mut doing) = watch::channel(String::new());
    let client = shared.client.clone();
    let token = NumberOrString::String(format!("boxagnts/{session}/{turn}"));
    let title: String = prompt
        .lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(60)
        .collect();
    tokio::spawn(async move {
        if client
            .create_work_done_progress(token.clone())
            .await
            .is_err()
        {
            return;
        }
        let shown = client
            .progress(token, "BoxAgnts")
            .with_message(title)
            .with_cancel_button();
        let shown = shown.begin().await;
        while doing.changed().await.is_ok() {
            let message = doing.borrow_and_update().clone();
            shown.report_with_message(message, Some(true)).await;
        }
        shown.finish().await;
    });
    sender
}

/// Puts a diagnostic at each hunk that waits, and takes away those that no longer do.
async fn mark(shared: &Arc<Shared>, folder: &Arc<Folder>) {
    let mut marked = folder.marked.lock().await;
    let (looking, here) = (Arc::clone(shared), Arc::clone(folder));
    let look = move || -> BTreeMap<String, Vec<Diagnostic>> {
        let mut found: BTreeMap<String, Vec<Diagnostic>> = BTreeMap::new();
        for (uri, hunk) in actions::all_waiting(&looking, &here) {
            found.entry(uri).or_default().push(diagnostic(hunk));
        }
        found
    };
    let Ok(found) = tokio::task::spawn_blocking(look).await else {
        return;
    };
    let gone = marked.keys().filter(|uri| !found.contains_key(*uri));
    let gone = gone.map(|uri| (uri, &[][..]));
    // Of a large proposal only what is another one than before.
    let new = found
        .iter()
        .filter(|(uri, now)| marked.get(*uri) != Some(now));
    let new = new.map(|(uri, diagnostics)| (uri, &diagnostics[..]));
    for (uri, diagnostics) in gone.chain(new) {
        if let Some(uri) = convert::uri(uri) {
            let client = &shared.client;
            client
                .publish_diagnostics(uri, diagnostics.to_vec(), None)
                .await;
        }
    }
    *marked = found;
}

fn diagnostic(waiting: Waiting) -> Diagnostic {
    let Waiting { hunk, range, .. } = waiting;
    let (what, severity) = match hunk.state {
        HunkState::Conflicted if hunk.executor.is_some() => {
            ("conflicts", DiagnosticSeverity::WARNING)
        }
        HunkState::Conflicted => ("conflicts with your text", DiagnosticSeverity::WARNING),
        _ => ("waits for your decision", DiagnosticSeverity::INFORMATION),
    };
    let text = review::summary(&hunk, DIAGNOSTIC_LINES);
    Diagnostic {
        range,
        severity: Some(severity),
        code: Some(NumberOrString::String(hunk.id.clone())),
        source: Some(SOURCE.to_owned()),
        message: format!("{} {what}\n{text}", hunk.id),
        ..Diagnostic::default()
    }
}
