/** Proposals of scheduled tasks that wait, and of which of them the user has heard. */

import type { SchedulesParams, WaitingProposal } from '../generated/protocol';

/** So many are named in a message. */
const MOST_NAMED = 3;

/** A server tells all that waits whenever it starts and whenever a task ends; a user hears of each once. */
export class Heard {
  private readonly sessions = new Set<string>();

  /** Those of which the user has not heard. */
  news({ waiting }: SchedulesParams): WaitingProposal[] {
    const news = waiting.filter(({ session }) => !this.sessions.has(session));
    for (const { session } of news) {
      this.sessions.add(session);
    }
    return news;
  }
}

/** What is said of them. */
export function words(news: WaitingProposal[]): string {
  const one = news.length === 1;
  const what = one
    ? 'a proposal of a scheduled task waits'
    : `${news.length} proposals of scheduled tasks wait`;
  const named = news
    .slice(0, MOST_NAMED)
    .map(({ job, hunks }) => `${job} (${hunks === 1 ? 'one hunk' : `${hunks} hunks`})`);
  return `${what}: ${named.join(', ')}${news.length > MOST_NAMED ? ', …' : '.'}`;
}
