/** What a model asks, put to the user: choices in a list, words in a box. */

import * as vscode from 'vscode';
import type { QuestionParams, QuestionResult } from './generated/protocol';

/** The entry behind which words are typed. */
const words: vscode.QuickPickItem = { label: 'In your words…' };

/** The user's answer; `null` when the question was put away, or taken back. */
export async function ask(
  params: QuestionParams,
  token: vscode.CancellationToken,
): Promise<QuestionResult | null> {
  const chosen = params.choices?.length ? await choose(params, token) : [words];
  if (!chosen?.length) {
    return null;
  }
  const choices = chosen.filter((item) => item !== words).map(({ label }) => label);
  if (!chosen.includes(words)) {
    return { choices };
  }
  const text = await vscode.window.showInputBox(
    { title: params.question, prompt: 'Your answer', ignoreFocusOut: true },
    token,
  );
  return text?.trim() ? { choices, text } : null;
}

async function choose(
  params: QuestionParams,
  token: vscode.CancellationToken,
): Promise<vscode.QuickPickItem[] | undefined> {
  const items: vscode.QuickPickItem[] = (params.choices ?? []).map(({ label, description }) => ({
    label,
    ...(description ? { detail: description } : {}),
  }));
  if (params.allow_free_text) {
    items.push(words);
  }
  const options = { title: params.question, placeHolder: 'BoxAgnts asks', ignoreFocusOut: true };
  if (params.multi_select) {
    return vscode.window.showQuickPick(items, { ...options, canPickMany: true }, token);
  }
  const chosen = await vscode.window.showQuickPick(items, options, token);
  return chosen && [chosen];
}
