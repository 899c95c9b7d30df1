/** Signing in by the button on the device, which needs no password and no user yet. */

import { Lost } from "../connection.js";
import { reasonOf } from "../words.js";
import { alertUser, say } from "./announce.js";
import { fill, h, icon, note, sender } from "./dom.js";

/**
 * What offers the button; null where the server has none.
 * @param {import("../session.js").Session} session @param {{words: string, keep?: () => boolean}} options
 */
export function buttonSignIn(session, { words, keep = () => false }) {
  if (!session.server?.pushButtonAuthAvailable) return null;
  const waiting = h("div");
  const ask = sender({ onclick: press }, words);

  async function press() {
    ask.hidden = true;
    const cancel = h("button", { type: "button", onclick: () => session.connection.restart() }, "Cancel");
    fill(waiting, note("info", h("p", {}, icon("wait"), " Press the button on the device."), h("div", {}, cancel)));
    cancel.focus();
    say("Press the button on the device.");
    try {
      if (await session.waitForButton(keep())) return;
      fill(waiting, note("warn", h("p", {}, "Another device asked after you.")));
      alertUser("Another device asked after you.");
    } catch (error) {
      fill(waiting, error instanceof Lost ? null : note("danger", h("p", {}, reasonOf(error))));
    }
    ask.hidden = false;
    ask.focus();
  }

  return h("div", { class: "stack" }, h("p", { class: "muted" }, "Or without a password:"), h("div", {}, ask), waiting);
}
