/** “Commit the proposal to a branch…”: what a session proposes becomes a commit, and nothing is checked out. */

import * as vscode from 'vscode';
import type { CommitToBranchResult, SessionSummary } from '../generated/protocol';
import type { Managing } from './sessions';

/** So many reasons fit into a message; the log has all. */
const MOST_REASONS = 3;

/** Asks for the branch and the message, and tells what is in the commit and what is not. */
export async function commitToBranch(
  { client, sessions, proposals }: Managing,
  given?: Pick<SessionSummary, 'session'>,
): Promise<void> {
  await proposals.settled();
  // As “Accept All” takes the first session that has hunks.
  const session = given?.session ?? proposals.all()[0]?.session ?? sessions.current;
  if (session === undefined) {
    void vscode.window.showInformationMessage('BoxAgnts: there is no proposal to commit.');
    return;
  }
  const branch = await vscode.window.showInputBox({
    title: 'Commit the proposal to a branch',
    prompt: 'Name of the new branch. Your files, your index and the branch you are on stay as they are.',
    placeHolder: 'agent/rename',
    ignoreFocusOut: true,
  });
  if (!branch?.trim()) {
    return;
  }
  const message = await vscode.window.showInputBox({
    title: 'Commit the proposal to a branch',
    prompt: 'Message of the commit; the session’s title where you leave it empty.',
    ignoreFocusOut: true,
  });
  if (message === undefined) {
    return;
  }
  const made = await client.execute('boxagnts.commitToBranch', {
    session,
    branch: branch.trim(),
    ...(message.trim() ? { message } : {}),
  });
  await tell(made, client.log);
}

async function tell(made: CommitToBranchResult, log: vscode.LogOutputChannel): Promise<void> {
  const { branch, commit, files, leftOut = [] } = made;
  const count = files === 1 ? 'one file' : `${files} files`;
  const text = `BoxAgnts: ${branch} is at commit ${commit.slice(0, 12)}, with ${count}.`;
  log.info(`${branch} is at commit ${commit}, with ${count}`);
  if (leftOut.length === 0) {
    void vscode.window.showInformationMessage(text);
    return;
  }
  for (const reason of leftOut) {
    log.warn(`left out of ${branch}: ${reason}`);
  }
  const more = leftOut.length - MOST_REASONS;
  const some = leftOut.slice(0, MOST_REASONS).join('; ') + (more > 0 ? `; and ${more} more` : '');
  const show = 'Show Log';
  if ((await vscode.window.showWarningMessage(`${text} Left out: ${some}.`, show)) === show) {
    log.show();
  }
}
