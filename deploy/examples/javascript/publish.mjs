// Publishes one ConnectProvider command, as often as it takes to have it
// accepted, and reads its outcome:
//
//   node publish.mjs --org acme --bridge sales-bridge-001 --provider-config 42 --phone +1234567890
//
// Ends 0 for connected, 3 for failed, 4 for not decided in time.
import { randomUUID } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { parseArgs } from "node:util";
import { connect } from "@nats-io/transport-node";
import { DeliverPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { token } from "./organization.mjs";

const { values: options } = parseArgs({
  options: {
    server: { type: "string", default: process.env.NATS_URL ?? "nats://127.0.0.1:4222" },
    org: { type: "string", default: "acme" },
    bridge: { type: "string", default: "sales-bridge-001" },
    "provider-config": { type: "string", default: "42" },
    phone: { type: "string", default: "+1234567890" },
    wait: { type: "string", default: "15" }, // seconds
  },
});

// The id is chosen before the command is published first. Whoever does not know
// whether it was accepted publishes it again: it is decided once.
const command = {
  command_id: randomUUID(),
  bridge_slug: options.bridge,
  provider_config_id: Number(options["provider-config"]),
  phone_number: options.phone,
};
const deadline = Date.now() + Number(options.wait) * 1000;

const nc = await connect({ servers: options.server, name: "publish example" });
const js = jetstream(nc);
// What the stream holds before the command is published is older than its outcome.
const events = await (await jetstreamManager(nc)).streams.info("TELEPHONY_EVENTS");
await publish();
const event = await outcome(events.state.last_seq + 1);
if (!event) {
  console.log(`command ${command.command_id}: accepted, not decided yet`);
  process.exitCode = 4;
} else if (event.data.error) {
  console.log(`command ${command.command_id}: ${event.data.error.code}: ${event.data.error.message}`);
  process.exitCode = 3;
} else {
  console.log(`command ${command.command_id}: connected to ${event.data.bridge_slug} through ${event.data.provider}`);
}
await nc.close();

async function publish() {
  for (;;) {
    try {
      // No msgID: the stream would drop the command if anyone at all had used
      // the same one just before.
      const ack = await js.publish(`telephony.commands.${token(options.org)}.connect-provider`, JSON.stringify(command));
      if (!ack.duplicate) return;
      throw new Error("the stream took the command for a repeat of another message");
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
    await wait(250);
  }
}

// Returns the first event about the command from a sequence on, or undefined if
// none comes in time.
async function outcome(from) {
  const consumer = await js.consumers.get("TELEPHONY_EVENTS", {
    filter_subjects: `telephony.events.*.${token(options.org)}.>`, // * is the lane
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: from,
  });
  const received = await consumer.consume();
  const timer = setTimeout(() => received.stop(), Math.max(deadline - Date.now(), 0));
  try {
    for await (const message of received) {
      const event = message.json();
      if (event.commandid === command.command_id) return event;
    }
  } finally {
    clearTimeout(timer);
    received.stop();
  }
}
