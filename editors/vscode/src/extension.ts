/** BoxAgnts for VS Code: starts the language server and offers its commands. */

import * as vscode from 'vscode';
import { Client } from './client';
import { register } from './commands';

let client: Client | undefined;

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  const started = new Client();
  client = started;
  context.subscriptions.push(register(started));
  context.subscriptions.push(
    vscode.workspace.onDidChangeConfiguration((change) => {
      if (change.affectsConfiguration('boxagnts')) {
        void started.restart();
      }
    }),
  );
  await started.restart();
}

/** VS Code waits until the server has ended. */
export async function deactivate(): Promise<void> {
  await client?.dispose();
}
