/** Going through what waits: from hunk to hunk, a file side by side, all files at once. */

import * as vscode from 'vscode';
import { fromServer, side } from '../places';
import type { Proposals, Waiting } from '../proposals';
import type { ChangeNode } from '../views/changes';

/** To the next or the previous hunk, round about. */
export async function step(proposals: Proposals, by: 1 | -1): Promise<void> {
  await proposals.look();
  const all = proposals.all();
  if (all.length === 0) {
    void vscode.window.showInformationMessage('BoxAgnts: no hunk waits for a decision.');
    return;
  }
  const editor = vscode.window.activeTextEditor;
  const name = editor?.document.uri.toString();
  const line = editor?.selection.active.line ?? 0;
  const same = all.filter(({ file }) => vscode.Uri.parse(file.uri).toString() === name);
  const at = ({ hunk }: Waiting) => hunk.range.start.line;
  const next =
    by === 1 ? same.find((one) => at(one) > line) : same.findLast((one) => at(one) < line);
  const edge = by === 1 ? same.at(-1) : same[0];
  const beyond = edge ? all.indexOf(edge) + by : by === 1 ? 0 : -1;
  const chosen = next ?? all[(beyond + all.length) % all.length];
  if (chosen) {
    await showHunk(proposals, chosen);
  }
}

/** A hunk in its file; a file of the tree, or what is not there yet, side by side. */
export async function showHunk(proposals: Proposals, node: ChangeNode): Promise<void> {
  const [waiting] = 'hunks' in node ? node.hunks : [node];
  if (!waiting) {
    return;
  }
  if ('hunks' in node || waiting.hunk.note) {
    return compare(proposals, waiting);
  }
  const document = await vscode.workspace.openTextDocument(vscode.Uri.parse(waiting.file.uri));
  const { start } = fromServer(waiting.hunk.range);
  const editor = await vscode.window.showTextDocument(document, {
    selection: new vscode.Range(start, start),
  });
  editor.revealRange(
    new vscode.Range(start, start),
    vscode.TextEditorRevealType.InCenterIfOutsideViewport,
  );
}

async function compare(proposals: Proposals, waiting: Waiting): Promise<void> {
  const [base, proposed] = sides(waiting, proposals.version);
  const title = `${waiting.file.path} (proposed)`;
  await vscode.commands.executeCommand('vscode.diff', base, proposed, title);
}

/** Everything that a session proposes, in one editor with both sides of each file. */
export async function reviewAll(proposals: Proposals): Promise<void> {
  await proposals.look();
  const files = new Map<string, Waiting>();
  for (const waiting of proposals.all()) {
    files.set(`${waiting.session}/${waiting.file.path}`, waiting);
  }
  if (files.size === 0) {
    void vscode.window.showInformationMessage('BoxAgnts: no hunk waits for a decision.');
    return;
  }
  const resources = [...files.values()].map((waiting) => [
    vscode.Uri.parse(waiting.file.uri),
    ...sides(waiting, proposals.version),
  ]);
  await vscode.commands.executeCommand('vscode.changes', 'BoxAgnts: proposed', resources);
}

/** Both sides; the server serves an empty text for one that is not there. */
function sides(waiting: Waiting, version: number): [vscode.Uri, vscode.Uri] {
  return [side('base', waiting, version), side('proposed', waiting, version)];
}
