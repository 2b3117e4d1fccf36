// Measures in VS Code, in a browser: from the key that accepts a hunk to its text in the editor.
//
// Started by vscode.rs as chat.js is. Prints the times in milliseconds, as JSON.
'use strict';
const { command, haveLenses, open, start, until } = require('./driver.js');
const { prompt } = require('./driver.js').given;

const ROUNDS = 30;

/** Has the page note when the key comes and when the text is drawn. */
function watch() {
  const shows = () => [...document.querySelectorAll('.editor-instance .view-line')]
    .some((line) => line.textContent.replaceAll('\u00a0', ' ') === 'sum = 0');
  let pressed;
  globalThis.took = undefined;
  window.addEventListener('keydown', (event) => {
    if (event.code === 'KeyY') {
      pressed = performance.now();
    }
  }, { capture: true, once: false });
  new MutationObserver(() => {
    if (pressed !== undefined && shows()) {
      globalThis.took = performance.now() - pressed;
      pressed = undefined;
    }
  }).observe(document.body, { subtree: true, childList: true, characterData: true });
}

start(async (page) => {
  await open('invoice.py');
  await command('BoxAgnts: Ask…');
  await page.getByPlaceholder('rename total to sum').waitFor();
  await page.keyboard.type(prompt);
  await page.keyboard.press('Enter');
  await haveLenses({ h1: 2, h2: 10, h3: 19 });
  await page.locator('.editor-instance .view-line').first().click();
  await page.evaluate(watch);
  const times = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    await page.keyboard.press('Control+Home');
    await page.keyboard.press('ArrowDown');
    await page.locator('.statusbar-item', { hasText: 'Ln 2, Col 1' }).waitFor();
    await page.evaluate(() => { globalThis.took = undefined; });
    await page.keyboard.press('Control+Alt+y');
    times.push(await until('the text', () => page.evaluate(() => globalThis.took ?? null), (took) => took !== null));
    await haveLenses({ h2: 10, h3: 19 });
    await page.keyboard.press('Control+Alt+u');
    await haveLenses({ h1: 2, h2: 10, h3: 19 });
  }
  return { times };
});
