// Drives VS Code in a browser: a model asks, and its user chooses and answers in words.
//
// Started by vscode.rs as chat.js is. Prints nothing but that it is done.
'use strict';
const { command, open, start, step, until } = require('./driver.js');

start(async (page) => {
  const chat = () => page.frameLocator('iframe.webview.ready').frameLocator('#active-frame');
  const quick = page.locator('.quick-input-widget');
  const entry = (text) => quick.locator('.monaco-list-row', { hasText: text });
  const note = (text) => chat().locator('.note', { hasText: text }).waitFor();
  await open('invoice.py');
  await page.locator('.statusbar-item', { hasText: 'BoxAgnts' }).click();
  const box = chat().locator('#prompt');
  await box.fill('what do you think?');
  await box.press('Enter');

  // Of several, one; what it means stands with it, and the conversation has the question, too.
  await entry('the first one').waitFor();
  await chat().locator('.model', { hasText: 'Which one?' }).waitFor();
  await step('choices');
  await entry('Second').click();
  await note('Second');

  // In words.
  await entry('In your words').click();
  const words = quick.locator('input.input');
  await until('a box for words', () => words.isVisible());
  await step('words');
  await page.keyboard.type('neither of the two');
  await page.keyboard.press('Enter');
  await note('neither of the two');

  // Put away, by a key.
  await quick.getByText('Really?').waitFor();
  await page.keyboard.press('Escape');
  await note('The question was put away.');
  await chat().locator('.cost').waitFor();
  await step('answered');
  // The steps of the task.
  await chat().locator('#plan li[data-status="completed"]', { hasText: 'ask' }).waitFor();
  // The mode of the session, not that of the settings.
  const status = (text) => page.locator('.statusbar-item', { hasText: 'BoxAgnts' }).filter({ hasText: text }).waitFor();
  await status('review');
  await box.fill('/mode plan');
  await box.press('Enter');
  await status('plan');
  await step('mode');
  await command('BoxAgnts: New Session');
  await chat().locator('#plan').waitFor({ state: 'hidden' });
  return {};
});
