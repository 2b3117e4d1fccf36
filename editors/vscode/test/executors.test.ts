/** Recorded events of a manager and its executors, and what the tree makes of them. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describe, finished, summary, Tree } from '../src/executors/tree';
import type { Update } from '../src/generated/protocol';

const QUEUED = `
m 1 executor_queued {"turn":1,"call":"c1","executor":"a","task":"tests","model":"builtin","isolation":"overlay"}
m 2 executor_queued {"turn":1,"call":"c2","executor":"b","task":"docs","model":"builtin","isolation":"worktree"}
`;
const STARTED = `${QUEUED}
m 3 executor_started {"turn":1,"call":"c1","executor":"a"}
a 1 turn_started {"turn":1,"prompt":"tests"}
`;
const ENDED = `${STARTED}
m 4 executor_ended {"turn":1,"call":"c1","executor":"a","outcome":{"kind":"done"},"usage":{},"cost_usd":0.5,"hunks":2,"conflicts":1}
m 5 executor_started {"turn":1,"call":"c2","executor":"b"}
m 6 executor_ended {"turn":1,"call":"c2","executor":"b","outcome":{"kind":"failed","message":"no model"},"usage":{},"cost_usd":null,"hunks":0,"conflicts":0}
`;

/** Lines of session, number, event and the rest of it. */
function recorded(lines: string): Update[] {
  return lines.split('\n').flatMap((line) => {
    const [, session, seq, event, rest] = /^(\S+) (\d+) (\S+) (.*)$/.exec(line) ?? [];
    return rest ? [{ session, seq: Number(seq), event, ...JSON.parse(rest) }] : [];
  });
}

/** The tree as lines, and what the user was told, once all of it has happened. */
function check(name: string, lines: string, tree: string[], told: string[] = []): void {
  test(name, () => {
    const executors = new Tree();
    const said: string[] = [];
    for (const update of recorded(lines)) {
      const { news } = executors.follow(update);
      if (news?.kind === 'asks') {
        said.push(`${news.executor.task} asks: ${news.question}`);
      } else if (news) {
        said.push(finished(news.executors));
      }
    }
    const drawn = executors.managers().flatMap((manager) => {
      const all = executors.of(manager);
      const each = all.map((executor) => `  ${executor.task}: ${describe(executor)}`);
      return [`${manager}: ${summary(all)}`, ...each];
    });
    assert.deepEqual(drawn, tree);
    assert.deepEqual(said, told);
  });
}

check('executors wait for their turn', QUEUED, [
  'm: 2 of 2 at work',
  '  tests: queued',
  '  docs: queued',
]);

check(
  'what an executor does is in its own events',
  `${STARTED}
a 2 model_called {"turn":1}
a 3 model_answered {"turn":1,"usage":{},"cost_usd":0.25}
a 4 tool_started {"turn":1,"call":{"id":"t","name":"edit","input":{"path":"a.rs"}}}
other 1 tool_started {"turn":1,"call":{"id":"t","name":"read","input":{"path":"b.rs"}}}
`,
  ['m: 2 of 2 at work, $0.2500', '  tests: running, edit a.rs, $0.2500', '  docs: queued'],
);

check(
  'a question is told, and goes with its answer',
  `${STARTED}
a 2 asked {"turn":1,"id":"q","question":{"question":"Which one?","multi_select":false,"allow_free_text":true}}
`,
  ['m: 2 of 2 at work', '  tests: asking', '  docs: queued'],
  ['tests asks: Which one?'],
);

check(
  'an answered question asks no longer',
  `${STARTED}
a 2 asked {"turn":1,"id":"q","question":{"question":"Which one?","multi_select":false,"allow_free_text":true}}
a 3 answered {"turn":1,"id":"q","answer":{"kind":"dismissed"}}
`,
  ['m: 2 of 2 at work', '  tests: running', '  docs: queued'],
  ['tests asks: Which one?'],
);

check(
  'the end of all is told once',
  ENDED,
  [
    'm: 0 of 2 at work, $0.5000',
    '  tests: done, 2 hunks, 1 in conflict, $0.5000',
    '  docs: failed, no model, 0 hunks',
  ],
  ['All 2 executors have finished: 2 hunks, 1 in conflict, 1 did not get to the end.'],
);

check(
  'what comes late changes nothing, and a later turn begins anew',
  `${ENDED}
m 4 executor_ended {"turn":1,"call":"c1","executor":"a","outcome":{"kind":"cancelled"},"usage":{},"hunks":0,"conflicts":0}
a 9 tool_started {"turn":1,"call":{"id":"t","name":"edit","input":{"path":"a.rs"}}}
m 7 executor_queued {"turn":2,"call":"c3","executor":"c","task":"more","model":"builtin","isolation":"overlay"}
`,
  ['m: 1 of 1 at work', '  more: queued'],
  ['All 2 executors have finished: 2 hunks, 1 in conflict, 1 did not get to the end.'],
);

check(
  'an executor that nobody told of before is shown all the same',
  'm 1 executor_started {"turn":1,"call":"c1","executor":"a"}',
  ['m: 1 of 1 at work', '  executor: running'],
);

test('sessions of executors are known for good', () => {
  const executors = new Tree();
  for (const update of recorded(ENDED)) {
    executors.follow(update);
  }
  assert.ok(executors.has('a'));
  assert.ok(!executors.has('m'));
  executors.clear();
  assert.ok(!executors.has('a'));
});
