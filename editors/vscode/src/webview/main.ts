/** The page of the conversation: draws what it is told, and tells what the user types. */

import DOMPurify from 'dompurify';
import { marked } from 'marked';
import { describe, Tree } from '../executors/tree';
import type { PlanItem, TokenUsage, Update, UserAnswer, WhenBusy } from '../generated/protocol';
import type { FromPage, ToPage } from './messages';

declare function acquireVsCodeApi(): {
  postMessage(message: FromPage): void;
  getState(): { prompt?: string } | undefined;
  setState(state: { prompt: string }): void;
};

const editor = acquireVsCodeApi();
const element = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;
const log = element('log');
const prompt = element<HTMLTextAreaElement>('prompt');
const busy = element<HTMLSelectElement>('busy');
const stop = element<HTMLButtonElement>('stop');
const send = element<HTMLButtonElement>('send');
const spent = element('spent');
const plan = element('plan');

/** What the model is saying now: its Markdown so far, and where it is drawn. */
let saying: { text: string; into: HTMLElement } | undefined;
/** Lines of tool calls by their id. */
const calls = new Map<string, HTMLDetailsElement>();
/** Lines of executors by their session. */
const executors = new Tree();
const executorLines = new Map<string, HTMLElement>();
let turnTokens = 0;
let turnCost: number | undefined;
let painting = false;

function add(kind: string, text = ''): HTMLElement {
  const block = document.createElement('div');
  block.className = kind;
  block.textContent = text;
  log.append(block);
  return block;
}

/** A model's words are data: Markdown without HTML of their own, pictures or forms. */
function render({ text, into }: { text: string; into: HTMLElement }): void {
  const html = marked.parse(text, { async: false, gfm: true });
  const clean = DOMPurify.sanitize(html, {
    USE_PROFILES: { html: true },
    FORBID_TAGS: ['img', 'style', 'form', 'input', 'button', 'audio', 'video'],
    FORBID_ATTR: ['style', 'id', 'class'],
  });
  into.innerHTML = clean;
}

/** At most once a frame, however fast the model speaks. */
function paint(): void {
  if (painting) {
    return;
  }
  painting = true;
  requestAnimationFrame(() => {
    painting = false;
    if (saying) {
      keepEnd(() => saying && render(saying));
    }
  });
}

/** Who looks at the end goes on seeing the end. */
function keepEnd(change: () => void): void {
  const end = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  change();
  if (end) {
    log.scrollTop = log.scrollHeight;
  }
}

function finish(): void {
  if (saying) {
    render(saying);
    saying = undefined;
  }
}

function said(text: string): void {
  saying ??= { text: '', into: add('model') };
  saying.text += text;
  paint();
}

function total(usage: TokenUsage): number {
  const { input_tokens, output_tokens, cache_read_tokens, cache_write_tokens } = usage;
  return (
    (input_tokens ?? 0) +
    (output_tokens ?? 0) +
    (cache_read_tokens ?? 0) +
    (cache_write_tokens ?? 0)
  );
}

function price(tokens: number, cost: number | null | undefined): string {
  if (tokens === 0 && !cost) {
    return 'no tokens used';
  }
  const dollars = cost ? `, $${cost.toFixed(4)}` : '';
  return `${tokens.toLocaleString()} tokens${dollars}`;
}

function callLine(id: string, name: string, input: unknown): HTMLDetailsElement {
  const line = document.createElement('details');
  line.className = 'tool';
  const summary = document.createElement('summary');
  const object = input as Record<string, unknown> | null;
  const about = object?.['path'] ?? object?.['pattern'] ?? object?.['from'] ?? object?.['url'] ?? '';
  summary.textContent = `${name} ${typeof about === 'string' ? about : ''}`.trim();
  const given = document.createElement('pre');
  given.textContent = JSON.stringify(input, undefined, 2);
  line.append(summary, given);
  log.append(line);
  calls.set(id, line);
  return line;
}

/** The steps of the task, above the box. */
function drawPlan(items: PlanItem[]): void {
  plan.replaceChildren();
  for (const { text, status } of items) {
    const line = document.createElement('li');
    line.textContent = text;
    line.dataset['status'] = status;
    plan.append(line);
  }
  plan.hidden = plan.childElementCount === 0;
}

/** What became of a question. */
function answer(given: UserAnswer): string {
  switch (given.kind) {
    case 'given':
      return [...(given.choices ?? []), given.text].filter(Boolean).join(', ');
    case 'dismissed':
      return 'The question was put away.';
    case 'nobody':
      return 'There was nobody to ask.';
    case 'withdrawn':
      return 'The turn ended before there was an answer.';
  }
}

