// Drives VS Code in a browser: a manager has two executors do the work, and what they propose is committed
// to a branch.
//
// Started by vscode.rs as chat.js is. Prints what git says of the branch, as JSON.
'use strict';
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { command, given, open, same, start, step, until } = require('./driver.js');

const { file } = given;
const cwd = path.dirname(file);
const git = (...args) => execFileSync('git', args, { cwd, encoding: 'utf8' });
const BRANCH = 'agent/half';

start(async (page) => {
  fs.rmSync(path.join(cwd, '.git'), { recursive: true });
  git('init', '-q', '-b', 'main');
  git('config', 'user.name', 'Uma');
  git('config', 'user.email', 'uma@example.org');
  git('add', '.');
  git('commit', '-q', '-m', 'first');
  const before = fs.readFileSync(file, 'utf8');
  const chat = () => page.frameLocator('iframe.webview.ready').frameLocator('#active-frame');
  const row = (text) => page.locator('.sidebar .monaco-list-row', { hasText: text }).first();

  await open(path.basename(file));
  await page.locator('.statusbar-item', { hasText: 'BoxAgnts' }).click();
  const box = chat().locator('#prompt');
  await box.fill('have it done');
  await box.press('Enter');
  await chat().locator('.note', { hasText: 'create one.txt with "first": done' }).waitFor();
  await chat().locator('.note', { hasText: 'replace half with middle in invoice.py: done' }).waitFor();
  await page.getByText('All 2 executors have finished: 2 hunks.').first().waitFor();
  await chat().locator('.cost').waitFor();
  await step('finished');

  // Both are in the tree, and each hunk says whose it is.
  await command('BoxAgnts: Focus on Executors View');
  await row('0 of 2 at work').waitFor();
  await row('create one.txt').waitFor();
  await row('replace half with middle').waitFor();
  await step('executors');
  await command('BoxAgnts: Focus on Changes View');
  const labels = () => page.locator('.sidebar .monaco-list-row[aria-label*="line "]')
    .evaluateAll((rows) => rows.map((row) => row.textContent));
  const wanted = ['create one.txt with "first"', 'replace half with middle in invoice.py'];
  await until('labels at hunks', labels, (shown) =>
    wanted.every((task) => shown.some((text) => text.includes(`, ${task}`))));
  await step('labels');

  // The branch has what they propose; what waits goes on waiting.
  await command('BoxAgnts: Commit the Proposal to a Branch');
  await page.getByPlaceholder('agent/rename').waitFor();
  await page.keyboard.type(BRANCH);
  await page.keyboard.press('Enter');
  await page.locator('.quick-input-message', { hasText: 'Message of the commit' }).waitFor();
  await step('message');
  await page.keyboard.type('What both did');
  await page.keyboard.press('Enter');
  await page.getByText(`${BRANCH} is at commit`).first().waitFor();
  await step('committed');
  same(fs.readFileSync(file, 'utf8'), before, 'the file is as it was');
  same((await labels()).length, 2, 'what waits');

  // One that is there is not touched.
  await command('BoxAgnts: Commit the Proposal to a Branch');
  await page.getByPlaceholder('agent/rename').waitFor();
  await page.keyboard.type(BRANCH);
  await page.keyboard.press('Enter');
  await page.locator('.quick-input-message', { hasText: 'Message of the commit' }).waitFor();
  await page.keyboard.press('Enter');
  await page.getByText('it exists already').first().waitFor();
  await step('refused');
  const files = git('diff', '--name-only', 'main', BRANCH).trim().split('\n');
  return {
    head: git('rev-parse', '--abbrev-ref', 'HEAD').trim(),
    message: git('log', '-1', '--format=%B', BRANCH).trim(),
    files: files.join(),
  };
});
