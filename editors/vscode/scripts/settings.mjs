/**
 * Makes the settings `boxagnts.agent.*` of package.json from the schema of the program's configuration.
 *
 *     npm run settings -- PROGRAM [--check]
 */

import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';

const FILE = new URL('../package.json', import.meta.url);
const [program, check] = process.argv.slice(2);
if (!program) {
  console.error('usage: npm run settings -- PROGRAM [--check]');
  process.exit(2);
}

const schema = JSON.parse(execFileSync(program, ['config', 'schema'], { encoding: 'utf8' }));
const text = readFileSync(FILE, 'utf8');
const extension = JSON.parse(text);
const section = extension.contributes.configuration.find(({ title }) => title === 'Agent');
section.properties = Object.fromEntries(
  Object.entries(schema.properties)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([key, { description, ...knob }]) => [
      `boxagnts.agent.${key}`,
      // Never of a workspace: whoever wrote the repository may have written its settings.
      { ...knob, scope: 'machine', markdownDescription: description },
    ]),
);
const made = `${JSON.stringify(extension, undefined, 2)}\n`;
if (check === '--check') {
  if (made !== text) {
    console.error('package.json has other settings than the program; run `npm run settings -- PROGRAM`');
    process.exit(1);
  }
} else {
  writeFileSync(FILE, made);
}
