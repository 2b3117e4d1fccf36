//! Drives one turn: carries out the query loop's effects and feeds it what comes back.
//!
//! All of a turn lives in one future: dropping the model's stream or a tool's future cancels it,
//! so that cancellation works at every await.

use crate::context::{self, Instead};
use crate::decide;
use crate::hooks;
use crate::native::TurnNatives;
use crate::queue::Wish;
use crate::session::{Session, lock};
use boxagnts_model::{Delta, DeltaStream, Request};
use boxagnts_policy::path::WorkspacePath;
use boxagnts_policy::permission::Mode;
use boxagnts_protocol::conversation::{Price, TokenUsage, ToolCall};
use boxagnts_protocol::proposal::HunkState;
use boxagnts_protocol::tool::ToolReport;
use boxagnts_protocol::update::{SessionEvent, TurnOutcome};
use boxagnts_query::{Effect, Event, Query};
use boxagnts_store::StoreError;
use boxagnts_tools::Natives;
use boxagnts_workspace::Selection;
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long executors may take to end whose turn was given up: more than each has by itself.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a turn starts from.
pub(crate) struct Turn {
    pub(crate) number: u64,
    pub(crate) wish: Wish,
    pub(crate) cancel: CancellationToken,
    /// See [`abandoned`].
    pub(crate) abandon: CancellationToken,
    /// What the user says meanwhile.
    pub(crate) steers: UnboundedReceiver<Wish>,
}

/// Runs a turn to its end, and says how that was. Always journals it, also after a panic. Gives the next
/// one, when one waits.
pub(crate) async fn run(
    session: &Arc<Session>,
    mut turn: Turn,
    natives: &Arc<TurnNatives>,
) -> (TurnOutcome, Option<Turn>) {
    let number = turn.number;
    let mut query = session.query.lock().await;
    let mut answered = false;
    let driven = AssertUnwindSafe(drive(
        session,
        &mut query,
        &mut turn,
        natives,
        &mut answered,
    ))
    .catch_unwind()
    .await;
    let outcome = match driven {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(error)) => TurnOutcome::Failed {
            message: format!("the journal cannot be written, so the turn was stopped: {error}"),
            may_pass: false,
        },
        Err(_) => TurnOutcome::Failed {
            message: "an internal error ended the turn; the log has the details".to_owned(),
            may_pass: false,
        },
    };
    // What its executors spent is the turn's, also when nobody waits for them any more.
    natives.executors_ended().await;
    // Leaves the conversation in a state that a next prompt can follow, whatever happened.
    if query.is_running() {
        for effect in session.step(&mut query, Event::Cancel) {
            let _ = record(session, number, effect);
        }
    }
    spend(&mut query, natives);
    let (usage, cost_usd) = (query.usage(), query.cost_usd());
    drop(query);
    if outcome == TurnOutcome::Done && !answered && session.config().mode() == Mode::Auto {
        accept_harmless(session).await;
    }
    // Before the event: whoever hears it may ask again at once.
    let next = session.next(turn.steers);
    let _ = session.emit(SessionEvent::TurnEnded {
        turn: number,
        outcome: outcome.clone(),
        usage,
        cost_usd,
    });
    (outcome, next)
}

/// Ends a turn whose future was dropped because it did not end when it was cancelled: the journal says
/// so, and a next prompt can follow.
pub(crate) async fn abandoned(session: &Session, number: u64, natives: &TurnNatives) {
    let mut query = session.query.lock().await;
    // What they spent is the turn's. They were told to end, and each is given up after a while.
    if tokio::time::timeout(PATIENCE, natives.executors_ended())
        .await
        .is_err()
    {
        tracing::error!(session = %session.id, turn = number, "an executor does not end");
    }
    if query.is_running() {
        for effect in session.step(&mut query, Event::Cancel) {
            let _ = record(session, number, effect);
        }
    }
    spend(&mut query, natives);
    let (usage, cost_usd) = (query.usage(), query.cost_usd());
    drop(query);
    lock(&session.activity).running = None;
    let _ = session.emit(SessionEvent::TurnEnded {
        turn: number,
        outcome: TurnOutcome::Cancelled,
        usage,
        cost_usd,
    });
}

