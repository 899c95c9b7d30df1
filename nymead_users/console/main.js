/** Puts everything together: the frame around the views, and which view is shown. */

import { Doors } from "./doors.js";
import { draftsOf, clearDrafts } from "./drafts.js";
import { ADMIN, heldWords } from "./permissions.js";
import { go, hashOf, readRoute } from "./router.js";
import { Session } from "./session.js";
import { browser } from "./storage.js";
import { Store } from "./store.js";
import { Traffic } from "./traffic.js";
import { alertUser, say } from "./ui/announce.js";
import { dismissDialogs, focusHeading } from "./ui/dialog.js";
import { fill, h, icon } from "./ui/dom.js";
import { setStatus } from "./ui/form.js";
import { installKeys, showHelp } from "./keys.js";
import { accountView } from "./views/account.js";
import { developerView, forgetWork } from "./views/developer.js";
import { doorsPart, doorsView } from "./views/doors/index.js";
import { deniedView, loadingView } from "./views/frame.js";
import { forgetSearches } from "./views/list.js";
import { setupView } from "./views/setup.js";
import { signInView } from "./views/signin.js";
import { usersView } from "./views/users.js";
import { clockOf, nameOf } from "./words.js";

const traffic = new Traffic();
const session = new Session(traffic);
const store = new Store(session);
const doors = new Doors(session, store);
const context = { session, store, doors, traffic };

const byId = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const main = byId("main");

// Views

/** @type {import("./views/frame.js").View | null} */
let view = null;
let shownKey = "";

/** Which view is due, and how it is made. @returns {{key: string, make: () => import("./views/frame.js").View}} */
function due() {
  const route = readRoute();
  if (session.state === "starting") return { key: "loading", make: () => loadingView("Console") };
  if (route.view === "developer") return { key: "developer", make: () => developerView(context) };
  if (session.state === "setup") return { key: "setup", make: () => setupView(context) };
  if (session.state === "signed-out") return { key: `sign-in ${session.revoked} ${session.lostRace}`, make: () => signInView(context) };
  const home = session.may("Users.GetUsers") ? "users" : "account";
  const wanted = route.view || home;
  if (wanted === "account") return { key: `account ${session.username} ${session.mask}`, make: () => accountView(context) };
  if (wanted === "doors") return { key: `doors ${doorsPart(route)} ${session.username} ${session.mask}`, make: () => doorsView(context, route) };
  if (!session.may("Users.GetUsers")) return { key: `denied ${session.mask}`, make: () => deniedView(session, "Users", "Users.GetUsers") };
  return { key: `users ${session.username} ${session.mask}`, make: () => usersView(context, route) };
}

function showView() {
  const { key, make } = due();
  const route = readRoute();
  if (key === shownKey) {
    view?.update?.(route);
  } else {
    const first = shownKey === "" || shownKey === "loading";
    view?.life.abort();
    dismissDialogs();
    shownKey = key;
    view = make();
    fill(main, view.element);
    view.restore?.();
    syncSenders();
    if (!first || key !== "loading") focusHeading();
  }
  document.title = `${view?.title ?? "Console"} – ${session.server?.name ?? "Console"}`;
  showNav(route);
}

/** @param {import("./router.js").Route} route */
function showNav(route) {
  const signedIn = session.state === "signed-in" || session.state === "open";
  const place = { user: "users", "": session.may("Users.GetUsers") ? "users" : "account" }[route.view] ?? route.view;
  const items = session.state === "starting" ? [] : [
    ...(signedIn && session.may("Users.GetUsers") ? [["users", "Users", "users"]] : []),
    ...(signedIn && session.may("Access.GetLocks") ? [["doors", "Doors", "doors"]] : []),
    ...(signedIn ? [["account", "Account", "account"]] : [["", session.state === "setup" ? "Set-up" : "Sign in", "account"]]),
    ["developer", "Developer", "developer"],
  ];
  const shown = signedIn || place === "developer" ? place : "";
  const focused = document.activeElement?.closest?.("#nav a")?.getAttribute("href");
  fill(byId("nav"), items.length ? h("ul", {}, items.map(([target, label, symbol]) =>
    h("li", {}, h("a", { href: hashOf(target), "aria-current": target === shown ? "page" : null }, icon(symbol), label)))) : null);
  if (focused) /** @type {HTMLElement | null} */ (byId("nav").querySelector(`a[href="${CSS.escape(focused)}"]`))?.focus();
}

// The views know where they were; the browser would put them where another one was.
history.scrollRestoration = "manual";
addEventListener("hashchange", showView);

session.addEventListener("change", () => {
  if (session.state === "signed-in") draftsOf(session.username);
  showFrame();
  showView();
});

// The frame: server, connection, own name, theme, sign-out

let told = "connecting";
let lostPermission = 0;

