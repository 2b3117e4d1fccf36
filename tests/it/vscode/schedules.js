// Drives VS Code in a browser: a scheduled task has left a proposal; its user is told once, and opens it.
//
// Started by vscode.rs as chat.js is, with a task that has run. Prints nothing but that it is done.
'use strict';
const path = require('node:path');
const { command, given, haveLenses, open, start, step } = require('./driver.js');

start(async (page) => {
  const name = path.basename(given.file);
  const told = page.locator('.notification-list-item', { hasText: 'a proposal of a scheduled task waits: tidy (3 hunks).' });
  await open(name);
  await told.waitFor();
  await step('told');
  await told.getByRole('button', { name: 'Review' }).click();
  await page.locator('.multiDiffEntry').first().waitFor();
  await step('reviewed');
  await command('View: Close All Editors');
  await page.locator('.explorer-folders-view .monaco-list-row').first().waitFor({ state: 'hidden' });
  await command('BoxAgnts: Go to Next Hunk');
  await haveLenses({ h1: 2, h2: 10, h3: 19 });
  await step('opened');
  return {};
});
