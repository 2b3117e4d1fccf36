//! Runs hooks: tools, through the same gate as every tool, at points of a session. They forbid, ask,
//! and tell the model something; nothing that they say lets more happen.

use crate::permission::{SessionApprover, shown};
use crate::session::{Session, lock};
use boxagnts_policy::config::{self, Config, Hook};
use boxagnts_policy::permission::Level;
use boxagnts_protocol::conversation::ToolCall;
use boxagnts_protocol::hook::{
    HookAnswer, HookDecision, HookEvent, HookInput, HookPoint, HookedCall, HookedFile,
};
use boxagnts_protocol::tool::{FailureKind, ToolReport};
use boxagnts_protocol::update::{SessionEvent, TurnOutcome};
use boxagnts_store::StoreError;
use boxagnts_tools::{Natives, ToolRequest};
use boxagnts_workspace::FilePlan;
use serde_json::{Map, Value};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What one hook came to.
struct Hooked<'a> {
    hook: &'a Hook,
    report: ToolReport,
    /// `Err` when it did not work.
    answer: Result<Said, String>,
}

/// What a hook said.
enum Said {
    Answer(HookAnswer),
    /// For the user.
    Text(String),
}

impl Hooked<'_> {
    fn answer(&self) -> Option<&HookAnswer> {
        match &self.answer {
            Ok(Said::Answer(answer)) => Some(answer),
            _ => None,
        }
    }

    /// Why what it guards does not happen.
    fn denial(&self) -> Option<String> {
        let tool = &self.hook.tool;
        match &self.answer {
            Err(reason) => Some(format!(
                "the hook `{tool}` did not work, and what it guards is refused: {reason}"
            )),
            Ok(Said::Answer(answer)) if answer.decision == HookDecision::Deny => {
                let reason = answer.reason.as_deref().unwrap_or("it gives no reason");
                Some(format!("the hook `{tool}` refuses it: {reason}"))
            }
            Ok(_) => None,
        }
    }

    /// What the model is told.
    fn context(&self) -> Option<String> {
        let answer = self.answer().filter(|_| !self.hook.by_project)?;
        let told = answer.context.as_deref();
        let objection = || {
            let denies = answer.decision != HookDecision::Allow && !self.hook.event.guards();
            answer.reason.as_deref().filter(|_| denies)
        };
        let told = told.or_else(objection)?.trim();
        (!told.is_empty()).then(|| format!("[The hook `{}` says: {told}]", self.hook.tool))
    }
}

/// Runs a tool call, under these settings, between the hooks before and after it.
pub(crate) async fn around(
    session: &Arc<Session>,
    turn: u64,
    call: &ToolCall,
    (config, natives): (&Config, Option<&dyn Natives>),
    cancel: &CancellationToken,
) -> ToolReport {
    let mut told = Vec::new();
    let mut ask: Option<String> = None;
    for hook in &of_call(session, config::HookEvent::BeforeTool, call) {
        let point = HookPoint::BeforeTool {
            tool: call.name.clone(),
            input: call.input.clone(),
        };
        let hooked = run(session, hook, turn, Some(&call.id), point, cancel).await;
        if journal(session, turn, Some(&call.id), &hooked, None).is_err() {
            return ToolReport::refused(FailureKind::Internal, "the journal cannot be written");
        }
        if cancel.is_cancelled() {
            return ToolReport::refused(FailureKind::Cancelled, "cancelled by the user");
        }
        if let Some(reason) = hooked.denial() {
            return ToolReport::refused(FailureKind::Denied, reason);
        }
        told.extend(hooked.context());
        if let Some(answer) = hooked.answer()
            && answer.decision == HookDecision::Ask
        {
            let reason = answer.reason.as_deref().unwrap_or("it gives no reason");
            let reason = format!("the hook `{}` wants you to be asked: {reason}", hook.tool);
            ask.get_or_insert(reason);
        }
    }
    let mut report = session
        .environment
        .toolbox()
        .run(ToolRequest {
            call,
            config,
            overlay: &session.overlay,
            ask: ask.as_deref(),
            approver: &SessionApprover { session },
            cancel: cancel.clone(),
            progress: None,
            natives,
        })
        .await;
    for hook in &of_call(session, config::HookEvent::AfterTool, call) {
        if cancel.is_cancelled() {
            break;
        }
        let point = HookPoint::AfterTool {
            tool: call.name.clone(),
            input: call.input.clone(),
            outcome: HookedCall {
                ok: report.ok,
                output: report.output.clone(),
                error: report.error.clone(),
                diff: report.diff.clone(),
            },
        };
        let hooked = run(session, hook, turn, Some(&call.id), point, cancel).await;
        // Who cannot journal hears of it by the end of the call.
        let _ = journal(session, turn, Some(&call.id), &hooked, None);
        told.extend(hooked.context());
    }
    for text in told {
        if !report.output.is_empty() {
            report.output.push('\n');
        }
        report.output.push_str(&text);
    }
    report
}

