/** API keys: kept by the editor's secret storage, given to the server's process alone. */

import * as vscode from 'vscode';

const USUAL = ['ANTHROPIC_API_KEY', 'OPENAI_API_KEY', 'GEMINI_API_KEY', 'OPENROUTER_API_KEY'];
const OTHER = 'Another variable…';
const NAMES = 'boxagnts.keys';

export class Keys {
  constructor(private readonly context: vscode.ExtensionContext) {}

  /** The variables that were set, for the server's process. */
  async environment(): Promise<Record<string, string>> {
    const found: Record<string, string> = {};
    for (const name of this.names()) {
      const key = await this.context.secrets.get(secret(name));
      if (key) {
        found[name] = key;
      }
    }
    return found;
  }

  /** Asks for a key and keeps it; an empty one removes it. Says whether anything changed. */
  async ask(): Promise<boolean> {
    const names = [...new Set([...this.names(), ...USUAL])];
    const chosen = await vscode.window.showQuickPick([...names, OTHER], {
      title: 'API key of which provider?',
    });
    const name =
      chosen === OTHER
        ? await vscode.window.showInputBox({
            title: 'Environment variable that the model’s provider reads',
            placeHolder: 'SERVICE_API_KEY',
            validateInput: (text) =>
              /^[A-Z][A-Z0-9_]*_(KEY|TOKEN)$/.test(text)
                ? undefined
                : 'Capital letters, with _KEY or _TOKEN at the end',
          })
        : chosen;
    if (!name) {
      return false;
    }
    const key = await vscode.window.showInputBox({
      title: `${name} (empty to remove it)`,
      password: true,
      ignoreFocusOut: true,
    });
    if (key === undefined) {
      return false;
    }
    const others = this.names().filter((other) => other !== name);
    if (key.trim()) {
      await this.context.secrets.store(secret(name), key.trim());
      others.push(name);
    } else {
      await this.context.secrets.delete(secret(name));
    }
    await this.context.globalState.update(NAMES, others);
    return true;
  }

  private names(): string[] {
    return this.context.globalState.get<string[]>(NAMES, []);
  }
}

function secret(name: string): string {
  return `boxagnts.key.${name}`;
}
