//! One call from the gate to its report: permission, sandbox, and the end of the transaction on the
//! overlay.

use crate::gate::{self, Wish};
use crate::host_fs::HostFs;
use crate::network;
use crate::report;
use crate::toolbox::ToolRequest;
use boxagnts_policy::config::Config;
use boxagnts_policy::permission::Level;
use boxagnts_protocol::canonical;
use boxagnts_protocol::conversation::ToolCall;
use boxagnts_protocol::tool::{Audit, FailureKind, HostContact, ToolReport, Verdict};
use boxagnts_sandbox::{
    CallReport, CallRequest, Capabilities, Contact, Input, Network, Tool, ToolKind,
};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// A tool that is ready to be called.
pub(crate) struct Callee<'a> {
    pub(crate) tool: &'a Arc<Tool>,
    pub(crate) sha256: &'a str,
    pub(crate) level: Level,
    /// The call's input as the tool takes it.
    pub(crate) input: Input,
}

/// SHA-256 in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Runs a call whose input fits. Everything that can go wrong is in the report.
pub(crate) async fn run(callee: Callee<'_>, request: ToolRequest<'_>) -> ToolReport {
    let ToolCall { id, name, input } = request.call;
    let config = request.config;
    let mut audit = Audit {
        tool_sha256: callee.sha256.to_owned(),
        input_sha256: sha256(canonical::text(input).as_bytes()),
        ..Audit::default()
    };
    let wish = Wish {
        call: &request.call.id,
        tool: name,
        sha256: callee.sha256,
        level: level(&callee, config, name),
        input,
        ask: request.ask,
    };
    let (decision, granted) = gate::pass(&wish, config, request.approver).await;
    tracing::debug!(tool = %name, ?decision.verdict, reason = %decision.reason, "gate");
    let Some(grants) = granted.filter(|_| decision.verdict != Verdict::Denied) else {
        let refused = ToolReport::refused(FailureKind::Denied, decision.reason.clone());
        return ToolReport {
            decision: Some(decision),
            audit,
            ..refused
        };
    };
    let network = match grants.http.then(|| network::of(config, name)) {
        None => Network::closed(),
        Some(Ok(network)) => network,
        Some(Err(message)) => {
            return ToolReport {
                decision: Some(decision),
                audit,
                ..ToolReport::refused(FailureKind::Denied, message)
            };
        }
    };
    audit.granted = grants.names().into_iter().map(str::to_owned).collect();
    let called = callee
        .tool
        .call(CallRequest {
            input: callee.input,
            limits: config.limits_of(name),
            grants,
            network,
            fs: HostFs::new(request.overlay.begin(id), config.mounts().work_dir.clone()),
            cancel: request.cancel,
            progress: request.progress,
        })
        .await;
    let report = end(called, grants, &mut audit).await;
    ToolReport {
        decision: Some(decision),
        audit,
        ..report
    }
}

/// A command imports all that its toolchain knows. It is one of the network when the user lets it
/// connect to anything, whatever it says of itself.
fn level(callee: &Callee<'_>, config: &Config, name: &str) -> Level {
    let connects = callee.tool.kind() == ToolKind::WasiCommand
        && callee.tool.imports().http
        && !config.network_of(name).is_closed();
    match connects {
        true => callee.level.max(Level::Network),
        false => callee.level,
    }
}

fn contact(contact: Contact) -> HostContact {
    HostContact {
        target: contact.target,
        address: contact.address.map(|address| address.to_string()),
        allowed: contact.allowed,
        reason: contact.reason,
    }
}

/// Commits what a call that succeeded has staged; what another has staged is dropped.
async fn end(called: CallReport<HostFs>, grants: Capabilities, audit: &mut Audit) -> ToolReport {
    let usage = report::used(&called.usage);
    audit.hosts = called.contacts.list.into_iter().map(contact).collect();
    audit.left_out += called.contacts.beyond;
    let staged = called.fs.map(|fs| {
        let (staged, touched) = fs.into_parts();
        touched.tell(audit);
        staged
    });
    audit.files_denied.extend(called.refused);
    audit.files_denied.sort();
    audit.files_denied.dedup();
    let output = match called.outcome {
        Ok(output) => output,
        Err(failure) => return report::failed(called.partial, failure, usage),
    };
    let Some(staged) = staged else {
        return report::done(output.text, usage, String::new());
    };
    let committed = if grants.workspace_write {
        // Merging and diffing many files takes its time.
        let commit = move || {
            let diff = staged.diff();
            staged.commit().map(|()| diff)
        };
        tokio::task::spawn_blocking(commit).await
    } else {
        // Nothing was changed; the overlay remembers what the model has seen.
        Ok(staged.commit().map(|()| String::new()))
    };
    let (kind, message) = match committed {
        Ok(Ok(diff)) => return report::done(output.text, usage, diff),
        Ok(Err(conflict)) => (FailureKind::Failed, conflict.to_string()),
        Err(error) => (FailureKind::Internal, format!("cannot commit: {error}")),
    };
    ToolReport {
        usage,
        ..ToolReport::refused(kind, message)
    }
}
