//! The commands: each answers at once; turns and edits run in tasks of their own.

use crate::convert;
use crate::documents::Snapshot;
use crate::folder::Folder;
use crate::params;
use crate::positions::Encoding;
use crate::server::Shared;
use boxagnts_protocol::commands::{
    ACCEPT, ASK, AskParams, CANCEL, DecideParams, PROPOSAL, REJECT, SESSIONS, SessionParams,
};
use boxagnts_protocol::proposal::Range;
use boxagnts_session::policy::path::WorkspacePath;
use boxagnts_session::{Ask, Context, Selection, SessionError};
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;
use tower_lsp::jsonrpc::{Error, ErrorCode, Result};

/// Names of all commands.
pub(crate) const ALL: &[&str] = &[ASK, PROPOSAL, ACCEPT, REJECT, CANCEL, SESSIONS];

/// What is left to do of a command once its arguments have been read.
pub(crate) type Job = Box<dyn FnOnce() -> Result<Value> + Send>;

/// Reads a command's arguments, as editors send them, and the documents as they are at this
/// moment. The job does the rest; it may take time.
pub(crate) fn prepare(shared: &Arc<Shared>, command: &str, arguments: &[Value]) -> Result<Job> {
    let latest = || shared.latest();
    let session = || params::session(command, arguments, latest()).map_err(Error::invalid_params);
    let decide = || params::decide(command, arguments, latest()).map_err(Error::invalid_params);
    let shared = Arc::clone(shared);
    Ok(match command {
        ASK => Box::new(ask(
            &shared,
            params::ask(arguments).map_err(Error::invalid_params)?,
        )),
        PROPOSAL => {
            let given = session()?;
            Box::new(move || proposal(&shared, &given))
        }
        ACCEPT => {
            let given = decide()?;
            Box::new(move || accept(&shared, &given))
        }
        REJECT => {
            let given = decide()?;
            Box::new(move || reject(&shared, given))
        }
        CANCEL => {
            let given = session()?;
            Box::new(move || cancel(&shared, &given))
        }
        SESSIONS => Box::new(move || sessions(&shared)),
        other => {
            return Err(Error::invalid_params(format!(
                "unknown command `{other}`; known commands: {}",
                ALL.join(", ")
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
    let document = uri.as_ref().and_then(|uri| shared.documents.get(uri));
    let shared = Arc::clone(shared);
    move || {
        let folder = match (&params.session, &uri) {
            (Some(session), _) => shared.folder_of_session(session)?,
            (None, Some(uri)) => shared.folder_of_document(uri)?,
            (None, None) => shared.first_folder()?,
        };
        let encoding = shared.documents.encoding();
        let context = uri.and_then(|uri| context(encoding, &folder, &uri, document, params.range));
        let asked = folder.sessions.ask(Ask {
            prompt: params.prompt,
            session: params.session,
            context,
            settings: params.settings,
            ..Ask::default()
        });
        let answer = asked.map_err(error)?;
        shared.remember(&answer.session, &folder);
        json(&answer)
    }
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

pub(crate) fn proposal(shared: &Arc<Shared>, params: &SessionParams) -> Result<Value> {
    let folder = shared.folder_of_session(&params.session)?;
    json(&folder.proposal(&params.session).map_err(error)?)
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

pub(crate) fn cancel(shared: &Arc<Shared>, params: &SessionParams) -> Result<Value> {
    let folder = shared.folder_of_session(&params.session)?;
    folder.sessions.cancel(&params.session).map_err(error)?;
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

fn selection(folder: &Folder, params: &DecideParams) -> Result<Selection> {
    match params {
        DecideParams {
            hunks: Some(hunks),
            files: None,
            all: None | Some(false),
            ..
        } => Ok(Selection::Hunks(hunks.clone())),
        DecideParams {
            hunks: None,
            files: Some(files),
            all: None | Some(false),
            ..
        } => {
            let path = |file: &String| {
                folder
                    .names
                    .relative(&convert::normalize(file))
                    .unwrap_or_else(|| file.clone())
            };
            Ok(Selection::Files(files.iter().map(path).collect()))
        }
        DecideParams {
            hunks: None,
            files: None,
            all: Some(true),
            ..
        } => Ok(Selection::All),
        _ => Err(Error::invalid_params(
            "give exactly one of hunks, files, all: true",
        )),
    }
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

fn json<T: Serialize>(value: &T) -> Result<Value> {
    serde_json::to_value(value).map_err(|error| {
        let message = format!("cannot write the answer: {error}");
        Error {
            code: ErrorCode::InternalError,
            message: message.into(),
            data: None,
        }
    })
}
