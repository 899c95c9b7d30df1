/** Who may open a lock now, and which locks a person may open: what is decided, and why. */

import { hashOf } from "../../router.js";
import { here } from "../../zone.js";
import { fill, h } from "../../ui/dom.js";
import { listCard } from "./list-card.js";
import { grantName, onlyByPin, reasonWords, state, subjectName, untilWords } from "./words.js";

/** How far ahead a timer can be set. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** A decision in a word, with its icon. @param {any} decision */
export function decisionState(decision) {
  if (onlyByPin(decision)) return state("warn", "Only with the PIN");
  return decision.allowed ? state("ok", "May open it") : state("danger", "May not open it");
}

/** Where the lock would do otherwise than the server has decided. @param {any} decision */
export function differenceWords({ allowed, onLock }) {
  if (allowed === onLock) return null;
  return h("p", {}, state("wait", allowed ? "The lock has not heard of it yet: it would not open." : "The lock has not heard of it yet: it would still open."));
}

/**
 * The grants of a decision by name. @param {import("../frame.js").Context} context @param {string} lockId @param {string[]} ids
 */
export function grantLinks({ session, doors }, lockId, ids) {
  const list = h("ul", { class: "links" });
  if (!ids.length) return null;
  const show = (/** @type {Map<string, any>} */ known) => fill(list, ids.map((id) => {
    const grant = known.get(id);
    return h("li", {}, h("a", { href: hashOf("doors", "grants", id) }, grant ? grantName(doors, grant) : "A grant"));
  }));
  if (doors.grants.loaded) show(doors.grants.items);
  else {
    session.call("Access.GetGrants", { lockId }).then(({ grants = [] }) => show(new Map(grants.map((/** @type {any} */ grant) => [grant.id, grant]))), () => show(new Map()));
  }
  return h("div", {}, h("p", { class: "label small" }, ids.length === 1 ? "The grant" : "The grants"), list);
}

/**
 * A side of what may be opened: at one lock those who may, of one person the locks. @typedef {object} Side
 * @property {(time?: string) => Promise<any[]>} ask what is decided at a moment
 * @property {(row: any) => string} key
 * @property {(row: any) => string} name
 * @property {(row: any) => string} href
 * @property {(row: any) => string} zone of the lock it is about
 */

/** @param {import("../frame.js").Context} context @param {string} lockId @returns {Side} */
export function sideOfLock({ session, doors }, lockId) {
  return {
    ask: async (time) => (await session.ask("Access.GetWhoHasAccess", { lockId, ...(time && { time }) })).persons,
    key: (row) => row.personId ?? row.credentialId,
    name: (row) => subjectName(doors, row),
    href: (row) => (row.personId ? hashOf("doors", "persons", row.personId) : hashOf("doors", "grants")),
    zone: () => doors.locks.get(lockId)?.timeZone ?? "UTC",
  };
}

/** @param {import("../frame.js").Context} context @param {string} personId @returns {Side} */
export function sideOfPerson({ session, doors }, personId) {
  return {
    ask: async (time) => (await session.ask("Access.GetAccessOf", { personId, ...(time && { time }) })).locks,
    key: (row) => row.lockId,
    name: (row) => doors.lockName(row.lockId),
    href: (row) => hashOf("doors", "locks", row.lockId),
    zone: (row) => doors.locks.get(row.lockId)?.timeZone ?? here(),
  };
}

/** @param {import("../frame.js").Context} context @param {Side} side @param {{title: string, empty: string}} words @param {AbortSignal} signal */
export function accessCard(context, side, { title, empty }, signal) {
  const { doors } = context;
  let timer = 0;
  signal.addEventListener("abort", () => clearTimeout(timer));
  const list = listCard(context, {
    title, what: "who has access", empty, beside: [doors.persons, doors.locks, doors.credentials],
    read: async () => (await side.ask()).sort((a, b) => side.name(a).localeCompare(side.name(b))),
    key: (row) => side.key(row), name: (row) => side.name(row),
    show: (row) => [
      h("div", { class: "row spread" }, h("a", { href: side.href(row), "data-part": "name" }, side.name(row)), decisionState(row)),
      h("p", { class: "muted small" }, onlyByPin(row) ? "" : `${reasonWords(row.reason)} `, untilWords(row.until, side.zone(row))),
      differenceWords(row),
    ],
    // Nobody tells when a window begins or ends.
    arrived: (found) => {
      clearTimeout(timer);
      const wait = Math.min(...found.filter(({ until }) => until).map(({ until }) => Date.parse(until))) - Date.now() + 50;
      if (wait < LONGEST_TIMER) timer = setTimeout(() => list.load(), Math.max(wait, 1000));
    },
  }, signal);
  return list.element;
}
