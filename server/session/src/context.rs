//! What a model is told besides the user's words: the system prompt, instructions of the project and of
//! the user, what the prompt mentions, where the user is, and what happened since the last turn.
//!
//! Files of the workspace are texts of strangers: they are read through the path policy of tools, put
//! into fences that they cannot close, cut where they are long, and journalled with their hash. They
//! can guide a model; what it may do is decided elsewhere.

mod commands;
mod editor;
mod facts;
mod files;
mod front_matter;
mod images;
mod mentions;
mod parts;
mod project;
mod resolve;
pub(crate) mod text;

pub use commands::answers_itself;
pub use editor::Context;
pub(crate) use facts::facts;
pub(crate) use images::too_many;
pub use images::{Attachment, Picture};
pub(crate) use parts::{Composed, compose, mode, whole};

use crate::queue::Wish;
use crate::session::{Session, lock};
use crate::turn::Turn;
use boxagnts_policy::config::Config;
use boxagnts_policy::path::WorkspacePath;
use boxagnts_policy::permission::Mode;
use boxagnts_protocol::commands::{Diagnostic, PromptCommand};
use boxagnts_protocol::conversation::Image;
use boxagnts_protocol::update::{PromptPart, SessionEvent, Shown};
use boxagnts_query::Query;
use boxagnts_store::StoreError;
use boxagnts_workspace::{FsErrorCode, GitState, Overlay};
use commands::Expansion;
use files::{Document, Files};
use mentions::{Mention, What};
use resolve::Pictures;
use std::collections::HashMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long the state of a repository may take: nobody asked for it.
const GIT_TIME: Duration = Duration::from_millis(300);
/// The planner that needs no conversation.
const BUILTIN: &str = "builtin";
/// What an executor is told behind its task.
const EXECUTOR: &str = "[The user has another agent, who gave you this task and works on with what you \
                        leave. You cannot ask anybody. Others work beside you, on other tasks: change \
                        only what yours needs. Your changes are merged when you are done; say in a few \
                        sentences what you did and what is left.]";
const NOTHING_TO_SUM_UP: &str = "The built-in planner reads each prompt by itself: there is no \
                                 conversation to sum up.";
/// Open files that are looked at.
const MAX_OPEN: usize = 100;
/// Instructions that do not fit and are named.
const MAX_NAMED: usize = 20;

/// What an editor's language server says of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnosed {
    /// The file, relative to the workspace.
    pub path: String,
    /// What.
    pub diagnostic: Diagnostic,
}

/// Where the user is while asking.
#[derive(Debug, Default)]
pub(crate) struct Around {
    pub(crate) looked_at: Option<Context>,
    /// Open files, most recent first.
    pub(crate) open: Vec<String>,
    pub(crate) diagnostics: Vec<Diagnosed>,
    pub(crate) attached: Vec<Attachment>,
}

/// What a session's model was told so far.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// The system prompt, once there is one.
    system: Vec<PromptPart>,
    /// Hashes of what guides it, by name.
    instructions: HashMap<String, String>,
    open: String,
    git: String,
    /// What it was told last of the mode, behind the system prompt.
    mode: Option<&'static str>,
    /// Whether the mode was another since: it may have been told that.
    mode_changed: bool,
}

impl Told {
    /// What the journal says of it.
    pub(crate) fn of(events: &[SessionEvent]) -> Told {
        let mut told = Told::default();
        for event in events {
            match event {
                SessionEvent::Instructed { system, shown, .. } => told.take_in(system, shown),
                SessionEvent::ModeChanged { .. } => told.mode_changed = true,
                _ => {}
            }
        }
        told
    }

    fn take_in(&mut self, system: &[PromptPart], shown: &[Shown]) {
        if self.system.is_empty() {
            self.system = system.to_vec();
        }
        for Shown { what, sha256, .. } in shown {
            self.instructions.insert(what.clone(), sha256.clone());
        }
    }

    /// The whole system prompt; empty before the first turn.
    pub(crate) fn system(&self) -> Arc<str> {
        whole(&self.system).into()
    }

    fn knows(&self, document: &Document) -> bool {
        self.instructions.get(&document.name) == Some(&document.shown().sha256)
    }

