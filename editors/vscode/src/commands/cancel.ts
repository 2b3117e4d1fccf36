/** “Cancel”: ends the turn that was begun last. */

import * as vscode from 'vscode';
import type { Client } from '../client';

export async function cancel(client: Client): Promise<void> {
  const [session] = client.sessions.runningFirst();
  if (session === undefined) {
    void vscode.window.showInformationMessage('BoxAgnts: nothing is running.');
    return;
  }
  await client.execute('boxagnts.cancel', { session });
}
