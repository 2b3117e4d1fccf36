/** What the page of the conversation and the extension say to each other. */

import type { Update, WhenBusy } from '../generated/protocol';

export type ToPage =
  | { type: 'reset' }
  | { type: 'updates'; updates: Update[] }
  | { type: 'state'; running: boolean; health: 'starting' | 'running' | 'stopped' }
  | { type: 'insert'; text: string }
  /** The prompt has gone to the server. */
  | { type: 'taken' };

export type FromPage =
  | { type: 'ready' }
  | { type: 'ask'; prompt: string; whenBusy: WhenBusy }
  | { type: 'command'; command: 'cancel' | 'mention' | 'reviewAll' | 'restart' };
