/** Everything that went over the page's connections, newest last. */

import { mask } from "./masking.js";
import { rememberFrom } from "./secrets.js";

export const CAPACITY = 2000;

/**
 * @typedef {object} Entry
 * @property {number} number
 * @property {number} time milliseconds since the epoch
 * @property {"console" | "developer"} connection
 * @property {"in" | "out" | "event"} direction
 * @property {"call" | "reply" | "error" | "notification" | "event" | "other"} kind
 * @property {string} text
 * @property {string} method
 * @property {string} id
 * @property {number | null} took milliseconds from the call to its reply
 */

export class Traffic extends EventTarget {
  constructor() {
    super();
    /** @type {Entry[]} */
    this.entries = [];
    this.count = 0;
    /** @type {Map<string, {method: string, at: number}>} */
    this.open = new Map();
  }

  /** @param {Entry["connection"]} connection @param {Entry["direction"]} direction @param {string} text */
  record(connection, direction, text) {
    rememberFrom(text);
    this.count += 1;
    /** @type {Entry} */
    const entry = { number: this.count, time: Date.now(), connection, direction, kind: direction === "event" ? "event" : "other", text, method: "", id: "", took: null };
    if (direction !== "event") this.#classify(entry);
    this.entries.push(entry);
    if (this.entries.length > CAPACITY) this.entries.splice(0, this.entries.length - CAPACITY);
    this.dispatchEvent(new CustomEvent("entry", { detail: entry }));
  }

  clear() {
    this.entries = [];
    this.open.clear();
    this.dispatchEvent(new Event("cleared"));
  }

  /** @param {Entry} entry */
  #classify(entry) {
    let message;
    try {
      message = JSON.parse(entry.text);
    } catch {
      return;
    }
    if (Array.isArray(message)) {
      entry.method = `batch of ${message.length}`;
      entry.kind = entry.direction === "out" ? "call" : "reply";
      return;
    }
    if (message === null || typeof message !== "object") return;
    const key = `${entry.connection} ${JSON.stringify(message.id ?? null)}`;
    entry.id = message.id === undefined || message.id === null ? "" : String(message.id);
    if (entry.direction === "out") {
      entry.kind = "call";
      entry.method = String(message.method ?? "");
      this.open.set(key, { method: entry.method, at: performance.now() });
    } else if (message.notification !== undefined || message.method !== undefined) {
      entry.kind = "notification";
      entry.method = String(message.notification ?? message.method);
    } else {
      const failed = message.error !== undefined || (message.status !== undefined && message.status !== "success");
      entry.kind = failed ? "error" : "reply";
      const call = this.open.get(key);
      this.open.delete(key);
      entry.method = call?.method ?? "";
      entry.took = call ? Math.round((performance.now() - call.at) * 10) / 10 : null;
    }
  }
}

/** Entries as lines of JSON, their secrets masked. @param {Entry[]} entries */
export function exported(entries) {
  return entries.map(({ time, connection, direction, kind, method, id, took, text }) =>
    `${JSON.stringify({ time: new Date(time).toISOString(), connection, direction, kind, method, id, ms: took, text: mask(text) })}\n`).join("");
}
