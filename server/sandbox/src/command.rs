//! WASI commands as tools: arguments in, standard output out, files from the overlay, and nothing of
//! the host: no environment, no input, no terminal.

mod capture;
mod component;

pub(crate) use capture::Capture;
pub(crate) use component::{CommandHost, linker};

use crate::call::{CallFailure, ToolOutput, Usage};
use crate::files::AnyFs;
use crate::meter::{Deadline, bounded};
use crate::network::{Contacts, Gate};
use crate::tool::Given;
use crate::wasi::files::Files;
use crate::wasi::preview1::{self, Preview1};
use std::sync::Arc;
use tokio::runtime::Handle;
use wasmtime::InstancePre;
use wasmtime_wasi::p2::bindings::CommandPre;

/// Standard error that is kept.
const MAX_STDERR: usize = 64 << 10;

/// A command that is ready to be called.
pub(crate) enum Command {
    /// A component of WASI 0.2.
    Component(CommandPre<CommandHost>),
    /// A program of WASI preview 1.
    Preview1(InstancePre<Preview1>),
}

/// One call of a command.
pub(crate) struct CommandCall {
    /// The program's name and its arguments.
    pub(crate) arguments: Vec<String>,
    pub(crate) given: Given,
}

/// What came of a call of a command.
pub(crate) struct CommandEnd {
    pub(crate) outcome: Result<ToolOutput, CallFailure>,
    pub(crate) partial: String,
    pub(crate) stderr: String,
    pub(crate) usage: Usage,
    pub(crate) contacts: Contacts,
    pub(crate) refused: Vec<String>,
    /// `None` when a stream of the guest's outlived it.
    pub(crate) fs: Option<Box<dyn AnyFs>>,
}

/// What came of running a command, before anyone judges it.
pub(crate) struct Ran {
    /// Its exit status, or what stopped it.
    pub(crate) ended: Result<i32, CallFailure>,
    pub(crate) usage: Usage,
    /// `None` when a stream of the guest's outlived it.
    pub(crate) files: Option<Files>,
    /// `None` for one that has no network.
    pub(crate) gate: Option<Arc<Gate>>,
}

/// Runs a guest until it ends, its time is up or it is cancelled: one that sleeps runs no code that
/// the epoch could stop.
pub(crate) fn in_time<T>(
    runtime: &Handle,
    deadline: Deadline,
    guest: impl Future<Output = wasmtime::Result<T>>,
) -> Option<wasmtime::Result<T>> {
    let Deadline { timeout, cancel } = deadline;
    runtime.block_on(async {
        tokio::select! {
            ended = guest => Some(ended),
            () = tokio::time::sleep(timeout) => None,
            () = cancel.cancelled() => None,
        }
    })
}

/// Runs a command to its end. Call it on a thread that may block.
pub(crate) fn run(command: &Command, call: CommandCall, runtime: &Handle) -> CommandEnd {
    let CommandCall { arguments, given } = call;
    let max_output = usize::try_from(given.limits.max_output_bytes).unwrap_or(usize::MAX);
    let stdout = Capture::new(max_output, true);
    let stderr = Capture::new(MAX_STDERR, false);
    let ran = match command {
        Command::Component(pre) => {
            component::run(pre, &arguments, given, (&stdout, &stderr), runtime)
        }
        Command::Preview1(pre) => preview1::run(pre, arguments, given, (&stdout, &stderr), runtime),
    };
    conclude(ran, &stdout, &stderr)
}

/// What a tool call is told of a command: its files written, its words, and why it failed.
fn conclude(ran: Ran, stdout: &Capture, stderr: &Capture) -> CommandEnd {
    let Ran {
        ended,
        mut usage,
        files,
        gate,
    } = ran;
    let (mut denied, mut refused_paths) = (None, Vec::new());
    let (fs, written) = match files {
        Some(files) => {
            (usage.host_bytes, usage.files_opened) = files.used();
            denied = files.denied().map(str::to_owned);
            refused_paths = files.refused();
            let (fs, written) = files.finish();
            (Some(fs), written)
        }
        None => (None, Err("its files are still in use".to_owned())),
    };
    // The guest may have said no more than that it could not connect.
    let refusal = gate.as_ref().and_then(|gate| gate.refusal());
    let refused = |message: String| match (&refusal, &denied) {
        (Some(refusal), _) => CallFailure::Denied(format!("{}\n{refusal}", message.trim_end())),
        (None, Some(_)) => CallFailure::Denied(message),
        (None, None) => CallFailure::Failed(message),
    };
    let (said, truncated) = stdout.text();
    let stderr = stderr.text().0;
    let reason = bounded(stderr.trim().to_owned());
    let (outcome, partial) = match (ended, written) {
        (Ok(0), Ok(())) => (
            Ok(ToolOutput {
                // Compilers and their like tell on standard error alone what they found.
                text: match said.trim().is_empty() {
                    true => stderr.clone(),
                    false => said,
                },
                truncated,
            }),
            String::new(),
        ),
        (Ok(0), Err(lost)) => (Err(refused(lost)), said),
        (Ok(status), _) => {
            let why = match (reason.as_str(), &denied) {
                ("", Some(denied)) => denied.clone(),
                ("", None) if said.trim().is_empty() => {
                    "the command failed and said nothing".to_owned()
                }
                ("", None) => "the command failed; its output says why".to_owned(),
                (reason, _) => reason.to_owned(),
            };
            // Programs tell by it what they found.
            let message = match status {
                1 => why,
                status => format!("{why} (exit status {status})"),
            };
            (Err(refused(message)), said)
        }
        // What a runtime says before it gives up is the reason.
        (Err(CallFailure::Trap(trap)), _) => {
            let trap = match reason.as_str() {
                "" => trap,
                reason => format!("{trap}\n{reason}"),
            };
            (Err(CallFailure::Trap(trap)), said)
        }
        (Err(failure), _) => (Err(failure), said),
    };
    CommandEnd {
        outcome,
        partial,
        stderr,
        usage,
        contacts: gate.map(|gate| gate.contacts()).unwrap_or_default(),
        refused: refused_paths,
        fs,
    }
}
