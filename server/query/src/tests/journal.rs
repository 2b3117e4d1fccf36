//! What a session journals of a conversation, and whether it brings the very same one back.

use crate::{Config, Effect, Event, Query};
use boxagnts_protocol::conversation::{StopReason, TokenUsage};
use boxagnts_protocol::tool::ToolReport;
use boxagnts_protocol::update::SessionEvent;

/// The journal of one conversation.
#[derive(Default)]
pub(super) struct Journal {
    events: Vec<SessionEvent>,
    usage: TokenUsage,
    compacting: bool,
    answering: bool,
}

impl Journal {
    /// Takes a step, and journals it as a session does: what it hears first, then what is to be done.
    pub(super) fn step(&mut self, query: &mut Query, event: Event) -> Vec<Effect> {
        let was_running = query.is_running();
        let answering = self.answering;
        let told = match &event {
            Event::Prompt { text } | Event::Compact { text, .. } if !was_running => {
                Some(SessionEvent::TurnStarted {
                    turn: 1,
                    prompt: text.clone(),
                    context: None,
                    model: "m".to_owned(),
                })
            }
            Event::TextDelta(text) if answering && !self.compacting => {
                Some(SessionEvent::TextDelta {
                    turn: 1,
                    text: text.clone(),
                })
            }
            Event::ModelUsage(usage) if answering => {
                self.usage = *usage;
                None
            }
            Event::ModelStopped(stop) if answering => Some(self.answered(*stop)),
            Event::ToolFinished { id, output, .. } if self.runs(id) => {
                Some(SessionEvent::ToolFinished {
                    turn: 1,
                    id: id.clone(),
                    name: "n".to_owned(),
                    report: ToolReport {
                        ok: true,
                        output: output.clone(),
                        error: None,
                        ..ToolReport::refused(boxagnts_protocol::tool::FailureKind::Failed, "")
                    },
                })
            }
            _ => None,
        };
        self.events.extend(told);
        let effects = query.step(event);
        effects
            .iter()
            .for_each(|effect| self.take_in(effect, query));
        effects
    }

    fn answered(&mut self, stop: StopReason) -> SessionEvent {
        self.answering = false;
        SessionEvent::ModelAnswered {
            turn: 1,
            stop,
            usage: self.usage,
            cost_usd: None,
        }
    }

    /// Whether a call has begun and not ended.
    fn runs(&self, id: &str) -> bool {
        let started = |event: &SessionEvent| matches!(event, SessionEvent::ToolStarted { call, .. } if call.id == id);
        let ended = |event: &SessionEvent| matches!(event, SessionEvent::ToolFinished { id: ended, .. } if ended == id);
        let count =
            |is: &dyn Fn(&SessionEvent) -> bool| self.events.iter().filter(|e| is(e)).count();
        count(&started) > count(&ended)
    }

    fn take_in(&mut self, effect: &Effect, query: &Query) {
        let turn = 1;
        match effect.clone() {
            Effect::CallModel {
                step, compacting, ..
            } => {
                (self.compacting, self.answering) = (compacting, true);
                self.usage = TokenUsage::default();
                self.events.push(SessionEvent::ModelCalled {
                    turn,
                    step,
                    compacting,
                });
            }
            Effect::RunTools { calls } => {
                let started = |call| SessionEvent::ToolStarted { turn, call };
                self.events.extend(calls.into_iter().map(started));
            }
            Effect::Abort => self.answering = false,
            Effect::Finish(outcome) => {
                self.answering = false;
                self.events.push(SessionEvent::TurnEnded {
                    turn,
                    outcome,
                    usage: query.usage(),
                    cost_usd: query.cost_usd(),
                });
            }
            effect => self.events.extend(effect.into_events(turn)),
        }
    }

    /// At rest the journal brings back the very same conversation, and every call has one result.
    pub(super) fn check(&self, query: &Query, config: &Config) {
        let mut open = std::collections::HashMap::new();
        for event in &self.events {
            match event {
                SessionEvent::ToolStarted { call, .. } => {
                    assert_eq!(open.insert(call.id.clone(), 0), None, "{} twice", call.id);
                }
                SessionEvent::ToolFinished { id, .. } => *open.get_mut(id).expect("a call") += 1,
                _ => {}
            }
        }
        if query.is_running() {
            return;
        }
        for (id, results) in open {
            assert_eq!(results, 1, "results of {id}");
        }
        // Through JSON, as in the journal.
        let journal = serde_json::to_string(&self.events).unwrap();
        let events: Vec<SessionEvent> = serde_json::from_str(&journal).unwrap();
        let restored = Query::restore(config.clone(), &events);
        let text = |query: &Query| serde_json::to_string_pretty(&*query.messages()).unwrap();
        assert_eq!(text(&restored), text(query));
        assert_eq!(restored.answers(), query.answers());
        // Whoever adds up the answers of the journal misses none, nor one that was lost.
        let mut told = TokenUsage::default();
        for event in &self.events {
            if let SessionEvent::ModelAnswered { usage, .. } = event {
                told.add(usage);
            }
        }
        assert_eq!(told, query.usage());
    }
}
