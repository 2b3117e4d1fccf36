//! What the client can do, and what we offer it.

use crate::commands;
use crate::patch;
use crate::positions::Encoding;
use boxagnts_protocol::catalog::PROTOCOL_VERSION;
use serde_json::{Value, json};
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
    /// Move files by such changes.
    pub(crate) moves_files: bool,
    /// Delete files by them.
    pub(crate) deletes_files: bool,
    /// Show documents whose text we are asked for (LSP 3.18).
    pub(crate) virtual_documents: bool,
    /// Review proposals by a plugin of its own: then no questions from us.
    pub(crate) review: bool,
    /// Put a model's questions to the user by a dialogue of its own, with words for an answer.
    pub(crate) questions: bool,
}

/// Where [`keep_untyped`] puts capabilities that the library has no types for.
const UNTYPED: &str = "boxagntsUntyped";

/// Moves what the library would drop of a client's capabilities to where it keeps everything.
pub(crate) fn keep_untyped(initialize: &mut Value) {
    let Some(capabilities) = initialize.get_mut("capabilities") else {
        return;
    };
    let content = capabilities
        .pointer("/workspace/textDocumentContent")
        .is_some_and(|content| !content.is_null());
    if let Some(all) = capabilities.as_object_mut() {
        let own = all.entry("experimental").or_insert(Value::Null);
        if own.is_null() {
            *own = json!({});
        }
        if let Some(own) = own.as_object_mut() {
            own.insert(
                UNTYPED.to_owned(),
                json!({ "textDocumentContent": content }),
            );
        }
    }
}

/// Adds to the answer to `initialize` what the library has no types for.
pub(crate) fn add_untyped(answer: &mut Value) {
    if let Some(workspace) = answer.pointer_mut("/capabilities/workspace")
        && let Some(workspace) = workspace.as_object_mut()
    {
        workspace.insert(
            "textDocumentContent".to_owned(),
            json!({ "schemes": [patch::SCHEME] }),
        );
    }
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
        let operates = |kind| {
            workspace
                .and_then(|w| w.workspace_edit.as_ref())
                .filter(|edit| yes(edit.document_changes))
                .and_then(|edit| edit.resource_operations.as_ref())
                .is_some_and(|kinds| kinds.contains(&kind))
        };
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
            moves_files: operates(ResourceOperationKind::Rename),
            deletes_files: operates(ResourceOperationKind::Delete),
            virtual_documents: client
                .experimental
                .as_ref()
                .and_then(|all| all.pointer(&format!("/{UNTYPED}/textDocumentContent")))
                == Some(&Value::Bool(true)),
            review: own.and_then(|own| own.get("review")) == Some(&Value::Bool(true)),
            questions: own.and_then(|own| own.get("questions")) == Some(&Value::Bool(true)),
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
            commands: commands::names().map(str::to_owned).collect(),
            ..ExecuteCommandOptions::default()
        }),
        workspace: Some(WorkspaceServerCapabilities {
            workspace_folders: Some(WorkspaceFoldersServerCapabilities {
                supported: Some(true),
                change_notifications: Some(OneOf::Left(true)),
            }),
            ..WorkspaceServerCapabilities::default()
        }),
        // What a client says of itself is at the same place.
        experimental: Some(json!({"boxagnts": {"protocolVersion": PROTOCOL_VERSION}})),
        ..ServerCapabilities::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether virtual documents are used with these parameters of `initialize`.
    fn check(mut initialize: Value, expect: bool) {
        keep_untyped(&mut initialize);
        let read = initialize.get("capabilities").cloned().unwrap_or_default();
        let can: ClientCapabilities = serde_json::from_value(read).unwrap_or_default();
        assert_eq!(
            ClientCan::read(&can).virtual_documents,
            expect,
            "{initialize}"
        );
    }

    #[test]
    fn strange_capabilities_are_none() {
        let content = json!({"textDocumentContent": {}});
        check(json!({"capabilities": {"workspace": content}}), true);
        check(
            json!({"capabilities": {"workspace": content, "experimental": null}}),
            true,
        );
        check(
            json!({"capabilities": {"workspace": content, "experimental": {"x": 1}}}),
            true,
        );
        check(
            json!({"capabilities": {"workspace": content, "experimental": 7}}),
            false,
        );
        check(
            json!({"capabilities": {"workspace": {"textDocumentContent": null}}}),
            false,
        );
        for none in [
            json!(null),
            json!([]),
            json!({}),
            json!({"capabilities": null}),
            json!(7),
        ] {
            check(none, false);
        }
        for mut answer in [
            json!(null),
            json!({}),
            json!({"capabilities": {"workspace": []}}),
        ] {
            let before = answer.clone();
            add_untyped(&mut answer);
            assert_eq!(answer, before);
        }
    }
}
