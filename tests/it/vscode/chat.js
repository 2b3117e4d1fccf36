// Drives VS Code in a browser: a conversation in the side bar, a review by keys, a reload of the
// window, a server that is killed.
//
// Started by vscode.rs with one argument, an object in JSON; playwright-core is found by NODE_PATH.
// A screenshot is kept of each step. Prints what the file was after each decision, as JSON.
'use strict';
const fs = require('node:fs');
const path = require('node:path');
const { command, given, haveLenses, open, same, start, step, text, until } = require('./driver.js');

const { file, prompt, program } = given;
const ALL = { h1: 2, h2: 10, h3: 19 };
const COMMENT = 'keep this one as it is';

/** The servers of this editor: others may run on the machine. */
function servers() {
  const found = [];
  for (const pid of fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const [command, verb] = fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      const variables = fs.readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
      if (command === program && verb === 'lsp' && variables.includes(`HOME=${process.env.HOME}`)) {
        found.push(Number(pid));
      }
    } catch {
      // It has ended meanwhile.
    }
  }
  return found;
}

/** What the editor keeps of text that is not saved; it would come back with the next window. */
function backups() {
  const folder = path.join(process.env.HOME, 'vscode', 'User', 'Backups');
  const all = fs.existsSync(folder) ? fs.readdirSync(folder, { recursive: true, withFileTypes: true }) : [];
  return all.filter((entry) => entry.isFile()).map((entry) => entry.name);
}

start(async (page) => {
  const name = path.basename(file);
  const saved = () => fs.readFileSync(file, 'utf8');
  const before = saved();
  const chat = () => page.frameLocator('iframe.webview.ready').frameLocator('#active-frame');
  const editor = () => page.locator('.editor-instance .view-line').first();
  const badge = (count) =>
    page.locator('.activitybar .action-item', { has: page.locator('[aria-label^="BoxAgnts"]') })
      .locator('.badge-content', { hasText: String(count) })
      .waitFor();

  await open(name);
  await page.locator('.statusbar-item', { hasText: 'BoxAgnts' }).click();
  const box = chat().locator('#prompt');
  await box.waitFor();
  await step('chat');

  // The file goes along by a click; then the question, by keys.
  await chat().locator('#mention').click();
  await until('the mention', () => box.inputValue(), (value) => value === `@${name} `);
  await box.fill(prompt);
  await step('prompt');
  await box.press('Enter');
  await chat().locator('.user', { hasText: prompt }).waitFor();
  await chat().locator('.tool.ok').first().waitFor();
  await chat().locator('.cost').waitFor();
  await until('an empty box', () => box.inputValue(), (value) => value === '');
  await haveLenses(ALL);
  await badge(3);
  same(saved(), before, 'nothing is written before it is accepted');
  await step('proposed');

  // Both sides of it all.
  await command('BoxAgnts: Review All Side by Side');
  await page.locator('.multiDiffEntry').first().waitFor();
  await step('side-by-side');
  await page.keyboard.press('Control+F4');
  await command('View: Close All Editors');
  await page.keyboard.press('Escape');
  await command('BoxAgnts: Go to Next Hunk');
  await editor().waitFor();
  await haveLenses(ALL);

  // One is accepted, by keys.
  await page.keyboard.press('Control+Alt+y');
  await haveLenses({ h2: 10, h3: 19 });
  const accepted = await text();
  same(accepted === before, false, 'the hunk is in the text');
  await step('accepted');

  // The next is rejected, with words for the model.
  await page.keyboard.press('Control+Home');
  await page.keyboard.press('Alt+]');
  await page.locator('.statusbar-item', { hasText: 'Ln 10, Col 1' }).waitFor();
  await page.keyboard.press('Control+Alt+m');
  await page.getByPlaceholder('keep the old name here').fill(COMMENT);
  await page.keyboard.press('Enter');
  await haveLenses({ h3: 19 });
  await chat().locator('.note', { hasText: COMMENT }).waitFor();
  await badge(1);
  await step('rejected');

  // What was accepted is taken back.
  await editor().click();
  await page.keyboard.press('Control+Alt+u');
  await haveLenses({ h1: 2, h3: 19 });
  same(await text(), before, 'as it was');
  await step('undone');
  await page.keyboard.press('Control+s');
  await page.locator('.tab.active:not(.dirty)').waitFor();
  await until('backups that are gone', backups, (left) => left.length === 0);

  // The window is another one; the session is the same, with its past.
  const [old] = servers();
  await page.reload();
  await chat().locator('.user', { hasText: prompt }).waitFor();
  await chat().locator('.note', { hasText: COMMENT }).waitFor();
  // On a busy machine VS Code forgets which editors were open.
  await command('BoxAgnts: Go to Next Hunk');
  await editor().waitFor();
  await haveLenses({ h1: 2, h3: 19 });
  await step('reloaded');

  // Another session, and back.
  await command('BoxAgnts: New Session');
  await chat().locator('.user').waitFor({ state: 'hidden' });
  await command('BoxAgnts: Resume Session…');
  await page.locator('.quick-input-list .monaco-list-row', { hasText: prompt.slice(0, 20) }).first().click();
  await chat().locator('.user', { hasText: prompt }).waitFor();
  await step('resumed');

  // The server dies under it; one click starts another, and nothing is lost.
  const [pid] = await until('one server', servers, (all) => all.length === 1 && all[0] !== old);
  process.kill(pid, 'SIGKILL');
  await page.getByText('BoxAgnts has stopped unexpectedly').first().waitFor();
  await haveLenses({});
  await step('killed');
  await page.locator('.notification-list-item', { hasText: 'stopped unexpectedly' })
    .getByRole('button', { name: 'Restart' }).click();
  await haveLenses({ h1: 2, h3: 19 });
  await chat().locator('.user', { hasText: prompt }).waitFor();
  await step('restarted');
  await command('BoxAgnts: Accept All');
  await haveLenses({});
  const decided = await text();
  await page.keyboard.press('Control+s');
  await until('the saved file', saved, (now) => now === decided);
  await step('done');
  return { before, accepted, decided };
});
