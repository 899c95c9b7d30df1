/** All users: the list, and beside it (on a wide screen) the one who is chosen. */

import { maskOf, describe, roleOf, ROLES } from "../permissions.js";
import { go, hashOf } from "../router.js";
import { nameOf } from "../words.js";
import { say } from "../ui/announce.js";
import { fill, h, icon, sender, uniqueId } from "../ui/dom.js";
import { tint } from "../ui/live.js";
import { addUser } from "./add-user.js";
import { failedNote, heading, skeleton } from "./frame.js";
import { userPanel } from "./user.js";

const PAGE = 100;

/** What was searched and how far one had scrolled: it is there again on the way back. */
const memory = { search: "", role: "", shown: PAGE, scroll: 0, listScroll: 0 };

export function forgetSearch() {
  Object.assign(memory, { search: "", role: "", shown: PAGE, scroll: 0, listScroll: 0 });
}

/** @param {import("./frame.js").Context} context @param {import("../router.js").Route} route @returns {import("./frame.js").View} */
export function usersView(context, route) {
  const { session, store } = context;
  const life = new AbortController();
  const { signal } = life;
  const searchId = uniqueId();
  const roleId = uniqueId();
  const search = h("input", { id: searchId, type: "search", autocomplete: "off", spellcheck: "false", value: memory.search, oninput: () => { memory.search = search.value; memory.shown = PAGE; render(); } });
  const role = h("select", { id: roleId, onchange: () => { memory.role = role.value; memory.shown = PAGE; render(); } },
    Object.entries(ROLES).map(([value, label]) => h("option", { value, selected: value === memory.role }, label)));
  const count = h("p", { class: "muted small" });
  const news = h("div", { hidden: true, class: "row" });
  const people = h("ul", { class: "people" });
  const more = h("div", { class: "row" });
  const state = h("div");
  const add = sender({ class: "primary", onclick: () => addUser(context) }, icon("add"), "Add user");
  const listHeading = heading("Users");
  const list = h("section", { class: "list stack", "aria-label": "All users" },
    h("div", { class: "row spread" }, listHeading, session.may("Users.CreateUser") ? add : null),
    h("div", { class: "filters" },
      h("div", { class: "field" }, h("label", { for: searchId }, "Search"), search),
      h("div", { class: "field" }, h("label", { for: roleId }, "Role"), role)),
    h("div", { class: "row spread list-head" }, count, news), state, people, more);
  const detail = h("section", { class: "detail stack", "aria-label": "Chosen user" });
  const element = h("div", { class: "split" }, list, detail);

  /** What can be searched, by user. @type {Map<string, {user: import("../store.js").User, text: string}>} */
  let index = new Map();
  /** Who came while no row may move. @type {Set<string>} */
  const waiting = new Set();
  /** Rows on the page. @type {Map<string, HTMLElement>} */
  const rows = new Map();
  let chosen = /** @type {string | null} */ (null);
  /** @type {AbortController | null} */
  let panelLife = null;

  /** @param {import("../store.js").User} user */
  const entry = (user) => ({ user, text: `${user.username}\n${user.displayName}\n${user.email}\n${nameOf(user.username)}`.toLowerCase() });

  function reindex() {
    index = new Map([...store.users.values()].sort((a, b) => (a.username < b.username ? -1 : 1)).map((user) => [user.username, entry(user)]));
  }

  function matching() {
    const wanted = memory.search.trim().toLowerCase();
    const found = [];
    for (const { user, text } of index.values()) {
      if (waiting.has(user.username) || (wanted && !text.includes(wanted))) continue;
      if (memory.role && roleOf(maskOf(user.scopes)) !== memory.role) continue;
      found.push(user);
    }
    return found;
  }

  /** @param {import("../store.js").User} user */
  function row(user) {
    const mask = maskOf(user.scopes);
    return h("li", { "data-username": user.username },
      h("a", { href: hashOf("user", user.username), "aria-current": user.username === chosen ? "true" : null },
        h("span", { class: "name" }, user.displayName || nameOf(user.username),
          user.username === session.username && session.state === "signed-in" ? h("span", { class: "muted small" }, " (you)") : null),
        user.displayName ? h("span", { class: "login" }, nameOf(user.username)) : null,
        h("span", { class: "may" }, describe(mask, user.allowedThingIds.length)),
        icon("open")));
  }

  function render() {
    fill(news);
    news.hidden = true;
    if (memory.search !== search.value) memory.search = search.value;
    const found = matching();
    const shown = found.slice(0, memory.shown);
    rows.clear();
    fill(people, shown.map((user) => {
      const item = row(user);
      rows.set(user.username, item);
      return item;
    }));
    const filtered = Boolean(memory.search.trim() || memory.role);
    count.textContent = found.length > shown.length ? `${shown.length} of ${found.length}`
      : filtered ? `${found.length} of ${index.size}` : index.size === 1 ? "1 user" : `${index.size} users`;
    fill(more, found.length > shown.length ? h("button", { type: "button", onclick: showMore }, "Show more") : null);
    if (!found.length && filtered) {
      fill(state, h("p", { class: "muted" }, "No user matches. ", h("button", { type: "button", class: "link", onclick: clear }, "Clear")));
    } else if (index.size === 1 && index.has(session.username ?? "\n")) fill(state, h("p", { class: "muted" }, "Only you so far."));
    else fill(state);
  }

  function showMore() {
    const first = memory.shown;
    memory.shown += PAGE;
    render();
    /** @type {HTMLElement | undefined} */ (people.children[first]?.firstElementChild ?? undefined)?.focus();
  }

  function clear() {
    search.value = "";
    role.value = "";
    Object.assign(memory, { search: "", role: "", shown: PAGE });
    render();
    search.focus();
  }

  /** Whether somebody points at a row or has the focus in one. */
  const held = () => people.matches(":hover") || people.contains(document.activeElement);

  function showNews() {
    const focused = document.activeElement === news.firstElementChild || news.contains(document.activeElement);
    const fresh = [...waiting];
    waiting.clear();
    render();
    for (const username of fresh) {
      const link = rows.get(username)?.firstElementChild;
      if (link) tint(link, "new");
    }
    if (focused) /** @type {HTMLElement | undefined} */ (rows.get(fresh[0])?.firstElementChild ?? undefined)?.focus();
  }

  function tellNews() {
    news.hidden = waiting.size === 0;
    fill(news, waiting.size ? [h("span", { class: "badge ok" }, `${waiting.size} new`), h("button", { type: "button", onclick: showNews }, "Show")] : null);
  }

  /** @param {string} type @param {(user: import("../store.js").User, before: any) => void} listener */
  const on = (type, listener) => store.addEventListener(type, (event) => {
    const { user, before } = /** @type {CustomEvent} */ (event).detail;
    listener(user, before);
  }, { signal });

  on("added", (user) => {
    if (held()) waiting.add(user.username);
    reindex();
    if (waiting.has(user.username)) {
      tellNews();
      say(`${waiting.size} new`);
      return;
    }
    render();
    tellNews();
    const link = rows.get(user.username)?.firstElementChild;
    if (link) tint(link, "new");
  });

  on("changed", (user) => {
    index.set(user.username, entry(user));
    const item = rows.get(user.username);
    if (!item) return;
    // The row stays where it is, and so does the focus.
    const fresh = row(user);
    const link = item.querySelector("a");
    link?.replaceChildren(...fresh.querySelector("a").childNodes);
    if (link) tint(link);
  });

  on("removed", (user) => {
    waiting.delete(user.username);
    index.delete(user.username);
    const item = rows.get(user.username);
    if (!item) return tellNews();
    if (!held()) {
      render();
      return tellNews();
    }
    // Nothing moves under a pointer: the row stays as a trace of who was there.
    const focused = item.contains(document.activeElement);
    fill(item, h("span", { class: "gone" }, nameOf(user.username), " – removed"));
    rows.delete(user.username);
    if (focused) nextTo(item)?.focus();
    people.addEventListener("pointerleave", () => { if (!held()) render(); }, { once: true, signal });
  });

  on("loaded", () => {
    if (!started) start();
  });
  on("failed", () => {
    if (!store.loaded) fill(state, failedNote("the users", store.error, () => { fill(state, skeleton()); store.load(); }));
  });

  /** @param {Element} item @returns {HTMLElement | null} */
  function nextTo(item) {
    const links = [...people.querySelectorAll("a")];
    return links.find((link) => item.compareDocumentPosition(link) & Node.DOCUMENT_POSITION_FOLLOWING) ?? links.at(-1) ?? search;
  }

  let started = false;
  function start() {
    started = true;
    fill(state);
    reindex();
    render();
    choose(route.view === "user" ? route.username : null);
    requestAnimationFrame(scrollBack);
  }

  function scrollBack() {
    if (chosen === null) scrollTo(0, memory.scroll);
    list.scrollTop = memory.listScroll;
  }

  /** @param {string | null} username */
  function choose(username) {
    if (chosen === null && username !== null) memory.scroll = scrollY;
    chosen = username;
    panelLife?.abort();
    element.classList.toggle("chosen", username !== null);
    for (const [name, item] of rows) {
      const link = item.querySelector("a");
      if (name === username) link?.setAttribute("aria-current", "true");
      else link?.removeAttribute("aria-current");
    }
    if (username === null) {
      fill(detail, h("p", { class: "muted" }, "Choose a user to see and change what they may do."));
      return;
    }
    panelLife = new AbortController();
    const back = h("a", { class: "button back", href: hashOf("users") }, icon("back"), "All users");
    fill(detail, h("div", {}, back), userPanel(context, username, panelLife.signal, { removed: () => afterRemoval(username) }));
  }

  /** The row of who was removed is gone: the focus goes to the next one. @param {string} username */
  function afterRemoval(username) {
    const names = [...index.keys(), username].sort();
    const next = names[names.indexOf(username) + 1] ?? names[names.indexOf(username) - 1];
    focusNext = next ?? "";
    go("users");
  }
  let focusNext = /** @type {string | null} */ (null);

  list.addEventListener("scroll", () => { memory.listScroll = list.scrollTop; }, { signal });
  addEventListener("scroll", () => { if (chosen === null && element.isConnected) memory.scroll = scrollY; }, { signal, passive: true });
  signal.addEventListener("abort", () => panelLife?.abort());

  if (store.loaded) start();
  else {
    fill(detail);
    const timer = setTimeout(() => { if (!store.loaded && !store.error) fill(state, skeleton()); }, 200);
    signal.addEventListener("abort", () => clearTimeout(timer));
    if (store.error) fill(state, failedNote("the users", store.error, () => store.load()));
  }
  return {
    title: "Users",
    element,
    life,
    restore: scrollBack,
    update(to) {
      const username = to.view === "user" ? to.username : null;
      if (username === chosen) return;
      choose(username);
      scrollTo(0, username === null ? memory.scroll : 0);
      if (username === null && focusNext !== null) {
        const link = rows.get(focusNext)?.firstElementChild;
        focusNext = null;
        /** @type {HTMLElement} */ (link ?? listHeading).focus();
        return;
      }
      // Where one was in the list matters more than seeing its heading.
      /** @type {HTMLElement} */ (username === null ? listHeading : detail.querySelector("h1"))?.focus({ preventScroll: true });
    },
    search: () => search.focus(),
    add: () => { if (session.may("Users.CreateUser")) add.click(); },
  };
}