function showFrame() {
  const { connection } = session;
  const { state } = connection;
  document.body.dataset.connection = state;
  byId("server-name").textContent = session.server?.name ?? "Console";
  const status = byId("connection-status");
  if (state === "online") setStatus(status, "ok", "Connected");
  else if (state === "connecting") setStatus(status, "wait", "Connecting…");
  else setStatus(status, "danger", "Not connected");
  status.classList.add("status");
  byId("who").textContent = session.state === "signed-in" ? nameOf(session.username ?? "") : "";
  byId("sign-out").hidden = session.state !== "signed-in";
  showBanners();
  syncSenders();
  if (session.state === "signed-in") {
    if (lostPermission === ADMIN && session.mask !== ADMIN) alertUser(`Your permissions changed. You have: ${heldWords(session.mask)}.`);
    lostPermission = session.mask;
  }
}

session.connection.addEventListener("state", () => {
  const { state } = session.connection;
  showFrame();
  if (state === "offline" && told !== "offline") {
    told = "offline";
    alertUser("Connection lost.");
  } else if (state === "online" && told === "offline") {
    told = "online";
    say("Connected again.");
  }
});

const countdown = h("p");
const tryNow = h("button", { type: "button", onclick: () => session.connection.tryNow() }, "Try now");
const offline = h("div", { class: "banner grave" }, icon("danger"), countdown, tryNow);
const unencrypted = h("div", { class: "banner" }, icon("warn"), h("p", {}, "Not encrypted: others on this network can read passwords."));
const open = h("div", { class: "banner grave" }, icon("warn"), h("p", {}, "Authentication is off: anyone reaching this address can do everything."));

const isLoopback = location.hostname === "localhost" || location.hostname.endsWith(".localhost") || location.hostname === "[::1]" || /^127\./.test(location.hostname);

function showBanners() {
  const banners = byId("banners");
  const { state, failures } = session.connection;
  const wanted = [
    location.protocol === "http:" && !isLoopback && unencrypted,
    session.state === "open" && open,
    (state === "offline" || (state === "connecting" && failures > 0)) && offline,
  ].filter((banner) => banner instanceof Node);
  tick();
  // Moving what has the focus would lose it.
  if (wanted.length !== banners.children.length || wanted.some((banner, index) => banners.children[index] !== banner)) {
    const held = offline.contains(document.activeElement);
    banners.replaceChildren(...wanted);
    if (held && !offline.isConnected) focusHeading();
  }
}

function tick() {
  const { state, nextTry } = session.connection;
  const since = store.loaded && ["signed-in", "open"].includes(session.state) ? ` What you see is from ${clockOf(Math.max(store.readAt, doors.readAt))}.` : "";
  const seconds = Math.max(0, Math.ceil((nextTry - Date.now()) / 1000));
  countdown.textContent = state === "connecting" ? `Connection lost. Trying…${since}` : `Connection lost. Next try in ${seconds} s.${since}`;
}
setInterval(() => {
  if (session.connection.state === "offline") tick();
}, 250);

/** What sends is off while there is no connection; it stays where the focus can reach it. */
function syncSenders() {
  const off = session.connection.state !== "online";
  for (const element of document.querySelectorAll("[data-sends]")) {
    if (off) element.setAttribute("aria-disabled", "true");
    else element.removeAttribute("aria-disabled");
  }
}

for (const type of ["click", "submit"]) {
  document.addEventListener(type, (event) => {
    const target = /** @type {Element} */ (event.target);
    const blocked = type === "click" ? target.closest('[data-sends][aria-disabled="true"]') : target.querySelector('[type="submit"][aria-disabled="true"]');
    if (!blocked) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    say("There is no connection: nothing was sent.");
  }, true);
}

byId("skip").addEventListener("click", focusHeading);
byId("help").addEventListener("click", showHelp);
byId("sign-out").addEventListener("click", async () => {
  clearDrafts();
  forgetSearches();
  await session.signOut();
  // What was typed, sent and looked at is nobody else's business.
  forgetWork();
  traffic.clear();
  shownKey = "";
  if (location.hash !== "#/developer") location.hash = "#/";
  showView();
});

// Theme

const THEMES = ["auto", "light", "dark"];

/** @param {string} theme */
function applyTheme(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  byId("theme-label").textContent = { auto: "Theme: auto", light: "Theme: light", dark: "Theme: dark" }[theme] ?? "";
}

applyTheme(browser.get("theme") ?? "auto");
byId("theme").addEventListener("click", () => {
  const theme = THEMES[(THEMES.indexOf(browser.get("theme") ?? "auto") + 1) % THEMES.length];
  browser.set("theme", theme);
  applyTheme(theme);
  say(byId("theme-label").textContent ?? "");
});

installKeys({
  search: () => view?.search?.(),
  add: () => view?.add?.(),
  go: (target) => go(target),
});

showFrame();
showView();
session.connection.open();
