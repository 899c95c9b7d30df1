/** Signing in, by password or by the button on the device. */

import { CODES, Refused } from "../connection.js";
import { reasonOf } from "../words.js";
import { alertUser, say } from "../ui/announce.js";
import { buttonSignIn } from "../ui/button-sign-in.js";
import { fill, h, note, sender } from "../ui/dom.js";
import { checkAll, checkbox, Field, setStatus } from "../ui/form.js";
import { heading } from "./frame.js";

/** @param {import("./frame.js").Context} context @returns {import("./frame.js").View} */
export function signInView({ session }) {
  const life = new AbortController();
  const username = new Field({ label: "Username", name: "username", autocomplete: "username", check: (value) => (value ? "" : "Enter your username.") });
  const password = new Field({ label: "Password", name: "password", type: "password", autocomplete: "current-password", check: (value) => (value ? "" : "Enter your password.") });
  const keep = checkbox("Keep me signed in on this browser", { name: "keep" });
  const button = sender({ type: "submit", class: "primary" }, "Sign in");
  const status = h("span", { class: "status" });
  const trouble = h("div");
  let blockedUntil = 0;

  /** @param {string} text */
  function tell(text) {
    fill(trouble, note("danger", h("p", {}, text)));
    alertUser(text);
  }

  /** Count down until the next attempt is free. @param {number} seconds */
  function wait(seconds) {
    blockedUntil = Date.now() + seconds * 1000;
    const line = h("p");
    fill(trouble, note("warn", line));
    button.disabled = true;
    const tick = () => {
      const left = Math.ceil((blockedUntil - Date.now()) / 1000);
      if (left > 0) {
        line.textContent = `Too many attempts. Try again in ${left} s.`;
        return;
      }
      clearInterval(timer);
      button.disabled = false;
      fill(trouble);
      say("You can try again.");
    };
    const timer = setInterval(tick, 250);
    life.signal.addEventListener("abort", () => clearInterval(timer));
    tick();
    alertUser(line.textContent ?? "");
  }

  /** @param {Event} event */
  async function submit(event) {
    event.preventDefault();
    if (button.disabled || !checkAll(username, password)) return;
    fill(trouble);
    setStatus(status, "wait", "Signing in…");
    try {
      if (!(await session.signInWith(username.value, password.value, keep.input.checked))) {
        tell("Wrong username or password.");
        password.value = "";
        password.input.focus();
      }
    } catch (error) {
      if (error instanceof Refused && error.code === CODES.attempts) wait(error.data.retryAfter ?? 1);
      else tell(reasonOf(error));
    } finally {
      setStatus(status, "");
    }
  }

  const why = session.lostRace
    ? note("danger", h("p", {}, "Somebody else has just set up this server. If you don't know who, stop it now."))
    : session.revoked ? note("warn", h("p", {}, "Your sign-in was revoked. Sign in again."))
    : session.tokenLeft ? note("warn", h("p", {}, "Signed out here. The server could not be told, or you may not remove your own sign-in.")) : null;
  if (why) alertUser(why.textContent ?? "");

  return {
    title: "Sign in",
    life,
    element: h("div", { class: "narrow stack" }, heading("Sign in"), why,
      h("form", { class: "stack", novalidate: true, onsubmit: submit },
        username.element, password.element, keep.element, trouble, h("div", { class: "row" }, button, status)),
      buttonSignIn(session, { words: "Sign in by the button on the device", keep: () => keep.input.checked })),
  };
}
