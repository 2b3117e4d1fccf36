//! The commands: each answers at once; turns and edits run in tasks of their own.

use crate::convert;
use crate::documents::Snapshot;
use crate::folder::Folder;
use crate::managing;
use crate::params;
use crate::patch;
use crate::positions::Encoding;
use crate::server::Shared;
use boxagnts_protocol::catalog;
use boxagnts_protocol::commands::HunkStatus;
use boxagnts_protocol::commands::{
    ACCEPT, AMEND, ANSWER, ASK, AmendParams, AnswerParams, AskParams, CANCEL, CANCEL_EXECUTOR,
    CHECKPOINTS, COMMANDS, COMMIT_TO_BRANCH, COMPACT, CancelExecutorParams, CancelExecutorResult,
    CheckpointsParams, CommitToBranchParams, CompactParams, DELETE_SESSION, DecideParams,
    Diagnostic, FORK, HISTORY, ImageParam, PROPOSAL, PromptCommand, ProposalParams, REJECT, RENAME,
    REPROPOSE, RESTORE, ReproposeParams, RestoreParams, SESSIONS, SET_MODE, SHOW_PATCH, SPLIT,
    SessionParams, SetModeParams, SplitParams, UNDO, USAGE, UndoParams, UndoStarted,
};
use boxagnts_protocol::proposal::{HunkState, Range};
use boxagnts_session::policy::path::WorkspacePath;
use boxagnts_session::{
    Ask, Attachment, Context, Diagnosed, PageQuery, Picture, Selection, SessionError, Undoing,
};
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;
use tower_lsp::jsonrpc::{Error, ErrorCode, Result};
use tower_lsp::ls_types::MessageType;

/// Names of all commands.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    catalog::ALL.iter().map(|command| command.name)
}

/// Checkpoints that are listed when nobody says how many.
const CHECKPOINTS_SHOWN: usize = 100;

/// What is left to do of a command once its arguments have been read.
pub(crate) type Job = Box<dyn FnOnce() -> Result<Value> + Send>;

