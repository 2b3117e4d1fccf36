//! Executors: sessions that work for another one, beside others. Each has its own journal, context and
//! view of the files, and no more rights than whoever wants it; what it changes is merged into the
//! proposal of that one.

use crate::context::Around;
use crate::error::SessionError;
use crate::native::TurnNatives;
use crate::queue::Wish;
use crate::session::{Session, lock};
use crate::sessions::{Past, Sessions};
use crate::turn;
use crate::worktrees::OwnFiles;
use boxagnts_managed::Purse;
use boxagnts_policy::permission::Mode;
use boxagnts_protocol::commands::WhenBusy;
use boxagnts_protocol::conversation::{Content, Role, TokenUsage};
use boxagnts_protocol::update::{Isolation, SessionEvent, TurnOutcome};
use boxagnts_store::Store;
use boxagnts_workspace::{Fork, Merged};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long an executor may take to end when it is cancelled.
const GRACE: Duration = Duration::from_secs(10);
/// Longest name of an executor, in characters.
const LABEL: usize = 60;

/// What an executor may spend, and which tools it may use.
#[derive(Debug)]
pub(crate) struct Bounds {
    pub(crate) purse: Purse,
    /// Those of its manager when absent.
    pub(crate) tools: Option<BTreeSet<String>>,
}

/// An executor as its manager knows it.
#[derive(Debug, Clone)]
pub(crate) struct Executor {
    /// Its task, in a line.
    pub(crate) task: String,
    /// Its own session.
    session: String,
    /// Ends it; `None` when it has ended.
    cancel: Option<CancellationToken>,
}

/// What an executor is to do, and with what.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) turn: u64,
    /// The tool call that wants it.
    pub(crate) call: String,
    /// Its own session, in which nothing happened yet.
    pub(crate) session: String,
    pub(crate) task: String,
    /// `provider:model`.
    pub(crate) model: String,
    pub(crate) max_turns: Option<u64>,
    pub(crate) isolation: Isolation,
    pub(crate) bounds: Bounds,
    pub(crate) cancel: CancellationToken,
}

/// What came of an executor.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) session: String,
    pub(crate) outcome: TurnOutcome,
    /// Its last words.
    pub(crate) said: String,
    pub(crate) usage: TokenUsage,
    pub(crate) cost_usd: Option<f64>,
    pub(crate) merged: Merged,
}

/// What an executor's changes are made in.
enum Files {
    Fork(Fork),
    Own(Arc<OwnFiles>),
}

/// The executors that a journal tells of; none of them runs.
pub(crate) fn known(events: &[SessionEvent]) -> BTreeMap<String, Executor> {
    let mut known = BTreeMap::new();
    for event in events {
        if let SessionEvent::ExecutorQueued {
            call,
            task,
            executor,
            ..
        } = event
        {
            let executor = Executor {
                task: task.clone(),
                session: executor.clone(),
                cancel: None,
            };
            known.insert(call.clone(), executor);
        }
    }
    known
}

/// The sessions of executors that were cut off with their manager's process, since what its turns spent was
/// last written down.
pub(crate) fn unended(events: &[SessionEvent]) -> Vec<&str> {
    let mut open: Vec<&str> = Vec::new();
    for event in events {
        match event {
            SessionEvent::ExecutorQueued { executor, .. } => open.push(executor),
            SessionEvent::ExecutorEnded { executor, .. } => open.retain(|known| known != executor),
            SessionEvent::TurnEnded { .. } => open.clear(),
            _ => {}
        }
    }
    open
}

/// What an executor used, as its own journal tells.
pub(crate) fn spent(store: &Store, executor: &str) -> (TokenUsage, Option<f64>) {
    let (mut usage, mut cost_usd) = (TokenUsage::default(), None);
    let entries = store.events(executor, 0).unwrap_or_else(|error| {
        tracing::warn!(%executor, %error, "what an executor used is not known");
        Vec::new()
    });
    for event in entries.into_iter().filter_map(|entry| entry.event.known()) {
        if let SessionEvent::ModelAnswered {
            usage: more,
            cost_usd: cost,
            ..
        } = event
        {
            usage.add(&more);
            if let Some(cost) = cost {
                *cost_usd.get_or_insert(0.0) += cost;
            }
        }
    }
    (usage, cost_usd)
}

