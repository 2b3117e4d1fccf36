/** What the server is told of the user's settings. */

import * as vscode from 'vscode';

const PREFIX = 'boxagnts.agent.';

/** Keys of its configuration with values that the user has set; the server has its own defaults. */
export function initial(): Record<string, unknown> {
  const settings = vscode.workspace.getConfiguration('boxagnts');
  const told: Record<string, unknown> = { ...settings.get<object>('settings', {}) };
  for (const key of known()) {
    const set = vscode.workspace.getConfiguration(PREFIX.slice(0, -1)).inspect(key);
    // Never of the workspace: whoever wrote the repository may have written it.
    if (set?.globalValue !== undefined) {
      told[key] = set.globalValue;
    }
  }
  if (!vscode.workspace.isTrusted) {
    // Tools only read, and nobody's instructions but the user's.
    told['mode'] = 'plan';
    told['project_instructions'] = false;
  }
  return told;
}

/** The mode that was set, for the status bar. */
export function mode(): string {
  const { mode } = initial();
  return typeof mode === 'string' ? mode : 'review';
}

/** The keys that package.json has; it is made from the server's schema. */
function known(): string[] {
  const ours = vscode.extensions.getExtension('boxagnts.boxagnts')?.packageJSON as
    | { contributes: { configuration: { properties: Record<string, unknown> }[] } }
    | undefined;
  return (ours?.contributes.configuration ?? [])
    .flatMap((section) => Object.keys(section.properties))
    .filter((name) => name.startsWith(PREFIX))
    .map((name) => name.slice(PREFIX.length));
}
