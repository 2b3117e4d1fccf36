//! `boxagnts run`: one turn from a terminal or a script.

mod cost;
pub(crate) mod progress;
mod result;
pub(crate) mod review;

use crate::args::SettingArgs;
use crate::asking::TerminalAsker;
use crate::exit::{Exit, Failure};
use crate::exports::Exports;
use crate::outfile::OutFile;
use crate::render;
use crate::settings;
use crate::setup;
use crate::terminal::{self, Theme};
use crate::turn::{self, Ended};
use boxagnts_protocol::commands::{AskResult, HunkStatus};
use boxagnts_protocol::proposal::{FileProposal, HunkState};
use boxagnts_protocol::update::{SessionMode, TurnOutcome, Update};
use boxagnts_session::model::Recording;
use boxagnts_session::policy::path::WorkspacePath;
use boxagnts_session::workspace::{self, NoBuffers};
use boxagnts_session::{Ask, Attachment, DiskApplier, Picture, Selection, Sessions};
use clap::Args;
use progress::Display;
use result::RunResult;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc::UnboundedReceiver;

/// Longest prompt from standard input.
const MAX_PROMPT: u64 = 4 << 20;
/// Bytes of a picture that are read: more than a model is shown.
const MAX_IMAGE: u64 = 16 << 20;

/// Ask for a change of a folder and get hunks to review, or a diff.
///
/// The unified diff goes to standard output, everything else to standard error. Its names begin at the
/// top of the git repository, if there is one, as `git apply` wants them. Nothing is written before you
/// accept it: by --apply, by --mode auto, or hunk by hunk on a terminal.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  boxagnts run \"rename total_cost to order_total\"
  boxagnts run \"rename total_cost to order_total\" | git apply
  boxagnts run --apply --model openai:MODEL \"fix the typos in README.md\"
  boxagnts run --continue \"and its tests\"
  boxagnts run --record talk.jsonl \"explain main.rs\"; boxagnts run --model replay:talk.jsonl …
  git log -1 --format=%B | boxagnts run --json -")]
pub(crate) struct Run {
    /// What you want done; - reads it from standard input.
    #[arg(required = true, num_args = 1.., value_name = "PROMPT")]
    prompt: Vec<String>,
    /// The folder to work in.
    #[arg(long, value_name = "DIR", default_value = ".")]
    workspace: PathBuf,
    #[command(flatten)]
    settings: SettingArgs,
    /// Accept everything that is proposed, when the turn ends well.
    #[arg(long)]
    apply: bool,
    /// Write the diff to a file instead of standard output.
    #[arg(long, value_name = "FILE")]
    patch: Option<PathBuf>,
    /// Print every event as a JSON line, and the result as the last one.
    #[arg(long)]
    json: bool,
    /// Continue a session; the beginning of its id is enough.
    #[arg(long, value_name = "ID", conflicts_with = "model")]
    session: Option<String>,
    /// Continue the latest session of the folder.
    #[arg(long = "continue", conflicts_with_all = ["session", "model"])]
    latest: bool,
    /// Show the model a picture (PNG, JPEG, GIF or WebP); may be given several times. Files of the
    /// folder can also be mentioned in the prompt, as in @shot.png.
    #[arg(long = "image", value_name = "FILE")]
    images: Vec<PathBuf>,
    /// Write what the model is asked and answers to a file, without keys; the model `replay:FILE`
    /// answers from it.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

/// A picture that the user named.
fn picture(path: &Path) -> Result<Attachment, Failure> {
    let wrong =
        |reason: String| Failure::usage(format!("cannot show {}: {reason}", path.display()));
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| wrong(error.to_string()))?;
    let read = file.take(MAX_IMAGE).read_to_end(&mut bytes);
    read.map_err(|error| wrong(error.to_string()))?;
    Picture::from_bytes(&bytes)
        .map(Attachment::Picture)
        .map_err(wrong)
}

/// What a turn brought and what became of it.
struct Report {
    session: String,
    ended: Ended,
    diff: String,
    /// Hunks that were decided on.
    hunks: Vec<HunkStatus>,
    /// Whether everything that was proposed has been written.
    applied: bool,
    exit: Exit,
}

