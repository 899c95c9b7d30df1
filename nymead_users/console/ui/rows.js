/** A short list inside a card, read anew whenever something changed: its rows are patched in place. */

import { fill, h } from "./dom.js";
import { say } from "./announce.js";
import { tint } from "./live.js";

/** How many rows are shown at first, and how many more on demand. */
const PAGE = 100;

/** @template T */
export class Rows {
  /**
   * @param {{label: string, key: (item: T) => string, show: (item: T) => any[], empty: string, name: (item: T) => string, signal: AbortSignal}} options
   */
  constructor({ label, key, show, empty, name, signal }) {
    Object.assign(this, { key, show, empty, name });
    this.list = h("ul", { class: "rows", "aria-label": label });
    this.state = h("div");
    this.news = h("div", { class: "row", hidden: true });
    this.more = h("div");
    this.shown = PAGE;
    this.element = h("div", { class: "stack tight" }, this.state, this.list, this.more, this.news);
    /** @type {Map<string, {line: HTMLElement, text: string, item: T}>} */
    this.rows = new Map();
    /** @type {T[] | null} */
    this.items = null;
    const settle = () => setTimeout(() => { if (this.late && !this.held) this.update(this.items ?? []); });
    this.list.addEventListener("pointerleave", settle, { signal });
    this.list.addEventListener("focusout", settle, { signal });
  }

  /** Whether something waits until nobody points at a row. */
  late = false;

  get held() {
    return this.list.matches(":hover") || this.list.contains(document.activeElement);
  }

  /** @param {T[]} items @param {boolean} [now] even under a pointer */
  update(items, now = false) {
    const first = this.items === null;
    this.items = items;
    const held = !now && this.held;
    this.late = false;
    const wanted = new Map(items.slice(0, this.shown).map((item) => [this.key(item), item]));
    for (const [key, { line, item }] of this.rows) {
      if (wanted.has(key)) continue;
      this.rows.delete(key);
      const focused = line.contains(document.activeElement);
      const next = line.nextElementSibling ?? line.previousElementSibling;
      if (held) {
        fill(line, h("span", { class: "gone" }, this.name(item), " – gone"));
        this.late = true;
      } else line.remove();
      if (focused) /** @type {HTMLElement | null} */ (next?.querySelector("button, a, input") ?? null)?.focus();
    }
    if (!held) for (const line of [...this.list.children]) if (![...this.rows.values()].some((row) => row.line === line)) line.remove();
    let fresh = 0;
    for (const [key, item] of wanted) {
      const row = this.rows.get(key);
      if (row) this.#patch(row, item);
      else if (held && this.rows.size) {
        fresh += 1;
        this.late = true;
      } else {
        const line = h("li", { "data-key": key }, this.show(item));
        this.rows.set(key, { line, text: line.textContent ?? "", item });
        this.list.append(line);
        if (!first) tint(line, "new");
      }
    }
    if (!held) {
      const lines = [...wanted.keys()].map((key) => /** @type {any} */ (this.rows.get(key)).line);
      if (lines.some((line, index) => this.list.children[index] !== line)) this.list.append(...lines);
    }
    const rest = items.length > this.shown ? h("button", { type: "button", onclick: () => this.#showMore() }, `Show more (${this.shown} of ${items.length})`) : null;
    if (!this.more.contains(document.activeElement)) fill(this.more, rest);
    fill(this.state, items.length ? null : h("p", { class: "muted" }, this.empty));
    this.news.hidden = fresh === 0;
    fill(this.news, fresh ? [h("span", { class: "badge ok" }, `${fresh} new`), h("button", { type: "button", onclick: () => this.update(this.items ?? [], true) }, "Show")] : null);
    if (fresh) say(`${fresh} new`);
  }

  #showMore() {
    const last = this.list.lastElementChild;
    this.shown += PAGE;
    fill(this.more);
    this.update(this.items ?? [], true);
    /** @type {HTMLElement | null | undefined} */ (last?.nextElementSibling?.querySelector("a, button"))?.focus();
  }

  /** @param {{line: HTMLElement, text: string, item: T}} row @param {T} item */
  #patch(row, item) {
    const fresh = h("li", {}, this.show(item));
    const text = fresh.textContent ?? "";
    // What it is called may have become known since: that is no news.
    const changed = JSON.stringify(row.item) !== JSON.stringify(item);
    if (!changed && text === row.text) return;
    const part = row.line.contains(document.activeElement) ? /** @type {HTMLElement} */ (document.activeElement).dataset.part : undefined;
    row.line.replaceChildren(...fresh.childNodes);
    if (part) /** @type {HTMLElement | null} */ (row.line.querySelector(`[data-part="${part}"]`))?.focus();
    const before = row.text;
    row.text = text;
    row.item = item;
    if (changed && text !== before) tint(row.line);
  }
}
