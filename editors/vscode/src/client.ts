/** Starts `boxagnts lsp`, speaks with it, and notices when it ends. */

import * as vscode from 'vscode';
import {
  CloseAction,
  ErrorAction,
  LanguageClient,
  RevealOutputChannelOn,
  State,
} from 'vscode-languageclient/node';
import { apply } from './edits';
import {
  type Params,
  PROTOCOL_VERSION,
  type Results,
  type SchedulesParams,
  type Update,
} from './generated/protocol';
import type { Keys } from './keys';
import { find } from './program';
import { ask } from './questions';
import { initial } from './settings';

/** How the server is. */
export type Health = 'starting' | 'running' | 'stopped';

/** What a command takes: nothing, or one object. */
type Argument<C extends keyof Params> = Params[C] extends null ? [] : [Params[C]];

/** The language server of this window. */
export class Client implements vscode.Disposable {
  readonly log = vscode.window.createOutputChannel('BoxAgnts', { log: true });
  health: Health = 'stopped';
  private readonly updates = new vscode.EventEmitter<Update>();
  /** What happens in sessions. */
  readonly onUpdate = this.updates.event;
  private readonly scheduled = new vscode.EventEmitter<SchedulesParams>();
  /** What scheduled tasks have left for the user. */
  readonly onSchedules = this.scheduled.event;
  private readonly changes = new vscode.EventEmitter<Health>();
  readonly onHealth = this.changes.event;
  private client: LanguageClient | undefined;
  /** Starts and stops, one after the other. */
  private queue: Promise<void> = Promise.resolve();

  constructor(
    private readonly extension: vscode.Uri,
    private readonly keys: Keys,
  ) {}

  /** Starts the server, or another one in its place. */
  restart(): Promise<void> {
    this.queue = this.queue.then(async () => {
      await this.end();
      this.become('starting');
      try {
        this.become((await this.begin()) ? 'running' : 'stopped');
      } catch (error) {
        // The user is told, and the next start may do better.
        this.log.error(String(error));
        await this.end();
        this.offerSettings(`BoxAgnts does not start: ${words(error)}`);
      }
    });
    return this.queue;
  }

  /** Runs a command of the server. Throws, for the user, when it cannot. */
  async execute<C extends keyof Params>(
    command: C,
    ...argument: Argument<C>
  ): Promise<Results[C]> {
    await this.queue;
    if (!this.client?.isRunning()) {
      throw new Error('BoxAgnts is not running; see the command “BoxAgnts: Restart”.');
    }
    return this.client.sendRequest('workspace/executeCommand', { command, arguments: argument });
  }

  /** Has lenses asked for again: the server shows those of sessions that it has been asked about. */
  refreshLenses(): void {
    const feature = this.client?.getFeature('textDocument/codeLens');
    for (const document of vscode.workspace.textDocuments) {
      feature?.getProvider(document)?.onDidChangeCodeLensEmitter.fire();
    }
  }

  async dispose(): Promise<void> {
    await this.queue;
    await this.end();
    this.updates.dispose();
    this.scheduled.dispose();
    this.changes.dispose();
    this.log.dispose();
  }

  private become(health: Health): void {
    this.health = health;
    this.changes.fire(health);
  }

  private async begin(): Promise<boolean> {
    const setting = vscode.workspace.getConfiguration('boxagnts').get('path', 'boxagnts');
    const command = await find(setting, this.extension.fsPath);
    if (command === undefined) {
      this.offerSettings(
        `BoxAgnts: the program \`${setting}\` is not there. Install it (cargo install --locked ` +
          '--path server/cli) and set `boxagnts.path` to its absolute path.',
      );
      return false;
    }
    const env = { ...process.env, ...(await this.keys.environment()) };
    const client = new LanguageClient(
      'boxagnts',
      'BoxAgnts',
      { command, args: ['lsp'], options: { env } },
      {
        documentSelector: [{ scheme: 'file' }],
        initializationOptions: initial(),
        outputChannel: this.log,
        revealOutputChannelOn: RevealOutputChannelOn.Never,
        middleware: { workspace: { handleApplyEdit: apply } },
        errorHandler: {
          error: () => ({ action: ErrorAction.Continue, handled: true }),
          // The user decides; a server that dies at once would be started for ever.
          closed: () => ({ action: CloseAction.DoNotRestart, handled: true }),
        },
      },
    );
    this.client = client;
    client.registerFeature({
      fillClientCapabilities: (capabilities) => {
        // This extension tells how turns end, and shows what waits.
        capabilities.experimental = {
          ...capabilities.experimental,
          boxagnts: { review: true, questions: true, protocolVersion: PROTOCOL_VERSION },
        };
      },
      initialize: () => {},
      getState: () => ({ kind: 'static' }),
      clear: () => {},
    });
    client.onNotification('boxagnts/update', (update: Update) => this.updates.fire(update));
    client.onNotification('boxagnts/schedules', (params: SchedulesParams) =>
      this.scheduled.fire(params),
    );
    client.onRequest('boxagnts/question', ask);
    client.onDidChangeState(({ newState }) => {
      // `end` has let go of it before.
      if (newState === State.Stopped && this.client === client && this.health === 'running') {
        this.died();
      }
    });
    await client.start();
    this.compare(client);
    return true;
  }

  private compare(client: LanguageClient): void {
    const said = client.initializeResult?.capabilities.experimental?.boxagnts?.protocolVersion;
    if (typeof said === 'number' && said !== PROTOCOL_VERSION) {
      void vscode.window.showWarningMessage(
        `BoxAgnts: the program speaks version ${said} of the protocol, this extension version ` +
          `${PROTOCOL_VERSION}. Install the same release of both.`,
      );
    }
  }

  private died(): void {
    this.client = undefined;
    this.become('stopped');
    this.log.error('the server has ended by itself');
    const [restart, log] = ['Restart', 'Show Log'];
    void vscode.window
      .showErrorMessage(
        'BoxAgnts has stopped unexpectedly. Your files and what was proposed are as they were.',
        restart,
        log,
      )
      .then((chosen) => {
        if (chosen === restart) {
          void this.restart();
        } else if (chosen === log) {
          this.log.show();
        }
      });
  }

  private async end(): Promise<void> {
    const client = this.client;
    this.client = undefined;
    try {
      await client?.dispose();
    } catch (error) {
      // It had not started, or has ended already.
      this.log.info(String(error));
    }
    if (this.health !== 'stopped') {
      this.become('stopped');
    }
  }

  private offerSettings(message: string): void {
    const [open, retry] = ['Open Settings', 'Try Again'];
    void vscode.window.showErrorMessage(message, open, retry).then((chosen) => {
      if (chosen === open) {
        void vscode.commands.executeCommand('workbench.action.openSettings', 'boxagnts.');
      } else if (chosen === retry) {
        void this.restart();
      }
    });
  }
}

/** What an error says to people. */
export function words(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
