import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { token } from "./organization.mjs";
import { Outcomes } from "./outcomes.mjs";

const connected = (id, sequence) => ({ id, commandid: `command-${sequence}`, sequence: String(sequence), data: { bridge_slug: "sales-bridge-001" } });
const newFile = () => join(mkdtempSync(join(tmpdir(), "outcomes-")), "outcomes.jsonl");

test("an event is handled once, also after a restart", () => {
  const path = newFile();
  const before = new Outcomes(path);
  assert.equal(before.handle(connected("a", 1)), true);
  assert.equal(before.handle(connected("a", 1)), false);
  const after = new Outcomes(path);
  assert.equal(after.handle(connected("a", 1)), false);
  assert.equal(after.handle(connected("b", 2)), true);
  assert.equal(after.summary(), "2 outcomes: 2 connected, 0 failed");
});

test("a correction takes the place of the earlier outcome", () => {
  const path = newFile();
  const outcomes = new Outcomes(path);
  outcomes.handle(connected("a", 1));
  outcomes.handle({ ...connected("b", 1), corrects: "a", data: { error: { code: "bridge_not_found" } } });
  assert.equal(outcomes.summary(), "1 outcomes: 0 connected, 1 failed");
  assert.equal(new Outcomes(path).summary(), "1 outcomes: 0 connected, 1 failed");
  assert.equal(outcomes.handle(connected("a", 1)), false);
});

test("a line that a crash left unfinished is cut off", () => {
  const path = newFile();
  new Outcomes(path).handle(connected("a", 1));
  appendFileSync(path, '{"event_id":"unfinis');
  assert.equal(new Outcomes(path).handle(connected("b", 2)), true);
  assert.equal(readFileSync(path, "utf8").trimEnd().split("\n").length, 2);
  assert.equal(new Outcomes(path).summary(), "2 outcomes: 2 connected, 0 failed");
});

test("a handle makes one subject token", () => {
  assert.equal(token("acme"), "acme");
  assert.equal(token("example.com"), "example%2Ecom");
  assert.equal(token("ü~"), "%C3%BC%7E");
});
