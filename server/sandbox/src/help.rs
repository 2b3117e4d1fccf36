//! Asking a command for its help text. It finds no files, and what it says counts however it ends:
//! many end as if they had failed.

use crate::call::{CallFailure, Capabilities};
use crate::command::{self, CommandCall};
use crate::engine::ticker;
use crate::files::WithWalks;
use crate::network::Network;
use crate::tool::{Given, NoFiles, Program, Tool, finish, place};
use boxagnts_policy::limits::Limits;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

/// Wall clock for a help text, in milliseconds.
const TIMEOUT: u64 = 10_000;
/// Instructions for a help text: an interpreter has to start for some.
const FUEL: u64 = 2_000_000_000;
/// Longest help text, in bytes.
const MAX_OUTPUT: u64 = 64 << 10;

/// What a command says when it is asked for help.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HelpText {
    /// On its standard output.
    pub stdout: String,
    /// On its standard error.
    pub stderr: String,
}

impl Tool {
    /// Runs a command with `--help`, within limits of which none is above the given ones. A tool of
    /// our ABI says nothing.
    ///
    /// # Errors
    /// Faults of ours; a command that fails, traps or does not end only says less.
    pub async fn help(self: &Arc<Self>, limits: &Limits) -> Result<HelpText, CallFailure> {
        let mut limits = limits.clone();
        limits.wasm_timeout = limits.wasm_timeout.min(TIMEOUT);
        limits.wasm_fuel = limits.wasm_fuel.min(FUEL);
        limits.max_output_bytes = limits.max_output_bytes.min(MAX_OUTPUT);
        let place = place(&limits).await?;
        let (tool, given) = (Arc::clone(self), limits.clone());
        let cancel = CancellationToken::new();
        let _stop = cancel.clone().drop_guard();
        let (cancelled, runtime) = (cancel.clone(), Handle::current());
        let task = tokio::task::spawn_blocking(move || {
            let _place = place;
            let Program::Command { command, .. } = &tool.program else {
                return Ok(HelpText::default());
            };
            let running = ticker().run();
            let _running = running.map_err(|error| CallFailure::Internal(error.to_string()))?;
            let call = CommandCall {
                arguments: vec![tool.program_name(), "--help".to_owned()],
                given: Given {
                    grants: Capabilities::default(),
                    limits: given,
                    cancel: cancelled,
                    fs: WithWalks::new(NoFiles),
                    network: Network::closed(),
                    progress: None,
                },
            };
            let ended = command::run(command, call, &runtime);
            Ok(HelpText {
                stdout: match ended.outcome {
                    Ok(output) => output.text,
                    Err(_) => ended.partial,
                },
                stderr: ended.stderr,
            })
        });
        finish(task, &limits, &cancel).await?
    }
}
