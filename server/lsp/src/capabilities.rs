//! What the client can do, and what we offer it.

use crate::commands;
use crate::positions::Encoding;
use tower_lsp::ls_types::*;

/// What matters of the client's capabilities.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ClientCan {
    /// Show progress that we begin.
    pub(crate) progress: bool,
    /// Show a document on request.
    pub(crate) show_document: bool,
    /// Show code lenses; others get diagnostics at pending hunks.
    pub(crate) code_lens: bool,
    /// Refresh code lenses on request.
    pub(crate) refresh_lenses: bool,
    /// Versioned document changes.
    pub(crate) document_changes: bool,
    /// Review proposals by a plugin of its own: then no questions from us.
    pub(crate) review: bool,
}

impl ClientCan {
    pub(crate) fn read(client: &ClientCapabilities) -> ClientCan {
        let window = client.window.as_ref();
        let workspace = client.workspace.as_ref();
        let yes = |flag: Option<bool>| flag == Some(true);
        let own = client
            .experimental
            .as_ref()
            .and_then(|all| all.get("boxagnts"));
        ClientCan {
            progress: yes(window.and_then(|w| w.work_done_progress)),
            show_document: window
                .and_then(|w| w.show_document.as_ref())
                .is_some_and(|s| s.support),
            code_lens: client
                .text_document
                .as_ref()
                .is_some_and(|d| d.code_lens.is_some()),
            refresh_lenses: yes(workspace
                .and_then(|w| w.code_lens.as_ref())
                .and_then(|l| l.refresh_support)),
            document_changes: yes(workspace
                .and_then(|w| w.workspace_edit.as_ref())
                .and_then(|e| e.document_changes)),
            review: own.and_then(|own| own.get("review")) == Some(&serde_json::Value::Bool(true)),
        }
    }
}

/// What we offer.
pub(crate) fn server(encoding: Encoding) -> ServerCapabilities {
    ServerCapabilities {
        position_encoding: Some(encoding.kind()),
        text_document_sync: Some(TextDocumentSyncCapability::Options(
            TextDocumentSyncOptions {
                open_close: Some(true),
                change: Some(TextDocumentSyncKind::INCREMENTAL),
                save: Some(TextDocumentSyncSaveOptions::SaveOptions(SaveOptions {
                    include_text: Some(false),
                })),
                ..TextDocumentSyncOptions::default()
            },
        )),
        code_action_provider: Some(CodeActionProviderCapability::Options(CodeActionOptions {
            code_action_kinds: Some(vec![CodeActionKind::QUICKFIX, CodeActionKind::REFACTOR]),
            ..CodeActionOptions::default()
        })),
        code_lens_provider: Some(CodeLensOptions {
            resolve_provider: Some(false),
        }),
        execute_command_provider: Some(ExecuteCommandOptions {
            commands: commands::ALL
                .iter()
                .map(|name| (*name).to_owned())
                .collect(),
            ..ExecuteCommandOptions::default()
        }),
        workspace: Some(WorkspaceServerCapabilities {
            workspace_folders: Some(WorkspaceFoldersServerCapabilities {
                supported: Some(true),
                change_notifications: Some(OneOf::Left(true)),
            }),
            ..WorkspaceServerCapabilities::default()
        }),
        ..ServerCapabilities::default()
    }
}
