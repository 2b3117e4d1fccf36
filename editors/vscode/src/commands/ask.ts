/** “Ask…”: a prompt, about what the user looks at. */

import * as vscode from 'vscode';
import type { Client } from '../client';
import type { AskParams, WhenBusy } from '../generated/protocol';
import type { Sessions } from '../sessions';

/** The document and selection that the user looks at. */
function looked(): Partial<AskParams> {
  const editor = vscode.window.activeTextEditor;
  if (editor?.document.uri.scheme !== 'file') {
    return {};
  }
  const { uri } = editor.document;
  const plain = ({ start, end }: vscode.Range) => ({
    start: { line: start.line, character: start.character },
    end: { line: end.line, character: end.character },
  });
  return {
    textDocument: { uri: uri.toString() },
    range: plain(editor.selection),
    diagnostics: vscode.languages.getDiagnostics(uri).map((diagnostic) => ({
      range: plain(diagnostic.range),
      // LSP counts from 1.
      severity: diagnostic.severity + 1,
      source: diagnostic.source ?? null,
      message: diagnostic.message,
    })),
  };
}

/** Says something in the session that is talked to, or begins one. */
export async function say(
  client: Client,
  sessions: Sessions,
  prompt: string,
  whenBusy: WhenBusy = 'refuse',
  about = looked(),
): Promise<void> {
  const session = sessions.current;
  const answer = await client.execute('boxagnts.ask', {
    ...about,
    prompt,
    whenBusy,
    ...(session === undefined ? {} : { session }),
  });
  await sessions.become(answer.session);
}

export async function ask(client: Client, sessions: Sessions): Promise<void> {
  // What is selected now, not what is when the prompt is done.
  const about = looked();
  const prompt = await vscode.window.showInputBox({
    title: 'Ask BoxAgnts',
    prompt: 'What should be done? Nothing is written before you accept it.',
    placeHolder: 'rename total to sum',
    ignoreFocusOut: true,
  });
  if (prompt?.trim()) {
    await say(client, sessions, prompt, 'steer', about);
  }
}

/** `@path`, or `@path:10-20` with a selection, as prompts mention files. */
export function mention(): string | undefined {
  const editor = vscode.window.activeTextEditor;
  if (editor?.document.uri.scheme !== 'file') {
    return undefined;
  }
  const path = vscode.workspace.asRelativePath(editor.document.uri, false);
  const name = /\s/.test(path) ? `@"${path}"` : `@${path}`;
  const { start, end, isEmpty } = editor.selection;
  const last = end.character === 0 && end.line > start.line ? end.line : end.line + 1;
  return isEmpty ? name : `${name}:${start.line + 1}-${last}`;
}