/// Whether hooks let a turn end: `Some` is what the model is told instead.
pub(crate) async fn stop(
    session: &Arc<Session>,
    turn: u64,
    outcome: &TurnOutcome,
    remarks: &mut u64,
    cancel: &CancellationToken,
) -> Result<Option<String>, StoreError> {
    // Who cancels wants an end.
    if *outcome == TurnOutcome::Cancelled {
        return Ok(None);
    }
    for hook in &of(session, config::HookEvent::Stop) {
        let point = HookPoint::Stop {
            outcome: outcome.clone(),
        };
        let hooked = run(session, hook, turn, None, point, cancel).await;
        let mut remark = hooked.context().filter(|_| *outcome == TurnOutcome::Done);
        let most = session.config().limits().max_hook_remarks;
        let beyond = remark.is_some() && *remarks >= most;
        if beyond {
            remark = None;
        }
        journal(session, turn, None, &hooked, remark.clone())?;
        if beyond {
            let message = format!(
                "the hook `{}` wants the turn to go on, but max_hook_remarks = {most} is reached",
                hook.tool
            );
            session.emit(SessionEvent::Notice { message })?;
        }
        if let Some(text) = remark {
            *remarks += 1;
            let message = format!("the hook `{}` has the turn go on", hook.tool);
            session.emit(SessionEvent::Notice { message })?;
            // The others run when it stops again.
            return Ok(Some(text));
        }
    }
    Ok(None)
}

/// Why hunks are not applied; `None` when no hook is against it.
pub(crate) async fn accept(session: &Arc<Session>, plans: &[FilePlan]) -> Option<String> {
    let turn = lock(&session.activity).turn;
    let cancel = CancellationToken::new();
    let mut looked = false;
    for hook in &of(session, config::HookEvent::Accept) {
        let files = plans.iter().map(|plan| HookedFile {
            path: plan.path.to_string(),
            hunks: plan.hunks.clone(),
        });
        let point = HookPoint::Accept {
            files: files.collect(),
        };
        let hooked = run(session, hook, turn, None, point, &cancel).await;
        if journal(session, turn, None, &hooked, None).is_err() {
            return Some("the journal cannot be written".to_owned());
        }
        if let Some(reason) = hooked.denial() {
            return Some(reason);
        }
        if let Some(answer) = hooked.answer()
            && answer.decision == HookDecision::Ask
        {
            let reason = answer.reason.as_deref().unwrap_or("it gives no reason");
            return Some(format!("the hook `{}` is in doubt: {reason}", hook.tool));
        }
        looked = true;
    }
    // What they looked at is what is applied: a hunk with other lines has another id.
    let hunks: Vec<String> = plans.iter().flat_map(|plan| plan.hunks.clone()).collect();
    if looked && !session.overlay.plan_waiting(&hunks).1.is_empty() {
        return Some("the proposal changed while hooks looked at it; accept it again".to_owned());
    }
    None
}

fn of(session: &Session, event: config::HookEvent) -> Vec<Hook> {
    let config = session.config();
    let hooks = config.hooks().iter();
    hooks.filter(|hook| hook.event == event).cloned().collect()
}

fn of_call(session: &Session, event: config::HookEvent, call: &ToolCall) -> Vec<Hook> {
    let mut hooks = of(session, event);
    hooks.retain(|hook| hook.is_for(&call.name, &call.input));
    hooks
}

/// Runs a hook's tool.
async fn run<'a>(
    session: &Arc<Session>,
    hook: &'a Hook,
    turn: u64,
    call: Option<&str>,
    point: HookPoint,
    cancel: &CancellationToken,
) -> Hooked<'a> {
    let report = match input(session, hook, turn, point) {
        Err((kind, message)) => ToolReport::refused(kind, message),
        Ok(input) => {
            let call = ToolCall {
                // What a hook changes belongs to the call that it runs for.
                id: call.map_or_else(|| format!("hook-{turn}"), str::to_owned),
                name: hook.tool.clone(),
                input,
            };
            let request = ToolRequest {
                call: &call,
                config: &session.config().for_hook(hook),
                overlay: &session.overlay,
                ask: None,
                approver: &SessionApprover { session },
                cancel: cancel.clone(),
                progress: None,
                // Nobody waits for an answer in the middle of a call.
                natives: None,
            };
            session.environment.toolbox().run(request).await
        }
    };
    let answer = match report.ok {
        true => said(&report.output),
        false => Err(report.for_model()),
    };
    Hooked {
        hook,
        report,
        answer,
    }
}

