/** A list of things, and beside it (on a wide screen) the one that is chosen. Others' changes are patched into it. */

import { go, hashOf } from "../router.js";
import { say } from "../ui/announce.js";
import { fill, h, icon, uniqueId } from "../ui/dom.js";
import { tint } from "../ui/live.js";
import { soon } from "../ui/soon.js";
import { failedNote, heading, skeleton } from "./frame.js";

const PAGE = 100;

/** What was searched and how far one had scrolled: it is there again on the way back. */
const newMemory = () => ({ search: "", filters: /** @type {Record<string, string>} */ ({}), shown: PAGE, scroll: 0, listScroll: 0 });

/** @type {Map<string, ReturnType<newMemory>>} */
const memories = new Map();

export const forgetSearches = () => memories.clear();

/**
 * @typedef {{name: string, label: string, choices: () => [string, string][], test?: (item: any, value: string) => boolean,
 *   chosen?: (value: string) => void}} Filter
 *   `test`: whether an item is among those with this value; `chosen`: another collection is read then
 *
 * @typedef {object} ListOptions
 * @property {string} title
 * @property {string[]} path the list's address
 * @property {import("../collection.js").Collection<any>} source
 * @property {import("../collection.js").Collection<any>[]} [needs] what has to be there as well
 * @property {import("../collection.js").Collection<any>[]} [beside] what rows also tell of: they are told anew with it
 * @property {{one: string, many: string, all: string, chosen: string, choose: string}} words
 * @property {(item: any) => string} text what is searched
 * @property {(a: any, b: any) => number} compare
 * @property {(item: any) => any[]} row
 * @property {(item: any) => string} nameOf
 * @property {Filter[]} [filters]
 * @property {any} [above] beside the heading
 * @property {any} [add] the button that adds one
 * @property {any} [top] above everything
 * @property {(items: Map<string, any>) => string} [remark] under a list that is not searched
 * @property {string} [mark] the attribute of rows that has the key
 * @property {(key: string, signal: AbortSignal, removed: () => void) => HTMLElement} panel
 * @property {string | null} chosen
 */

