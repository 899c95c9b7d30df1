/** A card with a short list of what belongs to a lock, a person or a group: it is read anew when something of it was told. */

import { fill, h, sender } from "../../ui/dom.js";
import { Rows } from "../../ui/rows.js";
import { soon } from "../../ui/soon.js";
import { failedNote } from "../frame.js";
import { card } from "../user.js";

/**
 * @typedef {object} ListCardOptions
 * @property {string} title
 * @property {string} what is read, in words
 * @property {() => Promise<any[]>} read
 * @property {string} empty
 * @property {(item: any) => string} key
 * @property {(item: any) => string} name
 * @property {(item: any) => any[]} show
 * @property {(items: any[]) => void} [arrived] it was read
 * @property {string} [heard] how the names of notifications about it begin; without it all that changes who can open what
 * @property {import("../../collection.js").Collection<any>[]} [beside] what rows also tell of
 * @property {any} [top] above the list
 * @property {any[]} [actions] buttons below
 */

/** @param {import("../frame.js").Context} context @param {ListCardOptions} options @param {AbortSignal} signal */
export function listCard({ session, doors }, { title, what, read, arrived = () => {}, heard, beside = [], top = null, actions = [], ...shown }, signal) {
  const failure = h("div");
  const status = h("span", { class: "status" });
  const rows = new Rows({ label: title, signal, ...shown });
  const list = {
    element: card(title, top, failure, rows.element, h("div", { class: "actions" }, actions, status)),
    /** What became of the last change. */
    status,
    /** @type {any[]} */
    items: [],
    redraw: () => rows.update(list.items),
    load,
  };

  async function load() {
    try {
      const items = await read();
      if (signal.aborted) return;
      fill(failure);
      list.items = items;
      list.redraw();
      arrived(items);
    } catch (error) {
      if (!signal.aborted && session.connection.state === "online") fill(failure, failedNote(what, error, load));
    }
  }

  const again = soon(200, () => { if (!signal.aborted) load(); });
  if (heard) {
    doors.addEventListener("stirred", (event) => {
      if (/** @type {CustomEvent} */ (event).detail.method.startsWith(heard)) again();
    }, { signal });
    session.addEventListener("synced", again, { signal });
  } else doors.onChange(again, signal);
  for (const one of beside) {
    one.want();
    one.addEventListener("loaded", again, { signal });
  }
  load();
  return list;
}

/** A button in a row. @param {string} part what it is in its row @param {string} label @param {string} name the row's @param {() => void} onclick @param {boolean} [destructive] */
export const rowButton = (part, label, name, onclick, destructive = false) =>
  sender({ class: `plain${destructive ? " destructive" : ""}`, "data-part": part, "aria-label": `${label}: ${name}`, onclick }, label);

/** Codes that are shown on demand. */
export class ShownCodes {
  /** @param {() => void} redraw */
  constructor(redraw) {
    /** @type {Set<string>} */
    this.open = new Set();
    this.redraw = redraw;
  }

  /** @param {string} id */
  has(id) {
    return this.open.has(id);
  }

  /** @param {string} id @param {string} name */
  button(id, name) {
    const label = this.has(id) ? "Hide code" : "Show code";
    return h("button", { type: "button", class: "plain", "data-part": "show", "aria-label": `${label}: ${name}`, onclick: () => {
      if (!this.open.delete(id)) this.open.add(id);
      this.redraw();
    } }, label);
  }
}
