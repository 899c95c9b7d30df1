/** The first administrator of a new server. */

import { reasonOf, outcomeWords } from "../words.js";
import { alertUser } from "../ui/announce.js";
import { buttonSignIn } from "../ui/button-sign-in.js";
import { fill, h, note, sender } from "../ui/dom.js";
import { checkAll, Field, newPasswordField, setStatus, textProblem, usernameProblem } from "../ui/form.js";
import { heading } from "./frame.js";

/** @param {import("./frame.js").Context} context @returns {import("./frame.js").View} */
export function setupView({ session }) {
  const username = new Field({ label: "Username", name: "username", autocomplete: "username", check: usernameProblem, hint: "To sign in with, like anna or anna@example.org" });
  const displayName = new Field({ label: "Name (optional)", name: "name", autocomplete: "name", check: textProblem, attributes: { autocapitalize: "words" } });
  const email = new Field({ label: "E-mail (optional)", name: "email", type: "email", autocomplete: "email", check: textProblem });
  const password = newPasswordField("Password");
  const status = h("span", { class: "status" });
  const trouble = h("div");
  const form = h("form", { class: "stack", novalidate: true, onsubmit: submit },
    username.element, displayName.element, email.element, password.element, trouble,
    h("div", { class: "row" }, sender({ type: "submit", class: "primary" }, "Set up and sign in"), status));

  /** @param {Event} event */
  async function submit(event) {
    event.preventDefault();
    if (!checkAll(username, displayName, email, password)) return;
    fill(trouble);
    setStatus(status, "wait", "Setting up…");
    let failure;
    try {
      const outcome = await session.setUp({ username: username.value, password: password.value, displayName: displayName.value.trim(), email: email.value.trim() });
      if (outcome === "lost" || outcome === "signed-out") return;
      failure = outcomeWords(outcome);
    } catch (error) {
      failure = reasonOf(error) === "Permission denied." ? "This server can only be set up from the machine it runs on." : reasonOf(error);
    }
    setStatus(status, "");
    if (failure) {
      fill(trouble, note("danger", h("p", {}, failure)));
      alertUser(failure);
    }
  }

  return {
    title: "Set-up",
    life: new AbortController(),
    element: h("div", { class: "narrow stack" }, heading("Set up this server"),
      h("p", { class: "muted" }, "Nobody uses it yet. The first user is its administrator and may do everything."), form,
      buttonSignIn(session, { words: "Set up by the button on the device" })),
  };
}
