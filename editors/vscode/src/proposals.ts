/** What waits for a decision, as the server last said, and the decisions that are sent to it. */

import * as vscode from 'vscode';
import { type Client, words } from './client';
import type {
  DecideParams,
  FileProposal,
  Hunk,
  Proposal,
  SessionMode,
  Update,
} from './generated/protocol';
import type { Sessions } from './sessions';

/** Events after which something else may wait, or the mode may be another. */
const CHANGING = new Set([
  'turn_started',
  'mode_changed',
  'proposal_changed',
  'decided',
  'undone',
  'recovered',
  'turn_ended',
]);

/** A hunk that waits, with where it is. */
export interface Waiting {
  session: string;
  file: FileProposal;
  hunk: Hunk;
}

export class Proposals implements vscode.Disposable {
  private waiting: Waiting[] = [];
  private readonly modes = new Map<string, SessionMode>();
  private readonly changes = new vscode.EventEmitter<void>();
  readonly onChange = this.changes.event;
  private readonly subscriptions: vscode.Disposable;
  /** One look at a time; what happens meanwhile asks for one more. */
  private looking: Promise<void> | undefined;
  private again = false;
  /** Goes up with each look: documents of before are others than those of after. */
  version = 0;

  constructor(
    private readonly client: Client,
    private readonly sessions: Sessions,
  ) {
    this.subscriptions = vscode.Disposable.from(
      client.onUpdate((update) => this.follow(update)),
      client.onHealth(() => void this.look()),
      // Typing moves hunks.
      vscode.workspace.onDidChangeTextDocument(({ document, contentChanges }) => {
        if (contentChanges.length > 0 && this.of(document.uri).length > 0) {
          void this.look();
        }
      }),
    );
  }

  /** All that waits: sessions in order, files by path, hunks by line. */
  all(): Waiting[] {
    return this.waiting;
  }

  /** The mode of a session, as far as it is known. */
  mode(session: string | undefined): SessionMode | undefined {
    return session === undefined ? undefined : this.modes.get(session);
  }

  /** What waits in a document. */
  of(uri: vscode.Uri): Waiting[] {
    const name = uri.toString();
    return this.waiting.filter(({ file }) => vscode.Uri.parse(file.uri).toString() === name);
  }

  /** Asks the server. */
  look(): Promise<void> {
    this.again = true;
    this.looking ??= this.lookAgain();
    return this.looking;
  }

  /**
   * Waits until what is known is of now: at once, unless something has happened that is still being asked
   * about. All that moves or changes hunks begins a look, so there is nothing to ask when none runs.
   */
  async settled(): Promise<void> {
    await this.looking;
  }

  private async lookAgain(): Promise<void> {
    try {
      while (this.again) {
        this.again = false;
        const names = () => this.waiting.map(({ session, hunk }) => `${session}/${hunk.id}`).join();
        const before = names();
        this.waiting = await this.ask();
        if (names() !== before) {
          this.client.refreshLenses();
        }
        this.version += 1;
        this.changes.fire();
      }
    } finally {
      this.looking = undefined;
    }
  }

  async accept(session: string, what: Omit<DecideParams, 'session'>): Promise<void> {
    await this.client.execute('boxagnts.accept', { session, ...what });
  }

  async reject(session: string, what: Omit<DecideParams, 'session'>): Promise<void> {
    await this.client.execute('boxagnts.reject', { session, ...what });
  }

  private async ask(): Promise<Waiting[]> {
    if (this.client.health !== 'running') {
      return [];
    }
    const found: Waiting[] = [];
    for (const session of this.sessions.latestFirst()) {
      try {
        const proposal: Proposal = await this.client.execute('boxagnts.proposal', {
          session,
          waiting: true,
        });
        this.modes.set(session, proposal.mode);
        for (const file of proposal.files) {
          found.push(...file.hunks.map((hunk) => ({ session, file, hunk })));
        }
      } catch (error) {
        // It is of another folder, or was deleted elsewhere.
        this.client.log.info(`${session}: ${words(error)}`);
      }
    }
    return found;
  }

  private follow(update: Update): void {
    if (CHANGING.has(update.event)) {
      void this.look();
    }
    if (update.event === 'decided') {
      // A decision that was not carried out must not go unseen.
      for (const { id, state, reason } of update.hunks) {
        if (state !== 'accepted' && reason) {
          void vscode.window.showWarningMessage(`BoxAgnts: ${id} was not applied: ${reason}`);
        }
      }
    }
  }

  dispose(): void {
    this.subscriptions.dispose();
    this.changes.dispose();
  }
}
