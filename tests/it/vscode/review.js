// Drives VS Code in a browser: one of three hunks is accepted while the user types in the same file.
//
// Started by vscode.rs with one argument, an object in JSON; playwright-core is found by NODE_PATH.
// A screenshot is kept of each step. Prints what the editor's text was at the end, as JSON.
'use strict';
const fs = require('node:fs');
const path = require('node:path');
const { PATIENCE, command, given, goto, haveLenses, open, same, start, step, text, until } = require('./driver.js');

const { file, prompt, above, below } = given;
const MOST_LETTERS = 40;

let page;

/** What is shown has both lines of the second hunk, or none of them. */
function hunkIsShown() {
  return page.evaluate(() => {
    const shown = [...document.querySelectorAll('.editor-instance .view-line')]
      .map((line) => line.textContent.replaceAll('\u00a0', ' '));
    const [first, second] = ['half = sum / 2', 'print(sum, half)'].map((line) => shown.includes(line));
    return first && second;
  });
}

function hasHunk(content) {
  const [first, second] = ['half = sum / 2\n', 'print(sum, half)\n'].map((line) => content.includes(line));
  same(first, second, 'half a hunk');
  return first;
}

async function review() {
  const before = fs.readFileSync(file, 'utf8');
  const name = path.basename(file);
  const saved = () => fs.readFileSync(file, 'utf8');

  await open(name);
  await step('opened');

  await command('BoxAgnts: Ask…');
  await page.getByPlaceholder('rename total to sum').waitFor({ timeout: PATIENCE });
  await page.keyboard.type(prompt);
  await step('ask');
  await page.keyboard.press('Enter');
  await haveLenses({ h1: 2, h2: 10, h3: 19 });
  await step('three-hunks');

  // What is typed without saving moves them.
  await page.locator('.editor-instance .view-line').first().click();
  await page.keyboard.press('Control+Home');
  await page.keyboard.type(`${above}\n`);
  await page.keyboard.press('Control+End');
  await page.keyboard.type(below);
  await page.keyboard.press('Enter');
  await haveLenses({ h1: 3, h2: 11, h3: 20 });
  await page.locator('.tab.active.dirty').waitFor();
  await step('typed');

  // The hunk comes while the user is typing.
  await goto(7);
  await page.keyboard.press('End');
  await page.keyboard.press('Enter');
  let typed = '';
  // Line breaks among it move the hunks below.
  const type = async () => {
    const letter = typed.length % 4 === 3 ? '\n' : String.fromCharCode(97 + (typed.length % 26));
    await page.keyboard.press(letter === '\n' ? 'Enter' : letter);
    typed += letter;
  };
  await type();
  await haveLenses({ h1: 3, h2: 12, h3: 21 });
  await step('lens');
  // A click on a lens leaves the cursor where it was.
  const lens = page.getByText('Accept h2', { exact: true });
  await lens.click();
  let looks = 0;
  await until('the hunk', async () => {
    same(await page.getByText('was not applied').count(), 0, 'refusals');
    looks += 1;
    if (looks % 100 === 0 && (await lens.count())) {
      // VS Code may renew a lens under the click.
      await lens.click();
    }
    // People pause some time.
    if (typed.length < MOST_LETTERS) {
      await type();
    }
    return hunkIsShown();
  });
  do {
    await type();
  } while (typed.endsWith('\n'));
  const others = { h1: 3, h3: 20 + typed.split('\n').length };
  await haveLenses(others);
  await step('accepted-while-typing');
  const accepted = await text();
  same(saved(), before, 'the editor saves, not we');

  // One step of undo has the whole hunk; other steps have letters.
  let undone = accepted;
  let undos = 0;
  while (hasHunk(undone)) {
    if (undos > 20) {
      throw new Error(`the hunk is not taken back: ${undone}`);
    }
    await page.keyboard.press('Control+z');
    undos += 1;
    undone = await text();
  }
  await step('undone');
  for (let redos = 0; redos < undos; redos++) {
    await page.keyboard.press('Control+y');
  }
  same(await text(), accepted, 'done again');
  await step('done-again');

  same(saved(), before, 'still not saved');
  await page.keyboard.press('Control+s');
  await until('the saved file', saved, (now) => now !== before);
  await haveLenses(others);
  await page.locator('.tab.active:not(.dirty)').waitFor();
  await step('saved');

  // The commands decide on the others.
  const end = { typed, accepted, undone, saved: saved() };
  await goto(others.h1);
  await command('BoxAgnts: Reject Hunk at Cursor');
  await haveLenses({ h3: others.h3 });
  await command('BoxAgnts: Accept All');
  await haveLenses({});
  await step('decided-by-commands');
  return { ...end, decided: await text() };
}

start(async (opened) => {
  page = opened;
  return review();
});
