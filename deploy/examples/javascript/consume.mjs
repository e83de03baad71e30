// A consumer of one organization's outcome events that loses none, handles none
// twice, keeps their order, and goes on where it stopped:
//
//   node consume.mjs --org acme --outcomes outcomes.jsonl
//
// The server keeps the durable consumer's place in the stream. An event is
// acknowledged after it has been handled, so a crash between the two has it
// delivered again; it is then recognized by its id (outcomes.mjs). A correction
// (member corrects) is an event like any other: it takes the place of an
// earlier outcome. It only happens after the workers' database was restored
// from a backup.
import { parseArgs } from "node:util";
import { connect, nanos } from "@nats-io/transport-node";
import { AckPolicy, DeliverPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { token } from "./organization.mjs";
import { Outcomes } from "./outcomes.mjs";

const { values: options } = parseArgs({
  options: {
    server: { type: "string", default: process.env.NATS_URL ?? "nats://127.0.0.1:4222" },
    org: { type: "string", default: "acme" },
    durable: { type: "string", default: "outcomes-javascript" }, // one name for each application
    outcomes: { type: "string", default: "outcomes.jsonl" },
  },
});

const outcomes = new Outcomes(options.outcomes);
const nc = await connect({ servers: options.server, name: "consume example", maxReconnectAttempts: -1 });
const manager = await jetstreamManager(nc);
// Creating a consumer that is there already changes nothing.
await manager.consumers.add("TELEPHONY_EVENTS", {
  durable_name: options.durable,
  filter_subject: `telephony.events.*.${token(options.org)}.>`, // * is the lane
  deliver_policy: DeliverPolicy.All,
  ack_policy: AckPolicy.Explicit,
  ack_wait: nanos(30_000),
  // One at a time keeps the order also when an event is delivered again. Who
  // needs more speed reads each lane with a consumer of its own.
  max_ack_pending: 1,
});
const consumer = await jetstream(nc).consumers.get("TELEPHONY_EVENTS", options.durable);
const received = await consumer.consume({ max_messages: 1 });
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => received.stop());

for await (const message of received) {
  // What can't be parsed stops the program unacknowledged: nobody but workers
  // may publish events, and acknowledging it would lose an outcome.
  const event = message.json();
  const known = ["telephony.provider.connected.v1", "telephony.provider.connect_failed.v1"].includes(event.type);
  if (known && outcomes.handle(event)) console.log(describe(event));
  message.ack(); // if that is lost, the event comes again
}
console.log(outcomes.summary());
await nc.drain();

// Phone numbers stay out of it: they do not belong in logs.
function describe(event) {
  const result = event.data.error?.code ?? "connected";
  const correction = event.corrects ? " (corrects an earlier outcome)" : "";
  return `${event.orghandle} command=${event.commandid ?? ""} sequence=${event.sequence} bridge=${event.data.bridge_slug ?? ""} ${result}${correction}`;
}