/// A task in a line.
pub(crate) fn label(task: &str) -> String {
    let line = task.trim().lines().next().unwrap_or_default().trim();
    let line: String = line.chars().filter(|c| !c.is_control()).collect();
    match line.char_indices().nth(LABEL) {
        Some((at, _)) => format!("{}…", line[..at].trim_end()),
        None => line,
    }
}

impl Session {
    /// From now on there is an executor for that call, which waits.
    pub(crate) fn executor_waits(
        &self,
        call: &str,
        (session, task): (&str, &str),
        cancel: &CancellationToken,
    ) {
        let executor = Executor {
            task: label(task),
            session: session.to_owned(),
            cancel: Some(cancel.clone()),
        };
        lock(&self.executors).insert(call.to_owned(), executor);
    }

    /// The sessions of executors that run or wait.
    pub(crate) fn running_executors(&self) -> Vec<String> {
        let executors = lock(&self.executors);
        let running = executors.values().filter(|known| known.cancel.is_some());
        running.map(|known| known.session.clone()).collect()
    }

    /// The executor for that call has ended.
    pub(crate) fn executor_ended(&self, call: &str) {
        if let Some(executor) = lock(&self.executors).get_mut(call) {
            executor.cancel = None;
        }
    }

    /// Has an executor do its work, from its beginning to what it leaves.
    pub(crate) async fn work(self: &Arc<Session>, work: Work) -> Result<Done, SessionError> {
        let (turn, call, cancel) = (work.turn, work.call.clone(), work.cancel.clone());
        let task = work.task.clone();
        let made = self.executor(work);
        let (executor, files) = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(SessionError::Ending),
            made = made => made?,
        };
        let begun = self.emit(SessionEvent::ExecutorStarted {
            turn,
            call: call.clone(),
            executor: executor.id.clone(),
        });
        let outcome = match begun {
            Ok(()) => executor.run_to_end(task, &cancel).await,
            Err(error) => Err(error.into()),
        };
        executor.over();
        let outcome = outcome?;
        let merged = match (&outcome, files) {
            // Whoever ends it does not want it.
            (TurnOutcome::Cancelled, _) => Ok(Merged::default()),
            (_, Files::Fork(fork)) => Ok(self.overlay.merge(&fork, &call)),
            (_, Files::Own(files)) => {
                let changed = files.finish(Arc::clone(&executor.overlay)).await;
                changed.map(|changed| {
                    let mut merged = self.overlay.merge_files(changed.files, &call);
                    merged.left_out.extend(changed.left_out);
                    merged
                })
            }
        };
        let told = match &merged {
            Ok(merged) if !merged.files.is_empty() => self.emit_proposal().map_err(Into::into),
            _ => Ok(()),
        };
        // What was spent is spent, whatever became of it.
        let failed = |error: SessionError| TurnOutcome::Failed {
            message: format!("what it changed cannot be taken over: {error}"),
            may_pass: false,
        };
        let (outcome, merged) = match (merged, told) {
            (Ok(merged), Ok(())) => (outcome, merged),
            (Err(error), _) | (_, Err(error)) => (failed(error), Merged::default()),
        };
        let query = executor.query.lock().await;
        let (usage, cost_usd) = (query.usage(), query.cost_usd());
        let messages = query.messages();
        let last = messages.iter().rfind(|m| m.role == Role::Assistant);
        let texts = last.iter().flat_map(|message| &message.content);
        let texts = texts.filter_map(|content| match content {
            Content::Text { text } => Some(text.as_str()),
            _ => None,
        });
        Ok(Done {
            session: executor.id.clone(),
            outcome,
            said: texts.collect(),
            usage,
            cost_usd,
            merged,
        })
    }

    /// A session that works for this one: its own journal, and files with what is proposed now.
    async fn executor(
        self: &Arc<Session>,
        work: Work,
    ) -> Result<(Arc<Session>, Files), SessionError> {
        let sessions = self.sessions.upgrade().ok_or_else(gone)?;
        let environment = &self.environment;
        let mut config = (*self.config()).clone();
        if config.mode() == Mode::Auto {
            // What it changes is its manager's to propose.
            config = config.with_mode(Mode::Review)?;
        }
        let provider = environment.connect(&config, &work.model)?;
        let (files, overlay) = match work.isolation {
            Isolation::Overlay => {
                let fork = self.overlay.fork();
                let overlay = Arc::clone(&fork.overlay);
                (Files::Fork(fork), overlay)
            }
            Isolation::Worktree => {
                let (files, overlay) = self.worktree(label(&work.task)).await?;
                (Files::Own(Arc::new(files)), overlay)
            }
        };
        environment.store().hold_session(&work.session)?;
        let past = Past {
            manager: Some(self.id.clone()),
            files: match &files {
                Files::Own(files) => Some((Arc::clone(files), self.overlay.another())),
                Files::Fork(_) => None,
            },
            ..Past::none((overlay, Vec::new()))
        };
        let executor = sessions.assemble(work.session, config, provider, past);
        if let Some(most) = work.max_turns
            && let Ok(mut query) = executor.query.try_lock()
        {
            query.at_most(most);
        }
        *lock(&executor.bounds) = Some(work.bounds);
        sessions.opens(&executor);
        Ok((executor, files))
    }

    /// Runs the one turn of an executor.
    async fn run_to_end(
        self: &Arc<Session>,
        task: String,
        cancel: &CancellationToken,
    ) -> Result<TurnOutcome, SessionError> {
        let wish = Wish {
            prompt: task,
            around: Around::default(),
            by_model: true,
        };
        let (_, turn) = self.take(wish, WhenBusy::Refuse)?;
        let turn = turn.ok_or_else(gone)?;
        let number = turn.number;
        let natives = Arc::new(TurnNatives::new(self, number));
        let mut running = Box::pin(turn::run(self, turn, &natives));
        let (outcome, _) = tokio::select! {
            ended = &mut running => ended,
            () = cancel.cancelled() => {
                self.cancel();
                match tokio::time::timeout(GRACE, &mut running).await {
                    Ok(ended) => ended,
                    Err(_) => (TurnOutcome::Cancelled, None),
                }
            }
        };
        drop(running);
        if lock(&self.activity).running.is_some() {
            // It hangs where nothing can be cancelled: on a disk, say.
            turn::abandoned(self, number, &natives).await;
        }
        Ok(outcome)
    }

    /// An executor is paid for, and nobody speaks to it any more.
    fn over(&self) {
        lock(&self.bounds).take();
        if let Some(sessions) = self.sessions.upgrade() {
            sessions.close(&self.id);
        }
    }
}

