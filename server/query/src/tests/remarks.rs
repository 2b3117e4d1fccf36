//! Pictures that come with a prompt, and remarks with which a turn goes on.

use super::{LIMITS, config};
use crate::{Effect, Event, Query};
use boxagnts_protocol::conversation::{Image, StopReason, TokenUsage};
use boxagnts_protocol::hook::HookEvent;
use boxagnts_protocol::tool::{FailureKind, ToolReport};
use boxagnts_protocol::update::{SessionEvent, TurnOutcome};

#[test]
fn pictures_and_remarks_come_back_as_they_were() {
    let image = Image {
        media_type: "image/gif".to_owned(),
        data: "R0lGODlh".to_owned(),
    };
    let answered = |query: &mut Query, text: &str| {
        query.step(Event::TextDelta(text.to_owned()));
        query.step(Event::ModelStopped(StopReason::EndTurn))
    };
    let mut live = Query::new(config(LIMITS));
    live.attach([image.clone()]);
    live.step(Event::Prompt {
        text: "look".to_owned(),
    });
    let ended = answered(&mut live, "Done.");
    assert_eq!(ended, [Effect::Finish(TurnOutcome::Done)]);
    let text = "[The hook `h` says: more]".to_owned();
    let on = live.step(Event::Remark { text: text.clone() });
    // It is counted like any request.
    assert!(
        matches!(on[..], [Effect::CallModel { step: 2, .. }]),
        "{on:?}"
    );
    answered(&mut live, "Done again.");

    let said = |text: &str| SessionEvent::TextDelta {
        turn: 1,
        text: text.to_owned(),
    };
    let called = |step| SessionEvent::ModelCalled {
        turn: 1,
        step,
        compacting: false,
    };
    let stopped = SessionEvent::ModelAnswered {
        turn: 1,
        stop: StopReason::EndTurn,
        usage: TokenUsage::default(),
        cost_usd: None,
    };
    let events = [
        SessionEvent::TurnStarted {
            turn: 1,
            prompt: "look".to_owned(),
            context: None,
            model: "m:x".to_owned(),
        },
        SessionEvent::Attached {
            turn: 1,
            what: "picture 1".to_owned(),
            image,
        },
        called(1),
        said("Done."),
        stopped.clone(),
        SessionEvent::Hooked {
            turn: 1,
            hook: HookEvent::Stop,
            tool: "h".to_owned(),
            call: None,
            answer: None,
            remark: Some(text),
            report: Box::new(ToolReport::refused(FailureKind::Failed, "")),
        },
        called(2),
        said("Done again."),
        stopped,
    ];
    let back = Query::restore(config(LIMITS), &events);
    assert_eq!(back.messages(), live.messages());
}