/// What the tool is told, or why it does not run.
fn input(
    session: &Session,
    hook: &Hook,
    turn: u64,
    point: HookPoint,
) -> Result<Value, (FailureKind, String)> {
    let name = &hook.tool;
    let toolbox = session.environment.toolbox();
    let level = toolbox.level(name);
    if hook.only_reads() && level.is_some_and(|level| level > Level::Read) {
        let who = match hook.by_project {
            true => "a hook of a project",
            false => "a hook of `accept`",
        };
        return Err((
            FailureKind::Denied,
            format!("{who} only reads, and `{name}` does more"),
        ));
    }
    let told = HookInput {
        session: session.id.clone(),
        turn,
        point,
    };
    let told = serde_json::to_value(told)
        .map_err(|error| (FailureKind::Internal, format!("no input for it: {error}")))?;
    let mut fields = match told {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    let specs = toolbox.specs();
    if let Some(spec) = specs.iter().find(|spec| spec.name == *name)
        && spec.input_schema.get("additionalProperties") == Some(&Value::Bool(false))
    {
        let known = spec.input_schema.get("properties");
        fields.retain(|field, _| known.is_some_and(|known| known.get(field).is_some()));
    }
    fields.extend(hook.input.clone());
    Ok(Value::Object(fields))
}

/// Reads what a hook's tool said.
fn said(output: &str) -> Result<Said, String> {
    const FIELDS: [&str; 3] = ["decision", "reason", "context"];
    let value: Result<Value, _> = serde_json::from_str(output);
    match value {
        Ok(Value::Object(fields)) if FIELDS.iter().any(|field| fields.contains_key(*field)) => {
            let answer = serde_json::from_value(Value::Object(fields));
            answer
                .map(Said::Answer)
                .map_err(|error| format!("its answer cannot be understood: {error}"))
        }
        _ => Ok(Said::Text(output.trim().to_owned())),
    }
}

/// Writes down what a hook came to, and tells the user what is for the user.
fn journal(
    session: &Session,
    turn: u64,
    call: Option<&str>,
    hooked: &Hooked<'_>,
    remark: Option<String>,
) -> Result<(), StoreError> {
    let event = match hooked.hook.event {
        config::HookEvent::BeforeTool => HookEvent::BeforeTool,
        config::HookEvent::AfterTool => HookEvent::AfterTool,
        config::HookEvent::Stop => HookEvent::Stop,
        config::HookEvent::Accept => HookEvent::Accept,
    };
    let tool = &hooked.hook.tool;
    session.emit(SessionEvent::Hooked {
        turn,
        hook: event,
        tool: tool.clone(),
        call: call.map(str::to_owned),
        answer: hooked.answer().cloned(),
        remark,
        report: Box::new(hooked.report.clone()),
    })?;
    if !hooked.report.diff.is_empty() {
        session.emit_proposal()?;
    }
    let message = match &hooked.answer {
        Ok(Said::Text(text)) if !text.is_empty() => {
            format!("the hook `{tool}` says: {}", shown(text))
        }
        // What it guards is refused with the reason.
        Err(reason) if !hooked.hook.event.guards() => {
            format!("the hook `{tool}` did not work: {}", shown(reason))
        }
        _ => return Ok(()),
    };
    session.emit(SessionEvent::Notice { message })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(output: &str, expect: &str) {
        let got = match said(output) {
            Ok(Said::Answer(answer)) => serde_json::to_string(&answer).unwrap(),
            Ok(Said::Text(text)) => format!("text {text}"),
            Err(reason) => format!("error {reason}"),
        };
        assert!(got.starts_with(expect), "{output}: {got}");
    }

    #[test]
    fn answers_are_read() {
        check(
            r#"{"decision":"deny","reason":"no"}"#,
            r#"{"decision":"deny","reason":"no"}"#,
        );
        check(
            r#"{"context":"look"}"#,
            r#"{"decision":"allow","context":"look"}"#,
        );
        check("", "text ");
        check("fine\n", "text fine");
        check(r#"{"other":1}"#, r#"text {"other":1}"#);
        check(r#"["decision"]"#, "text [");
        check(
            r#"{"decision":"block"}"#,
            "error its answer cannot be understood",
        );
        check(r#"{"decision":"allow","then":1}"#, "error its answer");
        check(r#"{"reason":1}"#, "error its answer");
    }
}