/// What the turn waits for.
enum Waiting {
    Nothing,
    Answer(DeltaStream),
    Tools(FuturesUnordered<BoxFuture<'static, (ToolCall, ToolReport)>>),
}

/// What sub-questions spent counts like what the conversation itself spends.
fn spend(query: &mut Query, natives: &TurnNatives) {
    let (usage, cost_usd) = natives.take_spent();
    query.spend(&usage, cost_usd);
}

/// `answered` becomes true when no model was asked.
async fn drive(
    session: &Arc<Session>,
    query: &mut Query,
    turn: &mut Turn,
    natives: &Arc<TurnNatives>,
    answered: &mut bool,
) -> Result<TurnOutcome, StoreError> {
    let number = turn.number;
    let mut prepared = context::prepare(session, query, turn).await;
    let context = std::mem::take(&mut prepared.context);
    let prompt = std::mem::take(&mut turn.wish.prompt);
    let text = format!("{prompt}{context}");
    session.emit(SessionEvent::TurnStarted {
        turn: number,
        prompt,
        context: Some(context).filter(|context| !context.is_empty()),
        model: session.provider().id().to_owned(),
    })?;
    prepared.journal_pictures(session, number)?;
    prepared.journal(session, number)?;
    let first = match prepared.instead {
        Some(Instead::Answer(answer)) => {
            session.emit(SessionEvent::TextDelta {
                turn: number,
                text: answer.clone(),
            })?;
            query.answered_already(text, answer);
            *answered = true;
            return Ok(TurnOutcome::Done);
        }
        Some(Instead::Compact { focus }) => Event::Compact { text, focus },
        None => Event::Prompt { text },
    };
    if let Some(message) = session
        .environment
        .unpriced(&session.config(), &*session.provider())
    {
        session.emit(SessionEvent::Notice { message })?;
    }
    let mut answer = Answer {
        price: session.provider().price(),
        patience: Duration::from_millis(session.config().limits().model_timeout),
        ..Answer::default()
    };
    query.attach(prepared.pictures.into_iter().map(|(_, image)| image));
    let mut waiting = Waiting::Nothing;
    let mut events = vec![first];
    // Of hooks that had the turn go on.
    let mut remarks = 0;
    let mut mode = session.config().mode();
    let mut offer = session.offer();
    query.set_tools(offer.known.clone());
    loop {
        // The user may have chosen another one since: what comes next is decided by it.
        let now = session.config().mode();
        if now != mode {
            mode = now;
            offer = session.offer();
            query.set_tools(offer.known.clone());
        }
        spend(query, natives);
        if natives.ends() {
            query.end_turn();
        }
        let effects: Vec<Effect> = events
            .drain(..)
            .flat_map(|event| session.step(query, event))
            .collect();
        for effect in effects {
            match effect {
                Effect::CallModel {
                    step,
                    max_output_tokens,
                    compacting,
                } => {
                    session.emit(SessionEvent::ModelCalled {
                        turn: number,
                        step,
                        compacting,
                    })?;
                    if compacting {
                        events.push(Event::Facts(context::facts(session).await));
                    }
                    let request = Request {
                        system: query.system(),
                        messages: query.request(),
                        tools: Arc::clone(&offer.specs),
                        max_output_tokens,
                        answers: query.answers(),
                    };
                    answer.begins(compacting);
                    waiting = Waiting::Answer(session.provider().stream(request));
                }
                Effect::RunTools { calls } => {
                    natives.may_spend(query.left());
                    let running = FuturesUnordered::new();
                    for call in calls {
                        session.emit(SessionEvent::ToolStarted {
                            turn: number,
                            call: call.clone(),
                        })?;
                        running.push(run_tool(
                            session,
                            number,
                            call,
                            natives,
                            turn.cancel.clone(),
                        ));
                        // A model may want any number of them, and each is written down first.
                        tokio::task::yield_now().await;
                    }
                    waiting = Waiting::Tools(running);
                }
                Effect::Abort => waiting = Waiting::Nothing,
                Effect::Finish(outcome) => {
                    let cancel = &turn.cancel;
                    match hooks::stop(session, number, &outcome, &mut remarks, cancel).await? {
                        Some(text) => events.push(Event::Remark { text }),
                        None => return Ok(outcome),
                    }
                }
                effect => record(session, number, effect)?,
            }
        }
        if !events.is_empty() {
            continue;
        }

        let silent = answer.silent(&waiting);
        let wait = next_event(&mut waiting, &mut answer, session, number);
        tokio::select! {
            // A tool that ended in the same moment has still been cancelled.
            biased;
            () = turn.cancel.cancelled() => events.push(Event::Cancel),
            Some(wish) = turn.steers.recv() => {
                session.emit(SessionEvent::Steered {
                    turn: number,
                    prompt: wish.prompt.clone(),
                })?;
                let text = context::steered(session, wish, &turn.cancel).await;
                events.push(Event::Steer { text });
            }
            next = wait => events.extend(next?),
            limit_ms = silent => events.push(Event::ModelSilent { limit_ms }),
        }
    }
}

/// Journals an effect that is nothing but that.
fn record(session: &Session, turn: u64, effect: Effect) -> Result<(), StoreError> {
    let mut events = effect.into_events(turn).into_iter();
    events.try_for_each(|event| session.emit(event))
}

/// What is known of the answer that streams in.
#[derive(Default)]
struct Answer {
    usage: TokenUsage,
    price: Option<Price>,
    /// Whether it is a summary, which nobody is shown.
    compacting: bool,
    /// How long nothing may come.
    patience: Duration,
    /// When that will be over.
    deadline: Option<Instant>,
}

impl Answer {
    fn begins(&mut self, compacting: bool) {
        self.usage = TokenUsage::default();
        self.compacting = compacting;
        self.deadline = Instant::now().checked_add(self.patience);
    }