/// Reads a command's arguments, as editors send them, and the documents as they are at this
/// moment. The job does the rest; it may take time.
pub(crate) fn prepare(shared: &Arc<Shared>, command: &str, arguments: &[Value]) -> Result<Job> {
    // An object names its session.
    let given = matches!(arguments, [Value::Object(_)]);
    let latest = || (!given).then(|| shared.latest()).flatten();
    let session = || params::session(command, arguments, latest()).map_err(Error::invalid_params);
    let decide = || params::decide(command, arguments, latest()).map_err(Error::invalid_params);
    fn read<T>(params: std::result::Result<T, String>) -> Result<T> {
        params.map_err(Error::invalid_params)
    }
    let shared = Arc::clone(shared);
    Ok(match command {
        ASK => Box::new(ask(
            &shared,
            params::ask(arguments).map_err(Error::invalid_params)?,
        )),
        PROPOSAL => {
            let given = read(params::proposal(arguments, latest()))?;
            Box::new(move || proposal(&shared, &given))
        }
        AMEND => {
            let given = read(params::amend(arguments, latest()))?;
            Box::new(move || amend(&shared, &given))
        }
        SPLIT => {
            let given = read(params::split(arguments, latest()))?;
            Box::new(move || split(&shared, &given))
        }
        REPROPOSE => {
            let given = read(params::repropose(arguments, latest()))?;
            Box::new(move || repropose(&shared, &given))
        }
        UNDO => {
            let given = read(params::undo(arguments))?;
            Box::new(move || undo(&shared, &given))
        }
        RESTORE => {
            let given = read(params::restore(arguments))?;
            Box::new(move || restore(&shared, &given))
        }
        CHECKPOINTS => {
            let given = read(params::checkpoints(arguments))?;
            Box::new(move || checkpoints(&shared, &given))
        }
        SHOW_PATCH => {
            let given = session()?;
            Box::new(move || patch::show(&shared, &given))
        }
        ACCEPT => {
            let given = decide()?;
            Box::new(move || accept(&shared, &given))
        }
        REJECT => {
            let given = decide()?;
            Box::new(move || reject(&shared, given))
        }
        COMPACT => {
            let given = read(params::compact(arguments, latest()))?;
            Box::new(move || compact(&shared, given))
        }
        CANCEL => {
            let given = session()?;
            Box::new(move || cancel(&shared, &given))
        }
        CANCEL_EXECUTOR => {
            let given = read(params::cancel_executor(arguments, latest()))?;
            Box::new(move || cancel_executor(&shared, &given))
        }
        COMMIT_TO_BRANCH => {
            let given = read(params::commit_to_branch(arguments, latest()))?;
            Box::new(move || commit_to_branch(&shared, &given))
        }
        SESSIONS => Box::new(move || sessions(&shared)),
        HISTORY => {
            let given = read(params::history(arguments, latest()))?;
            Box::new(move || managing::history(&shared, &given))
        }
        RENAME => {
            let given = read(params::rename(arguments, latest()))?;
            Box::new(move || managing::rename(&shared, &given))
        }
        FORK => {
            let given = read(params::fork(arguments, latest()))?;
            Box::new(move || managing::fork(&shared, &given))
        }
        DELETE_SESSION => {
            // Never the latest one by leaving it out.
            let given = read(params::session(command, arguments, None))?;
            Box::new(move || managing::delete(&shared, &given))
        }
        USAGE => {
            let given = read(params::usage(arguments))?;
            Box::new(move || managing::usage(&shared, &given))
        }
        COMMANDS => Box::new(move || prompt_commands(&shared)),
        SET_MODE => {
            let given = read(params::set_mode(arguments, latest()))?;
            Box::new(move || set_mode(&shared, &given))
        }
        ANSWER => {
            let given = read(params::answer(arguments, latest()))?;
            Box::new(move || answer(&shared, &given))
        }
        other => {
            return Err(Error::invalid_params(format!(
                "unknown command `{other}`; known commands: {}",
                names().collect::<Vec<_>>().join(", ")
            )));
        }
    })
}

/// Takes the document as it is now: a range of the parameters means nothing in a later text.
pub(crate) fn ask(
    shared: &Arc<Shared>,
    params: AskParams,
) -> impl FnOnce() -> Result<Value> + Send + use<> {
    let uri = params
        .text_document
        .as_ref()
        .map(|document| convert::normalize(&document.uri));
    if let Some(uri) = &uri {
        shared.documents.used(uri);
    }
    let document = uri.as_ref().and_then(|uri| shared.documents.get(uri));
    let open = shared.documents.recent();
    let shared = Arc::clone(shared);
    move || {
        let folder = match (&params.session, &uri) {
            (Some(session), _) => shared.folder_of_session(session)?,
            (None, Some(uri)) => shared.folder_of_document(uri)?,
            (None, None) => shared.first_folder()?,
        };
        let encoding = shared.documents.encoding();
        let diagnostics = diagnosed(&folder, uri.as_deref(), params.diagnostics);
        let context = uri.and_then(|uri| context(encoding, &folder, &uri, document, params.range));
        let open = open.iter().filter_map(|uri| folder.names.relative(uri));
        let attached = attached(&folder, params.images)?;
        let asked = folder.sessions.ask(Ask {
            prompt: params.prompt,
            session: params.session,
            context,
            open: open.collect(),
            diagnostics,
            attached,
            settings: params.settings,
            when_busy: params.when_busy,
            ..Ask::default()
        });
        let answer = asked.map_err(error)?;
        shared.remember(&answer.session, &folder);
        json(&answer)
    }
}

