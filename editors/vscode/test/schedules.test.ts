/** What a server tells of scheduled tasks, and what the user hears of it. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Heard, words } from '../src/schedules/waiting';

/** Each line is one notification: sessions with their hunks. Jobs are called after their sessions. */
function check(name: string, told: string, said: string[]): void {
  test(name, () => {
    const heard = new Heard();
    const all = told.trim().split('\n').map((line) => {
      const waiting = line.trim().split(' ').filter(Boolean).map((entry) => {
        const [session = '', hunks] = entry.split(':');
        const job = `job-${session}`;
        return { session, job, hunks: Number(hunks), ended_ms: 0, workspace: '/w' };
      });
      const news = heard.news({ waiting });
      return news.length > 0 ? words(news) : 'nothing';
    });
    assert.deepEqual(all, said);
  });
}

check('what waits is told once, also by a server that starts again', 'a:1\na:1\na:1', [
  'a proposal of a scheduled task waits: job-a (one hunk).',
  'nothing',
  'nothing',
]);

check('a task that ends later is told alone', 'a:1 b:2\nc:3 a:1 b:2', [
  '2 proposals of scheduled tasks wait: job-a (one hunk), job-b (2 hunks).',
  'a proposal of a scheduled task waits: job-c (3 hunks).',
]);

check('of many some are named', 'a:1 b:1 c:1 d:1', [
  '4 proposals of scheduled tasks wait: job-a (one hunk), job-b (one hunk), job-c (one hunk), …',
]);
