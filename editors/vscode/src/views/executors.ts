/** The tree of executors below the sessions that manage them, with what each does and costs. */

import * as vscode from 'vscode';
import type { Executors } from '../executors/live';
import { describe, type Executor, isActive, type State, summary } from '../executors/tree';

interface Manager {
  manager: string;
  executors: Executor[];
}
export type ExecutorNode = Manager | Executor;

const ICONS: Record<State, string> = {
  queued: 'clock',
  running: 'sync~spin',
  asking: 'question',
  done: 'check',
  limit: 'warning',
  cancelled: 'circle-slash',
  failed: 'error',
};

/** Longest task in the tree, so that there is room for what is done. */
const SHORT = 24;

export class ExecutorTree implements vscode.TreeDataProvider<ExecutorNode>, vscode.Disposable {
  private readonly changes = new vscode.EventEmitter<void>();
  readonly onDidChangeTreeData = this.changes.event;
  private readonly view: vscode.TreeView<ExecutorNode>;
  private readonly subscription: vscode.Disposable;

  constructor(private readonly executors: Executors) {
    this.view = vscode.window.createTreeView('boxagnts.executors', { treeDataProvider: this });
    this.subscription = executors.onChange(() => {
      const { tree } = executors;
      const active = tree.managers().flatMap((manager) => tree.of(manager)).filter(isActive).length;
      const tooltip = active === 1 ? 'one executor is at work' : `${active} executors are at work`;
      this.view.badge = active === 0 ? undefined : { value: active, tooltip };
      this.changes.fire();
    });
  }

  getChildren(node?: ExecutorNode): ExecutorNode[] {
    if (node) {
      return 'executors' in node ? node.executors : [];
    }
    const { tree } = this.executors;
    return tree.managers().map((manager) => ({ manager, executors: tree.of(manager) }));
  }

  getTreeItem(node: ExecutorNode): vscode.TreeItem {
    if ('executors' in node) {
      const { manager, executors } = node;
      const item = new vscode.TreeItem('Executors', vscode.TreeItemCollapsibleState.Expanded);
      item.id = manager;
      item.description = summary(executors);
      item.tooltip = manager;
      item.iconPath = new vscode.ThemeIcon('organization');
      item.contextValue = executors.some(isActive) ? 'manager.active' : 'manager';
      return item;
    }
    const item = new vscode.TreeItem(short(node.task));
    item.id = node.id;
    item.description = describe(node);
    item.tooltip = [node.task, node.model, node.isolation, node.doing].filter(Boolean).join('\n');
    item.iconPath = new vscode.ThemeIcon(ICONS[node.state]);
    item.contextValue = isActive(node) ? 'executor.active' : 'executor';
    return item;
  }

  dispose(): void {
    this.subscription.dispose();
    this.view.dispose();
    this.changes.dispose();
  }
}

function short(task: string): string {
  const line = task.split('\n')[0] ?? '';
  return line.length > SHORT ? `${line.slice(0, SHORT).trimEnd()}…` : line;
}
