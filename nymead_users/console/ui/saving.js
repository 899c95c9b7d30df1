/** Saving, as people see it: "Saving…", then what became of it, and for a while the way back. */

import { Lost, Refused, CODES } from "../connection.js";
import { outcomeWords, reasonOf, sentence } from "../words.js";
import { heldWords, scopeWords } from "../permissions.js";
import { alertUser, say } from "./announce.js";
import { h } from "./dom.js";
import { setStatus } from "./form.js";

const UNDO_TIME = 10000;

/** What is read anew after a connection was lost. @typedef {EventTarget & {session: import("../session.js").Session}} Store */

/** Why a call was refused, in words that say what would be needed. @param {import("../session.js").Session} session @param {unknown} error */
export function refusalWords(session, error) {
  if (error instanceof Refused && error.code === CODES.denied && session.contract) {
    return `This needs ${scopeWords(session.contract.scopeOf(error.method))}. You have: ${heldWords(session.mask)}.`;
  }
  return reasonOf(error);
}

/**
 * Run a call that stores something and say what became of it. Where the connection was lost on the way, `verify` is
 * asked once it is back and everything was read anew. Resolves with the outcome: "" where it is stored.
 * @param {Store} store @param {HTMLElement} status
 * @param {() => Promise<{error: string, errorMessage?: string}>} call
 * @param {{verify?: () => boolean, saved?: string, undo?: () => void, refused?: (message: string) => void}} [options]
 */
export async function save(store, status, call, { verify = () => false, saved = "Saved", undo, refused = () => {} } = {}) {
  setStatus(status, "wait", "Saving…");
  let failure;
  try {
    const { error, errorMessage } = await call();
    failure = outcomeWords(error, errorMessage);
    if (failure && errorMessage) refused(errorMessage);
  } catch (error) {
    if (error instanceof Lost) {
      setStatus(status, "warn", "Connection lost. Whether it was saved shows when it is back.");
      await reread(store);
      failure = verify() ? "" : "Not saved";
    } else failure = refusalWords(store.session, error);
  }
  if (failure) {
    setStatus(status, "danger", failure);
    alertUser(failure);
    return failure;
  }
  setStatus(status, "ok", saved);
  say(saved);
  if (undo) {
    const button = h("button", { type: "button", class: "link", "data-sends": true, onclick: () => { button.remove(); undo(); } }, "Undo");
    status.after(button);
    setTimeout(() => {
      // Nobody loses the focus to a clock.
      if (document.activeElement === button) button.addEventListener("blur", () => button.remove());
      else button.remove();
    }, UNDO_TIME);
  }
  return "";
}

/**
 * Send what a dialog holds. Resolves with the reply, or with null where nothing is stored: why stands at the field that
 * the server names, or else in the status.
 * @param {import("../session.js").Session} session @param {HTMLElement} status @param {() => Promise<any>} call
 * @param {{fields?: Record<string, import("./form.js").Field>, fieldOf?: (error: string) => import("./form.js").Field | undefined, lost?: string}} [options]
 */
export async function send(session, status, call, { fields = {}, fieldOf = () => undefined, lost = "Whether it was saved shows when it is back." } = {}) {
  setStatus(status, "wait", "Saving…");
  let failure;
  try {
    const reply = await call();
    const { error, errorMessage = "" } = reply;
    failure = outcomeWords(error, errorMessage);
    if (!failure) return reply;
    const [, name, reason] = /^(\w+)[^:]*: (.*)$/s.exec(errorMessage) ?? [];
    const field = fieldOf(error) ?? fields[name];
    if (field) {
      setStatus(status, "");
      field.fail(fields[name] ? sentence(reason) : failure);
      field.input.focus();
      alertUser(failure);
      return null;
    }
  } catch (error) {
    if (error instanceof Lost) failure = `Connection lost. ${lost}`;
    else failure = error instanceof Refused && error.code === CODES.busy ? "The server is busy. Try again." : refusalWords(session, error);
  }
  setStatus(status, "danger", failure);
  alertUser(failure);
  return null;
}

/** When everything has been read anew. @param {Store} store @returns {Promise<void>} */
function reread(store) {
  return new Promise((resolve) => store.addEventListener("loaded", () => resolve(), { once: true }));
}
