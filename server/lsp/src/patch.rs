//! Ways to look at a whole proposal: virtual `boxagnts:` documents where the editor asks for them, a
//! patch file elsewhere.

use crate::commands;
use crate::convert;
use crate::server::Shared;
use boxagnts_protocol::commands::SessionParams;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use tower_lsp::jsonrpc::{Error, Result};
use tower_lsp::ls_types::ShowDocumentParams;
use tower_lsp::ls_types::request::Request;

/// The scheme of our virtual documents.
pub(crate) const SCHEME: &str = "boxagnts";

/// Parameters of `workspace/textDocumentContent` (LSP 3.18).
#[derive(Debug, Deserialize)]
pub(crate) struct ContentParams {
    uri: String,
}

/// `workspace/textDocumentContent/refresh` (LSP 3.18).
pub(crate) enum ContentRefresh {}

/// Its parameters.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RefreshParams {
    pub(crate) uri: String,
}

impl Request for ContentRefresh {
    type Params = RefreshParams;
    type Result = Value;
    const METHOD: &'static str = "workspace/textDocumentContent/refresh";
}

/// The virtual document that has the whole proposal of a session.
pub(crate) fn uri(session: &str) -> String {
    format!("{SCHEME}:/{session}/proposal.diff")
}

/// Shows the proposal in the editor. The answer names the document, for editors that are to open it
/// themselves.
pub(crate) fn show(shared: &Arc<Shared>, params: &SessionParams) -> Result<Value> {
    let folder = shared.folder_of_session(&params.session)?;
    let can = shared.can();
    let uri = match can.virtual_documents {
        true => uri(&params.session),
        false => {
            let path = folder.sessions.show_patch(&params.session);
            let path = path.map_err(commands::error)?;
            url::Url::from_file_path(&path)
                .map_or_else(|()| path.display().to_string(), |uri| uri.to_string())
        }
    };
    if let (true, Some(uri)) = (can.show_document, convert::uri(&uri)) {
        let client = shared.client.clone();
        tokio::spawn(async move {
            let shown = client.show_document(ShowDocumentParams {
                uri,
                external: Some(false),
                take_focus: Some(true),
                selection: None,
            });
            if let Err(error) = shown.await {
                tracing::info!(%error, "the client shows no document");
            }
        });
    }
    Ok(json!({ "uri": uri }))
}

/// The text of a virtual document: `/SESSION/proposal.diff`, `/SESSION/proposed/PATH` (the file with
/// everything that fits), `/SESSION/base/PATH` (the file as the user has it).
pub(crate) fn content(shared: &Arc<Shared>, params: &ContentParams) -> Result<Value> {
    let unknown = || {
        Error::invalid_params(format!(
            "no document `{}`; there are boxagnts:/SESSION/proposal.diff, …/proposed/PATH and \
             …/base/PATH",
            params.uri
        ))
    };
    let url = url::Url::parse(&params.uri).map_err(|_| unknown())?;
    if url.scheme() != SCHEME {
        return Err(unknown());
    }
    let path = percent_encoding::percent_decode_str(url.path()).decode_utf8();
    let path = path.map_err(|_| unknown())?;
    let mut parts = path.trim_start_matches('/').splitn(3, '/');
    let session = parts.next().unwrap_or_default();
    let folder = shared.folder_of_session(session)?;
    let text = match (parts.next(), parts.next()) {
        (Some("proposal.diff"), None) => folder.sessions.diff(session).map_err(commands::error)?,
        (Some(side @ ("proposed" | "base")), Some(path)) => {
            let sides = folder.sessions.sides(session, path);
            let sides = sides.map_err(commands::error)?;
            match side {
                "base" => sides.base,
                _ => sides.proposed,
            }
        }
        _ => return Err(unknown()),
    };
    Ok(json!({ "text": text }))
}
