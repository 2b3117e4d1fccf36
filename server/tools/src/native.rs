//! Native tools: services of the host that no guest could give, such as a question to the user. They
//! pass the same checks as every tool; a session carries them out ([`Natives`]), and without one they
//! cannot be called.

mod inputs;
mod schema;

pub use inputs::{
    ASK_USER, AskUser, PROPOSE_PLAN, ProposePlan, QUESTION, SPAWN_EXECUTOR, SpawnBudget,
    SpawnExecutor, SubQuestion, TODO, Todo,
};

use crate::gate::{self, Wish};
use crate::input::InputSchema;
use crate::report;
use crate::toolbox::ToolRequest;
use crate::transaction::sha256;
use async_trait::async_trait;
use boxagnts_policy::permission::Level;
use boxagnts_protocol::canonical;
use boxagnts_protocol::conversation::ToolCall;
use boxagnts_protocol::tool::{
    Audit, FailureKind, ToolFailure, ToolReport, ToolSpec, ToolUsage, Verdict,
};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Whoever carries native tools out: a session.
#[async_trait]
pub trait Natives: Send + Sync {
    /// Carries out a call whose input fits and that the gate let pass. Dropping the future ends it.
    async fn run(&self, call: &ToolCall, cancel: &CancellationToken) -> NativeOutcome;
}

/// What came of a native call.
#[derive(Debug, Clone, PartialEq)]
pub struct NativeOutcome {
    /// Text for the model; of a call that failed, what it had come to.
    pub output: String,
    /// Why it failed.
    pub failure: Option<Box<ToolFailure>>,
    /// How long it waited for the user, which is no time of the tool's.
    pub waited: Duration,
}

impl NativeOutcome {
    /// It did what was asked.
    pub fn done(output: impl Into<String>) -> NativeOutcome {
        NativeOutcome {
            output: output.into(),
            failure: None,
            waited: Duration::ZERO,
        }
    }

    /// It did not.
    pub fn failed(kind: FailureKind, message: impl Into<String>) -> NativeOutcome {
        NativeOutcome {
            output: String::new(),
            failure: ToolReport::refused(kind, message).error.map(Box::new),
            waited: Duration::ZERO,
        }
    }
}

/// A native tool, as far as it is known here.
#[derive(Debug)]
pub(crate) struct NativeTool {
    pub(crate) spec: ToolSpec,
    pub(crate) level: Level,
    /// Of the spec: what the user answers about a tool holds for what it says of itself.
    sha256: String,
    schema: InputSchema,
}

/// All of them, in the order in which the model is told of them.
pub(crate) fn all() -> Vec<NativeTool> {
    inputs::specs()
        .into_iter()
        .map(|(spec, level)| NativeTool {
            sha256: {
                let schema = canonical::text(&spec.input_schema);
                sha256(format!("{}\n{schema}", spec.name).as_bytes())
            },
            spec,
            level,
            schema: InputSchema::default(),
        })
        .collect()
}

impl NativeTool {
    /// Runs one call. Everything that can go wrong is in the report.
    pub(crate) async fn run(&self, request: ToolRequest<'_>) -> ToolReport {
        let ToolCall { id, name, input } = request.call;
        if let Err(message) = self.schema.check(name, &self.spec.input_schema, input) {
            return ToolReport::refused(FailureKind::InvalidInput, message);
        }
        let audit = Audit {
            input_sha256: sha256(canonical::text(input).as_bytes()),
            ..Audit::default()
        };
        let wish = Wish {
            call: id,
            tool: name,
            sha256: &self.sha256,
            level: self.level,
            input,
            ask: request.ask,
        };
        let (decision, _) = gate::pass(&wish, request.config, request.approver).await;
        tracing::debug!(tool = %name, ?decision.verdict, reason = %decision.reason, "gate");
        let report = match (decision.verdict, request.natives) {
            (Verdict::Denied, _) => {
                ToolReport::refused(FailureKind::Denied, decision.reason.clone())
            }
            (_, None) => ToolReport::refused(
                FailureKind::Failed,
                format!(
                    "`{name}` needs a session, whose user and model it serves: it can only be \
                     called by a model, as in `boxagnts run`"
                ),
            ),
            (_, Some(natives)) => {
                let most = request.config.limits_of(name).max_output_bytes;
                let began = Instant::now();
                let outcome = natives.run(request.call, &request.cancel).await;
                reported(outcome, began.elapsed(), most)
            }
        };
        ToolReport {
            decision: Some(decision),
            audit,
            ..report
        }
    }
}

fn reported(outcome: NativeOutcome, took: Duration, most: u64) -> ToolReport {
    let usage = ToolUsage {
        wall_ms: took.saturating_sub(outcome.waited).as_secs_f64() * 1e3,
        ..ToolUsage::default()
    };
    let report = report::done(bounded(outcome.output, most), usage, String::new());
    ToolReport {
        ok: outcome.failure.is_none(),
        error: outcome.failure.map(|failure| *failure),
        ..report
    }
}

/// What was paid for is not thrown away because it is long.
fn bounded(mut output: String, most: u64) -> String {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    if output.len() > most {
        let end = (0..=most).rev().find(|&at| output.is_char_boundary(at));
        output.truncate(end.unwrap_or(0));
        output.push_str("\n[cut at the limit `max_output_bytes`]");
    }
    output
}