fn gone() -> SessionError {
    SessionError::Stopped {
        reason: "the sessions of the folder are gone".to_owned(),
    }
}

impl Sessions {
    /// Ends one executor of a session, by its own session or by the tool call that wanted it, or all of
    /// them. Gives the tool calls. The turn that wanted them goes on.
    ///
    /// # Errors
    /// Unknown session, or no such executor runs or waits.
    pub fn cancel_executor(
        &self,
        session: &str,
        executor: Option<&str>,
    ) -> Result<Vec<String>, SessionError> {
        let session = self.get(session)?;
        let executors = lock(&session.executors);
        let running = executors.iter().filter(|(_, known)| known.cancel.is_some());
        let named = running.clone().filter(|(call, known)| {
            executor.is_none_or(|wanted| *call == wanted || known.session == wanted)
        });
        let mut ended = Vec::new();
        for (call, known) in named {
            if let Some(cancel) = &known.cancel {
                cancel.cancel();
                ended.push(call.clone());
            }
        }
        match executor {
            Some(executor) if ended.is_empty() => {
                let running: Vec<&str> = running.map(|(call, _)| call.as_str()).collect();
                Err(SessionError::UnknownExecutor {
                    session: session.id.clone(),
                    executor: executor.to_owned(),
                    running: match running.is_empty() {
                        true => "none".to_owned(),
                        false => running.join(", "),
                    },
                })
            }
            _ => Ok(ended),
        }
    }
}
