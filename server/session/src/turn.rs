//! Drives one turn: carries out the query loop's effects and feeds it what comes back.
//!
//! All of a turn lives in one future: dropping the model's stream or a tool's future cancels it,
//! so that cancellation works at every await.

use crate::context::{self, Around};
use crate::decide;
use crate::native::TurnNatives;
use crate::offer::Offer;
use crate::permission::SessionApprover;
use crate::session::{Session, lock};
use boxagnts_model::{Delta, ModelError, Request};
use boxagnts_policy::path::WorkspacePath;
use boxagnts_policy::permission::Mode;
use boxagnts_protocol::conversation::{Price, TokenUsage, ToolCall};
use boxagnts_protocol::proposal::HunkState;
use boxagnts_protocol::tool::ToolReport;
use boxagnts_protocol::update::{SessionEvent, TurnOutcome};
use boxagnts_query::{Effect, Event, Query};
use boxagnts_store::StoreError;
use boxagnts_tools::ToolRequest;
use boxagnts_workspace::Selection;
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{BoxStream, FuturesUnordered, StreamExt};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What a turn starts from.
pub(crate) struct Turn {
    pub(crate) number: u64,
    pub(crate) prompt: String,
    pub(crate) around: Around,
    pub(crate) cancel: CancellationToken,
}

/// Runs a turn to its end. Always journals how it ended, also after a panic.
pub(crate) async fn run(session: Arc<Session>, turn: Turn) {
    let number = turn.number;
    let mut query = session.query.lock().await;
    let natives = Arc::new(TurnNatives::new(&session, number));
    let mut answered = false;
    let driven = AssertUnwindSafe(drive(&session, &mut query, turn, &natives, &mut answered))
        .catch_unwind()
        .await;
    let outcome = match driven {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(error)) => TurnOutcome::Failed {
            message: format!("the journal cannot be written, so the turn was stopped: {error}"),
        },
        Err(_) => TurnOutcome::Failed {
            message: "an internal error ended the turn; the log has the details".to_owned(),
        },
    };
    // Leaves the conversation in a state that a next prompt can follow, whatever happened.
    if query.is_running() {
        query.step(Event::Cancel);
    }
    spend(&mut query, &natives);
    let (usage, cost_usd) = (query.usage(), query.cost_usd());
    drop(query);
    if outcome == TurnOutcome::Done && !answered && session.config().mode() == Mode::Auto {
        accept_harmless(&session).await;
    }
    // Before the event: whoever hears it may ask again at once.
    lock(&session.activity).running = None;
    let _ = session.emit(SessionEvent::TurnEnded {
        turn: number,
        outcome,
        usage,
        cost_usd,
    });
}

type ModelStream = BoxStream<'static, Result<Delta, ModelError>>;

