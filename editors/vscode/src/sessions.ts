/** The sessions that the server has told of since it was started. */

import type { Update } from './protocol';

export class Sessions {
  /** The latest at the end. */
  private known: string[] = [];
  private readonly running = new Set<string>();

  /** Follows an update of the server. */
  follow(update: Update): void {
    this.known = [...this.known.filter((session) => session !== update.session), update.session];
    if (update.event === 'turn_started') {
      this.running.add(update.session);
    } else if (update.event === 'turn_ended') {
      this.running.delete(update.session);
    }
  }

  /** All of them, the latest first. */
  latestFirst(): string[] {
    return [...this.known].reverse();
  }

  /** Those in which a turn runs, the latest first. */
  runningFirst(): string[] {
    return this.latestFirst().filter((session) => this.running.has(session));
  }

  /** The server is another one. */
  clear(): void {
    this.known = [];
    this.running.clear();
  }
}
