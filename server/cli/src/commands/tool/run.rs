//! `boxagnts tool run`: one call, through the same gate and sandbox as any call of a model.

use crate::args::{GovernanceArgs, ModeArg};
use crate::asking::TerminalApprover;
use crate::exit::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::render;
use crate::settings::{self, Overrides};
use crate::setup;
use crate::terminal::{self, Theme, paint, visible};
use boxagnts_protocol::conversation::ToolCall;
use boxagnts_protocol::tool::{FailureKind, ToolReport};
use boxagnts_session::tools::ToolRequest;
use clap::Args;
use serde_json::Value;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Longest input.
const MAX_INPUT: u64 = 64 << 20;

/// Run one tool call in the sandbox and show what it would change.
///
/// The tool sees the folder through an overlay: what it writes is shown as a diff and then dropped.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  boxagnts tool run read --input '{\"path\": \"README.md\"}'
  boxagnts tool run grep --input @query.json --json
  boxagnts tool run ./my-tool.wasm --input '{}' --limit wasm_fuel=1000000")]
pub(crate) struct Run {
    /// Name of a tool, or a component file (FILE.wasm).
    #[arg(value_name = "NAME|FILE.wasm")]
    name: String,
    /// The input: a JSON object, @FILE, or - for standard input.
    #[arg(long, value_name = "JSON|@FILE|-", default_value = "{}")]
    input: String,
    /// The folder that the tool sees.
    #[arg(long, value_name = "DIR", default_value = ".")]
    workspace: PathBuf,
    #[command(flatten)]
    governance: GovernanceArgs,
    /// What to do with what the tool wants.
    #[arg(long, value_enum, value_name = "MODE")]
    mode: Option<ModeArg>,
    /// Let the call run where the user would be asked.
    #[arg(long)]
    yes: bool,
    /// Print one JSON object: ok, output, error, usage, diff, decision, audit.
    #[arg(long)]
    json: bool,
}

impl Run {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        let (report, exit) = match self.call().await {
            Ok(report) => {
                let exit = report
                    .error
                    .as_ref()
                    .map_or(Exit::Done, |e| Exit::of_call(e.kind));
                (report, exit)
            }
            Err((kind, failure)) => (ToolReport::refused(kind, failure.message), failure.exit),
        };
        if self.json {
            terminal::print(&format!("{}\n", serde_json::to_string(&report)?))?;
        } else {
            tell(&report)?;
        }
        Ok(exit)
    }

    /// `Err` for what went wrong before there was a call.
    async fn call(&self) -> Result<ToolReport, (FailureKind, Failure)> {
        let before = |failure| (FailureKind::Failed, failure);
        let root = setup::workspace(&self.workspace).map_err(before)?;
        let overrides = Overrides {
            model: None,
            mode: self.mode,
            governance: self.governance.clone(),
        };
        let config = settings::load_and_warn(&root, &overrides).map_err(before)?;
        let overlay = setup::overlay(&root, config.mounts()).map_err(before)?;
        let toolbox = setup::tools_of(&root).map_err(before)?;
        let input = read_input(&self.input)
            .map_err(|message| (FailureKind::InvalidInput, Failure::usage(message)))?;
        let cancel = CancellationToken::new();
        let cancelled = cancel.clone();
        let _listening = Interrupt::listen(move || cancelled.cancel());

        let call = ToolCall {
            id: "cli".to_owned(),
            name: self.name.clone(),
            input,
        };
        let request = ToolRequest {
            ask: None,
            call: &call,
            config: &config,
            overlay: &overlay,
            approver: &TerminalApprover {
                yes: self.yes,
                hosts: !self.governance.hosts.is_empty(),
            },
            cancel,
            progress: Some(Arc::new(|text| {
                terminal::say(&format!("{}\n", visible(text)))
            })),
            natives: None,
        };
        if !super::is_file(&self.name) {
            return Ok(Box::pin(toolbox.run(request)).await);
        }
        let opened = toolbox
            .open_file(Path::new(&self.name), config.limits())
            .await;
        let tool = match opened {
            Ok(tool) => tool,
            Err(error) => return Ok(error.report()),
        };
        // Rules and settings are by name. What it calls itself says nothing, and the name of another
        // tool would get it what was meant for that one.
        let stem = Path::new(&self.name).file_stem().unwrap_or_default();
        let stem = stem.to_string_lossy().into_owned();
        let name = match toolbox.level(&stem) {
            Some(_) => self.name.clone(),
            None => stem,
        };
        let call = ToolCall {
            name,
            ..call.clone()
        };
        let request = ToolRequest {
            ask: None,
            call: &call,
            ..request
        };
        Ok(Box::pin(toolbox.run_file(&tool, request)).await)
    }
}

/// The JSON that `--input` stands for.
fn read_input(given: &str) -> Result<Value, String> {
    let (text, place) = if given == "-" {
        (
            read(std::io::stdin().lock(), "standard input")?,
            "standard input".to_owned(),
        )
    } else if let Some(path) = given.strip_prefix('@') {
        let file = std::fs::File::open(path)
            .map_err(|error| format!("cannot read the input {path}: {error}"))?;
        (read(file, path)?, path.to_owned())
    } else {
        (given.to_owned(), "--input".to_owned())
    };
    serde_json::from_str(&text).map_err(|error| {
        format!("{place} is no JSON: {error}; expected an object such as '{{\"path\": \"a.txt\"}}'")
    })
}

fn read(from: impl Read, place: &str) -> Result<String, String> {
    let mut text = String::new();
    let read = from.take(MAX_INPUT).read_to_string(&mut text);
    read.map_err(|error| format!("cannot read the input {place}: {error}"))?;
    Ok(text)
}

fn tell(report: &ToolReport) -> Result<(), Failure> {
    let people = std::io::stdout().is_terminal();
    if !report.output.is_empty() {
        let output = if people {
            visible(&report.output).into_owned()
        } else {
            report.output.clone()
        };
        let end = if output.ends_with('\n') { "" } else { "\n" };
        terminal::print(&format!("{output}{end}"))?;
    }
    if !report.diff.is_empty() {
        match people {
            true => terminal::print(&render::diff(&report.diff, Theme::stdout()))?,
            false => terminal::print(&report.diff)?,
        }
    }
    match &report.error {
        Some(error) => terminal::complain(&error.message),
        None if std::io::stderr().is_terminal() => {
            let usage = format!(
                "({}, {} fuel, {} KiB)",
                render::milliseconds(report.usage.wall_ms),
                render::rounded(report.usage.fuel),
                render::thousands(report.usage.peak_memory_bytes >> 10)
            );
            terminal::say(&format!("{}\n", paint(Theme::stderr().dim, usage)));
        }
        None => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_comes_from_where_it_is_said_to() {
        assert_eq!(read_input(r#"{"a": 1}"#).unwrap()["a"], 1);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("input.json");
        std::fs::write(&path, r#"{"b": 2}"#).unwrap();
        assert_eq!(read_input(&format!("@{}", path.display())).unwrap()["b"], 2);
        let error = read_input("{path: 1}").unwrap_err();
        assert!(
            error.starts_with("--input is no JSON: key must be a string"),
            "{error}"
        );
        assert!(read_input("@/no/such").unwrap_err().contains("/no/such"));
        std::fs::write(&path, [0xff]).unwrap();
        assert!(
            read_input(&format!("@{}", path.display()))
                .unwrap_err()
                .contains("input.json")
        );
    }
}