impl Run {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        let ended = Box::pin(self.propose()).await;
        if self.json {
            // The last line is the result, whatever happened.
            let result = match &ended {
                Ok(report) => RunResult::of(report),
                Err(failure) => RunResult::failed(failure),
            };
            terminal::print(&format!("{}\n", serde_json::to_string(&result)?))?;
        }
        ended.map(|report| report.exit)
    }

    async fn propose(&self) -> Result<Report, Failure> {
        let began = Instant::now();
        let patch = self
            .patch
            .as_deref()
            .map(|path| OutFile::find("the diff", path))
            .transpose()?;
        let recording = setup::recording(self.record.as_deref())?;
        let exports = Exports::default();
        let (sessions, ask) = self.open(recording.as_ref(), &exports)?;
        setup::recover(&sessions).await?;
        // Before there is a session, or a turn, that nothing could answer in.
        if !boxagnts_session::answers_itself(&ask.prompt) {
            let model = match &ask.session {
                Some(session) => sessions.settled(session)?.model,
                None => sessions.environment().config().model().to_owned(),
            };
            sessions.environment().check_key(&model).await?;
        }
        let mut updates = sessions.subscribe();
        // What the command line says holds for a session that had another mode, too.
        if let (Some(session), Some(mode)) = (&ask.session, self.settings.mode) {
            sessions.set_mode(session, mode.into())?;
        }
        let earlier = match &ask.session {
            Some(session) => render::waiting_ids(&sessions.proposal(session)?.files),
            None => Vec::new(),
        };
        let asked = sessions.ask(ask)?;
        // Behind it, for it may go on with an old one.
        drop(sessions.forget_old());
        let ended = self.follow(&sessions, &asked, &mut updates).await?;
        // Beside what is still to be done, which may be a user's review.
        let exported = tokio::spawn(async move { exports.finish().await });
        if let Some(reason) = recording.and_then(|recording| recording.failure()) {
            terminal::warn(&format!("the recording is not whole: {reason}"));
        }

        let session = asked.session;
        // The user may have chosen another one meanwhile.
        let mode = sessions.mode(&session)?;
        let diff = match &ended.proposed {
            Some(diff) => diff.clone(),
            None => sessions.diff(&session)?,
        };
        let diff = for_git(sessions.root(), &diff)?;
        if !self.json {
            let costs = cost::of(&sessions, &ended);
            let summary = summary(&ended, &session, &diff, costs, began);
            terminal::say(&format!("{summary}\n"));
        }
        let asks = !self.apply
            && !self.json
            && patch.is_none()
            && mode == SessionMode::Review
            && can_review();
        match &patch {
            Some(patch) => patch.write(&diff)?,
            None if self.json || asks => {}
            None => print_diff(&diff)?,
        }
        let exit = Exit::of_turn(&ended.outcome, ended.fruitless.as_ref());
        let (decided, exit) = self
            .decide(&sessions, &session, &earlier, asks, exit)
            .await?;
        let hunks = [ended.decided.clone(), decided].concat();

        let waiting = render::waiting(&sessions.proposal(&session)?.files).count();
        let accepted = hunks.iter().any(|hunk| hunk.state == HunkState::Accepted);
        if self.json {
            print_rest(&mut updates, &session)?;
        } else {
            let wrote = self.apply || asks || mode == SessionMode::Auto;
            tell(&hunks, waiting, wrote, &session);
            if let Some(patch) = &patch {
                terminal::say(&format!("the diff is in {}\n", patch.path().display()));
            }
        }
        let _ = exported.await;
        Ok(Report {
            session,
            ended,
            diff,
            hunks,
            applied: accepted && waiting == 0,
            exit,
        })
    }

    /// The sessions of the folder, and what to ask.
    fn open(
        &self,
        recording: Option<&Arc<Recording>>,
        exports: &Exports,
    ) -> Result<(Arc<Sessions>, Ask), Failure> {
        let prompt = prompt(&self.prompt)?;
        let root = setup::workspace(&self.workspace)?;
        let config = settings::load_and_warn(&root, &self.settings.overrides())?;
        let environment = setup::environment(config, setup::toolbox()?, &root)?;
        for problem in environment.misspelt().into_problems() {
            terminal::warn(&problem);
        }
        if !self.json {
            setup::tell_of_preparing();
        }
        setup::prewarm(environment.toolbox(), environment.config().limits());
        if let Some(recording) = recording {
            environment.record(Arc::clone(recording));
        }
        if let Err(reason) = exports.export(&environment) {
            terminal::warn(&reason);
        }
        let session = match &self.session {
            Some(id) => Some(environment.store().session(id)?.session),
            None if self.latest => Some(setup::latest(environment.store(), &root)?.session),
            None => None,
        };
        let (buffers, applier) = (Arc::new(NoBuffers), Arc::new(DiskApplier));
        let asker = Arc::new(TerminalAsker {
            questions: !self.json,
        });
        let sessions = Sessions::open(environment, &root, buffers, applier, asker)?;
        Ok((
            sessions,
            Ask {
                prompt,
                session,
                attached: self
                    .images
                    .iter()
                    .map(|path| picture(path))
                    .collect::<Result<_, _>>()?,
                ..Ask::default()
            },
        ))
    }

    async fn follow(
        &self,
        sessions: &Arc<Sessions>,
        asked: &AskResult,
        updates: &mut UnboundedReceiver<Update>,
    ) -> Result<Ended, Failure> {
        if self.json {
            return turn::follow(sessions, asked, updates, print_update).await;
        }
        let mut display = Display::new();
        let show = |update: &Update| {
            display.show(&update.event);
            Ok(())
        };
        turn::follow(sessions, asked, updates, show).await
    }

    /// Accepts or asks, as the command line says. Gives what became of the hunks. `earlier` are those
    /// that waited before the turn.
    async fn decide(
        &self,
        sessions: &Arc<Sessions>,
        session: &str,
        earlier: &[String],
        asks: bool,
        exit: Exit,
    ) -> Result<(Vec<HunkStatus>, Exit), Failure> {
        let files = sessions.proposal(session)?.files;
        if render::waiting(&files).next().is_none() {
            return Ok((Vec::new(), exit));
        }
        // What a turn left that did not end well is for its user to look at.
        if self.apply && exit == Exit::Done {
            warn_of_danger(&files);
            tell_of_earlier(&files, earlier);
            let hunks = turn::accept(sessions, session, &Selection::All).await?;
            let all = hunks.iter().all(|hunk| hunk.state == HunkState::Accepted);
            return Ok((hunks, if all { Exit::Done } else { Exit::Failed }));
        }
        if asks && exit != Exit::Cancelled {
            let reviewed = review::review(sessions, session).await?;
            let exit = if reviewed.interrupted {
                Exit::Cancelled
            } else {
                exit
            };
            return Ok((reviewed.hunks, exit));
        }
        Ok((Vec::new(), exit))
    }
}