    /// What the model is to know of the mode, when it is another than it was told.
    fn other_mode(&mut self, config: &Config) -> Option<&'static str> {
        let now = parts::mode(config.mode());
        let begun = self.system.iter().find(|part| part.name == parts::MODE)?;
        let other = match self.mode {
            Some(told) => told != now,
            None => begun.text != now || self.mode_changed,
        };
        self.mode = Some(now);
        other.then_some(now)
    }

    /// The model has heard of a mode by other ways.
    pub(crate) fn knows_mode(&mut self, mode: Mode) {
        self.mode = Some(parts::mode(mode));
    }
}

/// What a turn begins with.
#[derive(Default)]
pub(crate) struct Prepared {
    /// What stands behind the user's words.
    pub(crate) context: String,
    /// The system prompt, when it is the first.
    system: Vec<PromptPart>,
    shown: Vec<Shown>,
    /// What is done instead of asking the model.
    pub(crate) instead: Option<Instead>,
    /// What the model is to see, with what it is called.
    pub(crate) pictures: Vec<(String, Image)>,
    /// Why it does not see something, for the user.
    pub(crate) unseen: Vec<String>,
}

/// What a prompt can want instead of an answer of the model.
pub(crate) enum Instead {
    /// It is answered with this.
    Answer(String),
    /// The conversation is summed up, with attention to this.
    Compact { focus: String },
}

/// What was gathered from files, without waiting for anybody.
#[derive(Default)]
struct Gathered {
    composed: Option<Composed>,
    expansion: Option<Expansion>,
}

/// Every command that a prompt may begin with.
pub(crate) fn prompt_commands(
    overlay: &Overlay,
    config: &Config,
    user: Option<&Path>,
) -> Vec<PromptCommand> {
    commands::all(&mut Files::new(overlay, config, user))
}

impl Prepared {
    /// Journals what the model sees, once the turn has begun, and tells the user what it does not see.
    pub(crate) fn journal_pictures(&self, session: &Session, turn: u64) -> Result<(), StoreError> {
        for (what, image) in &self.pictures {
            session.emit(SessionEvent::Attached {
                turn,
                what: what.clone(),
                image: image.clone(),
            })?;
        }
        for message in &self.unseen {
            let message = message.clone();
            session.emit(SessionEvent::Notice { message })?;
        }
        Ok(())
    }

    /// Journals where it comes from, once the turn has begun.
    pub(crate) fn journal(&self, session: &Session, turn: u64) -> Result<(), StoreError> {
        let Prepared { system, shown, .. } = self;
        if system.is_empty() && shown.is_empty() {
            return Ok(());
        }
        session.emit(SessionEvent::Instructed {
            turn,
            system: system.clone(),
            shown: shown.clone(),
        })?;
        lock(&session.told_model).take_in(system, shown);
        Ok(())
    }
}

