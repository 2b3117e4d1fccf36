/** The executors of this window's server: follows them, and tells the user of what must not be missed. */

import * as vscode from 'vscode';
import type { Client } from '../client';
import { finished, isActive, type News, Tree } from './tree';

export class Executors implements vscode.Disposable {
  readonly tree = new Tree();
  private readonly changes = new vscode.EventEmitter<void>();
  readonly onChange = this.changes.event;
  private readonly subscriptions: vscode.Disposable;

  constructor(private readonly client: Client) {
    this.subscriptions = vscode.Disposable.from(
      client.onUpdate((update) => {
        const { changed, news } = this.tree.follow(update);
        if (changed) {
          this.changed();
        }
        if (news) {
          void tell(news);
        }
      }),
      client.onHealth((health) => {
        if (health !== 'running') {
          this.tree.clear();
          this.changed();
        }
      }),
    );
  }

  /** Cancels one, or all of a manager; without a name those of all managers that have some at work. */
  async cancel(manager?: string, executor?: string): Promise<void> {
    const all = manager === undefined ? this.tree.managers() : [manager];
    const working = all.filter((session) => this.tree.of(session).some(isActive));
    if (working.length === 0) {
      void vscode.window.showInformationMessage('BoxAgnts: no executor is at work.');
    }
    for (const session of working) {
      const one = executor === undefined ? {} : { executor };
      await this.client.execute('boxagnts.cancelExecutor', { session, ...one });
    }
  }

  private changed(): void {
    const managers = this.tree.managers();
    const active = managers.some((manager) => this.tree.of(manager).some(isActive));
    const set = (key: string, value: boolean) =>
      void vscode.commands.executeCommand('setContext', `boxagnts.${key}`, value);
    set('executors', managers.length > 0);
    set('executorsActive', active);
    this.changes.fire();
  }

  dispose(): void {
    this.subscriptions.dispose();
    this.changes.dispose();
  }
}

async function tell(news: News): Promise<void> {
  if (news.kind === 'asks') {
    const { task } = news.executor;
    const show = 'Show Executors';
    const text = `BoxAgnts: the executor “${task}” asks: ${news.question}`;
    if ((await vscode.window.showInformationMessage(text, show)) === show) {
      await vscode.commands.executeCommand('boxagnts.executors.focus');
    }
    return;
  }
  const review = 'Review';
  const some = news.executors.some(({ hunks }) => hunks > 0);
  const text = `BoxAgnts: ${finished(news.executors)}`;
  const buttons = some ? [review] : [];
  if ((await vscode.window.showInformationMessage(text, ...buttons)) === review) {
    await vscode.commands.executeCommand('boxagnts.client.reviewAll');
  }
}
