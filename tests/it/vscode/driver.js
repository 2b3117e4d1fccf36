// What drivers of VS Code in a browser share: a page, and ways to look at it and to wait.
'use strict';
const path = require('node:path');
const { chromium } = require('playwright-core');

const given = JSON.parse(process.argv[2]);
const { browser: executablePath, screens } = given;
const PATIENCE = 90_000;

/** The page; there is one while `run` works. */
let page;
let steps = 0;

async function step(name) {
  steps += 1;
  const number = String(steps).padStart(2, '0');
  await page.screenshot({ path: path.join(screens, `${number}-${name}.png`) });
}

/** Asks again and again until the answer is as wanted. */
async function until(what, ask, wanted = Boolean) {
  const end = Date.now() + PATIENCE;
  let answer;
  while (Date.now() < end) {
    answer = await ask();
    if (wanted(answer)) {
      return answer;
    }
    await page.waitForTimeout(50);
  }
  throw new Error(`waited in vain for ${what}; last: ${JSON.stringify(answer)}`);
}

function same(got, wanted, what) {
  if (JSON.stringify(got) !== JSON.stringify(wanted)) {
    throw new Error(`${what}: got ${JSON.stringify(got)}, wanted ${JSON.stringify(wanted)}`);
  }
}

/** Runs a command of the palette, once it is there: extensions come late. */
async function command(title) {
  const row = page.locator('.quick-input-list .monaco-list-row', { hasText: title }).first();
  await until(`the command ${title}`, async () => {
    await page.keyboard.press('F1');
    await page.locator('.quick-input-widget input').fill(`>${title}`);
    try {
      await row.waitFor({ timeout: 1000 });
      return true;
    } catch {
      await page.keyboard.press('Escape');
      return false;
    }
  });
  await page.keyboard.press('Enter');
}

async function goto(line) {
  await page.keyboard.press('Control+g');
  const input = page.locator('.quick-input-widget input');
  await input.waitFor();
  await input.fill(`:${line}`);
  await page.keyboard.press('Enter');
  await page.locator('.quick-input-widget').waitFor({ state: 'hidden' });
}

/** Each lens with the number of the line below it. */
function lenses() {
  return page.evaluate(() => {
    const top = (element) => element.getBoundingClientRect().top;
    const lines = [...document.querySelectorAll('.margin-view-overlays .line-numbers')]
      .map((line) => [top(line), Number(line.textContent)])
      .sort((one, other) => one[0] - other[0]);
    const found = [];
    for (const lens of document.querySelectorAll('.codelens-decoration a')) {
      const below = lines.find(([at]) => at > top(lens));
      found.push(`${lens.textContent} ${below ? below[1] : 'nowhere'}`);
    }
    return found.sort();
  });
}

function lensesOf(hunks) {
  return Object.entries(hunks)
    .flatMap(([hunk, line]) => [`Accept ${hunk} ${line}`, `Reject ${hunk} ${line}`])
    .sort();
}

async function haveLenses(hunks) {
  const wanted = JSON.stringify(lensesOf(hunks));
  await until(`lenses ${wanted}`, lenses, (found) => JSON.stringify(found) === wanted);
}

/** The editor's text, by its clipboard. */
async function text() {
  await page.evaluate(() => navigator.clipboard.writeText('nothing yet'));
  await page.keyboard.press('Control+a');
  await page.keyboard.press('Control+c');
  return until(
    'the clipboard',
    () => page.evaluate(() => navigator.clipboard.readText()),
    (copied) => copied !== 'nothing yet',
  );
}

/** Opens the file by the explorer. */
async function open(name) {
  await page.goto(given.url, { timeout: PATIENCE });
  await page.locator('.explorer-folders-view .monaco-list-row', { hasText: name }).dblclick({ timeout: PATIENCE });
  await page.locator('.editor-instance .view-line').first().waitFor();
}

/** Does all of it in a browser; prints what it gives, as JSON. */
async function run(work) {
  const browser = await chromium.launch({
    executablePath,
    args: [
      '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync',
    ],
  });
  try {
    const context = await browser.newContext({ viewport: { width: 1200, height: 800 } });
    await context.grantPermissions(['clipboard-read', 'clipboard-write']);
    page = await context.newPage();
    page.setDefaultTimeout(PATIENCE);
    console.log(JSON.stringify(await work(page)));
  } catch (error) {
    await step('failed').catch(() => {});
    throw error;
  } finally {
    await browser.close();
  }
}

function start(work) {
  run(work).catch((error) => {
    console.error(error);
    process.exitCode = 1;
  });
}

module.exports = { PATIENCE, command, given, goto, haveLenses, open, same, start, step, text, until };
