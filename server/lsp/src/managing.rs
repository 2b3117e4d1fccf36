//! Commands about sessions as such: their past, their names, forks of them, and what they cost. The
//! journal is enough for these; no model need be there.

use crate::commands::{error, json};
use crate::folder::Folder;
use crate::server::Shared;
use boxagnts_protocol::commands::{
    ForkParams, HistoryParams, RenameParams, SessionParams, UsageParams,
};
use boxagnts_session::SessionError;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tower_lsp::jsonrpc::Result;

pub(crate) fn history(shared: &Arc<Shared>, params: &HistoryParams) -> Result<Value> {
    let folder = folder_of(shared, &params.session)?;
    json(&folder.sessions.history(params).map_err(error)?)
}

pub(crate) fn rename(shared: &Arc<Shared>, params: &RenameParams) -> Result<Value> {
    let folder = folder_of(shared, &params.session)?;
    let renamed = folder.sessions.rename(&params.session, &params.title);
    json(&renamed.map_err(error)?)
}

pub(crate) fn fork(shared: &Arc<Shared>, params: &ForkParams) -> Result<Value> {
    let folder = folder_of(shared, &params.session)?;
    let fork = folder.sessions.fork(&params.session, params.turn);
    json(&fork.map_err(error)?)
}

pub(crate) fn delete(shared: &Arc<Shared>, params: &SessionParams) -> Result<Value> {
    let folder = folder_of(shared, &params.session)?;
    let deleted = folder.sessions.delete(&params.session).map_err(error)?;
    shared.forget(&params.session);
    if shared.can().refresh_lenses && shared.shows_lenses.load(Ordering::Relaxed) {
        let client = shared.client.clone();
        tokio::spawn(async move {
            let _ = client.code_lens_refresh().await;
        });
    }
    json(&deleted)
}

pub(crate) fn usage(shared: &Arc<Shared>, params: &UsageParams) -> Result<Value> {
    let folder = shared.first_folder()?;
    let others = shared.folders();
    let roots = others.iter().map(|folder| folder.sessions.root());
    let usage = folder.sessions.usage(params, roots);
    json(&usage.map_err(error)?)
}

/// The folder in whose journal the session is.
fn folder_of(shared: &Arc<Shared>, session: &str) -> Result<Arc<Folder>> {
    let first = shared.first_folder()?;
    let mut answer = None;
    for folder in [first].into_iter().chain(shared.folders()) {
        match folder.sessions.summary(session) {
            Ok(_) => return Ok(folder),
            Err(unknown @ SessionError::UnknownSession { .. }) => {
                answer = answer.or(Some(error(unknown)));
            }
            Err(other) => return Err(error(other)),
        }
    }
    Err(answer.unwrap_or_else(|| {
        error(SessionError::UnknownSession {
            session: session.to_owned(),
            workspace: String::new(),
        })
    }))
}
