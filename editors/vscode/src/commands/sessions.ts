/** What can be done with a session: talk in it again, rename, fork, delete. */

import * as vscode from 'vscode';
import type { Client } from '../client';
import type { SessionSummary } from '../generated/protocol';
import type { Proposals } from '../proposals';
import type { Sessions } from '../sessions';

export interface Managing {
  client: Client;
  sessions: Sessions;
  proposals: Proposals;
  refresh: () => void;
}

/** With its past in the conversation, and its hunks. */
export async function open(
  { client, sessions, proposals }: Managing,
  given?: Pick<SessionSummary, 'session'>,
): Promise<void> {
  const session = given ?? (await choose(client));
  if (session) {
    await sessions.become(session.session);
    await proposals.look();
    await vscode.commands.executeCommand('boxagnts.chat.focus');
  }
}

export async function begin({ sessions }: Managing): Promise<void> {
  await sessions.become(undefined);
  await vscode.commands.executeCommand('boxagnts.chat.focus');
}

export async function rename(
  { client, refresh }: Managing,
  given?: SessionSummary,
): Promise<void> {
  const summary = given ?? (await choose(client));
  const title =
    summary && (await vscode.window.showInputBox({ title: 'Title', value: summary.title }));
  if (summary && title?.trim()) {
    await client.execute('boxagnts.rename', { session: summary.session, title });
    refresh();
  }
}

export async function fork(managing: Managing, given?: SessionSummary): Promise<void> {
  const summary = given ?? (await choose(managing.client));
  if (summary) {
    const { session } = summary;
    await open(managing, await managing.client.execute('boxagnts.fork', { session }));
  }
}

export async function remove(
  { client, sessions, proposals, refresh }: Managing,
  given?: SessionSummary,
): Promise<void> {
  const summary = given ?? (await choose(client));
  if (!summary) {
    return;
  }
  const sure = 'Delete';
  const chosen = await vscode.window.showWarningMessage(
    `Delete the session “${summary.title}”? What it proposes goes with it; your files stay.`,
    { modal: true },
    sure,
  );
  if (chosen === sure) {
    await client.execute('boxagnts.deleteSession', { session: summary.session });
    await sessions.forget(summary.session);
    await proposals.look();
    refresh();
  }
}

async function choose(client: Client): Promise<SessionSummary | undefined> {
  const all = await client.execute('boxagnts.sessions');
  const items = all.map((summary) => ({
    label: summary.title || summary.session,
    description: new Date(summary.updated_ms).toLocaleString(),
    summary,
  }));
  return (await vscode.window.showQuickPick(items, { title: 'Which session?' }))?.summary;
}
