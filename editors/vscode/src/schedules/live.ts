/** Tells that proposals of scheduled tasks wait, and shows them when the user wants to see them. */

import * as vscode from 'vscode';
import { words as wordsOf } from '../client';
import { type Managing, open } from '../commands/sessions';
import type { WaitingProposal } from '../generated/protocol';
import { Heard, words } from './waiting';

/** Follows what the server tells. */
export function schedules(managing: Managing): vscode.Disposable {
  const heard = new Heard();
  return managing.client.onSchedules(async (params) => {
    const news = heard.news(params);
    if (news.length === 0) {
      return;
    }
    managing.refresh();
    try {
      await tell(managing, news);
    } catch (error) {
      void vscode.window.showErrorMessage(wordsOf(error));
    }
  });
}

async function tell(managing: Managing, news: WaitingProposal[]): Promise<void> {
  const [only, ...others] = news;
  const [review, list] = ['Review', 'Show Sessions'];
  const button = others.length === 0 ? review : list;
  const chosen = await vscode.window.showInformationMessage(`BoxAgnts: ${words(news)}`, button);
  if (chosen === review && only) {
    await open(managing, only);
    await vscode.commands.executeCommand('boxagnts.client.reviewAll');
  } else if (chosen === list) {
    await vscode.commands.executeCommand('boxagnts.sessions.focus');
  }
}
