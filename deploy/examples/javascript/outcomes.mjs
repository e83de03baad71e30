import { openSync, readFileSync, ftruncateSync, writeSync, fsyncSync } from "node:fs";

// What the consumer knows: the outcome of each command, each as the line of a
// file that is only ever appended to. A service would keep it in its own
// database, in the transaction that does what the event calls for.
export class Outcomes {
  #file;
  #end = 0; // of the last whole line
  #handled = new Set(); // event ids
  #current = new Map(); // by event id, without those that were corrected

  constructor(path) {
    this.#file = openSync(path, "a+", 0o600);
    const content = readFileSync(path);
    // A last line that a crash left unfinished is cut off: its event was not
    // acknowledged and comes again.
    this.#end = content.lastIndexOf("\n") + 1;
    ftruncateSync(this.#file, this.#end);
    const lines = content.toString("utf8", 0, this.#end).split("\n").slice(0, -1);
    lines.forEach((line) => this.#take(JSON.parse(line)));
  }

  // Notes an event's outcome durably. Returns false for an event that was
  // handled before.
  handle(event) {
    if (this.#handled.has(event.id)) return false;
    const entry = {
      event_id: event.id,
      corrects: event.corrects,
      command_id: event.commandid,
      sequence: Number(event.sequence),
      bridge_slug: event.data.bridge_slug,
      failure: event.data.error?.code, // none: connected
    };
    writeSync(this.#file, JSON.stringify(entry) + "\n");
    fsyncSync(this.#file);
    this.#take(entry);
    return true;
  }

  // A correction takes the place of the earlier outcome.
  #take(entry) {
    if (entry.corrects) this.#current.delete(entry.corrects);
    this.#handled.add(entry.event_id);
    this.#current.set(entry.event_id, entry);
  }

  summary() {
    const failed = [...this.#current.values()].filter((entry) => entry.failure).length;
    return `${this.#current.size} outcomes: ${this.#current.size - failed} connected, ${failed} failed`;
  }
}
