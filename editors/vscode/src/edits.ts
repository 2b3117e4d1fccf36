/** Accepted hunks of a document that is on the screen go straight into its editor. */

import * as vscode from 'vscode';
import {
  type ApplyWorkspaceEditParams,
  TextDocumentEdit,
  type WorkspaceMiddleware,
} from 'vscode-languageclient/node';
import { fromServer } from './places';

/**
 * Applies an edit of the server. An editor checks the version at the very moment at which it edits, and
 * is a few milliseconds faster than `workspace.applyEdit`, which has a worker look for smaller edits first.
 */
export const apply: NonNullable<WorkspaceMiddleware['handleApplyEdit']> = async (params, next) => {
  // Its type wants a token; nothing cancels this.
  const usual = () => next(params, new vscode.CancellationTokenSource().token);
  const only = single(params);
  const editor = only && shown(vscode.Uri.parse(only.textDocument.uri));
  if (!only || !editor) {
    return usual();
  }
  if (editor.document.version !== only.textDocument.version) {
    // The server makes another one, for the text of now.
    return { applied: false };
  }
  try {
    const applied = await editor.edit((into) => {
      for (const { range, newText } of only.edits) {
        into.replace(fromServer(range), newText);
      }
    });
    return { applied };
  } catch {
    // It was closed at this moment, and nothing was edited; the version is compared again.
    return usual();
  }
};

function shown(uri: vscode.Uri): vscode.TextEditor | undefined {
  const name = uri.toString();
  return vscode.window.visibleTextEditors.find(({ document }) => document.uri.toString() === name);
}

/** One document with a version, and nothing in it that asks for more than to be replaced. */
function single({ edit }: ApplyWorkspaceEditParams): PlainEdit | undefined {
  const [only, ...others] = edit.documentChanges ?? [];
  const plain = others.length === 0 && only !== undefined && TextDocumentEdit.is(only);
  const simple = plain && only.edits.every((one) => 'newText' in one && !('annotationId' in one));
  return simple ? (only as PlainEdit) : undefined;
}

interface PlainEdit extends Pick<TextDocumentEdit, 'textDocument'> {
  edits: { range: Parameters<typeof fromServer>[0]; newText: string }[];
}
