/** The conversation in the side bar. The page draws what it is told; nothing is decided in it. */

import { randomBytes } from 'node:crypto';
import * as vscode from 'vscode';
import { type Client, words } from '../client';
import { say } from '../commands/ask';
import type { Update } from '../generated/protocol';
import type { Sessions } from '../sessions';
import type { FromPage, ToPage } from '../webview/messages';

export class Chat implements vscode.WebviewViewProvider, vscode.Disposable {
  private view: vscode.WebviewView | undefined;
  private ready = false;
  /** What is drawn. */
  private shown: string | undefined;
  /** Goes up when something else is to be drawn; a past that comes late is dropped. */
  private drawing = 0;
  /** Of the session that is drawn: the last event that the page was told. */
  private told = 0;
  /** What happens while the past is fetched. */
  private held: Update[] | undefined;
  private readonly subscriptions: vscode.Disposable;

  constructor(
    private readonly client: Client,
    private readonly sessions: Sessions,
    private readonly extension: vscode.Uri,
  ) {
    this.subscriptions = vscode.Disposable.from(
      vscode.window.registerWebviewViewProvider('boxagnts.chat', this, {
        webviewOptions: { retainContextWhenHidden: true },
      }),
      client.onUpdate((update) => this.follow(update)),
      client.onHealth((health) => {
        if (health === 'running') {
          void this.draw();
        }
        this.state();
      }),
      sessions.onChange(() => {
        if (this.shown !== sessions.current) {
          void this.draw();
        }
        this.state();
      }),
    );
  }

  resolveWebviewView(view: vscode.WebviewView): void {
    this.view = view;
    this.ready = false;
    const media = vscode.Uri.joinPath(this.extension, 'media');
    const dist = vscode.Uri.joinPath(this.extension, 'dist');
    view.webview.options = { enableScripts: true, localResourceRoots: [media, dist] };
    view.webview.onDidReceiveMessage((message: FromPage) => this.hear(message));
    view.onDidDispose(() => {
      this.view = undefined;
      this.ready = false;
    });
    const at = (folder: vscode.Uri, file: string) =>
      view.webview.asWebviewUri(vscode.Uri.joinPath(folder, file)).toString();
    view.webview.html = page(view.webview, at(dist, 'chat.js'), at(media, 'chat.css'));
  }

  /** Puts words into the box where prompts are typed. */
  async insert(text: string): Promise<void> {
    await vscode.commands.executeCommand('boxagnts.chat.focus');
    this.post({ type: 'insert', text });
  }

  private post(message: ToPage): void {
    if (this.ready) {
      void this.view?.webview.postMessage(message);
    }
  }

  private state(): void {
    const running = this.sessions.isRunning(this.sessions.current);
    this.post({ type: 'state', running, health: this.client.health });
  }

  private follow(update: Update): void {
    if (update.session !== this.shown) {
      return;
    }
    if (this.held) {
      this.held.push(update);
    } else if (update.seq > this.told) {
      this.told = update.seq;
      this.post({ type: 'updates', updates: [update] });
    }
  }

  /** Draws the session that is talked to, with its past. */
  private async draw(): Promise<void> {
    const session = this.sessions.current;
    this.drawing += 1;
    const drawing = this.drawing;
    this.shown = session;
    this.told = 0;
    this.held = session === undefined ? undefined : [];
    this.post({ type: 'reset' });
    if (session === undefined || !this.ready || this.client.health !== 'running') {
      this.held = undefined;
      return;
    }
    try {
      let after: number | undefined;
      do {
        const page = await this.client.execute('boxagnts.history', {
          session,
          ...(after === undefined ? {} : { after }),
        });
        if (drawing !== this.drawing) {
          return;
        }
        const updates = page.updates as Update[];
        this.told = updates.at(-1)?.seq ?? this.told;
        this.post({ type: 'updates', updates });
        after = page.next ?? undefined;
      } while (after !== undefined);
    } catch (error) {
      this.client.log.warn(`the past of ${session}: ${words(error)}`);
    }
    if (drawing === this.drawing) {
      const held = this.held ?? [];
      this.held = undefined;
      for (const update of held) {
        this.follow(update);
      }
    }
  }

  private async hear(message: FromPage): Promise<void> {
    try {
      switch (message.type) {
        case 'ready':
          this.ready = true;
          this.state();
          return await this.draw();
        case 'ask':
          await say(this.client, this.sessions, message.prompt, message.whenBusy);
          return this.post({ type: 'taken' });
        case 'command':
          return void (await vscode.commands.executeCommand(`boxagnts.client.${message.command}`));
      }
    } catch (error) {
      // The words stay in the box.
      void vscode.window.showErrorMessage(words(error));
    }
  }

  dispose(): void {
    this.subscriptions.dispose();
  }
}

/** Scripts run by nonce alone, and nothing is loaded from elsewhere. */
function page(webview: vscode.Webview, script: string, style: string): string {
  const nonce = randomBytes(16).toString('base64');
  const policy = `default-src 'none'; style-src ${webview.cspSource}; script-src 'nonce-${nonce}'`;
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="${style}">
<title>BoxAgnts</title>
</head>
<body>
<main id="log" aria-live="polite"></main>
<ol id="plan" hidden></ol>
<form id="composer">
<textarea id="prompt" rows="3" aria-label="Prompt"
 placeholder="What should be done? @ mentions files. Nothing is written before you accept it."></textarea>
<div class="row">
<button type="button" id="mention" title="Mention the file or selection in the editor">@</button>
<select id="busy" title="While a turn runs">
<option value="steer">Steer</option><option value="queue">Queue</option>
<option value="interrupt">Interrupt</option>
</select>
<span id="spent"></span>
<button type="button" id="stop" hidden>Stop</button>
<button type="submit" id="send">Send</button>
</div>
</form>
<script nonce="${nonce}" src="${script}"></script>
</body>
</html>`;
}
