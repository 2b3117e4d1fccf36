/**
 * What managed sessions tell of their executors. To be replaced by the types of `generated/protocol` as soon
 * as the program's protocol has these events; nothing else is in this file.
 */

import type { Hunk, Params, Results, TokenUsage, TurnOutcome, Update } from '../generated/protocol';

/** In the update stream of a manager, which is `session`: about a call of its tool `spawn_executor`. */
export type ExecutorUpdate = {
  seq: number;
  session: string;
  turn: number;
  /** The tool call. */
  call: string;
  /** The executor's own session. */
  executor: string;
} & (
  | { event: 'executor_queued'; task: string; model: string; isolation: string }
  | { event: 'executor_started' }
  | {
      event: 'executor_ended';
      outcome: TurnOutcome;
      usage: TokenUsage;
      cost_usd?: number | null;
      hunks: number;
      conflicts: number;
    }
);

export type AnyUpdate = Update | ExecutorUpdate;

/** What executors propose is told apart by their task, shortened. */
export type LabelledHunk = Hunk & { executor?: string | null };

/** Cancels one executor of a manager, or all where none is named. */
export type AllParams = Params & {
  'boxagnts.cancelExecutor': { session: string; executor?: string };
};
export type AllResults = Results & { 'boxagnts.cancelExecutor': null };
