/** The list of sessions: open one with its past, rename, fork and delete. */

import * as vscode from 'vscode';
import { type Client, words } from '../client';
import type { SessionSummary } from '../generated/protocol';
import type { Sessions } from '../sessions';

export class SessionList implements vscode.TreeDataProvider<SessionSummary>, vscode.Disposable {
  private readonly changes = new vscode.EventEmitter<void>();
  readonly onDidChangeTreeData = this.changes.event;
  private readonly view: vscode.TreeView<SessionSummary>;
  private readonly subscription: vscode.Disposable;

  constructor(
    private readonly client: Client,
    private readonly sessions: Sessions,
  ) {
    this.view = vscode.window.createTreeView('boxagnts.sessions', { treeDataProvider: this });
    this.subscription = sessions.onChange(() => this.refresh());
  }

  refresh(): void {
    this.changes.fire();
  }

  async getChildren(node?: SessionSummary): Promise<SessionSummary[]> {
    if (node || this.client.health !== 'running') {
      return [];
    }
    try {
      return await this.client.execute('boxagnts.sessions');
    } catch (error) {
      this.client.log.warn(words(error));
      return [];
    }
  }

  getTreeItem(summary: SessionSummary): vscode.TreeItem {
    const { session, title, updated_ms, model } = summary;
    const item = new vscode.TreeItem(title || session);
    item.description = new Date(updated_ms).toLocaleString();
    item.tooltip = `${session}\n${model}`;
    const icon = this.sessions.isRunning(session) ? 'sync~spin' : 'comment-discussion';
    item.iconPath = new vscode.ThemeIcon(session === this.sessions.current ? 'check' : icon);
    item.contextValue = 'session';
    item.command = {
      command: 'boxagnts.client.openSession',
      title: 'Open',
      arguments: [summary],
    };
    return item;
  }

  dispose(): void {
    this.subscription.dispose();
    this.view.dispose();
    this.changes.dispose();
  }
}
