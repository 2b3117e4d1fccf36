/** The tree of changes that wait: files with their hunks, and how many on the view's badge. */

import * as vscode from 'vscode';
import type { FileProposal } from '../generated/protocol';
import type { Proposals, Waiting } from '../proposals';

interface FileNode {
  session: string;
  file: FileProposal;
  hunks: Waiting[];
}
export type ChangeNode = FileNode | Waiting;

export class Changes implements vscode.TreeDataProvider<ChangeNode>, vscode.Disposable {
  private readonly changes = new vscode.EventEmitter<void>();
  readonly onDidChangeTreeData = this.changes.event;
  private readonly view: vscode.TreeView<ChangeNode>;
  private readonly subscription: vscode.Disposable;

  constructor(private readonly proposals: Proposals) {
    this.view = vscode.window.createTreeView('boxagnts.changes', { treeDataProvider: this });
    this.subscription = proposals.onChange(() => {
      const count = proposals.all().length;
      const tooltip = `${count} ${count === 1 ? 'hunk waits' : 'hunks wait'}`;
      this.view.badge = count === 0 ? undefined : { value: count, tooltip };
      this.changes.fire();
    });
  }

  getChildren(node?: ChangeNode): ChangeNode[] {
    if (node) {
      return 'hunks' in node ? node.hunks : [];
    }
    const files = new Map<FileProposal, FileNode>();
    for (const waiting of this.proposals.all()) {
      const { session, file } = waiting;
      const known = files.get(file) ?? { session, file, hunks: [] };
      known.hunks.push(waiting);
      files.set(file, known);
    }
    return [...files.values()];
  }

  getTreeItem(node: ChangeNode): vscode.TreeItem {
    const show = { command: 'boxagnts.client.showHunk', title: 'Show', arguments: [node] };
    if ('hunks' in node) {
      const { file } = node;
      const item = new vscode.TreeItem(
        vscode.Uri.parse(file.uri),
        vscode.TreeItemCollapsibleState.Expanded,
      );
      item.description = file.from ? `from ${file.from}` : file.kind;
      item.contextValue = 'file';
      return item;
    }
    const { hunk } = node;
    const words = hunk.note ?? hunk.new_text.trim().split('\n')[0] ?? '';
    const item = new vscode.TreeItem(`${hunk.id}: ${words || 'removes lines'}`);
    const line = `line ${hunk.range.start.line + 1}`;
    item.description = hunk.executor ? `${line}, ${hunk.executor}` : line;
    item.iconPath = new vscode.ThemeIcon(hunk.state === 'conflicted' ? 'warning' : 'diff');
    item.contextValue = 'hunk';
    item.command = show;
    return item;
  }

  dispose(): void {
    this.subscription.dispose();
    this.view.dispose();
    this.changes.dispose();
  }
}