/// Pictures for the model.
fn attached(folder: &Folder, images: Vec<ImageParam>) -> Result<Vec<Attachment>> {
    let attached = |(at, image): (usize, ImageParam)| match image {
        ImageParam::Data { media_type, data } => Picture::from_base64(&media_type, &data)
            .map(Attachment::Picture)
            .map_err(|reason| Error::invalid_params(format!("images[{at}]: {reason}"))),
        ImageParam::File { uri } => {
            let path = folder.names.relative(&convert::normalize(&uri));
            path.map(Attachment::Path).ok_or_else(|| {
                Error::invalid_params(format!("images[{at}]: {uri} is no file of the workspace"))
            })
        }
    };
    images.into_iter().enumerate().map(attached).collect()
}

/// Diagnostics of files of the workspace.
fn diagnosed(
    folder: &Folder,
    asked: Option<&str>,
    given: Option<Vec<Diagnostic>>,
) -> Vec<Diagnosed> {
    let given = given.unwrap_or_default().into_iter();
    let diagnosed = given.filter_map(|diagnostic| {
        let uri = diagnostic.uri.as_deref().map(convert::normalize);
        let path = folder.names.relative(uri.as_deref().or(asked)?)?;
        // What tools may not see goes to no model by this way either.
        let secret = WorkspacePath::parse(&path).is_ok_and(|path| path.secret().is_some());
        (!secret).then_some(Diagnosed { path, diagnostic })
    });
    diagnosed.collect()
}

/// What the user looks at; nothing for documents outside of the workspace.
fn context(
    encoding: Encoding,
    folder: &Folder,
    uri: &str,
    document: Option<Snapshot>,
    given: Option<Range>,
) -> Option<Context> {
    let path = folder.names.relative(uri)?;
    let mut range = given;
    let mut selection = None;
    if let (Some(document), Some(given)) = (&document, given) {
        let given = convert::range(given);
        let start = encoding.char_at(&document.rope, given.start);
        let end = encoding.char_at(&document.rope, given.end);
        // What tools may not see goes to no model by this way either.
        let secret = WorkspacePath::parse(&path).is_ok_and(|path| path.secret().is_some());
        let selected = start < end && !secret;
        selection = selected.then(|| document.rope.slice(start..end).to_string());
        range = Some(convert::proposal_range(
            encoding.decode_range(&document.rope, given),
        ));
    }
    Some(Context {
        path,
        range,
        selection,
        language: document.map(|document| document.language),
    })
}

pub(crate) fn proposal(shared: &Arc<Shared>, params: &ProposalParams) -> Result<Value> {
    let folder = shared.folder_of_session(&params.session)?;
    let files = params.files.as_ref();
    let query = PageQuery {
        files: files.map(|files| files.iter().map(|file| path_in(&folder, file)).collect()),
        after: params.after.clone(),
        limit: params.limit,
        waiting: params.waiting,
    };
    json(&folder.page(&params.session, &query).map_err(error)?)
}

pub(crate) fn amend(shared: &Arc<Shared>, params: &AmendParams) -> Result<Value> {
    let folder = shared.folder_of_session(&params.session)?;
    let (session, hunk) = (&params.session, &params.hunk);
    let amended = folder.sessions.amend(session, hunk, &params.text);
    let amended = amended.map_err(error)?;
    let waits = |status: &HunkStatus| status.state == HunkState::Pending;
    if params.accept && amended.hunks.iter().all(waits) {
        let selection = Selection::Hunks(vec![hunk.clone()]);
        let (result, _task) = folder.sessions.accept(session, &selection).map_err(error)?;
        return json(&result);
    }
    json(&amended)
}

pub(crate) fn split(shared: &Arc<Shared>, params: &SplitParams) -> Result<Value> {
    let folder = shared.folder_of_session(&params.session)?;
    let split = folder.sessions.split(&params.session, &params.hunk);
    json(&split.map_err(error)?)
}

pub(crate) fn repropose(shared: &Arc<Shared>, params: &ReproposeParams) -> Result<Value> {
    let folder = shared.folder_of_session(&params.session)?;
    let back = folder.sessions.repropose(&params.session, &params.hunks);
    json(&back.map_err(error)?)
}

