//! Carrying out one run: an ordinary session in the job's folder, in which nobody is asked and nothing
//! is accepted.

use crate::board::Ended;
use crate::clock::{Clock, SystemClock};
use async_trait::async_trait;
use boxagnts_protocol::schedule::{Allowance, Job, RunState};
use boxagnts_protocol::update::{SessionEvent, SessionMode, TurnOutcome, Update};
use boxagnts_session::policy::config::Config;
use boxagnts_session::policy::permission::Mode;
use boxagnts_session::store::{Begun, Store};
use boxagnts_session::workspace::{FilePlan, NoBuffers, Overlay};
use boxagnts_session::{Applier, Ask, Environment, NoAsker, Sessions};
use serde_json::{Value, json};
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;

/// How long a turn that was cancelled may take to end before it is dropped.
const GRACE: Duration = Duration::from_secs(10);
/// What is said of a run that had to be dropped.
pub(crate) const DROPPED: &str = "it did not end when it was cancelled, and was dropped";

/// Gives a folder what its sessions need. Faces provide it.
pub trait Workplaces: Send + Sync {
    /// The environment of a workspace folder. May do I/O.
    ///
    /// # Errors
    /// For the user: which setting, file or folder is wrong and what to do.
    fn environment(&self, root: &Path) -> Result<Arc<Environment>, String>;
}

/// A run that has begun.
pub struct RunningJob {
    begun: Begun,
    store: Arc<Store>,
}

impl RunningJob {
    pub(crate) fn new(begun: Begun, store: Arc<Store>) -> RunningJob {
        RunningJob { begun, store }
    }

    /// What is to be done.
    pub fn job(&self) -> &Job {
        &self.begun.job
    }

    /// What it may use.
    pub fn may_use(&self) -> Allowance {
        self.begun.may_use
    }

    /// Keeps which session it has.
    pub fn has_session(&self, session: &str) {
        if let Err(error) = self.store.set_run_session(&self.begun.claimed, session) {
            tracing::error!(job = %self.job().name, %error, "cannot keep the session of a run");
        }
    }
}

/// Whoever carries runs out.
#[async_trait]
pub trait Runner: Send + Sync {
    /// Carries a run out to its end, and ends soon after `cancel`. Dropping the future ends it, too.
    async fn run(&self, running: &RunningJob, cancel: &CancellationToken) -> Ended;
}

/// Runs jobs in sessions.
pub struct SessionRunner {
    workplaces: Arc<dyn Workplaces>,
    clock: Arc<dyn Clock>,
}

impl SessionRunner {
    /// Runs jobs in the sessions of these folders.
    pub fn new(workplaces: Arc<dyn Workplaces>) -> SessionRunner {
        SessionRunner {
            workplaces,
            clock: Arc::new(SystemClock),
        }
    }

    async fn open(&self, job: &Job) -> Result<(Arc<Sessions>, Arc<Environment>), String> {
        let (workplaces, folder) = (Arc::clone(&self.workplaces), job.workspace.clone());
        let open = move || {
            let root = Path::new(&folder);
            if !root.is_dir() {
                return Err(format!(
                    "the workspace {folder} is gone; bring it back, or remove the task"
                ));
            }
            let environment = workplaces.environment(root)?;
            let sessions = Sessions::open(
                Arc::clone(&environment),
                root,
                Arc::new(NoBuffers),
                Arc::new(Nobody),
                Arc::new(NoAsker),
            );
            Ok((sessions.map_err(|error| error.to_string())?, environment))
        };
        let opened = tokio::task::spawn_blocking(open).await;
        opened.unwrap_or_else(|error| Err(format!("opening the workspace stopped: {error}")))
    }

    /// Waits until the journal says how a turn ended and what it spent: by itself, or because of
    /// `cancel`. `None` when nothing more is heard of it.
    async fn wait(
        &self,
        turn: &Turn,
        number: u64,
        updates: &mut UnboundedReceiver<Update>,
        cancel: &CancellationToken,
    ) -> Option<Ended> {
        let mut ending = pin!(self.end(turn, cancel));
        let mut dropped = false;
        loop {
            tokio::select! {
                biased;
                () = &mut ending, if !dropped => dropped = true,
                update = updates.recv() => {
                    let update = update?;
                    if update.session == turn.session
                        && let SessionEvent::TurnEnded { turn: ended, outcome, .. } = update.event
                        && ended == number
                    {
                        let mut ended = self::ended(outcome);
                        // It may have ended by itself just before.
                        if dropped && ended.state == RunState::Cancelled {
                            ended.message = Some(DROPPED.to_owned());
                        }
                        return Some(ended);
                    }
                }
            }
        }
    }