/// `--apply` takes everything, also what waited before, which its user may not think of.
fn tell_of_earlier(files: &[FileProposal], earlier: &[String]) {
    let hunks = render::waiting(files).filter(|(_, hunk)| earlier.contains(&hunk.id));
    let hunks: Vec<String> = hunks
        .map(|(file, hunk)| format!("{} ({})", hunk.id, file.path))
        .collect();
    if !hunks.is_empty() {
        let hunks = hunks.join(", ");
        terminal::warn(&format!("hunks of earlier turns are written, too: {hunks}"));
    }
}

/// `--apply` takes everything, and its user should know of files that other programs obey.
fn warn_of_danger(files: &[FileProposal]) {
    for file in files {
        let danger = WorkspacePath::parse(&file.path)
            .ok()
            .and_then(|path| path.dangerous());
        if let Some(reason) = danger {
            terminal::warn(&format!("{}: {reason}", file.path));
        }
    }
}

fn prompt(words: &[String]) -> Result<String, Failure> {
    if words != ["-"] {
        return Ok(words.join(" "));
    }
    let mut prompt = String::new();
    let read = std::io::stdin()
        .lock()
        .take(MAX_PROMPT)
        .read_to_string(&mut prompt);
    read.map_err(|error| Failure::usage(format!("cannot read the prompt: {error}")))?;
    Ok(prompt)
}

