//! Native tools, as a session carries them out for its model: each in a file of its own.

mod ask_user;
mod asking;
mod plan;
mod question;
mod spawn;
mod todo;

pub(crate) use asking::Open;
pub(crate) use todo::latest;

use crate::session::Session;
use async_trait::async_trait;
use boxagnts_managed::Account;
use boxagnts_protocol::conversation::{TokenUsage, ToolCall};
use boxagnts_protocol::tool::FailureKind;
use boxagnts_query::Left;
use boxagnts_tools::{
    ASK_USER, NativeOutcome, Natives, PROPOSE_PLAN, QUESTION, SPAWN_EXECUTOR, TODO,
};
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Sub-questions that are answered at the same time; others wait.
const AT_ONCE: usize = 4;

/// Native tools in one turn.
pub(crate) struct TurnNatives {
    session: Arc<Session>,
    turn: u64,
    /// What sub-questions and executors may spend and have spent.
    account: Arc<Account>,
    at_once: Semaphore,
    /// As the session's own `max_concurrent_executors`, which may be less than the process's.
    at_once_executors: Arc<Semaphore>,
    /// Executors that have not ended, also when nobody waits for them.
    executors: TaskTracker,
    /// The user is asked one thing at a time.
    asking: tokio::sync::Mutex<()>,
    /// A tool's result is the turn's.
    ends: AtomicBool,
}

impl TurnNatives {
    pub(crate) fn new(session: &Arc<Session>, turn: u64) -> TurnNatives {
        let executors = session.config().limits().max_concurrent_executors;
        let executors = usize::try_from(executors).unwrap_or(Semaphore::MAX_PERMITS);
        TurnNatives {
            session: Arc::clone(session),
            turn,
            account: Arc::default(),
            at_once: Semaphore::new(AT_ONCE),
            at_once_executors: Arc::new(Semaphore::new(executors)),
            executors: TaskTracker::new(),
            asking: tokio::sync::Mutex::default(),
            ends: AtomicBool::new(false),
        }
    }

    /// Says what is left of the session's budgets for the tools that run next.
    pub(crate) fn may_spend(&self, left: Left) {
        self.account.open(left);
    }

    /// What was spent since it was asked last, for the session's budgets.
    pub(crate) fn take_spent(&self) -> (TokenUsage, Option<f64>) {
        self.account.take_spent()
    }

    /// Waits for executors whose turn is over; they were told to end.
    pub(crate) async fn executors_ended(&self) {
        self.executors.close();
        self.executors.wait().await;
    }

    /// Whether the turn ends with the tools that run.
    pub(crate) fn ends(&self) -> bool {
        self.ends.load(Ordering::Relaxed)
    }

    fn end_turn(&self) {
        self.ends.store(true, Ordering::Relaxed);
    }
}

#[async_trait]
impl Natives for TurnNatives {
    async fn run(&self, call: &ToolCall, cancel: &CancellationToken) -> NativeOutcome {
        let ran = match call.name.as_str() {
            ASK_USER => ask_user::run(self, call).await,
            TODO => todo::run(self, call),
            PROPOSE_PLAN => plan::run(self, call).await,
            QUESTION => question::run(self, call, cancel).await,
            SPAWN_EXECUTOR => spawn::run(self, call, cancel).await,
            other => Err(NativeOutcome::failed(
                FailureKind::UnknownTool,
                format!("no session carries out `{other}`"),
            )),
        };
        ran.unwrap_or_else(|failed| failed)
    }
}

/// The input of a call; it fits the tool's schema.
fn input<T: DeserializeOwned>(call: &ToolCall) -> Result<T, NativeOutcome> {
    serde_json::from_value(call.input.clone()).map_err(|error| {
        let message = format!("the input of `{}` does not fit: {error}", call.name);
        NativeOutcome::failed(FailureKind::InvalidInput, message)
    })
}

/// What cannot be journalled does not happen.
fn unwritten(error: impl std::fmt::Display) -> NativeOutcome {
    let message = format!("the journal cannot be written: {error}");
    NativeOutcome::failed(FailureKind::Internal, message)
}
