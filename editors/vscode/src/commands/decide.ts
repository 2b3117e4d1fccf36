/** “Accept …”, “Reject …” and “Undo”: decisions on hunks. */

import * as vscode from 'vscode';
import type { Client } from '../client';
import { hunkAt } from '../places';
import type { Proposals, Waiting } from '../proposals';
import type { ChangeNode } from '../views/changes';

export type Decision = 'accept' | 'reject';

/** Decides on every hunk of the first session that has some. */
export async function decideAll(proposals: Proposals, decision: Decision): Promise<void> {
  await proposals.settled();
  const [first] = proposals.all();
  if (first) {
    await proposals[decision](first.session, { all: true });
  } else {
    void vscode.window.showInformationMessage('BoxAgnts: no hunk waits for a decision.');
  }
}

/** Decides on a hunk or file of the tree, or else on the hunk under the cursor. */
export async function decide(
  proposals: Proposals,
  decision: Decision,
  node?: ChangeNode,
  comment?: string,
): Promise<void> {
  const what = node ?? (await here(proposals));
  if (!what) {
    void vscode.window.showInformationMessage('BoxAgnts: no hunk waits at the cursor.');
    return;
  }
  const hunks = 'hunks' in what ? what.hunks : [what];
  await proposals[decision](what.session, {
    hunks: hunks.map(({ hunk }) => hunk.id),
    ...(comment === undefined ? {} : { comment }),
  });
}

/** Rejects, and tells the model why. */
export async function rejectWithComment(proposals: Proposals, node?: ChangeNode): Promise<void> {
  // The hunk that is there now, not when the comment is done.
  const what = node ?? (await here(proposals));
  if (!what) {
    return decide(proposals, 'reject');
  }
  const comment = await vscode.window.showInputBox({
    title: 'Reject with a comment',
    prompt: 'Why? The agent hears it with what you say next.',
    placeHolder: 'keep the old name here',
    ignoreFocusOut: true,
  });
  if (comment?.trim()) {
    await decide(proposals, 'reject', what, comment);
  }
}

/** Takes back what was accepted last. */
export async function undo(client: Client): Promise<void> {
  await client.execute('boxagnts.undo', {});
}

async function here(proposals: Proposals): Promise<Waiting | undefined> {
  const editor = vscode.window.activeTextEditor;
  if (!editor) {
    return undefined;
  }
  const { line } = editor.selection.active;
  await proposals.settled();
  return hunkAt(proposals.of(editor.document.uri), line);
}
