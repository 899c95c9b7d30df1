/** One thing of the doors, with its cards. */

import { say } from "../../ui/announce.js";
import { confirmDialog } from "../../ui/dialog.js";
import { fill, h, note, sender } from "../../ui/dom.js";
import { save } from "../../ui/saving.js";
import { heading } from "../frame.js";
import { card } from "../user.js";

/**
 * @param {{collection: import("../../collection.js").Collection<any>, key: string, signal: AbortSignal, what: string, name: (item: any) => string,
 *   below?: (item: any) => any, build: (item: any) => {cards: any[], arrived?: (item: any) => void}, isRemoving?: () => boolean}} options
 */
export function thingPanel({ collection, key, signal, what, name, below = () => null, build, isRemoving = () => false }) {
  const item = collection.get(key);
  if (!item) return h("div", { class: "stack" }, heading(what[0].toUpperCase(), what.slice(1)), note("warn", h("p", {}, `There is no such ${what}.`)));
  const head = heading(name(item));
  const line = h("div", { class: "muted" }, below(item));
  const gone = h("div");
  const { cards, arrived } = build(item);
  const panel = h("div", { class: "stack panel" }, h("div", {}, head, line), gone, cards);
  collection.addEventListener("changed", (event) => {
    const now = /** @type {CustomEvent} */ (event).detail.item;
    if (collection.key(now) !== key) return;
    head.textContent = name(now);
    fill(line, below(now));
    arrived?.(now);
  }, { signal });
  collection.addEventListener("removed", (event) => {
    const was = /** @type {CustomEvent} */ (event).detail.item;
    if (isRemoving() || collection.key(was) !== key) return;
    const text = `${name(was)} was removed by someone else.`;
    fill(gone, note("danger", h("p", {}, text)));
    for (const button of panel.querySelectorAll(".card button")) /** @type {HTMLButtonElement} */ (button).disabled = true;
    say(text);
  }, { signal });
  return panel;
}

/**
 * The card that removes it, after a question that names it and the effect.
 * @param {{doors: import("../../doors.js").Doors, label: string, hint: string, question: () => Promise<{title: string, text: string[]}>,
 *   call: () => Promise<any>, saved: () => string, isGone: () => boolean, done: () => void}} options
 */
export function removeCard({ doors, label, hint, question, call, saved, isGone, done }) {
  const status = h("span", { class: "status" });
  let removing = false;
  const element = card("Remove", h("p", { class: "muted" }, hint), h("div", { class: "actions" }, sender({ class: "destructive", onclick: remove }, label), status));

  async function remove() {
    if (!(await confirmDialog({ ...(await question()), verb: label }))) return;
    removing = true;
    const words = saved();
    const failure = await save(doors, status, call, { saved: words, verify: isGone });
    removing = false;
    if (!failure) done();
  }

  return { element, isRemoving: () => removing };
}
