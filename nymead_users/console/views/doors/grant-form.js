/** Making a grant: who may open what, and when. */

import { personName } from "../../doors.js";
import { fromField, here } from "../../zone.js";
import { say } from "../../ui/announce.js";
import { tick } from "../../ui/details.js";
import { openDialog } from "../../ui/dialog.js";
import { h } from "../../ui/dom.js";
import { checkAll, Field, radioGroup } from "../../ui/form.js";
import { PickField } from "../../ui/pick.js";
import { send } from "../../ui/saving.js";
import { ScheduleEditor } from "./schedule.js";
import { credentialWords } from "./words.js";

/** From when until when. */
export function validityFields() {
  const inZone = `In your time zone, ${here()}.`;
  const validFrom = new Field({ label: "Valid from", type: "datetime-local", hint: `${inZone} Left empty: from now on.` });
  const validBefore = new Field({
    label: "Valid until", type: "datetime-local", hint: `${inZone} Left empty: for good.`,
    check: (value) => (value && validFrom.value && value <= validFrom.value ? "This must be later than its beginning." : ""),
  });
  return { validFrom, validBefore };
}

/** The fields of when a grant holds, and how. @param {{single?: boolean}} [options] of its schedule */
export function grantFields(options) {
  return {
    ...validityFields(), schedule: new ScheduleEditor(options), enabled: tick("Enabled", "it counts"), remoteAllowed: tick("From afar", "it opens from afar, too"),
  };
}

/** @param {import("../frame.js").Context} context @param {{personId?: string, lockId?: string, lockGroupId?: string}} [given] */
export async function addGrant({ session, doors }, given = {}) {
  await Promise.all([doors.persons, doors.locks, doors.groups, doors.credentials].map((one) => one.there()));
  const who = radioGroup("Who", [["person", "A person"], ["credential", "Whoever has a credential"]], "person", () => show());
  const what = radioGroup("What", [["lock", "A lock"], ["group", "A group of locks"]], given.lockGroupId ? "group" : "lock", () => show());
  const person = new PickField({ label: "Person", what: "person", value: given.personId, items: () => [...doors.persons.items.values()].map((item) => [item.id, personName(item)]) });
  const credential = new PickField({
    label: "Credential", what: "credential",
    items: () => [...doors.credentials.items.values()].map((item) => [item.id, `${item.personId ? `${doors.personName(item.personId)}, ` : ""}${credentialWords(item)}`]),
  });
  const lock = new PickField({ label: "Lock", what: "lock", value: given.lockId, items: () => [...doors.locks.items.values()].map((item) => [item.id, item.title]) });
  const group = new PickField({ label: "Group", what: "group", value: given.lockGroupId, items: () => [...doors.groups.items.values()].map((item) => [item.id, item.title]) });
  const { validFrom, validBefore, schedule, enabled, remoteAllowed } = grantFields();
  enabled.value = true;
  remoteAllowed.value = true;
  let touched = false;

  function show() {
    person.element.hidden = who.value !== "person";
    credential.element.hidden = who.value !== "credential";
    lock.element.hidden = what.value !== "lock";
    group.element.hidden = what.value !== "group";
  }
  show();
  const body = h("div", { class: "stack", oninput: () => { touched = true; } },
    who.element, person.element, credential.element, what.element, lock.element, group.element,
    h("div", { class: "pair" }, validFrom.element, validBefore.element), schedule.element, enabled.element, remoteAllowed.element);

  return openDialog({
    title: "New grant", verb: "Make grant", body, isDirty: () => touched,
    submit: async (status) => {
      const subject = who.value === "person" ? person : credential;
      const target = what.value === "lock" ? lock : group;
      if (!checkAll(subject, target, validFrom, validBefore, /** @type {any} */ (schedule))) return false;
      const [from, before] = [fromField(validFrom.value), fromField(validBefore.value)];
      const params = {
        [who.value === "person" ? "personId" : "credentialId"]: subject.key,
        [what.value === "lock" ? "lockId" : "lockGroupId"]: target.key,
        ...(from && { validFrom: from }), ...(before && { validBefore: before }), ...(schedule.value && { schedule: schedule.value }),
        enabled: enabled.value, remoteAllowed: remoteAllowed.value,
      };
      const reply = await send(session, status, () => session.call("Access.AddGrant", params), {
        fields: { personId: person, credentialId: credential, lockId: lock, lockGroupId: group, validFrom, validBefore },
        fieldOf: (error) => (error === "AccessErrorInvalidSchedule" ? /** @type {any} */ (schedule) : undefined),
      });
      if (reply) say(`The grant for ${subject.value} was made.`);
      return reply !== null;
    },
  });
}