/// A redirected standard output wants the diff; a person at a terminal is asked.
fn can_review() -> bool {
    terminal::can_ask() && std::io::stdout().is_terminal()
}

fn print_update(update: &Update) -> Result<(), Failure> {
    terminal::print(&format!("{}\n", serde_json::to_string(update)?))
}

/// Updates that came behind the turn's end: what was applied.
fn print_rest(updates: &mut UnboundedReceiver<Update>, session: &str) -> Result<(), Failure> {
    while let Ok(update) = updates.try_recv() {
        if update.session == session {
            print_update(&update)?;
        }
    }
    Ok(())
}

/// A diff of a folder with names from the top of its repository, which `git apply` takes them for.
fn for_git(root: &Path, diff: &str) -> Result<String, Failure> {
    let below = workspace::top(root).and_then(|top| {
        let parts = root.strip_prefix(top).ok()?.iter();
        parts.map(|part| part.to_str()).collect::<Option<Vec<_>>>()
    });
    workspace::diff::below(&below.unwrap_or_default().join("/"), diff)
        .map_err(|error| Failure::failed(format!("cannot print the diff: {error}")))
}

fn print_diff(diff: &str) -> Result<(), Failure> {
    match std::io::stdout().is_terminal() {
        true => terminal::print(&render::diff(diff, Theme::stdout())),
        // A program reads it: byte for byte.
        false => terminal::print(diff),
    }
}

fn summary(
    ended: &Ended,
    session: &str,
    diff: &str,
    costs: Option<String>,
    began: Instant,
) -> String {
    let theme = Theme::stderr();
    let how = terminal::visible(&render::ended(&ended.outcome)).into_owned();
    let how = match (&ended.outcome, &ended.fruitless) {
        (TurnOutcome::Done, Some(failure)) => {
            let why = terminal::visible(&failure.message).into_owned();
            format!("nothing came of it: {why}")
        }
        (TurnOutcome::Done, None) if diff.is_empty() => "done, no changes proposed".to_owned(),
        _ => how,
    };
    let style = if ended.outcome == TurnOutcome::Done && ended.fruitless.is_none() {
        theme.green
    } else {
        theme.red
    };
    let calls = render::count(ended.tool_calls, "tool call");
    let mut parts = vec![format!("session {session}"), calls];
    if ended.turn.usage.total() > 0 {
        parts.push(render::count(ended.turn.usage.total(), "token"));
    }
    parts.extend(costs);
    parts.push(render::milliseconds(began.elapsed().as_secs_f64() * 1e3));
    let parts = terminal::paint(theme.dim, format!("({})", parts.join(", ")));
    format!("{} {parts}", terminal::paint(style, how))
}

/// Says what was written and what waits.
pub(crate) fn tell(hunks: &[HunkStatus], waiting: usize, wrote: bool, session: &str) {
    let of = |state| hunks.iter().filter(|hunk| hunk.state == state).count() as u64;
    let (accepted, rejected) = (of(HunkState::Accepted), of(HunkState::Rejected));
    if accepted > 0 {
        terminal::say(&format!("{} written\n", render::count(accepted, "hunk")));
    }
    if rejected > 0 {
        terminal::say(&format!("{} rejected\n", render::count(rejected, "hunk")));
    }
    let kept =
        |hunk: &&HunkStatus| !matches!(hunk.state, HunkState::Accepted | HunkState::Rejected);
    for hunk in hunks.iter().filter(kept) {
        let reason = hunk.reason.as_deref().unwrap_or("it was not accepted");
        terminal::warn(&format!("{} was not written: {reason}", hunk.id));
    }
    match waiting as u64 {
        0 => {}
        n if wrote => terminal::say(&format!(
            "{} left to decide: boxagnts session review {session}\n",
            render::count(n, "hunk")
        )),
        n => terminal::say(&format!(
            "nothing was written; {} to decide: --apply, `git apply`, or boxagnts session review \
             {session}\n",
            render::count(n, "hunk")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_make_a_prompt() {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(prompt(&words("rename a to b")).unwrap(), "rename a to b");
        assert_eq!(prompt(&words("a -")).unwrap(), "a -");
    }
}