/** @param {ListOptions} options @returns {import("./frame.js").View & {choose: (key: string | null) => void, refresh: () => void}} */
export function listView(options) {
  const { title, path, source, needs = [], beside = [], words, text, compare, row, nameOf, filters = [], add = null, top = null, remark = () => "", mark = "key", panel } = options;
  const life = new AbortController();
  const { signal } = life;
  const place = path.join("/");
  const memory = memories.get(place) ?? newMemory();
  memories.set(place, memory);
  const searchId = uniqueId();
  const search = h("input", { id: searchId, type: "search", autocomplete: "off", spellcheck: "false", value: memory.search, oninput: () => { memory.search = search.value; memory.shown = PAGE; render(); } });
  const selects = filters.map((filter) => {
    const id = uniqueId();
    const select = h("select", { id, onchange: () => {
      memory.filters[filter.name] = select.value;
      memory.shown = PAGE;
      filter.chosen?.(select.value);
      render();
    } });
    return { filter, select, element: h("div", { class: "field" }, h("label", { for: id }, filter.label), select) };
  });
  const count = h("p", { class: "muted small" });
  const news = h("div", { hidden: true, class: "row" });
  const people = h("ul", { class: "people" });
  const more = h("div", { class: "row" });
  const state = h("div");
  const listHeading = heading(title);
  const list = h("section", { class: "list stack", "aria-label": words.all }, top,
    h("div", { class: "row spread" }, listHeading, add),
    h("div", { class: `filters ${["one", "two"][filters.length] ?? "many"}` }, h("div", { class: "field" }, h("label", { for: searchId }, "Search"), search), selects.map(({ element }) => element)),
    h("div", { class: "row spread list-head" }, count, news), state, people, more);
  const detail = h("section", { class: "detail stack", "aria-label": words.chosen });
  const element = h("div", { class: "split" }, list, detail);

  /** What can be searched, by key. @type {Map<string, {item: any, text: string}>} */
  let index = new Map();
  /** Who came while no row may move. @type {Set<string>} */
  const waiting = new Set();
  /** Rows on the page. @type {Map<string, HTMLElement>} */
  const rows = new Map();
  let chosen = /** @type {string | null} */ (null);
  /** @type {AbortController | null} */
  let panelLife = null;

  const entry = (/** @type {any} */ item) => ({ item, text: text(item).toLowerCase() });

  function reindex() {
    index = new Map([...source.items.values()].sort(compare).map((item) => [source.key(item), entry(item)]));
  }

  const active = () => selects.filter(({ filter }) => memory.filters[filter.name]);

  function matching() {
    const wanted = memory.search.trim().toLowerCase();
    const tests = active().filter(({ filter }) => filter.test);
    const found = [];
    for (const [key, { item, text: words }] of index) {
      if (waiting.has(key) || (wanted && !words.includes(wanted))) continue;
      if (tests.every(({ filter }) => filter.test?.(item, memory.filters[filter.name]))) found.push(item);
    }
    return found;
  }

  function listed(/** @type {any} */ item) {
    const key = source.key(item);
    return h("li", { [`data-${mark}`]: key },
      h("a", { href: hashOf(...(mark === "username" ? ["user"] : path), key), "aria-current": key === chosen ? "true" : null }, row(item), icon("open")));
  }

  function showChoices() {
    for (const { filter, select } of selects) {
      if (select.matches(":focus")) continue;
      fill(select, filter.choices().map(([value, label]) => h("option", { value }, label)));
      select.value = memory.filters[filter.name] ?? "";
      // What was chosen has gone.
      if (select.selectedIndex < 0) {
        memory.filters[filter.name] = "";
        select.value = "";
        filter.chosen?.("");
      }
    }
  }

  function render() {
    fill(news);
    news.hidden = true;
    const found = matching();
    const shown = found.slice(0, memory.shown);
    rows.clear();
    fill(people, shown.map((item) => {
      const line = listed(item);
      rows.set(source.key(item), line);
      return line;
    }));
    const filtered = Boolean(memory.search.trim() || active().length);
    count.textContent = found.length > shown.length ? `${shown.length} of ${found.length}`
      : filtered && found.length < index.size ? `${found.length} of ${index.size}` : index.size === 1 ? `1 ${words.one}` : `${index.size} ${words.many}`;
    fill(more, found.length > shown.length ? h("button", { type: "button", onclick: showMore }, "Show more") : null);
    if (!found.length && filtered) {
      fill(state, h("p", { class: "muted" }, `No ${words.one} matches. `, h("button", { type: "button", class: "link", onclick: clear }, "Clear")));
    } else {
      const said = remark(source.items);
      fill(state, said ? h("p", { class: "muted" }, said) : null);
    }
  }

  function showMore() {
    const first = memory.shown;
    memory.shown += PAGE;
    render();
    /** @type {HTMLElement | undefined} */ (people.children[first]?.firstElementChild ?? undefined)?.focus();
  }

  function clear() {
    search.value = "";
    for (const { filter, select } of active()) {
      memory.filters[filter.name] = "";
      select.value = "";
      filter.chosen?.("");
    }
    Object.assign(memory, { search: "", shown: PAGE });
    render();
    search.focus();
  }

  /** Whether somebody points at a row or has the focus in one. */
  const held = () => people.matches(":hover") || people.contains(document.activeElement);

  function showNews() {
    const focused = document.activeElement === news.firstElementChild || news.contains(document.activeElement);
    const fresh = [...waiting];
    waiting.clear();
    reindex();
    render();
    for (const key of fresh) {
      const link = rows.get(key)?.firstElementChild;
      if (link) tint(link, "new");
    }
    if (focused) /** @type {HTMLElement | undefined} */ (rows.get(fresh[0])?.firstElementChild ?? undefined)?.focus();
  }

  function tellNews() {
    news.hidden = waiting.size === 0;
    fill(news, waiting.size ? [h("span", { class: "badge ok" }, `${waiting.size} new`), h("button", { type: "button", onclick: showNews }, "Show")] : null);
  }

  /** A row says what is so now: it stays where it is, and so does the focus. @param {any} item @param {boolean} isNews */
  function patch(item, isNews) {
    const link = rows.get(source.key(item))?.querySelector("a");
    if (!link) return;
    link.replaceChildren(...listed(item).querySelector("a").childNodes);
    if (isNews) tint(link);
  }

  /** @param {string} type @param {(item: any, quiet: boolean) => void} listener */
  const on = (type, listener) => source.addEventListener(type, (event) => {
    const { item, quiet } = /** @type {CustomEvent} */ (event).detail;
    if (started) listener(item, quiet);
  }, { signal });

  on("added", (item) => {
    const key = source.key(item);
    if (held()) {
      waiting.add(key);
      tellNews();
      say(`${waiting.size} new`);
      return;
    }
    arrived.add(key);
    // Many at once are sorted once.
    arrive();
  });

  /** Who has come and is not shown yet. @type {Set<string>} */
  const arrived = new Set();
  const arrive = soon(50, () => {
    if (signal.aborted) return;
    const fresh = [...arrived].filter((key) => source.get(key));
    arrived.clear();
    if (held()) {
      for (const key of fresh) waiting.add(key);
      tellNews();
      return;
    }
    reindex();
    render();
    tellNews();
    for (const key of fresh) {
      const link = rows.get(key)?.firstElementChild;
      if (link) tint(link, "new");
    }
  });

  on("changed", (item, quiet) => {
    index.set(source.key(item), entry(item));
    patch(item, !quiet);
  });

  on("removed", (item) => {
    const key = source.key(item);
    waiting.delete(key);
    index.delete(key);
    following = neighbour(key);
    const line = rows.get(key);
    if (!line) return tellNews();
    if (!held()) {
      render();
      return tellNews();
    }
    // Nothing moves under a pointer: the row stays as a trace of who was there.
    const focused = line.contains(document.activeElement);
    fill(line, h("span", { class: "gone" }, nameOf(item), " – removed"));
    rows.delete(key);
    if (focused) nextTo(line)?.focus();
    people.addEventListener("pointerleave", () => { if (!held()) render(); }, { once: true, signal });
  });

  // What rows say beside: they are searched by it, too.
  let stale = 0;
  for (const other of beside) {
    for (const type of ["loaded", "added", "changed", "removed"]) {
      other.addEventListener(type, () => {
        if (!started || stale) return;
        stale = setTimeout(() => {
          stale = 0;
          for (const { item } of index.values()) index.set(source.key(item), entry(item));
          for (const key of rows.keys()) patch(index.get(key)?.item, false);
          showChoices();
        }, 100);
      }, { signal });
    }
  }

  const all = [source, ...needs];
  for (const one of all) {
    one.addEventListener("loaded", () => {
      if (!started && all.every(({ loaded }) => loaded)) start();
    }, { signal });
    one.addEventListener("failed", () => {
      if (!started) failed(one);
    }, { signal });
  }

  /** @param {import("../collection.js").Collection<any>} one */
  function failed(one) {
    fill(state, failedNote(`the ${words.many}`, one.error, () => { fill(state, skeleton()); one.load(); }));
  }

  /** @param {Element} line @returns {HTMLElement | null} */
  function nextTo(line) {
    const links = [...people.querySelectorAll("a")];
    return links.find((link) => line.compareDocumentPosition(link) & Node.DOCUMENT_POSITION_FOLLOWING) ?? links.at(-1) ?? search;
  }

  let started = false;
  function start() {
    started = true;
    fill(state);
    showChoices();
    reindex();
    render();
    choose(options.chosen);
    requestAnimationFrame(scrollBack);
  }

  function scrollBack() {
    if (chosen === null) scrollTo(0, memory.scroll);
    list.scrollTop = memory.listScroll;
  }

  /** @param {string | null} key */
  function choose(key) {
    if (chosen === null && key !== null) memory.scroll = scrollY;
    chosen = key;
    panelLife?.abort();
    element.classList.toggle("chosen", key !== null);
    for (const [name, line] of rows) {
      const link = line.querySelector("a");
      if (name === key) link?.setAttribute("aria-current", "true");
      else link?.removeAttribute("aria-current");
    }
    if (key === null) {
      fill(detail, h("p", { class: "muted" }, words.choose));
      return;
    }
    panelLife = new AbortController();
    const back = h("a", { class: "button back", href: hashOf(...path) }, icon("back"), words.all);
    fill(detail, h("div", {}, back), panel(key, panelLife.signal, afterRemoval));
  }

  /** The row that is next to one. @param {string} key */
  function neighbour(key) {
    const keys = [...people.children].map((line) => /** @type {HTMLElement} */ (line).getAttribute(`data-${mark}`) ?? "");
    const at = keys.indexOf(key);
    return keys[at + 1] ?? keys[at - 1] ?? "";
  }
  /** Which row was next to the one that was removed last. */
  let following = "";

  /** The row of who was removed is gone: the focus goes to the next one. */
  function afterRemoval() {
    focusNext = following;
    go(...path);
  }
  let focusNext = /** @type {string | null} */ (null);

  list.addEventListener("scroll", () => { memory.listScroll = list.scrollTop; }, { signal });
  addEventListener("scroll", () => { if (chosen === null && element.isConnected) memory.scroll = scrollY; }, { signal, passive: true });
  signal.addEventListener("abort", () => panelLife?.abort());

  for (const { filter } of active()) filter.chosen?.(memory.filters[filter.name]);
  for (const one of all) one.want();
  if (all.every(({ loaded }) => loaded)) start();
  else {
    fill(detail);
    const timer = setTimeout(() => { if (!started && !all.some(({ error }) => error)) fill(state, skeleton()); }, 200);
    signal.addEventListener("abort", () => clearTimeout(timer));
    const wrong = all.find(({ error }) => error);
    if (wrong) failed(wrong);
  }
  return {
    title,
    element,
    life,
    restore: scrollBack,
    choose(key) {
      if (!started) options.chosen = key;
      if (key === chosen || !started) return;
      choose(key);
      scrollTo(0, key === null ? memory.scroll : 0);
      if (key === null && focusNext !== null) {
        const link = rows.get(focusNext)?.firstElementChild;
        focusNext = null;
        /** @type {HTMLElement} */ (link ?? listHeading).focus();
        return;
      }
      // Where one was in the list matters more than seeing its heading.
      /** @type {HTMLElement} */ (key === null ? listHeading : detail.querySelector("h1"))?.focus({ preventScroll: true });
    },
    /** Something else that filters look at is another now. */
    refresh: () => { if (started && !held()) render(); },
    search: () => search.focus(),
    add: () => add?.click(),
  };
}
