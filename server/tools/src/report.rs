//! From what the sandbox says to what the journal, the model and the command line read.

use boxagnts_protocol::tool::{Audit, FailureKind, ToolFailure, ToolReport, ToolUsage};
use boxagnts_sandbox::{CallFailure, Usage};

/// The report of a call that did what was asked.
pub(crate) fn done(output: String, usage: ToolUsage, diff: String) -> ToolReport {
    ToolReport {
        ok: true,
        output,
        error: None,
        usage,
        diff,
        decision: None,
        audit: Audit::default(),
    }
}

/// The report of a call that failed in the sandbox. `partial` is what it had said before.
pub(crate) fn failed(partial: String, failure: CallFailure, usage: ToolUsage) -> ToolReport {
    ToolReport {
        ok: false,
        error: Some(explain(failure)),
        ..done(partial, usage, String::new())
    }
}

fn explain(failure: CallFailure) -> ToolFailure {
    let plain = |kind, message| ToolFailure {
        kind,
        message,
        limit: None,
        value: None,
        used: None,
    };
    match failure {
        CallFailure::InvalidInput(message) => plain(FailureKind::InvalidInput, message),
        CallFailure::Failed(message) => plain(FailureKind::Failed, message),
        CallFailure::Denied(message) => plain(FailureKind::Denied, message),
        CallFailure::Trap(message) => {
            plain(FailureKind::Trap, format!("the tool trapped: {message}"))
        }
        CallFailure::Cancelled => plain(FailureKind::Cancelled, "cancelled by the user".to_owned()),
        CallFailure::Internal(message) => plain(FailureKind::Internal, message),
        CallFailure::Limit { limit, value, used } => ToolFailure {
            kind: FailureKind::Limit,
            message: format!(
                "stopped by the limit `{}`: {} used, {} allowed; do less in one call",
                limit.name(),
                limit.display(used as f64),
                limit.display(value as f64)
            ),
            limit: Some(limit.name().to_owned()),
            value: Some(value),
            used: Some(used),
        },
    }
}

pub(crate) fn used(usage: &Usage) -> ToolUsage {
    ToolUsage {
        fuel: usage.fuel,
        wall_ms: usage.wall.as_secs_f64() * 1e3,
        peak_memory_bytes: usage.peak_memory_bytes,
        host_bytes: usage.host_bytes,
        files_opened: usage.files_opened,
    }
}
