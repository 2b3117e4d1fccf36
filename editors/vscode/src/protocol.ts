/** What the commands of `boxagnts lsp` take and give, as far as it is used here. */

import type { Range } from 'vscode-languageclient/node';

export interface AskParams {
  prompt: string;
  textDocument?: { uri: string };
  range?: Range;
}

export interface AskResult {
  session: string;
  turn: number;
}

export interface DecideParams {
  session: string;
  hunks?: string[];
  all?: true;
}

export interface Hunk {
  id: string;
  state: 'pending' | 'accepted' | 'rejected' | 'conflicted';
  range: Range;
}

export interface Proposal {
  session: string;
  files: { uri: string; hunks: Hunk[] }[];
}

/** Parameters of `boxagnts/update`. */
export interface Update {
  session: string;
  event: string;
}

/** Whether a hunk is still to be decided. */
export function waits(hunk: Hunk): boolean {
  return hunk.state === 'pending' || hunk.state === 'conflicted';
}