/// Gathers what the model is told with a prompt. The first time it also fixes the system prompt.
pub(crate) async fn prepare(session: &Arc<Session>, query: &mut Query, turn: &Turn) -> Prepared {
    let begins = lock(&session.told_model).system.is_empty();
    let commands = (!turn.wish.by_model).then(|| turn.wish.prompt.clone());
    let gathered = gather(session, commands, begins).await;
    let mut shown = Vec::new();
    let mut system = Vec::new();
    let mut context = String::new();
    let instead = match &gathered.expansion {
        Some(Expansion::Answer(answer)) => Some(Instead::Answer(answer.clone())),
        Some(Expansion::Mode(name)) => Some(Instead::Answer(session.mode_command(name))),
        Some(Expansion::Compact { .. }) if session.provider().id() == BUILTIN => {
            Some(Instead::Answer(NOTHING_TO_SUM_UP.to_owned()))
        }
        Some(Expansion::Compact { focus }) => Some(Instead::Compact {
            focus: focus.clone(),
        }),
        _ => None,
    };
    if instead.is_some() {
        return Prepared {
            instead,
            ..Prepared::default()
        };
    }
    let notes = std::mem::take(&mut lock(&session.activity).notes);
    if let Some(composed) = gathered.composed {
        for problem in &composed.problems {
            tracing::warn!(session = %session.id, %problem, "instructions are not used");
        }
        system = composed.parts;
        shown.extend(composed.shown);
        query.set_system(whole(&system).into());
    }
    if let Some(looked_at) = &turn.wish.around.looked_at {
        editor::push_looked_at(&mut context, looked_at);
    }
    let mut wanted = attached(&turn.wish.around.attached);
    if !turn.wish.by_model {
        wanted.extend(mentions::find(&turn.wish.prompt));
    }
    let mut commanded = String::new();
    match gathered.expansion {
        Some(Expansion::Text {
            label,
            text,
            document,
        }) => {
            wanted.extend(mentioned_by(&text, &wanted));
            shown.push(document.shown());
            text::push_block(&mut commanded, &label, "", &text);
        }
        Some(Expansion::Unknown(note)) => {
            let _ = write!(commanded, "\n\n[{note}]");
        }
        _ => {}
    }
    let diagnostics = &turn.wish.around.diagnostics;
    let provider = session.provider();
    let model = provider.id();
    let blind = (!provider.sees_images()).then(|| format!("{model} takes no pictures"));
    let pictures = Pictures {
        given: pictures(&turn.wish.around.attached),
        blind: blind.as_deref(),
    };
    let resolved = resolve::resolve(session, pictures, wanted, diagnostics, &turn.cancel).await;
    let surroundings = surroundings(session, turn, resolved.paths, shown.clone()).await;
    context.push_str(&surroundings.text);
    shown.extend(surroundings.shown);
    if let Some(mode) = lock(&session.told_model).other_mode(&session.config()) {
        let _ = write!(
            context,
            "\n\n[The user changed the mode. Now it is:\n{mode}]"
        );
    }
    context.push_str(&commanded);
    context.push_str(&resolved.text);
    shown.extend(resolved.shown);
    for note in notes {
        let _ = write!(context, "\n\n{note}");
    }
    if session.manager.is_some() {
        let _ = write!(context, "\n\n{EXECUTOR}");
    }
    Prepared {
        context,
        system,
        shown,
        instead: None,
        pictures: resolved.pictures,
        unseen: resolved.unseen,
    }
}

/// What the model is told of what the user says while it works.
pub(crate) async fn steered(
    session: &Arc<Session>,
    wish: Wish,
    cancel: &CancellationToken,
) -> String {
    let mut text = wish.prompt;
    let mut wanted = attached(&wish.around.attached);
    wanted.extend(mentions::find(&text));
    let pictures = Pictures {
        given: pictures(&wish.around.attached),
        blind: Some("pictures come with a prompt that begins a turn"),
    };
    if let Some(looked_at) = &wish.around.looked_at {
        editor::push_looked_at(&mut text, looked_at);
    }
    let diagnostics = &wish.around.diagnostics;
    let resolved = resolve::resolve(session, pictures, wanted, diagnostics, cancel).await;
    for message in resolved.unseen {
        // Who cannot journal hears of it by the next event of the turn.
        let _ = session.emit(SessionEvent::Notice { message });
    }
    text.push_str(&resolved.text);
    text
}

/// The files that come with a prompt, as if it mentioned them.
fn attached(attached: &[Attachment]) -> Vec<Mention> {
    let paths = attached.iter().filter_map(|attachment| match attachment {
        Attachment::Path(path) => Some(path),
        Attachment::Picture(_) => None,
    });
    paths.map(|path| Mention::of_file(path)).collect()
}

/// The pictures that come with a prompt, with what they are called.
fn pictures(attached: &[Attachment]) -> Vec<(String, Picture)> {
    let pictures = attached.iter().filter_map(|attachment| match attachment {
        Attachment::Picture(picture) => Some(picture),
        Attachment::Path(_) => None,
    });
    let named = |(at, picture): (usize, &Picture)| (format!("picture {}", at + 1), picture.clone());
    pictures.enumerate().map(named).collect()
}

/// What the text of a command mentions. Whoever wrote a command chooses no address to connect to.
fn mentioned_by(text: &str, known: &[Mention]) -> Vec<Mention> {
    let mut mentions = mentions::find(text);
    mentions.retain(|mention| {
        let known = known.iter().any(|known| known.what == mention.what);
        !known && !matches!(mention.what, What::Url(_))
    });
    mentions
}

