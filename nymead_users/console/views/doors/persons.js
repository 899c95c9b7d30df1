/** Persons: who walks in, what they show at doors, and what they may open. */

import { personName } from "../../doors.js";
import { here } from "../../zone.js";
import { say } from "../../ui/announce.js";
import { detailsForm, tick } from "../../ui/details.js";
import { openDialog } from "../../ui/dialog.js";
import { h, icon, sender } from "../../ui/dom.js";
import { checkAll, Field, textProblem } from "../../ui/form.js";
import { send } from "../../ui/saving.js";
import { listView } from "../list.js";
import { card } from "../user.js";
import { accessCard, sideOfPerson } from "./access.js";
import { credentialsCard } from "./credentials.js";
import { evaluateCard } from "./evaluate.js";
import { grantsCard } from "./grants-of.js";
import { ownerField } from "./owners.js";
import { removeCard, thingPanel } from "./panel.js";
import { rolesCard } from "./roles.js";
import { weekCard } from "./week.js";
import { counted, state } from "./words.js";

/** @param {import("../frame.js").Context} context @param {HTMLElement} tabs @param {string | null} chosen @returns {import("../frame.js").View} */
export function personsView(context, tabs, chosen) {
  const { session, doors } = context;
  doors.owners.want();
  const collator = new Intl.Collator();
  const view = listView({
    title: "Persons", path: ["doors", "persons"], source: doors.persons, top: tabs, chosen,
    words: { one: "person", many: "persons", all: "All persons", chosen: "Chosen person", choose: "Choose a person to see what they may open, and when." },
    text: (person) => `${personName(person)}\n${person.email}\n${person.phone}\n${person.username ?? ""}\n${person.number}`,
    compare: (a, b) => collator.compare(personName(a), personName(b)) || a.number - b.number,
    nameOf: personName,
    filters: [{ name: "enabled", label: "Enabled", choices: () => [["", "All"], ["yes", "Enabled"], ["no", "Disabled"]], test: (person, wanted) => person.enabled === (wanted === "yes") }],
    add: session.may("Access.AddPerson") ? sender({ class: "primary", onclick: () => addPerson(context) }, icon("add"), "Add person") : null,
    remark: (persons) => (persons.size ? "" : "No person yet."),
    row: (person) => [
      h("span", { class: "name" }, personName(person)),
      h("span", { class: "login" }, [person.phone, person.email].filter(Boolean).join(" · ") || `Person ${person.number}`),
      h("span", { class: "may" }, person.enabled ? null : state("warn", "Disabled")),
    ],
    panel: (id, signal, removed) => personPanel(context, id, signal, removed),
  });
  return { ...view, update: ({ id }) => view.choose(id) };
}

function personFields() {
  const words = { check: textProblem, attributes: { autocapitalize: "words" } };
  return {
    firstName: new Field({ label: "First name", ...words }),
    lastName: new Field({ label: "Last name", ...words }),
    email: new Field({ label: "E-mail (optional)", type: "email", check: textProblem }),
    phone: new Field({ label: "Phone (optional)", type: "tel", hint: "With its country code, such as +4781549300.", check: textProblem }),
    username: new Field({ label: "Username (optional)", hint: "The user who is this person. It gives no permissions.", check: textProblem }),
    enabled: tick("Enabled", "who is not opens nothing"),
  };
}

/** @param {import("../frame.js").Context} context */
function addPerson({ session, doors }) {
  const { enabled, ...fields } = personFields();
  enabled.value = true;
  const owner = ownerField(doors);
  const texts = Object.entries(fields);
  return openDialog({
    title: "Add person", verb: "Add person",
    body: h("div", { class: "stack" }, owner?.element, texts.map(([, field]) => field.element), enabled.element),
    isDirty: () => texts.some(([, field]) => field.value !== ""),
    submit: async (status) => {
      if (!fields.firstName.value.trim() && !fields.lastName.value.trim()) {
        fields.firstName.fail("Enter a name.");
        fields.firstName.input.focus();
        return false;
      }
      fields.firstName.reset();
      if (!checkAll(...texts.map(([, field]) => field))) return false;
      const params = Object.fromEntries(texts.map(([param, field]) => [param, field.value.trim()]).filter(([, value]) => value));
      const reply = await send(session, status, () => session.call("Access.AddPerson", { ...params, enabled: enabled.value, ...(owner && { ownerId: owner.value }) }), {
        fields, fieldOf: (error) => (error === "AccessErrorDuplicate" ? fields.username : undefined),
      });
      if (reply) say(`${personName(reply.person)} was added.`);
      return reply !== null;
    },
  });
}

