/** “Cancel”: ends the turn that was begun last. */

import * as vscode from 'vscode';
import type { Client } from '../client';
import type { Sessions } from '../sessions';

export async function cancel(client: Client, sessions: Sessions): Promise<void> {
  const [session] = sessions.runningFirst();
  if (session === undefined) {
    void vscode.window.showInformationMessage('BoxAgnts: nothing is running.');
    return;
  }
  await client.execute('boxagnts.cancel', { session });
}
