//! `boxagnts config show`: every knob with its value and where the value comes from.

use crate::args::SettingArgs;
use crate::exit::{Exit, Failure};
use crate::settings::{self, ConfigFile, Loaded};
use crate::setup;
use crate::terminal::{self, Theme, paint, visible};
use boxagnts_session::policy::config::{Ignored, Shown};
use clap::Args;
use serde::Serialize;
use std::fmt::Write;
use std::path::PathBuf;

/// Show every setting with its value and where the value comes from.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  boxagnts config show
  boxagnts config show --workspace ~/src/project --limit max_turns=10
  boxagnts config show --json")]
pub(crate) struct Show {
    /// The folder whose project file is read.
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
    settings: Vec<Shown>,
    ignored: &'a [Ignored],
    problems: &'a [String],
    files: &'a [ConfigFile],
}

impl Show {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let root = setup::workspace(&self.workspace)?;
        let loaded = settings::load(&root, None, &self.settings.overrides())?;
        if self.json {
            let json = Json {
                settings: loaded.config.shown(),
                ignored: loaded.config.ignored(),
                problems: &loaded.problems,
                files: &loaded.files,
            };
            terminal::print(&format!("{}\n", serde_json::to_string(&json)?))?;
        } else {
            terminal::print(&table(&loaded, Theme::stdout()))?;
        }
        Ok(Exit::Done)
    }
}

fn table(loaded: &Loaded, theme: Theme) -> String {
    let shown = loaded.config.shown();
    let width = |of: fn(&Shown) -> &str| shown.iter().map(|s| of(s).chars().count()).max();
    let names = width(|shown| &shown.name).unwrap_or(0);
    let values = width(|shown| &shown.value).unwrap_or(0).min(40);
    let mut table = String::new();
    for Shown {
        name,
        value,
        origin,
        ..
    } in &shown
    {
        let built_in = origin == "built-in";
        let style = if built_in {
            anstyle::Style::new()
        } else {
            theme.bold
        };
        let value = paint(style, format!("{:values$}", visible(value)));
        let origin = if built_in {
            paint(theme.dim, origin)
        } else {
            visible(origin).into_owned()
        };
        let _ = writeln!(table, "{name:names$}  {value}  {origin}");
    }
    table.push('\n');
    for ConfigFile { layer, path, found } in &loaded.files {
        let found = if *found { "" } else { " (not there)" };
        let _ = writeln!(table, "{layer} file: {}{found}", path.display());
    }
    for problem in &loaded.problems {
        let _ = writeln!(table, "{}", paint(theme.yellow, visible(problem)));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use boxagnts_session::policy::config::{Config, Layer};

    #[test]
    fn values_come_with_their_origin() {
        let mut builder = Config::builder();
        builder
            .add_toml(Layer::User, "u.toml", "max_turns = 7")
            .unwrap();
        let problems = vec!["ignored `model` of p.toml: no".to_owned()];
        let files = vec![ConfigFile {
            layer: "user",
            path: "u.toml".into(),
            found: false,
        }];
        let text = table(
            &Loaded {
                config: builder.build(),
                files,
                problems,
            },
            Theme::plain(),
        );
        let line = |name: &str| {
            text.lines()
                .find(|l| l.starts_with(name))
                .unwrap()
                .to_owned()
        };
        assert!(line("max_turns").ends_with("user (u.toml)"), "{text}");
        assert!(line("wasm_fuel").ends_with("built-in"), "{text}");
        assert!(
            text.contains("\nuser file: u.toml (not there)\nignored `model`"),
            "{text}"
        );
    }
}
