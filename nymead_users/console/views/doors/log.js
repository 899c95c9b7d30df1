/** The log: who was let in and who was not, what was changed, what locks have heard. */

import { personName } from "../../doors.js";
import { hashOf } from "../../router.js";
import { say } from "../../ui/announce.js";
import { fill, h } from "../../ui/dom.js";
import { Field } from "../../ui/form.js";
import { PickField } from "../../ui/pick.js";
import { tint } from "../../ui/live.js";
import { soon } from "../../ui/soon.js";
import { failedNote, heading, skeleton } from "../frame.js";
import { eventWords, state } from "./words.js";

const PAGE = 50;

/** How many pages are read for one that is shown, where most entries are of another kind. */
const MOST_PAGES = 10;

const KINDS = /** @type {[string, string][]} */ ([["", "All"], ["decisions", "Granted and denied"], ["granted", "Granted"], ["denied", "Denied"], ["changes", "Changes and locks"]]);

/** @param {string} text */
const upper = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}`;

/** @param {import("../frame.js").Context} context @param {HTMLElement} tabs @returns {import("../frame.js").View} */
export function logView(context, tabs) {
  const { session, doors } = context;
  const life = new AbortController();
  const { signal } = life;
  const kind = new Field({ label: "What", choices: KINDS });
  const lock = new Field({ label: "Lock", choices: [["", "All"]] });
  const person = h("div");
  /** @type {PickField | null} */
  let picker = null;
  const list = h("ol", { class: "events", "aria-label": "Entries" });
  const status = h("div");
  const news = h("div", { class: "row", hidden: true });
  const more = h("div", { class: "row" });
  const element = h("div", { class: "page stack" }, tabs, heading("Log"),
    h("div", { class: "filters many" }, kind.element, lock.element, person), h("div", { class: "row list-head" }, news), status, list, more);

  /** What is shown, the newest first. @type {any[]} */
  let events = [];
  /** @type {any[]} */
  let fresh = [];
  let key = /** @type {string | undefined} */ (undefined);
  /** Which reading is the one that counts: another filter makes another. */
  let run = 0;

  /** @param {any} event */
  const fits = (event) => (kind.value === "changes" ? event.kind !== "decision" : kind.value === "" || event.kind === "decision");

  /** A page of what is wanted. @param {string | undefined} continuationKey @returns {Promise<{found: any[], next?: string}>} */
  async function read(continuationKey) {
    const found = [];
    let next = continuationKey;
    for (let page = 0; page < MOST_PAGES && found.length < PAGE; page += 1) {
      const reply = await session.ask("Access.GetEvents", {
        limit: PAGE, ...(next && { continuationKey: next }), ...(lock.value && { lockId: lock.value }), ...(picker?.key && { personId: picker.key }),
        ...(["denied", "changes"].includes(kind.value) && { includeAccessGranted: false }), ...(["granted", "changes"].includes(kind.value) && { includeAccessDenied: false }),
      });
      found.push(...reply.events.filter(fits));
      next = reply.continuationKey;
      if (!next) break;
    }
    return { found, next };
  }

  /** @param {any} event */
  function entry(event) {
    const { kind: mark, word, text } = eventWords(doors, event);
    const time = h("time", { datetime: event.time, class: "muted small" }, new Date(event.time).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" }));
    // A sentence begins with a capital letter, unless with a name.
    const parts = text.map((part, index) => (typeof part === "string" ? (index === 0 ? upper(part) : part) : h("a", { href: hashOf("doors", part.part, part.id) }, part.name)));
    return h("li", { "data-id": event.id }, h("div", { class: "row spread" }, state(mark, word), time), h("p", {}, parts));
  }

  /** @param {any} event */
  const spoken = (event) => upper(eventWords(doors, event).text.map((part) => (typeof part === "string" ? part : part.name)).join(""));

  async function start() {
    const mine = ++run;
    fresh = [];
    tellNews();
    const wait = setTimeout(() => fill(status, skeleton()), 200);
    try {
      const { found, next } = await read(undefined);
      if (mine !== run || signal.aborted) return;
      events = found;
      key = next;
      fill(status, events.length ? null : h("p", { class: "muted" }, "No entry."));
      render();
    } catch (error) {
      if (mine === run && !signal.aborted) fill(status, failedNote("the log", error, start));
    } finally {
      clearTimeout(wait);
    }
  }

  function render() {
    fill(list, events.map(entry));
    showMore();
  }

  function showMore() {
    fill(more, key ? h("button", { type: "button", onclick: older }, "Show older") : null);
  }

  async function older() {
    const mine = run;
    try {
      const { found, next } = await read(key);
      if (mine !== run || signal.aborted) return;
      const known = new Set(events.map(({ id }) => id));
      const added = found.filter(({ id }) => !known.has(id));
      events.push(...added);
      key = next;
      const lines = added.map(entry);
      list.append(...lines);
      showMore();
      lines[0]?.setAttribute("tabindex", "-1");
      lines[0]?.focus({ preventScroll: true });
    } catch (error) {
      if (mine === run) fill(status, failedNote("older entries", error, older));
    }
  }

  /** Whether what comes on top may push the rest down: nobody reads further below, or points at an entry. */
  const atTop = () => scrollY < 40 && !list.matches(":hover") && !list.contains(document.activeElement);

  const again = soon(250, () => { if (!signal.aborted) refresh(); });

  async function refresh() {
    const mine = run;
    try {
      const { found, next } = await read(undefined);
      if (mine !== run || signal.aborted) return;
      const known = new Set(events.map(({ id }) => id));
      const came = found.filter(({ id }) => !known.has(id));
      if (!came.length) return;
      // More than a page: what is between is read by "Show older".
      if (came.length === found.length && events.length) {
        events = [];
        key = next;
      }
      fresh = came;
      if (atTop()) takeNews();
      else tellNews();
    } catch {
      // What is not read now is read in a moment: there may be no other news for long.
      if (!signal.aborted) setTimeout(again, 1000);
    }
  }

  function takeNews() {
    const came = fresh;
    fresh = [];
    tellNews();
    const lines = came.map(entry);
    if (events.length) list.prepend(...lines);
    else fill(list, lines);
    events = [...came, ...events];
    for (const line of lines) tint(line, "new");
    fill(status);
    showMore();
    if (came.length) say(came.length === 1 ? spoken(came[0]) : `${came.length} new entries`);
    return lines;
  }

  function tellNews() {
    news.hidden = fresh.length === 0;
    fill(news, fresh.length ? [h("span", { class: "badge ok" }, `${fresh.length} new`), h("button", { type: "button", onclick: () => {
      const [first] = takeNews();
      scrollTo(0, 0);
      first?.setAttribute("tabindex", "-1");
      first?.focus({ preventScroll: true });
    } }, "Show")] : null);
  }

  /** What is not known yet has no name; what has one by now is told with it. */
  function named() {
    lock.choose([["", "All"], ...[...doors.locks.items.values()].sort((a, b) => a.title.localeCompare(b.title)).map(({ id, title }) => /** @type {[string, string]} */ ([id, title]))]);
    if (!picker && doors.persons.loaded) {
      picker = new PickField({ label: "Person", what: "person", optional: true, items: () => [...doors.persons.items.values()].map((item) => [item.id, personName(item)]) });
      picker.input.placeholder = "All";
      picker.input.addEventListener("change", () => { if (picker?.check()) start(); });
      fill(person, picker.element);
    }
    if (events.length && !list.contains(document.activeElement)) render();
  }

  for (const field of [kind, lock]) field.input.addEventListener("change", start);
  doors.addEventListener("stirred", again, { signal });
  session.addEventListener("synced", () => start(), { signal });
  for (const one of [doors.persons, doors.locks, doors.groups]) {
    one.addEventListener("loaded", named, { signal });
    one.want();
  }
  named();
  start();
  return { title: "Log", element, life, search: () => picker?.input.focus() };
}
