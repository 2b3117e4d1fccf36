/** Where hunks are. */

import * as vscode from 'vscode';
import type { Range } from './generated/protocol';
import type { Waiting } from './proposals';

export function fromServer({ start, end }: Range): vscode.Range {
  return new vscode.Range(start.line, start.character, end.line, end.character);
}

/** A hunk ends before the line that its range ends at; an insertion is at its line. */
export function hunkAt(waiting: Waiting[], line: number): Waiting | undefined {
  return waiting.find(({ hunk: { range } }) => {
    const { start, end } = range;
    return line >= start.line && (line < end.line || line === start.line);
  });
}

/** A side of a file in the server's own documents. The version makes editors ask again. */
export function side(
  which: 'base' | 'proposed',
  { session, file }: Waiting,
  version: number,
): vscode.Uri {
  return vscode.Uri.from({
    scheme: 'boxagnts',
    path: `/${session}/${which}/${file.path}`,
    query: `v${version}`,
  });
}
