/** BoxAgnts for VS Code: starts the language server, and shows what it tells. */

import * as vscode from 'vscode';
import { Client } from './client';
import { register } from './commands';
import { Executors } from './executors/live';
import { Keys } from './keys';
import { marks } from './marks';
import { Proposals } from './proposals';
import { schedules } from './schedules/live';
import { Sessions } from './sessions';
import { Changes } from './views/changes';
import { Chat } from './views/chat';
import { ExecutorTree } from './views/executors';
import { SessionList } from './views/sessions';
import { status } from './views/status';

let client: Client | undefined;

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  const keys = new Keys(context);
  const started = new Client(context.extensionUri, keys);
  client = started;
  // Before the sessions, which ask whose a session is.
  const executors = new Executors(started);
  const sessions = new Sessions(started, executors, context.workspaceState);
  const proposals = new Proposals(started, sessions);
  const chat = new Chat(started, sessions, context.extensionUri);
  const list = new SessionList(started, sessions);
  const managing = { client: started, sessions, proposals, refresh: () => list.refresh() };
  context.subscriptions.push(
    executors,
    sessions,
    proposals,
    chat,
    list,
    new Changes(proposals),
    new ExecutorTree(executors),
    marks(proposals),
    status(started, sessions, proposals),
    schedules(managing),
    register(managing, executors, keys, chat),
    vscode.workspace.onDidGrantWorkspaceTrust(() => void started.restart()),
    vscode.workspace.onDidChangeConfiguration((change) => {
      if (change.affectsConfiguration('boxagnts')) {
        void started.restart();
      }
    }),
    started.onUpdate((update) => {
      if (update.event === 'turn_ended' && !executors.tree.has(update.session)) {
        void ended(update.outcome, proposals);
      }
    }),
  );
  await started.restart();
}

/** VS Code waits until the server has ended. */
export async function deactivate(): Promise<void> {
  await client?.dispose();
}

/** Tells who looks elsewhere that a turn has ended. */
async function ended(
  outcome: { kind: string; limit?: string; message?: string },
  proposals: Proposals,
): Promise<void> {
  if (outcome.kind === 'failed') {
    void vscode.window.showErrorMessage(`BoxAgnts: ${outcome.message ?? 'the turn failed'}`);
  } else if (outcome.kind === 'limit') {
    const limit = outcome.limit ?? 'a limit';
    void vscode.window.showWarningMessage(
      `BoxAgnts stopped at the limit \`${limit}\`; ask again to go on, or raise it.`,
    );
  }
  await proposals.look();
  const count = proposals.all().length;
  if (count === 0) {
    return;
  }
  const [review, accept, reject] = ['Review', 'Accept All', 'Reject All'];
  const hunks = count === 1 ? 'one hunk' : `${count} hunks`;
  const chosen = await vscode.window.showInformationMessage(
    `BoxAgnts proposes ${hunks}.`,
    review,
    accept,
    reject,
  );
  const command =
    chosen &&
    { [review]: 'reviewAll', [accept]: 'acceptAll', [reject]: 'rejectAll' }[chosen];
  if (command) {
    await vscode.commands.executeCommand(`boxagnts.client.${command}`);
  }
}
