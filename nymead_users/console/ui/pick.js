/** Choosing one of very many by typing: the browser offers some that match. */

import { fill, h, uniqueId } from "./dom.js";
import { Field } from "./form.js";

/** How many are offered at a time. */
const OFFERED = 20;

export class PickField extends Field {
  /**
   * @param {{label: string, items: () => [string, string][], value?: string, what: string, hint?: any, optional?: boolean, isOther?: (text: string) => boolean}} options
   *   `items`: keys and names; names that are there twice get a number. `isOther`: whether a text that is no name is a key itself
   */
  constructor({ label, items, value = "", what, hint = null, optional = false, isOther = () => false }) {
    const listId = uniqueId();
    super({
      label, hint, attributes: { list: listId, autocapitalize: "words" },
      check: (text) => {
        if (!text.trim()) return optional ? "" : `Choose a ${what}.`;
        return this.key ? "" : `There is no such ${what}: choose one that is offered.`;
      },
    });
    this.items = items;
    this.isOther = isOther;
    /** @type {Map<string, string>} */
    this.keys = new Map();
    /** @type {string[]} */
    this.names = [];
    this.#learn();
    for (const [name, key] of this.keys) if (key === value) this.input.value = this.names.find((one) => one.toLowerCase() === name) ?? "";
    this.list = h("datalist", { id: listId });
    this.element.append(this.list);
    this.input.addEventListener("input", () => this.#offer());
    this.input.addEventListener("focus", () => {
      // Others may have come since.
      this.#learn();
      this.#offer();
    });
  }

  #learn() {
    this.keys.clear();
    this.names = [];
    for (const [key, name] of this.items()) {
      let unique = name;
      for (let count = 2; this.keys.has(unique.toLowerCase()); count += 1) unique = `${name} (${count})`;
      this.keys.set(unique.toLowerCase(), key);
      this.names.push(unique);
    }
  }

  /** The key of what is chosen, "" for nothing. */
  get key() {
    const text = this.input.value.trim();
    return this.keys.get(text.toLowerCase()) ?? (this.isOther(text) ? text : "");
  }

  #offer() {
    const wanted = this.input.value.trim().toLowerCase();
    const found = [];
    for (const name of this.names) {
      if (!name.toLowerCase().includes(wanted)) continue;
      found.push(h("option", { value: name }));
      if (found.length === OFFERED) break;
    }
    fill(this.list, found);
  }
}
