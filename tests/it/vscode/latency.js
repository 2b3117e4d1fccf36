// Measures in VS Code, in a browser: from the key that accepts a hunk to its text in the editor, and from a
// key of an extension that comes with VS Code and only edits (it adds one to a number) to its text: what no
// extension is faster than.
//
// Started by vscode.rs as chat.js is. Prints the times of both in milliseconds, as JSON.
'use strict';
const { command, haveLenses, open, start, until } = require('./driver.js');
const { prompt } = require('./driver.js').given;

const ROUNDS = 30;

/** Has the page note when a key comes and when the line that it makes is drawn. */
function watch() {
  const shows = (wanted) => [...document.querySelectorAll('.editor-instance .view-line')]
    .some((line) => line.textContent.replaceAll('\u00a0', ' ') === wanted);
  let pressed;
  window.addEventListener('keydown', (event) => {
    if (event.ctrlKey && event.altKey && /^Key[YJK]$/.test(event.code)) {
      pressed = performance.now();
    }
  }, { capture: true });
  new MutationObserver(() => {
    if (pressed !== undefined && shows(globalThis.wanted)) {
      globalThis.took = performance.now() - pressed;
      pressed = undefined;
    }
  }).observe(document.body, { subtree: true, childList: true, characterData: true });
}

start(async (page) => {
  const take = async (key, line) => {
    await page.evaluate((wanted) => {
      globalThis.wanted = wanted;
      globalThis.took = undefined;
    }, line);
    await page.keyboard.press(key);
    return until(line, () => page.evaluate(() => globalThis.took ?? null), (took) => took !== null);
  };
  const place = async (column) => {
    await page.keyboard.press('Control+Home');
    await page.keyboard.press('ArrowDown');
    if (column > 1) {
      await page.keyboard.press('End');
    }
    await page.locator('.statusbar-item', { hasText: `Ln 2, Col ${column}` }).waitFor();
  };
  await open('invoice.py');
  await page.locator('.editor-instance .view-line').first().click();
  await page.evaluate(watch);
  const peer = [];
  // The first one wakes the extension.
  for (let round = 0; round <= ROUNDS; round += 1) {
    await place(10);
    peer.push(await take('Control+Alt+j', 'total = 1'));
    await take('Control+Alt+k', 'total = 0');
  }

  await command('BoxAgnts: Ask…');
  await page.getByPlaceholder('rename total to sum').waitFor();
  await page.keyboard.type(prompt);
  await page.keyboard.press('Enter');
  await haveLenses({ h1: 2, h2: 10, h3: 19 });
  await page.locator('.editor-instance .view-line').first().click();
  const times = [];
  for (let round = 0; round <= ROUNDS; round += 1) {
    await place(1);
    times.push(await take('Control+Alt+y', 'sum = 0'));
    await haveLenses({ h2: 10, h3: 19 });
    await page.keyboard.press('Control+Alt+u');
    await haveLenses({ h1: 2, h2: 10, h3: 19 });
  }
  return { times: times.slice(1), peer: peer.slice(1) };
});
