/** Finds the program `boxagnts`. */

import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, isAbsolute, join } from 'node:path';

/** What the setting is unless the user says otherwise. */
const DEFAULT = 'boxagnts';

/**
 * The program of a setting: an absolute path, one that begins with `~/`, or a name on the PATH. With no
 * setting, the one that comes with the extension counts before the PATH.
 */
export async function find(setting: string, extension: string): Promise<string | undefined> {
  if (setting === DEFAULT) {
    const ending = process.platform === 'win32' ? '.exe' : '';
    const bundled = join(extension, 'bin', DEFAULT + ending);
    if (await runs(bundled)) {
      return bundled;
    }
  }
  const given = setting.startsWith('~/') ? join(homedir(), setting.slice(2)) : setting;
  if (isAbsolute(given)) {
    return (await runs(given)) ? given : undefined;
  }
  // A relative path would be one of the workspace, which must not choose what is run.
  if (given.includes('/') || given.includes('\\')) {
    return undefined;
  }
  const endings = process.platform === 'win32' ? ['.exe', ''] : [''];
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    for (const ending of isAbsolute(folder) ? endings : []) {
      const file = join(folder, given + ending);
      if (await runs(file)) {
        return file;
      }
    }
  }
  return undefined;
}

async function runs(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK);
    return (await stat(file)).isFile();
  } catch {
    return false;
  }
}
