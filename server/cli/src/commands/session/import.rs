//! `boxagnts session import`: takes over a session from a file.

use crate::exit::{Exit, Failure};
use crate::render;
use crate::settings::{self, Overrides};
use crate::setup;
use crate::terminal::{self, visible};
use boxagnts_session::SessionError;
use clap::Args;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Longest file, in bytes.
const MAX_BYTES: u64 = 256 << 20;

/// Take over a session that `session export --format json` wrote, as one of this folder.
///
/// Nothing of it is carried out: its words can be read, it can be continued, and what it proposes waits
/// for your decision, like any proposal. Its settings and its system prompt are left out; yours hold.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  boxagnts session import session.json
  boxagnts session import session.json --workspace ~/project --model anthropic:MODEL")]
pub(crate) struct Import {
    /// The file; - is standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The folder that it becomes a session of.
    #[arg(long, value_name = "DIR", default_value = ".")]
    workspace: PathBuf,
    /// The model that it goes on with, instead of its own.
    #[arg(short, long, value_name = "MODEL")]
    model: Option<String>,
    /// Print one JSON object: the session as in `session list --json`.
    #[arg(long)]
    json: bool,
}

impl Import {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        let text = read(&self.file).map_err(|reason| {
            Failure::usage(format!("cannot read {}: {reason}", self.file.display()))
        })?;
        let root = setup::workspace(&self.workspace)?;
        let config = settings::load_and_warn(&root, &Overrides::default())?;
        let sessions = setup::sessions(config, &root)?;
        let imported = sessions.import(&text, self.model.as_deref());
        let imported = imported.map_err(|error| {
            let file = self.file.display();
            let remedy = match &error {
                SessionError::Import(_) => {
                    "; `boxagnts session export ID -o session.json` writes what can be imported"
                }
                // The file is not to blame.
                _ => "",
            };
            let failure = Failure::from(error);
            Failure::new(
                failure.exit,
                format!("cannot import {file}: {}{remedy}", failure.message),
            )
        })?;
        let session = &imported.session.session;
        if self.json {
            terminal::print(&format!("{}\n", serde_json::to_string(&imported.session)?))?;
        } else {
            terminal::print(&format!("{session}\n"))?;
        }
        for left_out in &imported.left_out {
            terminal::warn(&format!("left out: {left_out}"));
        }
        let origin = imported.session.origin.map(|origin| origin.session);
        let origin = origin.unwrap_or_default();
        terminal::say(&format!(
            "{origin} of the file is {session} in {}\n",
            visible(&imported.session.workspace)
        ));
        terminal::say(&format!(
            "it goes on with the model {}; import it with --model for another\n",
            visible(&imported.session.model)
        ));
        if imported.waiting > 0 {
            terminal::say(&format!(
                "{} left to decide: boxagnts session review {session}\n",
                render::count(imported.waiting, "hunk")
            ));
        }
        Ok(Exit::Done)
    }
}

fn read(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        let input = std::io::stdin().lock();
        input.take(MAX_BYTES + 1).read_to_string(&mut text)
    } else {
        let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
        file.take(MAX_BYTES + 1).read_to_string(&mut text)
    };
    match read {
        Err(error) => Err(error.to_string()),
        Ok(count) if count as u64 > MAX_BYTES => Err(format!("it has more than {MAX_BYTES} bytes")),
        Ok(_) => Ok(text),
    }
}
