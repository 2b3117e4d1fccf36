/** The executors of managed sessions, as the server tells of them: what each does, costs and proposes. */

import type { TurnOutcome, Update } from '../generated/protocol';

/** Of a manager: about a call of its tool `spawn_executor`. */
type ExecutorUpdate = Extract<
  Update,
  { event: 'executor_queued' | 'executor_started' | 'executor_ended' }
>;

export type State = 'queued' | 'running' | 'asking' | TurnOutcome['kind'];

export interface Executor {
  /** Its own session. */
  id: string;
  /** The session that spawned it, and in which turn. */
  manager: string;
  turn: number;
  task: string;
  model: string;
  isolation: string;
  state: State;
  /** What it does now, in a few words; why it failed, once it has. */
  doing: string;
  /** Dollars so far; `undefined` where no price is known. */
  cost: number | undefined;
  hunks: number;
  conflicts: number;
}

/** What the user should hear, also when looking elsewhere. */
export type News =
  | { kind: 'asks'; executor: Executor; question: string }
  /** Those that ended since it was last said that all had. */
  | { kind: 'finished'; manager: string; executors: Executor[] };

export class Tree {
  private readonly all = new Map<string, Executor>();
  /** By manager: those that ended since it was last said that all had. */
  private readonly ended = new Map<string, Executor[]>();
  /** Also those that are no longer shown. */
  private readonly known = new Set<string>();

  /** Whether a session is an executor's: its manager speaks for it. */
  has(session: string): boolean {
    return this.known.has(session);
  }

  /** Sessions that have executors, in the order of the first. */
  managers(): string[] {
    return [...new Set([...this.all.values()].map(({ manager }) => manager))];
  }

  /** Those of a manager, in order. */
  of(manager: string): Executor[] {
    return [...this.all.values()].filter((executor) => executor.manager === manager);
  }

  /** Takes an update in; says whether anything changed, and what the user should hear. */
  follow(update: Update): { changed: boolean; news?: News } {
    switch (update.event) {
      case 'executor_queued':
        this.forgetBefore(update.session, update.turn);
        Object.assign(this.get(update), {
          task: update.task,
          model: update.model,
          isolation: update.isolation,
        });
        return { changed: true };
      case 'executor_started':
        this.get(update).state = 'running';
        return { changed: true };
      case 'executor_ended':
        return this.end(update);
    }
    const executor = this.all.get(update.session);
    if (!executor || !isActive(executor)) {
      return { changed: false };
    }
    switch (update.event) {
      case 'model_called':
        executor.doing = 'thinking';
        return { changed: true };
      case 'tool_started':
        executor.doing = doing(update.call.name, update.call.input);
        return { changed: true };
      case 'text_delta': {
        const changed = executor.doing !== 'writing';
        executor.doing = 'writing';
        return { changed };
      }
      case 'model_answered':
        if (typeof update.cost_usd === 'number') {
          executor.cost = (executor.cost ?? 0) + update.cost_usd;
        }
        return { changed: true };
      case 'asked': {
        executor.state = 'asking';
        const { question } = update.question;
        return { changed: true, news: { kind: 'asks', executor, question } };
      }
      case 'answered':
        executor.state = 'running';
        return { changed: true };
      default:
        return { changed: false };
    }
  }

  /** A server that has ended has no executors. */
  clear(): void {
    this.all.clear();
    this.ended.clear();
    this.known.clear();
  }

  private get({ executor: id, session: manager, turn }: ExecutorUpdate): Executor {
    const known = this.all.get(id);
    if (known) {
      return known;
    }
    const executor: Executor = {
      id,
      manager,
      turn,
      task: 'executor',
      model: '',
      isolation: '',
      state: 'queued',
      doing: '',
      cost: undefined,
      hunks: 0,
      conflicts: 0,
    };
    this.all.set(id, executor);
    this.known.add(id);
    return executor;
  }

  private end(update: Extract<Update, { event: 'executor_ended' }>): {
    changed: boolean;
    news?: News;
  } {
    const { session: manager, outcome, cost_usd, hunks, conflicts } = update;
    const executor = this.get(update);
    if (!isActive(executor)) {
      // It has ended before.
      return { changed: false };
    }
    const cost = cost_usd ?? executor.cost;
    Object.assign(executor, { state: outcome.kind, doing: why(outcome), cost, hunks, conflicts });
    const ended = [...(this.ended.get(manager) ?? []), executor];
    if (this.of(manager).some(isActive)) {
      this.ended.set(manager, ended);
      return { changed: true };
    }
    this.ended.delete(manager);
    return { changed: true, news: { kind: 'finished', manager, executors: ended } };
  }

  /** What earlier turns spawned and what has ended is not shown for ever. */
  private forgetBefore(manager: string, turn: number): void {
    for (const executor of this.of(manager)) {
      if (executor.turn < turn && !isActive(executor)) {
        this.all.delete(executor.id);
      }
    }
  }
}

/** Whether it waits or works, and can be cancelled. */
export function isActive({ state }: Executor): boolean {
  return state === 'queued' || state === 'running' || state === 'asking';
}

/** A state and what is known of it, in a few words. */
export function describe(executor: Executor): string {
  const { state, doing, hunks, conflicts, cost } = executor;
  const parts: string[] = [state];
  if (doing && state !== 'queued') {
    parts.push(doing);
  }
  if (!isActive(executor)) {
    parts.push(hunks === 1 ? 'one hunk' : `${hunks} hunks`);
  }
  if (conflicts > 0) {
    parts.push(`${conflicts} in conflict`);
  }
  if (cost) {
    parts.push(`$${cost.toFixed(4)}`);
  }
  return parts.join(', ');
}

/** How many work, and what all of them cost. */
export function summary(executors: Executor[]): string {
  const active = executors.filter(isActive).length;
  const cost = executors.reduce((sum, { cost }) => sum + (cost ?? 0), 0);
  const count = `${active} of ${executors.length} at work`;
  return cost > 0 ? `${count}, $${cost.toFixed(4)}` : count;
}

/** What is said when all have ended. */
export function finished(executors: Executor[]): string {
  const [hunks, conflicts] = [total(executors, 'hunks'), total(executors, 'conflicts')];
  const bad = executors.filter(({ state }) => state !== 'done').length;
  const who = executors.length === 1 ? 'The executor has' : `All ${executors.length} executors have`;
  const parts = [`${who} finished: ${hunks === 1 ? 'one hunk' : `${hunks} hunks`}`];
  if (conflicts > 0) {
    parts.push(`${conflicts} in conflict`);
  }
  if (bad > 0) {
    parts.push(`${bad} did not get to the end`);
  }
  return `${parts.join(', ')}.`;
}

function total(executors: Executor[], what: 'hunks' | 'conflicts'): number {
  return executors.reduce((sum, executor) => sum + executor[what], 0);
}

function why(outcome: TurnOutcome): string {
  switch (outcome.kind) {
    case 'failed':
      return outcome.message;
    case 'limit':
      return outcome.limit;
    default:
      return '';
  }
}

function doing(name: string, input: unknown): string {
  const object = input as Record<string, unknown> | null;
  const about = object?.['path'] ?? object?.['pattern'] ?? object?.['from'] ?? object?.['url'];
  return typeof about === 'string' ? `${name} ${about}` : name;
}