pub(crate) fn undo(shared: &Arc<Shared>, params: &UndoParams) -> Result<Value> {
    let session = params.session.as_deref();
    let latest = match (params.checkpoint, session) {
        // What was accepted last may be in any of the folders.
        (None, None) => shared
            .folders()
            .iter()
            .filter_map(|folder| folder.sessions.latest().ok().flatten())
            .max(),
        (given, _) => given,
    };
    let try_in = |folder: &Folder| folder.sessions.undo(latest, session);
    taking_back(shared, session, try_in)
}

pub(crate) fn restore(shared: &Arc<Shared>, params: &RestoreParams) -> Result<Value> {
    taking_back(shared, None, |folder| {
        folder.sessions.restore(params.checkpoint)
    })
}

/// Starts it in the session's folder, else in the first one that has something to take back. The
/// task goes on by itself; an update tells how it ends, and an error is shown.
fn taking_back(
    shared: &Arc<Shared>,
    session: Option<&str>,
    try_in: impl Fn(&Folder) -> std::result::Result<Undoing, SessionError>,
) -> Result<Value> {
    let folders = match session {
        Some(session) => vec![shared.folder_of_session(session)?],
        None => shared.folders(),
    };
    let mut answer = None;
    for folder in folders {
        match try_in(&folder) {
            Ok(Undoing { checkpoints, task }) => {
                let client = shared.client.clone();
                tokio::spawn(async move {
                    if let Ok(Err(error)) = task.await {
                        let message = format!("BoxAgnts: {error}");
                        client.show_message(MessageType::ERROR, message).await;
                    }
                });
                return json(&UndoStarted { checkpoints });
            }
            Err(failed) => answer = answer.or(Some(error(failed))),
        }
    }
    Err(match answer {
        Some(answer) => answer,
        None => match shared.first_folder() {
            Err(why) => why,
            Ok(_) => Error::invalid_params("there is nothing to take back"),
        },
    })
}

pub(crate) fn checkpoints(shared: &Arc<Shared>, params: &CheckpointsParams) -> Result<Value> {
    let session = params.session.as_deref();
    let folders = match session {
        Some(session) => vec![shared.folder_of_session(session)?],
        None => shared.folders(),
    };
    let limit = params.limit.unwrap_or(CHECKPOINTS_SHOWN);
    let mut all = Vec::new();
    for folder in folders {
        all.extend(folder.sessions.checkpoints(session, limit).map_err(error)?);
    }
    all.sort_by_key(|checkpoint| std::cmp::Reverse(checkpoint.checkpoint));
    all.truncate(limit);
    json(&all)
}

pub(crate) fn accept(shared: &Arc<Shared>, params: &DecideParams) -> Result<Value> {
    let folder = shared.folder_of_session(&params.session)?;
    let selection = selection(&folder, params)?;
    // The task goes on by itself; updates tell how it ends.
    let (result, _task) = folder
        .sessions
        .accept(&params.session, &selection)
        .map_err(error)?;
    json(&result)
}

pub(crate) fn reject(shared: &Arc<Shared>, params: DecideParams) -> Result<Value> {
    let folder = shared.folder_of_session(&params.session)?;
    let selection = selection(&folder, &params)?;
    let result = folder
        .sessions
        .reject(&params.session, &selection, params.comment);
    json(&result.map_err(error)?)
}

/// The same as the prompt `/compact`.
pub(crate) fn compact(shared: &Arc<Shared>, params: CompactParams) -> Result<Value> {
    let folder = shared.folder_of_session(&params.session)?;
    let focus = params.focus.unwrap_or_default();
    let asked = folder.sessions.ask(Ask {
        prompt: format!("/compact {focus}").trim_end().to_owned(),
        session: Some(params.session),
        ..Ask::default()
    });
    json(&asked.map_err(error)?)
}

