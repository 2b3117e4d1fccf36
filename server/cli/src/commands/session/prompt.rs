//! `boxagnts session prompt`: the system prompt that a session would begin with, part by part.

use crate::args::SettingArgs;
use crate::exit::{Exit, Failure};
use crate::settings;
use crate::setup;
use crate::terminal::{self, Theme, paint, visible};
use boxagnts_protocol::update::PromptPart;
use clap::Args;
use serde::Serialize;
use std::fmt::Write;
use std::path::PathBuf;

/// Show what a new session tells its model before anything is asked, with the size of each part.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  boxagnts session prompt
  boxagnts session prompt --workspace ~/src/project --mode plan
  boxagnts session prompt --json")]
pub(crate) struct Prompt {
    /// The folder whose instructions and skills are read.
    #[arg(long, value_name = "DIR", default_value = ".")]
    workspace: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: SettingArgs,
}

#[derive(Serialize)]
struct Json<'a> {
    parts: &'a [PromptPart],
    problems: &'a [String],
}

impl Prompt {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let root = setup::workspace(&self.workspace)?;
        let config = settings::load_and_warn(&root, &self.settings.overrides())?;
        let sessions = setup::sessions(config, &root)?;
        let (parts, problems) = sessions.system_prompt()?;
        if self.json {
            let json = Json {
                parts: &parts,
                problems: &problems,
            };
            terminal::print(&format!("{}\n", serde_json::to_string(&json)?))?;
        } else {
            terminal::print(&shown(&parts, &problems, Theme::stdout()))?;
        }
        Ok(Exit::Done)
    }
}

fn shown(parts: &[PromptPart], problems: &[String], theme: Theme) -> String {
    let mut text = String::new();
    for PromptPart { name, text: part } in parts {
        let head = format!("── {name} · {} bytes", part.len());
        let _ = writeln!(text, "{}", paint(theme.cyan, head));
        let _ = writeln!(text, "{}\n", visible(part));
    }
    let all: usize = parts.iter().map(|part| part.text.len()).sum();
    let count = parts.len();
    let _ = writeln!(
        text,
        "{}",
        paint(theme.bold, format!("{count} parts, {all} bytes"))
    );
    for problem in problems {
        let line = format!("not used: {}", visible(problem));
        let _ = writeln!(text, "{}", paint(theme.yellow, line));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_with_their_sizes() {
        let parts = [("mode", "- ä"), ("project instructions", "x\u{1b}y")].map(|(name, text)| {
            PromptPart {
                name: name.to_owned(),
                text: text.to_owned(),
            }
        });
        let text = shown(
            &parts,
            &["`AGENTS.md` is no text".to_owned()],
            Theme::plain(),
        );
        let expect = "── mode · 4 bytes\n- ä\n\n── project instructions · 3 bytes\nx␛y\n\n2 parts, 7 \
                      bytes\nnot used: `AGENTS.md` is no text\n";
        assert_eq!(text, expect);
    }
}
