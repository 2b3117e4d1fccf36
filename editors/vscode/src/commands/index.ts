/** The commands of palette, keys and menus. Code lenses and code actions are the server's own. */

import * as vscode from 'vscode';
import { words } from '../client';
import type { Executors } from '../executors/live';
import type { Executor } from '../executors/tree';
import type { SessionSummary } from '../generated/protocol';
import type { Keys } from '../keys';
import type { ChangeNode } from '../views/changes';
import type { ExecutorNode } from '../views/executors';
import type { Chat } from '../views/chat';
import { ask, mention } from './ask';
import { commitToBranch } from './branch';
import { cancel } from './cancel';
import { decide, decideAll, rejectWithComment, undo } from './decide';
import { reviewAll, showHunk, step } from './review';
import { begin, fork, type Managing, open, remove, rename } from './sessions';

/** Registers them all. */
export function register(
  managing: Managing,
  executors: Executors,
  keys: Keys,
  chat: Chat,
): vscode.Disposable {
  const { client, sessions, proposals } = managing;
  // What a tree or menu gives; nothing when it is by the palette or a key.
  type Given = ChangeNode & SessionSummary & ExecutorNode & Partial<Executor>;
  const commands: Record<string, (given: Given | undefined) => Promise<void>> = {
    ask: () => ask(client, sessions),
    cancel: () => cancel(client, sessions),
    cancelExecutor: async (node) => {
      if (node?.id) {
        await executors.cancel(node.manager, node.id);
      }
    },
    cancelExecutors: (node) => executors.cancel(node?.manager),
    mention: async () => {
      const text = mention();
      if (text) {
        await chat.insert(`${text} `);
      }
    },
    acceptAll: () => decideAll(proposals, 'accept'),
    rejectAll: () => decideAll(proposals, 'reject'),
    acceptHunk: (node) => decide(proposals, 'accept', isChange(node)),
    rejectHunk: (node) => decide(proposals, 'reject', isChange(node)),
    rejectWithComment: (node) => rejectWithComment(proposals, isChange(node)),
    undo: () => undo(client),
    commitToBranch: (given) => commitToBranch(managing, given),
    nextHunk: () => step(proposals, 1),
    previousHunk: () => step(proposals, -1),
    showHunk: async (node) => {
      if (node) {
        await showHunk(proposals, node);
      }
    },
    reviewAll: () => reviewAll(proposals),
    newSession: () => begin(managing),
    openSession: (given) => open(managing, given),
    renameSession: (given) => rename(managing, given),
    forkSession: (given) => fork(managing, given),
    deleteSession: (given) => remove(managing, given),
    setKey: async () => {
      if (await keys.ask()) {
        await client.restart();
      }
    },
    restart: () => client.restart(),
    showLog: async () => client.log.show(),
  };
  const registered = Object.entries(commands).map(([name, run]) =>
    vscode.commands.registerCommand(`boxagnts.client.${name}`, async (given?: Given) => {
      try {
        await run(given);
      } catch (error) {
        void vscode.window.showErrorMessage(words(error));
      }
    }),
  );
  return vscode.Disposable.from(...registered);
}

/** Menus of editors give a document instead. */
function isChange(node: ChangeNode | undefined): ChangeNode | undefined {
  return node && 'session' in node ? node : undefined;
}