pub(crate) fn cancel(shared: &Arc<Shared>, params: &SessionParams) -> Result<Value> {
    let folder = shared.folder_of_session(&params.session)?;
    folder.sessions.cancel(&params.session).map_err(error)?;
    Ok(Value::Null)
}

fn commit_to_branch(shared: &Arc<Shared>, params: &CommitToBranchParams) -> Result<Value> {
    let folder = shared.folder_of_session(&params.session)?;
    let committed = folder.sessions.commit_to_branch(params).map_err(error)?;
    json(&committed)
}

fn cancel_executor(shared: &Arc<Shared>, params: &CancelExecutorParams) -> Result<Value> {
    let folder = shared.folder_of_session(&params.session)?;
    let executor = params.executor.as_deref();
    let cancelled = folder.sessions.cancel_executor(&params.session, executor);
    let cancelled = cancelled.map_err(error)?;
    json(&CancelExecutorResult { cancelled })
}

pub(crate) fn set_mode(shared: &Arc<Shared>, params: &SetModeParams) -> Result<Value> {
    let folder = shared.folder_of_session(&params.session)?;
    let sessions = &folder.sessions;
    let changed = sessions.set_mode(&params.session, params.mode);
    changed.map_err(error)?;
    json(params)
}

pub(crate) fn answer(shared: &Arc<Shared>, params: &AnswerParams) -> Result<Value> {
    let folder = shared.folder_of_session(&params.session)?;
    folder.sessions.answer(params).map_err(error)?;
    Ok(Value::Null)
}

pub(crate) fn sessions(shared: &Arc<Shared>) -> Result<Value> {
    let mut all = Vec::new();
    for folder in shared.folders() {
        all.extend(folder.sessions.sessions().map_err(error)?);
    }
    all.sort_by_key(|session| std::cmp::Reverse(session.updated_ms));
    json(&all)
}

/// What a prompt may begin with, in any folder; the first of a name counts.
pub(crate) fn prompt_commands(shared: &Arc<Shared>) -> Result<Value> {
    shared.first_folder()?;
    let mut all: Vec<PromptCommand> = Vec::new();
    for folder in shared.folders() {
        for command in folder.sessions.commands().map_err(error)? {
            if all.iter().all(|known| known.name != command.name) {
                all.push(command);
            }
        }
    }
    json(&all)
}

fn selection(folder: &Folder, params: &DecideParams) -> Result<Selection> {
    let DecideParams {
        hunks,
        files,
        groups,
        all,
        ..
    } = params;
    match (hunks, files, groups, all.unwrap_or(false)) {
        (Some(hunks), None, None, false) => Ok(Selection::Hunks(hunks.clone())),
        (None, Some(files), None, false) => {
            let files = files.iter().map(|file| path_in(folder, file));
            Ok(Selection::Files(files.collect()))
        }
        (None, None, Some(groups), false) => Ok(Selection::Groups(groups.clone())),
        (None, None, None, true) => Ok(Selection::All),
        _ => Err(Error::invalid_params(
            "give exactly one of hunks, files, groups, all: true",
        )),
    }
}

/// A file's path in the workspace, given so or as a URI.
fn path_in(folder: &Folder, file: &str) -> String {
    let path = folder.names.relative(&convert::normalize(file));
    path.unwrap_or_else(|| file.to_owned())
}

/// Session errors are the caller's to mend: unknown names, busy sessions.
pub(crate) fn error(error: SessionError) -> Error {
    let code = match &error {
        SessionError::Store(_) | SessionError::Workspace(_) => ErrorCode::InternalError,
        _ => ErrorCode::InvalidParams,
    };
    Error {
        code,
        message: error.to_string().into(),
        data: None,
    }
}

pub(crate) fn json<T: Serialize>(value: &T) -> Result<Value> {
    serde_json::to_value(value).map_err(|error| {
        let message = format!("cannot write the answer: {error}");
        Error {
            code: ErrorCode::InternalError,
            message: message.into(),
            data: None,
        }
    })
}