    /// Has a turn end when `cancel` says so, and drops it when it does not; it still says how it ended.
    async fn end(&self, turn: &Turn, cancel: &CancellationToken) {
        cancel.cancelled().await;
        turn.cancel();
        self.clock.sleep(GRACE).await;
        turn.abandon();
    }
}

#[async_trait]
impl Runner for SessionRunner {
    async fn run(&self, running: &RunningJob, cancel: &CancellationToken) -> Ended {
        let job = running.job();
        let (sessions, environment) = match self.open(job).await {
            Ok(opened) => opened,
            Err(reason) => return Ended::failed(reason, false),
        };
        if cancel.is_cancelled() {
            return Ended::new(RunState::Cancelled);
        }
        let mut updates = sessions.subscribe();
        let ask = Ask {
            prompt: job.spec.prompt.clone(),
            model: job.spec.model.clone(),
            settings: Some(settings(job, running.may_use(), environment.config())),
            ..Ask::default()
        };
        // A model that there is not, a prompt that means nothing: none of it passes.
        let asked = match sessions.ask(ask) {
            Ok(asked) => asked,
            Err(error) => return Ended::failed(error.to_string(), false),
        };
        let mut turn = Turn {
            sessions,
            session: asked.session,
            over: false,
        };
        running.has_session(&turn.session);
        let title = format!("{}: {}", job.name, job.spec.prompt);
        if let Err(error) = environment.store().rename_session(&turn.session, &title) {
            tracing::warn!(%error, "the session of a run has no title of its own");
        }
        let Some(ended) = self.wait(&turn, asked.turn, &mut updates, cancel).await else {
            return Ended::failed("the session ended without saying how", true);
        };
        turn.over = true;
        ended
    }
}

/// A turn that is dropped, wherever it stands, when nobody waits for it any more.
struct Turn {
    sessions: Arc<Sessions>,
    session: String,
    over: bool,
}

impl Turn {
    fn cancel(&self) {
        if let Err(error) = self.sessions.cancel(&self.session) {
            tracing::error!(session = %self.session, %error, "cannot cancel");
        }
    }

    fn abandon(&self) {
        if let Err(error) = self.sessions.abandon(&self.session) {
            tracing::error!(session = %self.session, %error, "cannot drop a turn");
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.over {
            self.abandon();
        }
    }
}

/// Settings of the session of a run: those of its folder, only stricter.
fn settings(job: &Job, may_use: Allowance, config: &Config) -> Value {
    let mode = match (job.spec.mode, config.mode()) {
        (SessionMode::Plan, _) | (_, Mode::Plan) => "plan",
        // Never `auto`: nobody has looked.
        _ => "review",
    };
    let limits = config.limits();
    let mut settings = json!({ "mode": mode });
    if let Some(tokens) = may_use.tokens {
        settings["max_tokens_total"] = json!(tokens.min(limits.max_tokens_total));
    }
    if let Some(usd) = may_use.usd {
        settings["total_budget_usd"] = json!(usd.min(limits.total_budget_usd));
    }
    settings
}

fn ended(outcome: TurnOutcome) -> Ended {
    match outcome {
        TurnOutcome::Done => Ended::new(RunState::Done),
        TurnOutcome::Cancelled => Ended::new(RunState::Cancelled),
        TurnOutcome::Limit { limit, value, used } => Ended {
            message: Some(format!("{limit} = {value}, used {used}")),
            ..Ended::new(RunState::Limit)
        },
        TurnOutcome::Failed { message, may_pass } => Ended::failed(message, may_pass),
    }
}

/// Writes nothing, whoever accepts.
struct Nobody;

#[async_trait]
impl Applier for Nobody {
    async fn apply(&self, _: &Arc<Overlay>, plans: &[FilePlan]) -> Vec<Result<(), String>> {
        let reason = "a scheduled task writes nothing; accept its proposal in your editor";
        plans.iter().map(|_| Err(reason.to_owned())).collect()
    }
}

#[cfg(test)]
mod tests;
