/** Saving, as people see it: "Saving…", then what became of it, and for a while the way back. */

import { Lost, Refused, CODES } from "../connection.js";
import { outcomeWords, reasonOf } from "../words.js";
import { heldWords, scopeWords } from "../permissions.js";
import { alertUser, say } from "./announce.js";
import { h } from "./dom.js";
import { setStatus } from "./form.js";

const UNDO_TIME = 10000;

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
 * @param {import("../store.js").Store} store @param {HTMLElement} status
 * @param {() => Promise<{error: string}>} call
 * @param {{verify?: () => boolean, saved?: string, undo?: () => void}} [options]
 */
export async function save(store, status, call, { verify = () => false, saved = "Saved", undo } = {}) {
  setStatus(status, "wait", "Saving…");
  let failure;
  try {
    failure = outcomeWords((await call()).error);
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

/** When the users have been read anew. @param {import("../store.js").Store} store @returns {Promise<void>} */
function reread(store) {
  return new Promise((resolve) => store.addEventListener("loaded", () => resolve(), { once: true }));
}
