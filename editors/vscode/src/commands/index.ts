/** The commands of the palette. Code lenses and code actions are the server's own. */

import * as vscode from 'vscode';
import { type Client, words } from '../client';
import { ask } from './ask';
import { cancel } from './cancel';
import { decideAll, decideHere } from './decide';

const COMMANDS: Record<string, (client: Client) => Promise<void>> = {
  'boxagnts.client.ask': ask,
  'boxagnts.client.cancel': cancel,
  'boxagnts.client.acceptAll': (client) => decideAll(client, 'boxagnts.accept'),
  'boxagnts.client.rejectAll': (client) => decideAll(client, 'boxagnts.reject'),
  'boxagnts.client.acceptHunk': (client) => decideHere(client, 'boxagnts.accept'),
  'boxagnts.client.rejectHunk': (client) => decideHere(client, 'boxagnts.reject'),
  'boxagnts.client.restart': (client) => client.restart(),
};

/** Registers them all. */
export function register(client: Client): vscode.Disposable {
  const registered = Object.entries(COMMANDS).map(([name, run]) =>
    vscode.commands.registerCommand(name, async () => {
      try {
        await run(client);
      } catch (error) {
        void vscode.window.showErrorMessage(words(error));
      }
    }),
  );
  return vscode.Disposable.from(...registered);
}
