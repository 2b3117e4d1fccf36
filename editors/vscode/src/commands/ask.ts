/** “Ask…”: a prompt, about what the user looks at. */

import * as vscode from 'vscode';
import type { Client } from '../client';
import type { AskParams, AskResult } from '../protocol';

export async function ask(client: Client): Promise<void> {
  // What is selected now, not what is when the prompt is done.
  const editor = vscode.window.activeTextEditor;
  const params: AskParams = { prompt: '' };
  if (editor?.document.uri.scheme === 'file') {
    const { start, end } = editor.selection;
    params.textDocument = { uri: editor.document.uri.toString() };
    params.range = {
      start: { line: start.line, character: start.character },
      end: { line: end.line, character: end.character },
    };
  }
  const prompt = await vscode.window.showInputBox({
    title: 'Ask BoxAgnts',
    prompt: 'What should be done? Nothing is written before you accept it.',
    placeHolder: 'rename total to sum',
    ignoreFocusOut: true,
  });
  if (prompt?.trim()) {
    await client.execute<AskResult>('boxagnts.ask', { ...params, prompt });
  }
}
