/** What the server has told of sessions since it was started, and which one is talked to. */

import * as vscode from 'vscode';
import type { Client } from './client';
import type { Executors } from './executors/live';
import type { TokenUsage, Update } from './generated/protocol';

const CURRENT = 'boxagnts.session';

/** What a session used, as the latest event said. */
export interface Spent {
  usage: TokenUsage;
  cost: number | null;
}

export class Sessions implements vscode.Disposable {
  /** The latest at the end. */
  private known: string[] = [];
  private readonly running = new Set<string>();
  private readonly spent = new Map<string, Spent>();
  private readonly changes = new vscode.EventEmitter<void>();
  /** Another session is talked to, one began or ended a turn, or all are another server's. */
  readonly onChange = this.changes.event;
  private readonly subscriptions: vscode.Disposable;

  constructor(
    client: Client,
    private readonly executors: Executors,
    private readonly kept: vscode.Memento,
  ) {
    this.subscriptions = vscode.Disposable.from(
      client.onUpdate((update) => this.follow(update)),
      client.onHealth((health) => {
        if (health !== 'running') {
          this.running.clear();
        }
        this.changes.fire();
      }),
    );
  }

  /** The session that is talked to; it survives a reload of the window. */
  get current(): string | undefined {
    return this.kept.get<string>(CURRENT);
  }

  async become(session: string | undefined): Promise<void> {
    await this.kept.update(CURRENT, session);
    if (session !== undefined) {
      this.known = [...this.known.filter((other) => other !== session), session];
    }
    this.changes.fire();
  }

  /** A session that is no more. */
  async forget(session: string): Promise<void> {
    this.known = this.known.filter((other) => other !== session);
    if (this.current === session) {
      await this.become(undefined);
    }
  }

  /** All that may have hunks here, the one that is talked to first. */
  latestFirst(): string[] {
    const current = this.current;
    const others = [...this.known].reverse().filter((session) => session !== current);
    return current === undefined ? others : [current, ...others];
  }

  /** Those in which a turn runs, the one that is talked to first. */
  runningFirst(): string[] {
    return this.latestFirst().filter((session) => this.running.has(session));
  }

  isRunning(session: string | undefined): boolean {
    return session !== undefined && this.running.has(session);
  }

  used(session: string | undefined): Spent | undefined {
    return session === undefined ? undefined : this.spent.get(session);
  }

  /** Follows an update of the server, or of the past. */
  private follow(update: Update): void {
    if (this.executors.tree.has(update.session)) {
      // Its manager speaks for it, and has its hunks.
      return;
    }
    this.known = [...this.known.filter((session) => session !== update.session), update.session];
    if (update.event === 'turn_started') {
      this.running.add(update.session);
    } else if (update.event === 'turn_ended') {
      this.running.delete(update.session);
      this.spent.set(update.session, { usage: update.usage, cost: update.cost_usd ?? null });
    } else {
      return;
    }
    this.changes.fire();
  }

  dispose(): void {
    this.subscriptions.dispose();
    this.changes.dispose();
  }
}
