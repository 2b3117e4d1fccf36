/** Starts `boxagnts lsp` and speaks with it. */

import * as vscode from 'vscode';
import { LanguageClient, RevealOutputChannelOn } from 'vscode-languageclient/node';
import type { Proposal, Update } from './protocol';
import { find } from './program';
import { Sessions } from './sessions';

/** The language server of this window. */
export class Client implements vscode.Disposable {
  readonly sessions = new Sessions();
  private readonly log = vscode.window.createOutputChannel('BoxAgnts', { log: true });
  private client: LanguageClient | undefined;
  /** Starts and stops, one after the other. */
  private queue: Promise<void> = Promise.resolve();

  /** Starts the server, or another one in its place. */
  restart(): Promise<void> {
    this.queue = this.queue.then(async () => {
      await this.end();
      try {
        await this.begin();
      } catch (error) {
        // The user is told, and the next start may do better.
        this.log.error(String(error));
        await this.end();
        this.offerSettings(`BoxAgnts does not start: ${words(error)}`);
      }
    });
    return this.queue;
  }

  /** Runs a command of the server. Tells the user, and throws, when it cannot. */
  async execute<T>(command: string, argument: unknown): Promise<T> {
    await this.queue;
    if (!this.client?.isRunning()) {
      throw new Error('BoxAgnts is not running; see the command “BoxAgnts: Restart”.');
    }
    const params = { command, arguments: [argument] };
    return this.client.sendRequest('workspace/executeCommand', params);
  }

  /** What a session proposes. */
  proposal(session: string): Promise<Proposal> {
    return this.execute('boxagnts.proposal', { session });
  }

  async dispose(): Promise<void> {
    await this.queue;
    await this.end();
    this.log.dispose();
  }

  private async begin(): Promise<void> {
    const settings = vscode.workspace.getConfiguration('boxagnts');
    const setting = settings.get('path', 'boxagnts');
    const command = await find(setting);
    if (command === undefined) {
      this.offerSettings(
        `BoxAgnts: the program \`${setting}\` is not there. Install it (cargo install --locked ` +
          '--path server/cli) and set `boxagnts.path` to its absolute path.',
      );
      return;
    }
    this.client = new LanguageClient(
      'boxagnts',
      'BoxAgnts',
      { command, args: ['lsp'] },
      {
        documentSelector: [{ scheme: 'file' }],
        initializationOptions: settings.get('settings', {}),
        outputChannel: this.log,
        revealOutputChannelOn: RevealOutputChannelOn.Never,
      },
    );
    this.client.onNotification('boxagnts/update', (update: Update) => this.sessions.follow(update));
    await this.client.start();
  }

  private async end(): Promise<void> {
    const client = this.client;
    this.client = undefined;
    this.sessions.clear();
    try {
      await client?.dispose();
    } catch (error) {
      // It had not started, or has ended already.
      this.log.info(String(error));
    }
  }

  private offerSettings(message: string): void {
    const open = 'Open Settings';
    void vscode.window.showErrorMessage(message, open).then((chosen) => {
      if (chosen === open) {
        void vscode.commands.executeCommand('workbench.action.openSettings', 'boxagnts.');
      }
    });
  }
}

/** What an error says to people. */
export function words(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
