/** "Would X open Y at T, and why?": a question that leaves no trace. */

import { personName } from "../../doors.js";
import { fromField, here, momentWords } from "../../zone.js";
import { alertUser, say } from "../../ui/announce.js";
import { fill, h, note, sender } from "../../ui/dom.js";
import { checkAll, checkbox, Field, radioGroup, secretField, setStatus } from "../../ui/form.js";
import { PickField } from "../../ui/pick.js";
import { send } from "../../ui/saving.js";
import { skeleton } from "../frame.js";
import { card } from "../user.js";
import { differenceWords, grantLinks } from "./access.js";
import { CREDENTIAL_TYPES, reasonWords, untilWords } from "./words.js";

/** What a number or a secret is, by what is shown. @param {string} type */
export const valueHint = (type) => ({ code: "4 to 16 digits.", proximity: "Decimal digits, or hexadecimal ones after 0x.", phone: "With its country code, such as +4781549300." }[type] ?? "");

/** A type of credential and its value, which hides itself where it is a code. @param {string} [label] @param {[string, string][]} [types] */
export function credentialFields(label = "Credential", types = CREDENTIAL_TYPES) {
  const type = new Field({ label, choices: types, value: "code" });
  const value = new Field({ label: "Value", hint: " ", check: (text) => (text.trim() ? "" : "Enter its value.") });
  const show = () => {
    const secret = type.value === "code";
    value.input.classList.toggle("secret", secret);
    value.hint.textContent = valueHint(type.value);
  };
  type.input.addEventListener("change", () => { show(); value.reset(); });
  show();
  return { type, value };
}

/** @param {import("../frame.js").Context} context @param {{lockId?: string, personId?: string}} about which of both is given @param {AbortSignal} signal */
export function evaluateCard(context, about, signal) {
  const { session, doors } = context;
  const body = h("div", {}, skeleton());
  const needed = [doors.persons, doors.locks];
  const build = () => {
    if (signal.aborted || built || !needed.every(({ loaded }) => loaded)) return;
    built = true;
    fill(body, evaluateForm(context, about, signal));
  };
  let built = false;
  for (const one of needed) {
    one.addEventListener("loaded", build, { signal });
    one.want();
  }
  build();
  return card(about.lockId ? "Who may open it?" : "What may they open?", body);
}

/** @param {import("../frame.js").Context} context @param {{lockId?: string, personId?: string}} about @param {AbortSignal} signal */
function evaluateForm(context, { lockId, personId }, signal) {
  const { session, doors } = context;
  const who = radioGroup("Who", [["person", "A person"], ["credential", "Whoever has a credential"]], "person", () => showWho());
  const person = new PickField({ label: "Person", what: "person", items: () => [...doors.persons.items.values()].map((item) => [item.id, personName(item)]) });
  const shown = credentialFields();
  const pin = secretField({ label: "PIN (optional)" });
  const lock = new PickField({ label: "Lock", what: "lock", items: () => [...doors.locks.items.values()].map((item) => [item.id, item.title]) });
  const time = new Field({ label: "When", type: "datetime-local", hint: " " });
  const remote = checkbox("From afar");
  const status = h("span", { class: "status" });
  const answer = h("div");
  const credentialPart = h("div", { class: "stack", hidden: true }, h("div", { class: "pair" }, shown.type.element, shown.value.element), session.isAdministrator ? pin.element : null);
  const subject = personId ? null : h("div", { class: "stack" }, who.element, person.element, credentialPart);
  const form = h("form", { class: "stack", novalidate: true, onsubmit: ask },
    subject, lockId ? null : lock.element, time.element, remote.element, h("div", { class: "actions" }, sender({ type: "submit", class: "primary" }, "Ask"), status), answer);
  // Only administrators may ask about a credential: codes could be guessed so.
  who.element.hidden = !session.isAdministrator;
  // An answer is of what was asked, and of when it was asked.
  form.addEventListener("input", () => fill(answer));
  const outdated = () => { if (answer.firstChild) fill(answer, h("p", { class: "small" }, "Something has changed since. Ask again.")); };
  for (const one of [doors.locks, doors.persons, doors.grants]) for (const type of ["added", "changed", "removed"]) one.addEventListener(type, outdated, { signal });
  const isCredential = () => !personId && who.value === "credential";
  const chosenLock = () => lockId ?? lock.key;

  function showWho() {
    person.element.hidden = isCredential();
    credentialPart.hidden = !isCredential();
  }

  function hintTime() {
    const zone = doors.locks.get(chosenLock())?.timeZone;
    const iso = fromField(time.value);
    time.hint.textContent = !iso ? "Left empty: now." : zone && zone !== here() ? `At the lock it is then ${momentWords(Date.parse(iso), zone)} (${zone}).` : `In ${here()}.`;
  }
  time.input.addEventListener("input", hintTime);
  time.hint.hidden = false;
  hintTime();

  /** @param {Event} event */
  async function ask(event) {
    event.preventDefault();
    if (!checkAll(...(isCredential() ? [shown.value] : personId ? [] : [person]), ...(lockId ? [] : [lock]))) return;
    fill(answer);
    const at = fromField(time.value);
    const params = {
      lockId: chosenLock(),
      ...(isCredential() ? { credential: { type: shown.type.value, value: shown.value.value.trim() } } : { personId: personId ?? person.key }),
      ...(at && { time: at }),
      ...(remote.input.checked && { remote: true }),
      ...(isCredential() && pin.value && { pin: pin.value }),
    };
    const reply = await send(session, status, () => session.call("Access.Evaluate", params), { fields: { value: shown.value, pin } });
    if (reply === null) return;
    setStatus(status, "");
    const { decision } = reply;
    const name = isCredential() ? "Whoever has it" : doors.personName(params.personId);
    const words = `${name} ${decision.allowed ? "may" : "may not"} open ${doors.lockName(params.lockId)}.`;
    const zone = doors.locks.get(params.lockId)?.timeZone ?? here();
    fill(answer, note(decision.allowed ? "ok" : "danger",
      h("p", {}, h("strong", {}, decision.allowed ? "Allowed. " : "Denied. "), words, " ", reasonWords(decision.reason)),
      h("p", { class: "small" }, untilWords(decision.until, zone)),
      differenceWords(decision), grantLinks(context, params.lockId, decision.grantIds)));
    (decision.allowed ? say : alertUser)(`${decision.allowed ? "Allowed" : "Denied"}. ${words} ${reasonWords(decision.reason)}`);
  }

  return form;
}
