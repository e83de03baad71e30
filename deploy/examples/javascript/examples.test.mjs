// Runs the examples against a system that is up, such as `connectctl dev`:
//
//   NATS_URL=nats://127.0.0.1:4222 npm test
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";

const publish = (...options) =>
  new Promise((resolve) => execFile("node", ["publish.mjs", ...options], (error, stdout) => resolve({ code: error?.code ?? 0, stdout })));

// Returns the commands that the consumer tells of until it has told of the last
// one expected, and its summary. If that takes too long, signal ends it.
async function consume(options, last, signal) {
  const consumer = spawn("node", ["consume.mjs", ...options], { stdio: ["ignore", "pipe", "inherit"], signal, killSignal: "SIGKILL" });
  const exit = once(consumer, "exit");
  const lines = [];
  for await (const line of createInterface(consumer.stdout)) {
    lines.push(line);
    if (line.includes(last)) consumer.kill("SIGTERM");
  }
  assert.deepEqual(await exit, [0, null]);
  return lines;
}

const id = ({ stdout }) => /^command (\S+):/.exec(stdout)[1];

test("commands are decided, and their outcomes consumed once", { timeout: 60_000 }, async ({ signal }) => {
  const options = ["--durable", `test-${randomUUID()}`, "--outcomes", join(mkdtempSync(join(tmpdir(), "examples-")), "outcomes.jsonl")];
  const connected = await publish();
  assert.equal(connected.code, 0, connected.stdout);
  assert.match(connected.stdout, /connected to sales-bridge-001 through twilio/);
  const failed = await publish("--bridge", "no-such-bridge");
  assert.equal(failed.code, 3, failed.stdout);
  assert.match(failed.stdout, /bridge_not_found/);

  const before = await consume(options, id(failed), signal);
  assert.equal(before.filter((line) => line.includes(id(connected))).length, 1);
  const next = await publish();
  const after = await consume(options, id(next), signal);
  assert.equal(after.length, 2, after.join("\n")); // the new outcome and the summary
});
