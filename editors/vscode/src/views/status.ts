/** The status bar: what the agent does, what waits, what was spent, the mode. */

import * as vscode from 'vscode';
import type { Client } from '../client';
import type { Proposals } from '../proposals';
import type { Sessions } from '../sessions';
import { mode } from '../settings';

export function status(
  client: Client,
  sessions: Sessions,
  proposals: Proposals,
): vscode.Disposable {
  const item = vscode.window.createStatusBarItem('boxagnts', vscode.StatusBarAlignment.Left);
  item.name = 'BoxAgnts';
  const show = () => {
    const runs = sessions.runningFirst().length > 0;
    const waits = proposals.all().length;
    const spent = sessions.used(sessions.current);
    const stopped = client.health === 'stopped';
    const icon = stopped ? 'error' : runs || client.health === 'starting' ? 'sync~spin' : 'package';
    const parts = [];
    if (stopped) {
      parts.push('stopped');
    }
    if (waits > 0) {
      parts.push(waits === 1 ? '1 hunk' : `${waits} hunks`);
    }
    if (spent?.cost) {
      parts.push(`$${spent.cost.toFixed(2)}`);
    }
    // That of the session, which its user may have changed, before that of the settings.
    const now = proposals.mode(sessions.current) ?? mode();
    parts.push(vscode.workspace.isTrusted ? now : 'plan (untrusted)');
    item.text = `$(${icon}) BoxAgnts: ${parts.join(', ')}`;
    item.tooltip = stopped ? 'Start BoxAgnts again' : 'Show the conversation';
    item.command = stopped ? 'boxagnts.client.restart' : 'boxagnts.chat.focus';
    item.backgroundColor = stopped
      ? new vscode.ThemeColor('statusBarItem.errorBackground')
      : undefined;
    void vscode.commands.executeCommand('setContext', 'boxagnts.running', runs);
  };
  show();
  item.show();
  return vscode.Disposable.from(
    item,
    client.onHealth(show),
    sessions.onChange(show),
    proposals.onChange(show),
  );
}