/// Runs what reads files where it holds up nobody. A panic there is logged, and costs no more than what
/// it would have told.
async fn blocking<T: Default + Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.unwrap_or_else(|error| {
        tracing::error!(%error, "gathering the context stopped");
        T::default()
    })
}

async fn gather(session: &Arc<Session>, prompt: Option<String>, begins: bool) -> Gathered {
    let session = Arc::clone(session);
    blocking(move || {
        let user = session.environment.user_folder();
        let config = session.config();
        let mut files = Files::new(&session.users, &config, user);
        let expansion = prompt.and_then(|prompt| commands::expand(&mut files, &prompt));
        let answered = matches!(
            expansion,
            Some(Expansion::Answer(_) | Expansion::Mode(_) | Expansion::Compact { .. })
        );
        let composed = (begins && !answered).then(|| compose(&session.users, &config, user));
        Gathered {
            composed,
            expansion,
        }
    })
    .await
}

#[derive(Default)]
struct Surroundings {
    text: String,
    shown: Vec<Shown>,
}

/// Open files, the repository's state, and instructions on the way to what the prompt is about, as far
/// as the model does not know them.
async fn surroundings(
    session: &Arc<Session>,
    turn: &Turn,
    mut paths: Vec<WorkspacePath>,
    told_now: Vec<Shown>,
) -> Surroundings {
    let git = match session.config().context_git() {
        true => git_state(session).await,
        false => None,
    };
    let looked_at = turn
        .wish
        .around
        .looked_at
        .as_ref()
        .map(|context| context.path.clone());
    let open: Vec<String> = turn
        .wish
        .around
        .open
        .iter()
        .take(MAX_OPEN)
        .cloned()
        .collect();
    let session = Arc::clone(session);
    blocking(move || {
        let mut found = Surroundings::default();
        let open = visible(&session.overlay, &open);
        let looked = looked_at
            .as_deref()
            .and_then(|path| WorkspacePath::parse(path).ok());
        paths.extend(looked);
        let user = session.environment.user_folder();
        let config = session.config();
        let mut files = Files::new(&session.users, &config, user);
        let mut documents = project::of_root(&mut files).documents;
        documents.extend(project::on_the_way(&mut files, &paths));

        let mut told = lock(&session.told_model);
        let open = editor::open_files(&open, looked_at.as_deref());
        if open != told.open {
            found.text.push_str(&open);
            told.open = open;
        }
        let git = editor::git(git.as_ref());
        if git != told.git {
            found.text.push_str(&git);
            told.git = git;
        }
        documents.retain(|document| !told.knows(document) && !told_now.contains(&document.shown()));
        let (documents, others) = project::fitting(documents);
        if !others.is_empty() {
            let names = others.iter().take(MAX_NAMED);
            let names: Vec<String> = names
                .map(|name| format!("`{}`", text::label(name, 300)))
                .collect();
            let more = match others.len().saturating_sub(MAX_NAMED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let _ = write!(
                found.text,
                "\n\n[The user's project has more instructions than fit here: {}{more}; read those \
                 of folders in which you change something]",
                names.join(", ")
            );
        }
        for document in documents {
            let name = text::label(&document.name, 300);
            let place = match project::folder(&document.name) {
                Some(folder) => format!("files below `{}`", text::label(folder, 300)),
                None => "the whole project".to_owned(),
            };
            let label = format!(
                "The user's project has instructions for {place} in `{name}`{}; they come before \
                 those of folders above, and otherwise count as much:",
                document.note()
            );
            text::push_block(&mut found.text, &label, "", &document.text);
            found.shown.push(document.shown());
        }
        found
    })
    .await
}

async fn git_state(session: &Arc<Session>) -> Option<GitState> {
    let session = Arc::clone(session);
    let looking = blocking(move || session.overlay.git_state());
    tokio::time::timeout(GIT_TIME, looking).await.ok().flatten()
}

/// Those of the paths that tools may see.
fn visible(overlay: &Arc<Overlay>, paths: &[String]) -> Vec<WorkspacePath> {
    let mut call = overlay.begin("context");
    let paths = paths.iter().filter(|path| {
        let found = call.stat(path);
        found.map_or_else(|error| error.code == FsErrorCode::NotFound, |_| true)
    });
    paths
        .filter_map(|path| WorkspacePath::parse(path).ok())
        .collect()
}
