/** The doors: locks, persons, grants, groups, keys and the log, each with an address of its own. */

import { hashOf } from "../../router.js";
import { h } from "../../ui/dom.js";
import { deniedView } from "../frame.js";
import { accessKeysView } from "./access-keys.js";
import { grantsView } from "./grants.js";
import { groupsView } from "./groups.js";
import { locksView } from "./locks.js";
import { logView } from "./log.js";
import { personsView } from "./persons.js";

/** @typedef {import("../frame.js").Context} Context */
/** @typedef {{make: (context: Context, tabs: HTMLElement, chosen: string | null) => import("../frame.js").View, label: string, method: string}} Part */

/** @type {Record<string, Part>} */
const PARTS = {
  locks: { label: "Locks", method: "Access.GetLocks", make: locksView },
  persons: { label: "Persons", method: "Access.GetPersons", make: personsView },
  grants: { label: "Grants", method: "Access.GetGrants", make: grantsView },
  groups: { label: "Groups", method: "LockGroups.GetLockGroups", make: groupsView },
  keys: { label: "Keys", method: "AccessKeys.GetAccessKeys", make: accessKeysView },
  log: { label: "Log", method: "Access.GetEvents", make: logView },
};

/** @param {import("../../router.js").Route} route */
export const doorsPart = ({ part }) => (part in PARTS ? part : "locks");

/** @param {Context} context @param {import("../../router.js").Route} route @returns {import("../frame.js").View} */
export function doorsView(context, route) {
  const part = doorsPart(route);
  const { label, method, make } = PARTS[part];
  if (!context.session.may(method)) return deniedView(context.session, label, method);
  const tabs = h("nav", { class: "parts", "aria-label": "Doors" }, h("ul", {}, Object.entries(PARTS).map(([name, { label: text }]) =>
    h("li", {}, h("a", { href: hashOf("doors", name), "aria-current": name === part ? "page" : null }, text)))));
  return make(context, tabs, route.id);
}