    /// Something came; a provider that is asked again after a while has said nothing yet.
    fn heard(&mut self, delta: &Delta) {
        self.deadline = match delta {
            Delta::Retry { wait, .. } => self.deadline.and_then(|at| at.checked_add(*wait)),
            _ => Instant::now().checked_add(self.patience),
        };
    }

    /// Ends when the model has been waited for long enough; gives how long, in milliseconds.
    fn silent(&self, waiting: &Waiting) -> impl Future<Output = u64> + use<> {
        let deadline = self
            .deadline
            .filter(|_| matches!(waiting, Waiting::Answer(_)));
        let patience = u64::try_from(self.patience.as_millis()).unwrap_or(u64::MAX);
        async move {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
            patience
        }
    }
}

/// Waits for the next thing to happen, journals it, and says what the query loop must hear.
async fn next_event(
    waiting: &mut Waiting,
    answer: &mut Answer,
    session: &Session,
    turn: u64,
) -> Result<Vec<Event>, StoreError> {
    match waiting {
        // Every effect list ends in a wait or in `Finish`; should that ever fail, the turn must
        // end and not hang.
        Waiting::Nothing => Ok(vec![Event::ModelFailed {
            message: "the turn waits for nothing".to_owned(),
            may_pass: false,
        }]),
        Waiting::Answer(stream) => {
            let next = stream.next().await;
            if !matches!(&next, Some(Ok(delta)) if !matches!(delta, Delta::Stop(_))) {
                // Nothing follows. With it goes what it holds of the conversation, which else would
                // be copied to be changed.
                *waiting = Waiting::Nothing;
            }
            match next {
                Some(Ok(delta)) => on_delta(delta, answer, session, turn),
                Some(Err(error)) if error.is_context_full() => Ok(vec![Event::ContextFull {
                    message: error.to_string(),
                }]),
                Some(Err(error)) => Ok(vec![Event::ModelFailed {
                    message: error.to_string(),
                    may_pass: error.may_pass(),
                }]),
                None => Ok(vec![Event::ModelFailed {
                    message: "the model's answer ended without saying why it stopped".to_owned(),
                    may_pass: true,
                }]),
            }
        }
        Waiting::Tools(running) => match running.next().await {
            Some((call, report)) => {
                let finished = Event::ToolFinished {
                    id: call.id.clone(),
                    output: report.for_model(),
                    is_error: !report.ok,
                };
                let changed = !report.diff.is_empty();
                session.emit(SessionEvent::ToolFinished {
                    turn,
                    id: call.id,
                    name: call.name,
                    report,
                })?;
                if changed {
                    session.emit_proposal()?;
                }
                Ok(vec![finished])
            }
            None => Ok(vec![Event::ModelFailed {
                message: "a tool call was lost".to_owned(),
                may_pass: false,
            }]),
        },
    }
}

fn on_delta(
    delta: Delta,
    answer: &mut Answer,
    session: &Session,
    turn: u64,
) -> Result<Vec<Event>, StoreError> {
    answer.heard(&delta);
    Ok(match delta {
        Delta::Text(text) => {
            if !answer.compacting {
                session.emit(SessionEvent::TextDelta {
                    turn,
                    text: text.clone(),
                })?;
            }
            vec![Event::TextDelta(text)]
        }
        Delta::Thinking(thinking) => vec![Event::Thought(thinking)],
        Delta::ToolCallStart { index, id, name } => {
            vec![Event::ToolCallStarted { index, id, name }]
        }
        Delta::ToolCallInput { index, json } => vec![Event::ToolCallInput { index, json }],
        Delta::Usage(usage) => {
            answer.usage = usage;
            vec![Event::ModelUsage(usage)]
        }
        Delta::Stop(stop) => {
            let usage = answer.usage;
            let cost_usd = answer.price.map(|price| price.cost(&usage));
            session.emit(SessionEvent::ModelAnswered {
                turn,
                stop,
                usage,
                cost_usd,
            })?;
            vec![Event::ModelStopped(stop)]
        }
        Delta::Retry {
            attempt,
            wait,
            reason,
        } => {
            let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            session.emit(SessionEvent::ModelRetry {
                turn,
                attempt,
                wait_ms,
                reason,
            })?;
            Vec::new()
        }
    })
}

fn run_tool(
    session: &Arc<Session>,
    turn: u64,
    call: ToolCall,
    natives: &Arc<TurnNatives>,
    cancel: CancellationToken,
) -> BoxFuture<'static, (ToolCall, ToolReport)> {
    let (session, natives) = (Arc::clone(session), Arc::clone(natives));
    async move {
        session.overlay.refresh_buffers(&named(&call)).await;
        if let Some(files) = &session.files {
            files.need(&call).await;
        }
        let config = session.config();
        let with = (&*config, Some(&*natives as &dyn Natives));
        let report = hooks::around(&session, turn, &call, with, &cancel).await;
        (call, report)
    }
    .boxed()
}

/// The files that a call's input names, as far as its top level tells.
pub(crate) fn named(call: &ToolCall) -> Vec<WorkspacePath> {
    let named = ["path", "from", "to"].into_iter();
    let named = named.filter_map(|key| call.input.get(key)?.as_str());
    named
        .filter_map(|path| WorkspacePath::parse(path).ok())
        .collect()
}

/// Accepts what is proposed, except where a change could do harm by itself (a hook, an editor's
/// task, a shell's start file): that waits for the user in every mode.
async fn accept_harmless(session: &Arc<Session>) {
    let harmless =
        |path: &str| WorkspacePath::parse(path).is_ok_and(|path| path.dangerous().is_none());
    let hunks: Vec<String> = session
        .overlay
        .proposal()
        .into_iter()
        .filter(|file| harmless(&file.path) && file.from.as_deref().is_none_or(harmless))
        .flat_map(|file| file.hunks)
        .filter(|hunk| hunk.state == HunkState::Pending)
        .map(|hunk| hunk.id)
        .collect();
    if !hunks.is_empty() {
        decide::apply(session, &Selection::Hunks(hunks)).await;
    }
}
