/** What every view needs: the headings, the states before there is something to show. */

import { heldWords, scopeWords } from "../permissions.js";
import { reasonOf } from "../words.js";
import { h, note } from "../ui/dom.js";

/**
 * @typedef {object} View
 * @property {string} title
 * @property {HTMLElement} element
 * @property {(route: import("../router.js").Route) => void} [update] another address of the same view
 * @property {() => void} [search] put the focus where one searches
 * @property {() => void} [add]
 * @property {() => void} [focus] instead of the heading
 * @property {() => void} [restore] after it is on the page
 * @property {AbortController} life ends with the view
 *
 * @typedef {object} Context
 * @property {import("../session.js").Session} session
 * @property {import("../store.js").Store} store
 * @property {import("../doors.js").Doors} doors
 * @property {import("../traffic.js").Traffic} traffic
 */

/** A view's heading, which gets the focus. @param {...any} text */
export const heading = (...text) => h("h1", { tabindex: "-1" }, ...text);

/** Shown where loading takes longer than a moment. @param {string} title @returns {View} */
export function loadingView(title) {
  const element = h("div", { class: "page stack" }, h("h1", { tabindex: "-1", class: "only-screen-reader" }, "Loading…"));
  const life = new AbortController();
  const timer = setTimeout(() => element.append(skeleton()), 200);
  life.signal.addEventListener("abort", () => clearTimeout(timer));
  return { title, element, life };
}

export const skeleton = () => h("div", { class: "skeleton", "aria-hidden": "true" }, Array.from({ length: 5 }, () => h("span")));

/** What a view's lack of permission looks like. @param {import("../session.js").Session} session @param {string} title @param {string} method @returns {View} */
export function deniedView(session, title, method) {
  const scope = session.contract?.scopeOf(method) ?? "PermissionScopeAdmin";
  return { title, life: new AbortController(), element: h("div", { class: "page stack" }, heading(title), deniedNote(session, scope)) };
}

/** @param {import("../session.js").Session} session @param {string} scope */
export const deniedNote = (session, scope) =>
  note("warn", h("p", {}, `This needs ${scopeWords(scope)}. You have: ${heldWords(session.mask)}.`));

/** @param {string} what @param {unknown} error @param {() => void} again */
export const failedNote = (what, error, again) =>
  note("danger", h("p", {}, `Could not load ${what}: ${reasonOf(error)}`), h("div", {}, h("button", { type: "button", onclick: again }, "Try again")));