/** A line for each executor, which follows what becomes of it. */
function drawExecutors(manager: string): void {
  for (const executor of executors.of(manager)) {
    const line = executorLines.get(executor.id) ?? add('note');
    executorLines.set(executor.id, line);
    line.textContent = `${executor.task}: ${describe(executor)}`;
  }
}

function draw(update: Update): void {
  if (update.event !== 'text_delta') {
    finish();
  }
  switch (update.event) {
    case 'turn_started':
      turnTokens = 0;
      turnCost = undefined;
      add('user', update.prompt);
      break;
    case 'steered':
      add('user', update.prompt);
      break;
    case 'queued':
      add('note', `Waits for the end of the turn: ${update.prompt}`);
      break;
    case 'text_delta':
      said(update.text);
      break;
    case 'tool_started':
      callLine(update.call.id, update.call.name, update.call.input);
      break;
    case 'tool_finished': {
      const line = calls.get(update.id) ?? callLine(update.id, update.name, null);
      line.classList.add(update.report.ok ? 'ok' : 'failed');
      const output = document.createElement('pre');
      const { error, diff } = update.report;
      output.textContent = [update.report.output, error?.message, diff].filter(Boolean).join('\n');
      line.append(output);
      break;
    }
    case 'model_retry':
      add('note', `The provider failed and is asked again: ${update.reason}`);
      break;
    case 'model_answered':
      turnTokens += total(update.usage);
      if (typeof update.cost_usd === 'number') {
        turnCost = (turnCost ?? 0) + update.cost_usd;
      }
      break;
    case 'executor_queued':
    case 'executor_started':
    case 'executor_ended':
      executors.follow(update);
      drawExecutors(update.session);
      break;
    case 'proposal_changed':
      break;
    case 'decided':
      for (const { id, state, reason } of update.hunks) {
        add('note', `${id}: ${reason ? `${state}, ${reason}` : state}`);
      }
      if (update.comment) {
        add('note', `“${update.comment}”`);
      }
      break;
    case 'undone':
      add('note', `Taken back: ${update.result.files.join(', ')}`);
      break;
    case 'plan':
      drawPlan(update.items);
      break;
    case 'asked': {
      const { question, detail } = update.question;
      render({ text: detail ? `${question}\n\n${detail}` : question, into: add('model') });
      break;
    }
    case 'answered':
      add('note', answer(update.answer));
      break;
    case 'mode_changed':
      add('note', `The mode is now ${update.mode}.`);
      break;
    case 'notice':
      add('note', update.message);
      break;
    case 'compacted':
      add('note', 'Older parts of the conversation were made smaller.');
      break;
    case 'turn_ended': {
      const { outcome } = update;
      if (outcome.kind === 'failed') {
        add('error', outcome.message);
      } else if (outcome.kind === 'limit') {
        add('error', `Stopped at the limit ${outcome.limit}.`);
      } else if (outcome.kind === 'cancelled') {
        add('note', 'Stopped.');
      }
      add('cost', price(turnTokens, turnCost));
      spent.textContent = total(update.usage) > 0 ? price(total(update.usage), update.cost_usd) : '';
      spent.title = 'This session';
      break;
    }
    default:
      break;
  }
}

window.addEventListener('message', ({ data }: MessageEvent<ToPage>) => {
  switch (data.type) {
    case 'reset':
      saying = undefined;
      calls.clear();
      executors.clear();
      executorLines.clear();
      log.replaceChildren();
      drawPlan([]);
      spent.textContent = '';
      break;
    case 'updates':
      keepEnd(() => {
        for (const update of data.updates) {
          draw(update);
        }
      });
      break;
    case 'state':
      document.body.dataset['health'] = data.health;
      stop.hidden = !data.running;
      busy.hidden = !data.running;
      send.disabled = data.health !== 'running';
      break;
    case 'insert':
      prompt.setRangeText(data.text, prompt.selectionStart, prompt.selectionEnd, 'end');
      prompt.focus();
      keep();
      break;
    case 'taken':
      prompt.value = '';
      keep();
      break;
  }
});

/** What is typed survives that the view is hidden. */
function keep(): void {
  editor.setState({ prompt: prompt.value });
}

function ask(): void {
  if (prompt.value.trim() && !send.disabled) {
    const whenBusy = busy.value as WhenBusy;
    editor.postMessage({ type: 'ask', prompt: prompt.value, whenBusy });
  }
}

prompt.value = editor.getState()?.prompt ?? '';
prompt.addEventListener('input', keep);
prompt.addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    ask();
  }
});
element('composer').addEventListener('submit', (event) => {
  event.preventDefault();
  ask();
});
stop.addEventListener('click', () => editor.postMessage({ type: 'command', command: 'cancel' }));
element('mention').addEventListener('click', () =>
  editor.postMessage({ type: 'command', command: 'mention' }),
);
editor.postMessage({ type: 'ready' });
