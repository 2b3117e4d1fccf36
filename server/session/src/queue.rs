//! What the user says while a turn runs: it steers the turn, waits for its end, or ends it.

use crate::context::Around;
use crate::error::SessionError;
use crate::native::TurnNatives;
use crate::session::{Activity, Session, lock};
use crate::turn::Turn;
use boxagnts_protocol::commands::{AskResult, Taken, WhenBusy};
use boxagnts_protocol::update::SessionEvent;
use std::sync::Arc;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

/// Prompts that may wait in a session.
const MOST_QUEUED: usize = 100;

/// What the user said, and where.
#[derive(Debug)]
pub(crate) struct Wish {
    pub(crate) prompt: String,
    pub(crate) around: Around,
    /// A model wrote it: nothing in it is a command or a mention of the user's.
    pub(crate) by_model: bool,
}

/// The turn that runs, as others see it.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) cancel: CancellationToken,
    /// Drops it where it stands, for it does not end when it is cancelled.
    pub(crate) abandon: CancellationToken,
    steer: UnboundedSender<Wish>,
}

impl Activity {
    /// Begins the next turn.
    fn begin(&mut self, wish: Wish) -> Turn {
        let cancel = CancellationToken::new();
        let abandon = CancellationToken::new();
        let (steer, steers) = unbounded_channel();
        self.turn += 1;
        self.running = Some(Running {
            cancel: cancel.clone(),
            abandon: abandon.clone(),
            steer,
        });
        Turn {
            number: self.turn,
            wish,
            cancel,
            abandon,
            steers,
        }
    }
}

impl Session {
    /// Takes what the user said: begins a turn, which is then to be run, or does what `when_busy` says.
    pub(crate) fn take(
        &self,
        wish: Wish,
        when_busy: WhenBusy,
    ) -> Result<(AskResult, Option<Turn>), SessionError> {
        let prompt = wish.prompt.clone();
        let mut activity = lock(&self.activity);
        let result = |turn, taken| AskResult {
            session: self.id.clone(),
            turn,
            taken,
        };
        let Some(running) = &activity.running else {
            let turn = activity.begin(wish);
            return Ok((result(turn.number, Taken::Started), Some(turn)));
        };
        let number = activity.turn;
        let waiting = activity.queue.len();
        match when_busy {
            WhenBusy::Refuse => {
                return Err(SessionError::Busy {
                    session: self.id.clone(),
                    turn: number,
                });
            }
            WhenBusy::Steer => {
                // A turn listens until it is no longer the one that runs.
                if running.cancel.is_cancelled() || running.steer.send(wish).is_err() {
                    return Err(SessionError::Ending);
                }
                return Ok((result(number, Taken::Steers), None));
            }
            _ if waiting >= MOST_QUEUED => {
                return Err(SessionError::QueueFull { waiting });
            }
            WhenBusy::Queue => activity.queue.push_back(wish),
            WhenBusy::Interrupt => {
                running.cancel.cancel();
                activity.queue.push_front(wish);
            }
        }
        let behind = match when_busy {
            WhenBusy::Interrupt => 0,
            _ => waiting as u64,
        };
        // Still locked: it is heard of before it begins.
        self.emit(SessionEvent::Queued { prompt, behind })?;
        Ok((result(number + 1 + behind, Taken::Queued), None))
    }

    /// Ends the running turn, and drops what waits for its end.
    pub(crate) fn cancel(&self) {
        let mut activity = lock(&self.activity);
        let prompts: Vec<String> = activity.queue.drain(..).map(|wish| wish.prompt).collect();
        if let Some(running) = &activity.running {
            running.cancel.cancel();
        }
        if !prompts.is_empty() {
            let _ = self.emit(SessionEvent::Dropped { prompts });
        }
    }

    /// Has the running turn dropped wherever it stands, and what waits for its end.
    pub(crate) fn abandon(&self) {
        self.cancel();
        if let Some(running) = &lock(&self.activity).running {
            running.abandon.cancel();
        }
    }

    /// The turn is over: says which one is to be run now. What steered it too late is the first of those
    /// that wait.
    pub(crate) fn next(&self, mut late: UnboundedReceiver<Wish>) -> Option<Turn> {
        let mut activity = lock(&self.activity);
        activity.running = None;
        let mut at = 0;
        while let Ok(wish) = late.try_recv() {
            activity.queue.insert(at, wish);
            at += 1;
        }
        let wish = activity.queue.pop_front()?;
        Some(activity.begin(wish))
    }
}

/// Runs a turn in a task of its own, and those that wait behind it.
pub(crate) fn run(session: Arc<Session>, turn: Turn) {
    tokio::spawn(async move {
        let mut next = Some(turn);
        while let Some(turn) = next {
            let (number, abandon) = (turn.number, turn.abandon.clone());
            let natives = Arc::new(TurnNatives::new(&session, number));
            next = tokio::select! {
                biased;
                (_, next) = crate::turn::run(&session, turn, &natives) => next,
                () = abandon.cancelled() => {
                    crate::turn::abandoned(&session, number, &natives).await;
                    None
                }
            };
        }
    });
}
