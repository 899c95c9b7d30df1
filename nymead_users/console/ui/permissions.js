/** The permissions editor: it offers the twelve sets that make sense, and says why no others. */

import { choiceOf, describe, maskOf, maskOfChoice, namesOf } from "../permissions.js";
import { say } from "./announce.js";
import { fill, h, icon, uniqueId } from "./dom.js";
import { checkbox, radioGroup } from "./form.js";

/** @typedef {{mask: number, things: string[]}} Permissions */

/** @param {{scopes: string[], allowedThingIds: string[]}} user @returns {Permissions} */
export const permissionsOf = (user) => ({ mask: maskOf(user.scopes), things: [...user.allowedThingIds] });

/** As the server takes them: always both, for scopes left out would mean an administrator. @param {Permissions} permissions */
export const paramsOf = ({ mask, things }) => ({ scopes: namesOf(mask), allowedThingIds: things });

/** @param {Permissions} a @param {Permissions} b */
export const samePermissions = (a, b) => a.mask === b.mask && [...a.things].sort().join() === [...b.things].sort().join();

/** @param {Permissions} permissions */
export const permissionWords = ({ mask, things }) => describe(mask, things.length);

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Thing ids in a pasted text, cleaned, and what is none. @param {string} text */
export function readThings(text) {
  const words = text.split(/[\s,;"'[\]]+/).filter(Boolean);
  const good = new Set();
  const bad = [];
  for (const word of words) {
    const bare = word.replace(/^\{(.*)\}$/, "$1").toLowerCase();
    if (UUID.test(bare)) good.add(bare);
    else bad.push(word);
  }
  return { good: /** @type {string[]} */ ([...good]), bad };
}

/** Events: "change". */
export class PermissionsEditor extends EventTarget {
  /** @param {Permissions} value */
  constructor(value) {
    super();
    this.things = [...value.things];
    this.admin = checkbox("Administrator", { onchange: () => this.#changed() }, h("span", { class: "hint" }, " – everything, users too"));
    this.reach = radioGroup("Things", [["all", "All"], ["some", "Only these"]], "all", (to) => this.#narrow(to));
    this.level = radioGroup("With them", [["0", "Nothing"], ["1", "Control"], ["2", "Configure"]], "0", () => this.#changed());
    this.rules = radioGroup("Rules", [["0", "Nothing"], ["1", "Run"], ["2", "Change"]], "0", () => this.#changed());
    const needsId = uniqueId();
    const widen = () => h("button", { type: "button", class: "link", onclick: () => this.#widen() }, "Allow all things");
    const needs = () => h("p", { class: "needs", hidden: true }, h("span", {}, "Needs all things."), widen());
    this.needs = [needs(), needs()];
    this.needs[0].id = needsId;
    this.level.element.append(this.needs[0]);
    this.rules.element.append(this.needs[1]);
    for (const input of [this.level.inputs.get("2"), this.rules.inputs.get("1"), this.rules.inputs.get("2")]) input.setAttribute("aria-describedby", needsId);

    const listId = uniqueId();
    this.list = h("ul", { class: "things", "aria-label": "Chosen things" });
    this.none = h("p", { class: "hint" }, "No thing chosen yet.");
    this.problem = h("p", { class: "problem", id: `${listId}-problem` });
    this.paste = h("textarea", { id: listId, rows: "2", class: "bare mono", autocomplete: "off", spellcheck: "false", "aria-describedby": `${listId}-problem`,
      onpaste: () => queueMicrotask(() => setTimeout(() => this.#take())), oninput: () => this.dispatchEvent(new Event("change")) });
    this.chooser = h("div", { class: "group" }, h("p", { class: "label" }, "These things"), this.none, this.list,
      h("div", { class: "field" }, h("label", { for: listId }, "Add things by their ids"), this.paste, this.problem),
      h("div", {}, h("button", { type: "button", onclick: () => this.#take() }, icon("add"), "Add")));
    this.detail = h("div", { class: "permissions" }, this.reach.element, this.chooser, this.level.element, this.rules.element);
    this.words = h("output", { class: "summary" });
    this.element = h("div", { class: "permissions" }, this.admin.element, this.detail, h("p", { class: "muted" }, "In words: ", this.words));
    this.value = value;
  }

  /** @returns {Permissions} */
  get value() {
    return { mask: maskOfChoice(this.#choice()), things: [...this.things] };
  }

  /** @param {Permissions} value */
  set value({ mask, things }) {
    const choice = choiceOf(mask);
    this.things = [...things];
    this.admin.input.checked = choice.admin;
    this.reach.value = choice.all ? "all" : "some";
    this.level.value = String(choice.things);
    this.rules.value = String(choice.rules);
    this.#show();
  }

  get hasFocus() {
    return this.element.contains(document.activeElement);
  }

  /** Take what stands in the field for more things; whether all of it was understood. */
  check() {
    return this.paste.value.trim() === "" || this.reach.value === "all" || this.admin.input.checked || this.#take();
  }

  focus() {
    this.paste.focus();
  }

  #choice() {
    return { admin: this.admin.input.checked, all: this.reach.value === "all", things: Number(this.level.value), rules: Number(this.rules.value) };
  }

  /** @param {string} to */
  #narrow(to) {
    if (to === "some") {
      const { things, rules } = this.#choice();
      if (things > 1) this.level.value = "1";
      if (rules > 0) this.rules.value = "0";
      if (things > 1 || rules > 0) say("Configuring things and rules are off: they need all things.");
    }
    this.#changed();
  }

  #widen() {
    this.reach.value = "all";
    this.reach.inputs.get("all").focus();
    this.#changed();
  }

  #changed() {
    this.#show();
    this.dispatchEvent(new Event("change"));
  }

  /** Move ids from the text into the list; whether all of it were ids. */
  #take() {
    const { good, bad } = readThings(this.paste.value);
    const more = good.filter((id) => !this.things.includes(id));
    this.things.push(...more);
    this.paste.value = bad.join("\n");
    const reason = bad.length ? `${bad.length === 1 ? "This is no id" : "These are no ids"} of a thing: ${bad.join(", ")}` : "";
    fill(this.problem, reason ? [icon("danger"), reason] : null);
    if (reason) this.paste.setAttribute("aria-invalid", "true");
    else this.paste.removeAttribute("aria-invalid");
    if (good.length) say(`${more.length} added.`);
    this.#changed();
    return bad.length === 0;
  }

  /** @param {string} id */
  #drop(id) {
    const index = this.things.indexOf(id);
    this.things = this.things.filter((thing) => thing !== id);
    this.#changed();
    const buttons = this.list.querySelectorAll("button");
    (buttons[Math.min(index, buttons.length - 1)] ?? this.paste).focus();
  }

  #show() {
    const { admin, all } = this.#choice();
    this.detail.hidden = admin;
    this.chooser.hidden = all;
    for (const input of [this.level.inputs.get("2"), this.rules.inputs.get("1"), this.rules.inputs.get("2")]) input.disabled = !all;
    for (const line of this.needs) line.hidden = all;
    this.none.hidden = this.things.length > 0;
    fill(this.list, this.things.map((id) => h("li", {}, h("code", {}, id),
      h("button", { type: "button", class: "plain", "aria-label": `Leave out ${id}`, onclick: () => this.#drop(id) }, icon("danger")))));
    this.words.textContent = permissionWords(this.value);
  }
}