/// What the turn waits for.
enum Waiting {
    Nothing,
    Answer(ModelStream),
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
    turn: Turn,
    natives: &Arc<TurnNatives>,
    answered: &mut bool,
) -> Result<TurnOutcome, StoreError> {
    let number = turn.number;
    let mut prepared = context::prepare(session, query, &turn).await;
    let context = std::mem::take(&mut prepared.context);
    let text = format!("{}{context}", turn.prompt);
    session.emit(SessionEvent::TurnStarted {
        turn: number,
        prompt: turn.prompt,
        context: Some(context).filter(|context| !context.is_empty()),
        model: session.provider.id().to_owned(),
    })?;
    prepared.journal(session, number)?;
    if let Some(answer) = prepared.answer {
        session.emit(SessionEvent::TextDelta {
            turn: number,
            text: answer.clone(),
        })?;
        query.answered_already(text, answer);
        *answered = true;
        return Ok(TurnOutcome::Done);
    }
    if let Some(message) = session
        .environment
        .unpriced(&session.config(), &*session.provider)
    {
        session.emit(SessionEvent::Notice { message })?;
    }
    let mut answer = Answer {
        price: session.provider.price(),
        ..Answer::default()
    };
    let mut waiting = Waiting::Nothing;
    let mut events = vec![Event::Prompt { text }];
    let mut mode = session.config().mode();
    let mut offer = Offer::of(&session.environment, mode);
    query.set_tools(offer.known.clone());
    loop {
        // The user may have chosen another one since: what comes next is decided by it.
        let now = session.config().mode();
        if now != mode {
            mode = now;
            offer = Offer::of(&session.environment, mode);
            query.set_tools(offer.known.clone());
        }
        spend(query, natives);
        if natives.ends() {
            query.end_turn();
        }
        let effects: Vec<Effect> = events
            .drain(..)
            .flat_map(|event| query.step(event))
            .collect();
        for effect in effects {
            match effect {
                Effect::CallModel {
                    step,
                    max_output_tokens,
                } => {
                    session.emit(SessionEvent::ModelCalled { turn: number, step })?;
                    let request = Request {
                        system: query.system(),
                        messages: query.messages(),
                        tools: Arc::clone(&offer.specs),
                        max_output_tokens,
                    };
                    answer.usage = TokenUsage::default();
                    waiting = Waiting::Answer(session.provider.stream(request));
                }
                Effect::Keep { answer } => session.emit(SessionEvent::Thought {
                    turn: number,
                    answer,
                })?,
                Effect::RunTools { calls } => {
                    natives.may_spend(query.left());
                    let running = FuturesUnordered::new();
                    for call in calls {
                        session.emit(SessionEvent::ToolStarted {
                            turn: number,
                            call: call.clone(),
                        })?;
                        running.push(run_tool(session, call, natives, turn.cancel.clone()));
                    }
                    waiting = Waiting::Tools(running);
                }
                Effect::Refuse {
                    call,
                    kind,
                    message,
                } => {
                    let (id, name) = (call.id.clone(), call.name.clone());
                    session.emit(SessionEvent::ToolStarted { turn: number, call })?;
                    let report = ToolReport::refused(kind, message);
                    session.emit(SessionEvent::ToolFinished {
                        turn: number,
                        id,
                        name,
                        report,
                    })?;
                }
                Effect::Abort => waiting = Waiting::Nothing,
                Effect::Finish(outcome) => return Ok(outcome),
            }
        }

        let cancelled = answer.cancelled;
        let wait = next_event(&mut waiting, &mut answer, session, number);
        tokio::select! {
            // A tool that ended in the same moment has still been cancelled.
            biased;
            () = turn.cancel.cancelled(), if !cancelled => {
                answer.cancelled = true;
                events.push(Event::Cancel);
            }
            next = wait => events.extend(next?),
        }
    }
}

/// What is known of the answer that streams in.
#[derive(Default)]
struct Answer {
    usage: TokenUsage,
    price: Option<Price>,
    cancelled: bool,
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
        }]),
        Waiting::Answer(stream) => match stream.next().await {
            Some(Ok(delta)) => on_delta(delta, answer, session, turn),
            Some(Err(error)) => Ok(vec![Event::ModelFailed {
                message: error.to_string(),
            }]),
            None => Ok(vec![Event::ModelFailed {
                message: "the model's answer ended without saying why it stopped".to_owned(),
            }]),
        },
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
    Ok(match delta {
        Delta::Text(text) => {
            session.emit(SessionEvent::TextDelta {
                turn,
                text: text.clone(),
            })?;
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
    call: ToolCall,
    natives: &Arc<TurnNatives>,
    cancel: CancellationToken,
) -> BoxFuture<'static, (ToolCall, ToolReport)> {
    let (session, natives) = (Arc::clone(session), Arc::clone(natives));
    async move {
        let config = session.config();
        let report = session
            .environment
            .toolbox()
            .run(ToolRequest {
                call: &call,
                config: &config,
                overlay: &session.overlay,
                approver: &SessionApprover { session: &session },
                cancel,
                progress: None,
                natives: Some(&*natives),
            })
            .await;
        (call, report)
    }
    .boxed()
}

/// Accepts what is proposed, except where a change could do harm by itself (a hook, an editor's
/// task, a shell's start file): that waits for the user in every mode.
async fn accept_harmless(session: &Session) {
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
