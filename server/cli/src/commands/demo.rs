//! `boxagnts demo`: the whole way of a request on a sample repository, with no key and no network.

mod sample;

use crate::args::GovernanceArgs;
use crate::args::ModeArg;
use crate::asking::TerminalAsker;
use crate::commands::run::progress::{can_draw, spinner};
use crate::exit::{Exit, Failure};
use crate::render;
use crate::settings::{self, Overrides};
use crate::setup;
use crate::terminal::{self, Theme, paint, visible};
use crate::turn;
use boxagnts_protocol::conversation::ToolCall;
use boxagnts_protocol::proposal::{FileProposal, Hunk, HunkState};
use boxagnts_protocol::tool::ToolReport;
use boxagnts_protocol::update::{SessionEvent, TurnOutcome};
use boxagnts_session::store::Store;
use boxagnts_session::workspace::NoBuffers;
use boxagnts_session::{Ask, DiskApplier, Environment, EnvironmentParts, Selection, Sessions};
use clap::Args;
use sample::{CHANGELOG, PROMPT, Tree};
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

/// See it work on a sample repository: no key, no network, none of your files.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  boxagnts demo
  boxagnts demo --keep
  boxagnts demo --model ollama:MODEL")]
pub(crate) struct Demo {
    /// Ask this model instead of the built-in planner.
    #[arg(short, long, value_name = "MODEL", default_value = "builtin")]
    model: String,
    /// Keep the sample repository and say where it is.
    #[arg(long)]
    keep: bool,
}

impl Demo {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        let made = tempfile::Builder::new().prefix("boxagnts-demo-").tempdir();
        let failed = |error| Failure::failed(format!("cannot make the sample repository: {error}"));
        let folder = made.map_err(failed)?;
        sample::create(folder.path()).map_err(failed)?;
        let ended = Box::pin(self.show(folder.path())).await;
        if self.keep {
            let kept = folder.keep();
            terminal::print(&format!(
                "\nThe sample repository stays in {}\n",
                kept.display()
            ))?;
        }
        ended
    }

    async fn show(&self, root: &Path) -> Result<Exit, Failure> {
        let theme = Theme::stdout();
        let before = Tree::read(root)?;
        terminal::print(&self.head(&before, theme))?;

        let sessions = self.open(root)?;
        let session = ask(&sessions, theme).await?;
        let files = sessions.proposal(&session)?.files;
        if Tree::read(root)? != before {
            return Err(Failure::failed(
                "the sample repository changed before it was accepted",
            ));
        }
        terminal::print(&proposed(&files, before.len(), theme))?;
        terminal::print(&decide(&sessions, &session, &files, theme).await?)?;
        terminal::print(&afterwards(&before, &Tree::read(root)?, theme))?;
        terminal::print(&next(theme))?;
        Ok(Exit::Done)
    }

    /// Sessions over a journal that is gone afterwards.
    fn open(&self, root: &Path) -> Result<Arc<Sessions>, Failure> {
        let overrides = Overrides {
            model: Some(self.model.clone()),
            mode: Some(ModeArg::Review),
            governance: GovernanceArgs::default(),
        };
        let config = settings::load(root, None, &overrides)?.config;
        let toolbox = setup::toolbox()?;
        setup::prewarm(&toolbox, config.limits());
        let parts = EnvironmentParts {
            config,
            store: Store::in_memory()?,
            toolbox,
        };
        let environment = Environment::new(parts);
        Ok(Sessions::open(
            environment,
            root,
            Arc::new(NoBuffers),
            Arc::new(DiskApplier),
            Arc::new(TerminalAsker { questions: true }),
        )?)
    }

    fn head(&self, tree: &Tree, theme: Theme) -> String {
        let mut text = paint(
            theme.bold,
            "An agent that cannot touch your files until you say so",
        );
        let model = match self.model.as_str() {
            "builtin" => "the built-in planner: no key, no network",
            model => model,
        };
        let _ = write!(
            text,
            "\n\n  folder  a sample repository of {}\n  model   {model}\n  asked   {}\n",
            render::count(tree.len() as u64, "file"),
            paint(theme.cyan, PROMPT)
        );
        text
    }
}

/// Runs the turn, shows its calls, and gives its session.
async fn ask(sessions: &Arc<Sessions>, theme: Theme) -> Result<String, Failure> {
    let mut updates = sessions.subscribe();
    let asked = sessions.ask(Ask {
        prompt: PROMPT.to_owned(),
        ..Ask::default()
    })?;
    let waiting = can_draw().then(|| spinner("tools are compiled for this machine, once"));
    let mut calls: Vec<(ToolCall, Option<ToolReport>)> = Vec::new();
    let ended = turn::follow(sessions, &asked, &mut updates, |update| {
        match &update.event {
            SessionEvent::ToolStarted { call, .. } => calls.push((call.clone(), None)),
            SessionEvent::ToolFinished { id, report, .. } => {
                if let Some((_, slot)) = calls.iter_mut().find(|(call, _)| call.id == *id) {
                    *slot = Some(report.clone());
                }
            }
            _ => {}
        }
        Ok(())
    });
    let ended = ended.await?;
    if let Some(bar) = waiting {
        bar.finish_and_clear();
    }
    terminal::print(&ran(&calls, theme))?;
    match ended.outcome {
        TurnOutcome::Done => Ok(asked.session),
        other => {
            let how = format!("the turn ended early: {}", render::ended(&other));
            Err(Failure::new(Exit::of_turn(&other, None), how))
        }
    }
}

