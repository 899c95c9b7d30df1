/** Fields of something that others can change meanwhile. */

import { say } from "./announce.js";
import { h } from "./dom.js";

const TINTED = 4000;

/** Show that something was changed elsewhere, by a colour and a word. @param {Element} element @param {"changed" | "new"} [word] */
export function tint(element, word = "changed") {
  element.classList.add("tinted");
  element.setAttribute("data-news", word);
  setTimeout(() => {
    element.classList.remove("tinted");
    element.removeAttribute("data-news");
  }, TINTED);
}

/**
 * A field with what the server has (`base`) and what it last showed untouched (`shown`). News are put into a field
 * that was neither edited nor has the focus; where both sides changed it, the person decides.
 * @template T
 */
export class LiveField {
  /**
   * @param {{name: string, base: T, get: () => T, set: (value: T) => void, same?: (a: T, b: T) => boolean, words?: (value: T) => string,
   *   element: HTMLElement, hasFocus: () => boolean, changed?: () => void}} options
   */
  constructor({ name, base, get, set, same = Object.is, words = String, element, hasFocus, changed = () => {} }) {
    this.name = name;
    this.base = base;
    this.shown = base;
    this.get = get;
    this.set = set;
    this.same = same;
    this.words = words;
    this.element = element;
    this.hasFocus = hasFocus;
    this.changed = changed;
    /** What is on its way to the server. @type {T | undefined} */
    this.sent = undefined;
    this.waiting = false;
    this.notice = h("div", { class: "conflict", hidden: true });
    element.after(this.notice);
    element.addEventListener("focusout", () => setTimeout(() => this.#settle()));
  }

  get edited() {
    return !this.same(this.get(), this.shown);
  }

  get conflicting() {
    return !this.notice.hidden;
  }

  /** The server has another value now. @param {T} value */
  arrived(value) {
    if (this.same(value, this.base)) return;
    this.base = value;
    // What comes back of one's own call is no news.
    const own = this.sent !== undefined && this.same(value, this.sent);
    if (own || this.same(value, this.get())) this.#decided(value);
    else if (this.edited) this.#ask();
    else if (this.hasFocus()) this.waiting = true;
    else this.#show();
    this.changed();
  }

  /** It is stored, or was never touched: the field and the server agree. @param {T} value */
  stored(value) {
    this.sent = undefined;
    this.base = value;
    this.#decided(value);
  }

  /** What is typed and not stored, null for nothing. */
  get draft() {
    return this.edited ? { value: this.get(), shown: this.shown } : null;
  }

  /** Go on with what was typed earlier. @param {{value: T, shown: T} | null | undefined} draft */
  restore(draft) {
    if (!draft) return;
    this.set(draft.value);
    this.shown = draft.shown;
    if (!this.same(this.base, draft.shown) && !this.same(this.base, draft.value)) this.#ask();
  }

  focusConflict() {
    this.notice.querySelector("button")?.focus();
  }

  #show() {
    this.set(this.base);
    this.#decided(this.base);
    tint(this.element);
  }

  /** The focus has left: news that waited for that can be shown. */
  #settle() {
    if (!this.waiting || this.hasFocus()) return;
    this.waiting = false;
    if (!this.edited) this.#show();
    else if (this.same(this.get(), this.base)) this.#decided(this.base);
    else this.#ask();
    this.changed();
  }

  #ask() {
    const theirs = this.base;
    const text = `Changed to ${this.words(theirs) || "nothing"} meanwhile.`;
    const decide = (/** @type {boolean} */ take) => {
      if (take) this.set(theirs);
      this.#decided(theirs);
      this.changed();
      /** @type {any} */ (this.element.querySelector("input, textarea"))?.focus();
    };
    this.notice.replaceChildren(
      h("p", {}, text),
      h("button", { type: "button", onclick: () => decide(true) }, "Take theirs"),
      h("button", { type: "button", onclick: () => decide(false) }, "Keep mine"));
    this.notice.hidden = false;
    say(`${this.name}: ${text}`);
  }

  /** @param {T} shown */
  #decided(shown) {
    this.shown = shown;
    this.waiting = false;
    this.notice.hidden = true;
  }
}
