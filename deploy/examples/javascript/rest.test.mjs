// Runs the platform documentation's calls (connect-provider.cjs and
// ../curl/connect-provider.sh, as they are printed there) against a gateway that
// is up, such as that of `connectctl dev`: only the host, and what the
// documentation has the reader fill in, are replaced.
//
//   REST_URL=http://127.0.0.1:3001 REST_TOKEN=… npm test
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { promisify } from "node:util";

const run = promisify(execFile);
const { REST_URL = "http://127.0.0.1:3001", REST_TOKEN, ORG_HANDLE = "acme" } = process.env;

// The file with each text replaced by another. Each must be there.
function filledIn(file, replacements) {
  let text = readFileSync(new URL(file, import.meta.url), "utf8");
  for (const [printed, own] of replacements) {
    assert.ok(text.includes(printed), `${file} has no ${printed}`);
    text = text.replaceAll(printed, own);
  }
  return text;
}

// The documentation's answer.
const connected = {
  status_code: 200,
  message: "Provider connected to bridge successfully.",
  data: { message: "Provider connected successfully", bridge_slug: "sales-bridge-001", phone_number: "+1234567890" },
};

test("the documentation's JavaScript call", { timeout: 60_000 }, async () => {
  const program = filledIn("connect-provider.cjs", [
    ["https://unpod.dev", REST_URL],
    ["your-api-token", REST_TOKEN],
    ["your-org-handle", ORG_HANDLE],
  ]);
  const { stdout } = await run("node", ["--input-type=commonjs", "--eval", program], { cwd: import.meta.dirname });
  assert.equal(stdout, "Provider connected to bridge: sales-bridge-001\nPhone number assigned: +1234567890\n");
});

const curl = async (...more) => {
  const program = filledIn("../curl/connect-provider.sh", [
    ["http://localhost:3001", REST_URL],
    ["{slug}", "sales-bridge-001"],
    ["<api-key>", `Token ${REST_TOKEN}`],
    ["<org-handle>", ORG_HANDLE],
    ...more,
  ]);
  const { stdout } = await run("bash", ["-c", program]);
  return stdout;
};

test("the documentation's curl call, for the configuration that the number belongs to", { timeout: 60_000 }, async () => {
  // byte for byte, so in the documentation's order
  assert.equal(await curl(['"provider_config_id": 1,', '"provider_config_id": 42,']), JSON.stringify(connected));
});

test("the documentation's curl call as it is printed", { timeout: 60_000 }, async () => {
  // the demo organization's number belongs to configuration 42, as in the JavaScript call
  const answer = JSON.parse(await curl());
  assert.equal(answer.status_code, 400);
  assert.equal(answer.data.code, "phone_number_not_linked");
});
