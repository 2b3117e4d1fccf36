//! What the journal has of an effect: enough to bring the conversation back as it is.

use crate::Effect;
use boxagnts_protocol::conversation::StopReason;
use boxagnts_protocol::tool::ToolReport;
use boxagnts_protocol::update::SessionEvent;

impl Effect {
    /// The events of an effect that is nothing but recorded and told, in order. Effects that are
    /// carried out have none here: whoever carries them out knows more of them.
    pub fn into_events(self, turn: u64) -> Vec<SessionEvent> {
        match self {
            Effect::Keep { answer } => vec![SessionEvent::Thought { turn, answer }],
            Effect::Compacted(compaction) => vec![SessionEvent::Compacted { turn, compaction }],
            Effect::Say { text } => vec![SessionEvent::TextDelta { turn, text }],
            Effect::Note { role, text } => vec![SessionEvent::Noted { turn, role, text }],
            Effect::Lost { usage, cost_usd } => vec![SessionEvent::ModelAnswered {
                turn,
                stop: StopReason::Lost,
                usage,
                cost_usd,
            }],
            Effect::Notice { message } => vec![SessionEvent::Notice { message }],
            Effect::Refuse {
                call,
                started,
                kind,
                message,
            } => {
                let finished = SessionEvent::ToolFinished {
                    turn,
                    id: call.id.clone(),
                    name: call.name.clone(),
                    report: ToolReport::refused(kind, message),
                };
                let began = (!started).then_some(SessionEvent::ToolStarted { turn, call });
                began.into_iter().chain([finished]).collect()
            }
            Effect::CallModel { .. }
            | Effect::RunTools { .. }
            | Effect::Abort
            | Effect::Finish(_) => Vec::new(),
        }
    }
}
