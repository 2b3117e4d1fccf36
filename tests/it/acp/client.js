// A client made of the official SDK, with an editor's documents: asks, reviews, kills the agent, and
// loads what it left. What it saw goes to standard output as JSON.
//
// node client.js SDK WORKSPACE AGENT ARGS…

import { spawn } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { Readable, Writable } from "node:stream";
import { pathToFileURL } from "node:url";

const [sdk, workspace, command, ...args] = process.argv.slice(2);
const acp = await import(pathToFileURL(sdk).href);
const { methods } = acp;

// What is typed and not saved.
const documents = new Map();
const seen = { questions: [], kinds: [], texts: [], written: [], diffs: [] };
let answers = [];

function start() {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
  const ended = new Promise((resolve) => child.on("exit", (code, signal) => resolve(signal ?? code)));
  const app = acp
    .client({ name: "tests" })
    .onNotification(methods.client.session.update, ({ params }) => {
      const { update } = params;
      seen.kinds.push(update.sessionUpdate);
      if (update.content?.text) seen.texts.push(update.content.text);
    })
    .onRequest(methods.client.session.requestPermission, ({ params }) => {
      seen.questions.push(params.toolCall.title);
      for (const content of params.toolCall.content ?? []) {
        if (content.type === "diff") seen.diffs.push(path.relative(workspace, content.path));
      }
      const optionId = answers.shift();
      return { outcome: optionId ? { outcome: "selected", optionId } : { outcome: "cancelled" } };
    })
    .onRequest(methods.client.fs.readTextFile, async ({ params }) => ({
      content: documents.get(params.path) ?? (await readFile(params.path, "utf8")),
    }))
    .onRequest(methods.client.fs.writeTextFile, async ({ params }) => {
      seen.written.push(path.relative(workspace, params.path));
      documents.delete(params.path);
      await writeFile(params.path, params.content);
      return {};
    });
  const stream = acp.ndJsonStream(Writable.toWeb(child.stdin), Readable.toWeb(child.stdout));
  const connection = app.connect(stream);
  return { child, ended, connection, agent: connection.agent };
}

async function hello(agent) {
  return await agent.request(methods.agent.initialize, {
    protocolVersion: acp.PROTOCOL_VERSION,
    clientCapabilities: { fs: { readTextFile: true, writeTextFile: true } },
  });
}

async function prompt(agent, sessionId, text) {
  const prompt = [{ type: "text", text }];
  return (await agent.request(methods.agent.session.prompt, { sessionId, prompt })).stopReason;
}

const first = start();
seen.hello = await hello(first.agent);
const { sessionId } = await first.agent.request(methods.agent.session.new, {
  cwd: workspace,
  mcpServers: [],
});
const file = path.join(workspace, "a.txt");
documents.set(file, `typed\n${await readFile(file, "utf8")}`);
answers = ["accept", "later"];
seen.stop = await prompt(first.agent, sessionId, "change both");
seen.wrong = await first.agent
  .request(methods.agent.session.setMode, { sessionId, modeId: "yolo" })
  .then(() => "nothing", (error) => error.message);
// Nobody answers this one but the user's change of mind.
const long = prompt(first.agent, sessionId, "think about it");
await first.agent.notify(methods.agent.session.cancel, { sessionId });
seen.cancelled = await long;
first.child.kill("SIGKILL");
seen.killed = await first.ended;

const second = start();
await hello(second.agent);
seen.kinds = [];
seen.listed = (
  await second.agent.request(methods.agent.session.list, { cwd: workspace })
).sessions.map((session) => session.title);
await second.agent.request(methods.agent.session.load, {
  sessionId,
  cwd: workspace,
  mcpServers: [],
});
answers = ["accept"];
seen.again = await prompt(second.agent, sessionId, "/review");
second.child.stdin.end();
seen.ended = await second.ended;
process.stdout.write(JSON.stringify(seen), () => process.exit(0));