/// Accepts all hunks but one, and says so.
async fn decide(
    sessions: &Arc<Sessions>,
    session: &str,
    files: &[FileProposal],
    theme: Theme,
) -> Result<String, Failure> {
    let pending: Vec<(&FileProposal, &Hunk)> = render::waiting(files).collect();
    // What was is history; where a model left it alone, the last hunk is rejected instead.
    let history = pending.iter().find(|(file, _)| file.path == CHANGELOG);
    let (rejected, why) = match (history, pending.last()) {
        (Some((_, hunk)), _) => (&hunk.id, "a changelog tells of the past"),
        (None, Some((_, hunk))) => (&hunk.id, "to show how"),
        (None, None) => return Err(Failure::failed("the model proposed nothing")),
    };
    let reject = Selection::Hunks(vec![rejected.clone()]);
    sessions.reject(session, &reject, Some(why.to_owned()))?;
    let accept = pending
        .iter()
        .map(|(_, hunk)| &hunk.id)
        .filter(|id| *id != rejected);
    let accept: Vec<String> = accept.cloned().collect();
    let mut text = heading("Decided", theme);
    let _ = writeln!(text, "  {} {rejected}: {why}", paint(theme.red, "rejected"));
    if !accept.is_empty() {
        let _ = writeln!(
            text,
            "  {} {}",
            paint(theme.green, "accepted"),
            accept.join(" ")
        );
        let hunks = turn::accept(sessions, session, &Selection::Hunks(accept)).await?;
        if let Some(hunk) = hunks.iter().find(|hunk| hunk.state != HunkState::Accepted) {
            let reason = hunk.reason.as_deref().unwrap_or("no reason was given");
            return Err(Failure::failed(format!(
                "{} was not written: {reason}",
                hunk.id
            )));
        }
    }
    Ok(text)
}

fn heading(text: &str, theme: Theme) -> String {
    format!("\n{}\n", paint(theme.bold, text))
}

/// The calls in columns.
fn ran(calls: &[(ToolCall, Option<ToolReport>)], theme: Theme) -> String {
    let mut text = heading("Ran in the sandbox", theme);
    for (call, report) in calls {
        let Some(report) = report else { continue };
        let (mark, style) = if report.ok {
            ("✓", theme.green)
        } else {
            ("✗", theme.red)
        };
        let used = format!(
            "{:>7}  {:>6} fuel",
            render::milliseconds(report.usage.wall_ms),
            render::rounded(report.usage.fuel)
        );
        let input = render::cut(&render::input(&call.input), 44);
        let _ = writeln!(
            text,
            "  {} {:6} {input:44} {}",
            paint(style, mark),
            visible(&call.name),
            paint(theme.dim, used)
        );
    }
    text
}

/// The hunks with their ids; said only after the files were compared.
fn proposed(files: &[FileProposal], count: usize, theme: Theme) -> String {
    let mut text = heading("Proposed", theme);
    for (file, hunk) in render::waiting(files) {
        let line = hunk.range.start.line + 1;
        let id = paint(theme.cyan, format!("{:>4}", hunk.id));
        let _ = writeln!(
            text,
            "{id}  {}",
            paint(theme.bold, format!("{}:{line}", file.path))
        );
        for (sign, side, style) in [
            ('-', &hunk.old_text, theme.red),
            ('+', &hunk.new_text, theme.green),
        ] {
            for line in side.lines() {
                let _ = writeln!(
                    text,
                    "      {}",
                    paint(style, format!("{sign} {}", visible(line)))
                );
            }
        }
    }
    let same = format!("all {count} files on disk are byte for byte as they were");
    let _ = writeln!(text, "  {} {same}", paint(theme.green, "✓"));
    text
}

/// What the files say now, where they speak of the function.
fn afterwards(before: &Tree, after: &Tree, theme: Theme) -> String {
    let mut text = heading("On disk now", theme);
    for (path, place, line) in after.mentions() {
        let note = match (before.get(path) == after.get(path), after.is_crlf(path)) {
            (true, _) => "as it was",
            (false, true) if before.is_crlf(path) => "line endings kept: CRLF",
            _ => "",
        };
        let place = format!("{path}:{place}");
        let line = visible(line.trim());
        let _ = writeln!(text, "  {place:18} {line:42} {}", paint(theme.dim, note));
    }
    // Columns leave blanks behind where there is no note.
    text.lines()
        .fold(String::new(), |text, line| text + line.trim_end() + "\n")
}

fn next(theme: Theme) -> String {
    let mut text = heading("Next", theme);
    for (command, what) in [
        (
            "boxagnts run \"rename OLD to NEW\"",
            "in a folder of yours; asks about every hunk",
        ),
        (
            "boxagnts run --model ollama:MODEL …",
            "with a language model; see boxagnts run --help",
        ),
        (
            "boxagnts lsp",
            "in your editor; boxagnts doctor checks the rest",
        ),
    ] {
        let _ = writeln!(
            text,
            "  {}  {what}",
            paint(theme.cyan, format!("{command:36}"))
        );
    }
    text
}
