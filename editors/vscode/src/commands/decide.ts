/** “Accept …” and “Reject …”: decides on hunks that wait. */

import * as vscode from 'vscode';
import type { Client } from '../client';
import { type DecideParams, type Hunk, waits } from '../protocol';

type Decision = 'boxagnts.accept' | 'boxagnts.reject';

/** Decides on every hunk of the latest session that has some. */
export async function decideAll(client: Client, decision: Decision): Promise<void> {
  for (const session of client.sessions.latestFirst()) {
    const proposal = await client.proposal(session);
    if (proposal.files.some((file) => file.hunks.some(waits))) {
      return decide(client, decision, { session, all: true });
    }
  }
  void vscode.window.showInformationMessage('BoxAgnts: no hunk waits for a decision.');
}

/** Decides on the hunk under the cursor, of the latest session that has one there. */
export async function decideHere(client: Client, decision: Decision): Promise<void> {
  const editor = vscode.window.activeTextEditor;
  for (const session of editor ? client.sessions.latestFirst() : []) {
    const proposal = await client.proposal(session);
    const here = proposal.files.filter((file) => isSame(file.uri, editor?.document.uri));
    const hunk = here
      .flatMap((file) => file.hunks)
      .find((hunk) => waits(hunk) && covers(hunk, editor?.selection.active.line));
    if (hunk) {
      return decide(client, decision, { session, hunks: [hunk.id] });
    }
  }
  void vscode.window.showInformationMessage('BoxAgnts: no hunk waits at the cursor.');
}

async function decide(client: Client, decision: Decision, params: DecideParams): Promise<void> {
  await client.execute(decision, params);
}

/** Servers and editors spell URIs differently. */
function isSame(uri: string, other: vscode.Uri | undefined): boolean {
  return vscode.Uri.parse(uri).toString() === other?.toString();
}

/** A hunk ends before the line that its range ends at; an insertion is at its line. */
function covers({ range: { start, end } }: Hunk, line: number | undefined): boolean {
  return line !== undefined && line >= start.line && (line < end.line || line === start.line);
}