/** @param {import("../frame.js").Context} context @param {string} id @param {AbortSignal} signal @param {() => void} removed */
function personPanel(context, id, signal, removed) {
  const { session, doors } = context;
  doors.locks.want();
  const remove = removePersonCard(context, id, removed);
  return thingPanel({
    collection: doors.persons, key: id, signal, what: "person", name: personName, isRemoving: remove.isRemoving,
    below: (person) => h("p", {}, `Person ${person.number}`, person.username ? ` · user ${person.username}` : "", " · ", person.enabled ? state("ok", "Enabled") : state("warn", "Disabled")),
    build: () => {
      const side = sideOfPerson(context, id);
      const details = session.may("Access.UpdatePerson") ? detailsCard(context, id) : null;
      return {
        cards: [
          accessCard(context, side, { title: "What they may open now", empty: "None of their grants reaches a lock." }, signal),
          weekCard(context, side, { who: "Lock", empty: "They may open nothing in this week.", zone: () => commonZone(doors), also: () => (isMixed(doors) ? "The locks are in several time zones; this is yours." : "") }, signal),
          credentialsCard(context, id, signal),
          grantsCard(context, { personId: id }, signal),
          session.may("LockRoles.GetRoles") ? rolesCard(context, { personId: id }, signal) : null,
          evaluateCard(context, { personId: id }, signal),
          details?.element,
          session.may("Access.RemovePerson") ? remove.element : null,
        ],
        arrived: () => details?.arrived(),
      };
    },
  });
}

/** @param {import("../../doors.js").Doors} doors */
const zonesOf = (doors) => new Set([...doors.locks.items.values()].map(({ timeZone }) => timeZone));

/** @param {import("../../doors.js").Doors} doors */
const isMixed = (doors) => zonesOf(doors).size > 1;

/** The time zone of all locks, the browser's where they have several. @param {import("../../doors.js").Doors} doors */
const commonZone = (doors) => (zonesOf(doors).size === 1 ? [...zonesOf(doors)][0] : here());

/** @param {import("../frame.js").Context} context @param {string} id */
function detailsCard({ session, doors }, id) {
  const fields = personFields();
  const form = detailsForm({
    store: doors, draftKey: `person ${id}`,
    parts: Object.fromEntries(Object.entries(fields).map(([param, control]) => [param, {
      control, label: control instanceof Field ? control.label.textContent ?? param : "Enabled", words: (value) => (value === true ? "enabled" : value === false ? "disabled" : value),
    }])),
    values: () => {
      const person = doors.persons.get(id);
      return person && Object.fromEntries(Object.keys(fields).map((param) => [param, person[param] ?? ""]));
    },
    call: ({ username, ...params }) => session.call("Access.UpdatePerson", { personId: id, ...params, ...(username !== undefined && { username: username.trim() || null }) }),
  });
  return { element: card("Details", form.element), arrived: form.arrived };
}

/** @param {import("../frame.js").Context} context @param {string} id @param {() => void} removed */
function removePersonCard({ session, doors }, id, removed) {
  let name = "";
  return removeCard({
    doors, label: "Remove person", hint: "Removes the person with their credentials and grants, of which the locks hear.",
    question: async () => {
      name = personName(doors.persons.get(id));
      let effect = "Their grants and credentials go along.";
      try {
        const [{ grants = [] }, { credentials = [] }] = await Promise.all([session.call("Access.GetGrants", { personId: id }), session.call("Access.GetCredentials", { personId: id })]);
        effect = `${counted(grants.length, "grant")} and ${counted(credentials.length, "credential")} go along.`;
      } catch {
        // How many is good to know, but no reason to keep anybody.
      }
      return { title: `Remove ${name}?`, text: [`${effect} This can't be undone.`] };
    },
    call: () => session.call("Access.RemovePerson", { personId: id }),
    saved: () => `${name} was removed.`, isGone: () => doors.persons.get(id) === null, done: removed,
  });
}
