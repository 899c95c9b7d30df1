/** One's own account. */

import { CODES, Lost, Refused, serverUrl } from "../connection.js";
import { copyButton } from "../clipboard.js";
import { remember } from "../secrets.js";
import { reasonOf } from "../words.js";
import { alertUser, say } from "../ui/announce.js";
import { openDialog } from "../ui/dialog.js";
import { h, note, sender } from "../ui/dom.js";
import { checkAll, Field, setStatus, textProblem } from "../ui/form.js";
import { failedNote, heading, skeleton } from "./frame.js";
import { card, userPanel } from "./user.js";

/** @param {import("./frame.js").Context} context @returns {import("./frame.js").View} */
export function accountView(context) {
  const { session, store } = context;
  const life = new AbortController();
  const element = h("div", { class: "page" });
  let shown = false;

  function show() {
    if (shown) return;
    if (session.username === null) {
      element.replaceChildren(h("div", { class: "stack" }, heading("Account"), note("info", h("p", {}, "Nobody is signed in: this server asks for no sign-in here."))));
      return;
    }
    if (!store.loaded) {
      element.replaceChildren(heading("Account"), store.error ? failedNote("your account", store.error, () => store.load()) : skeleton());
      return;
    }
    shown = true;
    element.replaceChildren(userPanel(context, session.username, life.signal, {
      title: "Account",
      more: (cards) => {
        if (session.username) cards.append(tokenCard(context));
      },
    }));
    /** @type {HTMLElement | null} */ (element.querySelector("h1"))?.focus();
  }

  store.addEventListener("loaded", show, { signal: life.signal });
  store.addEventListener("failed", show, { signal: life.signal });
  show();
  return { title: "Account", element, life };
}

/** @param {import("./frame.js").Context} context */
function tokenCard({ session, traffic }) {
  const create = sender({ onclick: open }, "New token for a script");
  return card("Scripts", h("p", { class: "muted" }, "A script signs in with a token of its own. It may do what you may."), h("div", { class: "actions" }, create));

  async function open() {
    const deviceName = new Field({ label: "What it is for", value: "", hint: "This is how it shows among your devices.", check: (value) => (value.trim() ? textProblem(value) : "Enter what it is for.") });
    const password = new Field({ label: "Your password", type: "password", autocomplete: "current-password", check: (value) => (value ? "" : "Enter your password.") });
    let token = "";
    const made = await openDialog({
      title: "New token for a script",
      body: h("div", { class: "stack" }, deviceName.element, password.element),
      verb: "Make token",
      isDirty: () => deviceName.value !== "" || password.value !== "",
      submit: async (status) => {
        if (!checkAll(deviceName, password)) return false;
        setStatus(status, "wait", "Making…");
        try {
          token = await mint(session, traffic, password.value, deviceName.value.trim());
        } catch (error) {
          const text = error instanceof Refused && error.code === CODES.attempts ? `Too many attempts. Try again in ${error.data.retryAfter} s.` : reasonOf(error);
          setStatus(status, "danger", text);
          alertUser(text);
          return false;
        }
        if (token) return true;
        setStatus(status, "");
        password.fail("This is not your password.");
        password.input.focus();
        return false;
      },
    });
    password.value = "";
    if (!made) return;
    const shown = h("code", { class: "token", tabindex: "0", "aria-label": "Token" }, token);
    say("Copy this token now. It is not shown again.");
    await openDialog({
      title: "Your new token",
      body: h("div", { class: "stack" }, note("warn", h("p", {}, "Copy this token now. It is not shown again.")), shown, h("div", {}, copyButton("Copy", () => token, shown))),
      verb: "", cancel: "Done", local: true,
    });
    token = "";
    shown.textContent = "";
    create.closest(".card")?.dispatchEvent(new CustomEvent("devices-changed", { bubbles: true }));
  }
}

/**
 * A new token. It is asked for on a connection of its own, for the answer binds it to the one that asked.
 * @param {import("../session.js").Session} session @param {import("../traffic.js").Traffic} traffic @param {string} password @param {string} deviceName
 * @returns {Promise<string>} "" where the password is wrong
 */
function mint(session, traffic, password, deviceName) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(serverUrl());
    socket.addEventListener("open", () => {
      const text = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "JSONRPC.Authenticate", params: { username: session.username, password, deviceName } });
      traffic.record("console", "out", text);
      socket.send(text);
    });
    socket.addEventListener("message", ({ data }) => {
      traffic.record("console", "in", data);
      const { result, error } = JSON.parse(data);
      if (error) reject(new Refused(error, "JSONRPC.Authenticate"));
      else {
        remember(result.token);
        resolve(result.success ? result.token : "");
      }
      socket.close();
    });
    socket.addEventListener("close", () => reject(new Lost()));
  });
}
