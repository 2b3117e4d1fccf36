//! Tells the client what happens in its sessions, in order, and whoever waits for a turn how it ended.

use crate::convert;
use crate::options;
use crate::peer::Peer;
use agent_client_protocol::v1::schema::{Cost, SessionInfoUpdate, SessionUpdate, UsageUpdate};
use boxagnts_protocol::conversation::StopReason;
use boxagnts_protocol::update::{SessionEvent, TurnOutcome, Update};
use boxagnts_session::{Environment, Sessions};
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{Notify, oneshot};

/// How long a call may take to be told; then the question goes first.
const TELLING: Duration = Duration::from_secs(2);

/// Tool calls that the client has heard of.
#[derive(Default)]
pub(crate) struct Announced {
    calls: Mutex<HashSet<(String, String)>>,
    news: Notify,
}

impl Announced {
    fn add(&self, session: &str, call: &str) {
        lock(&self.calls).insert((session.to_owned(), call.to_owned()));
        self.news.notify_waiters();
    }

    fn forget(&self, session: &str) {
        lock(&self.calls).retain(|(of, _)| of != session);
    }

    /// Waits until the client was told of a call.
    pub(crate) async fn wait(&self, session: &str, call: &str) {
        let key = (session.to_owned(), call.to_owned());
        let told = async {
            loop {
                let news = self.news.notified();
                tokio::pin!(news);
                news.as_mut().enable();
                if lock(&self.calls).contains(&key) {
                    return;
                }
                news.await;
            }
        };
        if tokio::time::timeout(TELLING, told).await.is_err() {
            tracing::warn!(session, call, "a question goes before its call");
        }
    }
}

/// How a turn ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) outcome: TurnOutcome,
    /// Whether the model would not answer.
    pub(crate) is_refusal: bool,
}

/// Sessions that the client has open, and turns that somebody waits for.
#[derive(Default)]
pub(crate) struct Followed {
    sessions: Mutex<HashMap<String, Option<oneshot::Sender<Ended>>>>,
}

impl Followed {
    /// From now on the client hears of the session.
    pub(crate) fn add(&self, session: &str) {
        lock(&self.sessions).entry(session.to_owned()).or_default();
    }

    pub(crate) fn remove(&self, session: &str) {
        lock(&self.sessions).remove(session);
    }

    /// Hears how the next turn ends, behind everything else that the client hears of it.
    pub(crate) fn wait(&self, session: &str) -> oneshot::Receiver<Ended> {
        let (sender, receiver) = oneshot::channel();
        lock(&self.sessions).insert(session.to_owned(), Some(sender));
        receiver
    }

    fn has(&self, session: &str) -> bool {
        lock(&self.sessions).contains_key(session)
    }

    fn take(&self, session: &str) -> Option<oneshot::Sender<Ended>> {
        lock(&self.sessions).get_mut(session)?.take()
    }
}

/// Follows the sessions of a folder for as long as they are there.
pub(crate) struct Observer {
    pub(crate) peer: Arc<Peer>,
    pub(crate) sessions: Weak<Sessions>,
    pub(crate) environment: Arc<Environment>,
    pub(crate) root: PathBuf,
    pub(crate) followed: Arc<Followed>,
    pub(crate) announced: Arc<Announced>,
}

impl Observer {
    pub(crate) async fn run(self, mut updates: UnboundedReceiver<Update>) {
        // Sessions in which a turn runs, with the tokens of its last answer and why that stopped.
        let mut running: HashMap<String, (u64, Option<StopReason>)> = HashMap::new();
        while let Some(Update { session, event, .. }) = updates.recv().await {
            if !self.followed.has(&session) {
                continue;
            }
            for update in convert::updates(&event, &self.root) {
                self.peer.update(&session, update);
            }
            if let Some(aside) = convert::aside(&event) {
                self.peer.notice(&session, &aside);
            }
            match event {
                SessionEvent::TurnStarted { turn, .. } => {
                    running.insert(session.clone(), (0, None));
                    if turn == 1 {
                        self.title(&session);
                    }
                }
                SessionEvent::ToolStarted { call, .. } => self.announced.add(&session, &call.id),
                SessionEvent::ModelAnswered { usage, stop, .. } => {
                    let (used, last) = running.entry(session).or_default();
                    // Of one that was lost nobody knows more than the worst.
                    if stop != StopReason::Lost {
                        *used = usage.total();
                    }
                    *last = Some(stop);
                }
                SessionEvent::ModeChanged { .. } => self.settled(&session),
                // What is decided between turns is told by whoever was asked for it.
                SessionEvent::Decided { hunks, .. } if running.contains_key(&session) => {
                    let text = format!("\n\n{}\n", convert::decided(&hunks));
                    self.peer.say(&session, text);
                }
                SessionEvent::TurnEnded {
                    outcome, cost_usd, ..
                } => {
                    let (used, stop) = running.remove(&session).unwrap_or_default();
                    self.usage(&session, used, cost_usd);
                    self.announced.forget(&session);
                    if let Some(waiting) = self.followed.take(&session) {
                        let is_refusal = stop == Some(StopReason::Refusal);
                        let _ = waiting.send(Ended {
                            outcome,
                            is_refusal,
                        });
                    }
                }
                _ => {}
            }
        }
    }

    fn settled(&self, session: &str) {
        let sessions = self.sessions.upgrade();
        let Some(settled) = sessions.and_then(|sessions| sessions.settled(session).ok()) else {
            return;
        };
        for update in options::changed(&settled, self.environment.config()) {
            self.peer.update(session, update);
        }
    }

    fn title(&self, session: &str) {
        let Some(sessions) = self.sessions.upgrade() else {
            return;
        };
        if let Ok(summary) = sessions.summary(session) {
            let info = SessionInfoUpdate::new().title(summary.title);
            self.peer
                .update(session, SessionUpdate::SessionInfoUpdate(info));
        }
    }

    /// Tells nothing where it is not known how much the model can take.
    fn usage(&self, session: &str, used: u64, cost_usd: Option<f64>) {
        let sessions = self.sessions.upgrade();
        let settled = sessions.and_then(|sessions| sessions.settled(session).ok());
        if let Some(size) = settled.and_then(|settled| settled.context_window)
            && used > 0
        {
            let cost = cost_usd.map(|amount| Cost::new(amount, "USD"));
            let usage = UsageUpdate::new(used, size).cost(cost);
            self.peer.update(session, SessionUpdate::UsageUpdate(usage));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
