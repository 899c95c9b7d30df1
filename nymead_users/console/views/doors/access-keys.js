/** Access keys: proximity keys and codes, the levels that they open, and how far each system has heard of them. */

import { personName } from "../../doors.js";
import { hashOf } from "../../router.js";
import { fromField, toField } from "../../zone.js";
import { say } from "../../ui/announce.js";
import { detailsForm } from "../../ui/details.js";
import { openDialog } from "../../ui/dialog.js";
import { fill, h, icon, sender } from "../../ui/dom.js";
import { checkAll, CheckGroup, Field, radioGroup } from "../../ui/form.js";
import { PickField } from "../../ui/pick.js";
import { send } from "../../ui/saving.js";
import { listView } from "../list.js";
import { card } from "../user.js";
import { pinDialog, pinField } from "./credentials.js";
import { credentialFields } from "./evaluate.js";
import { validityFields } from "./grant-form.js";
import { listCard, ShownCodes } from "./list-card.js";
import { ownerField } from "./owners.js";
import { removeCard, thingPanel } from "./panel.js";
import { CREDENTIAL_TYPES, credentialWords, keyStatus, keyStatusMeaning, state, validityWords } from "./words.js";

const TYPES = CREDENTIAL_TYPES.filter(([type]) => ["code", "proximity"].includes(type));

const PIN = { hint: "4 digits. It is never shown again.", pattern: /^\d{4}$/ };

const MAX_NAME = 32;

/** A key without what must not be seen by chance. @param {any} key */
const keyWords = ({ key: { type, identification: value } }) => credentialWords({ type, value });

/** @param {any} key */
const holderName = ({ person }) => (person ? `${person.firstName} ${person.lastName}`.trim() || "Somebody without a name" : "Nobody");

/** @param {any} key */
const keyName = (key) => `${holderName(key)}, ${keyWords(key)}`;

/** @param {any} key */
const validityOf = ({ validFromDate: validFrom, validToDate: validBefore }) => ({ validFrom, validBefore });

/** @param {import("../../doors.js").Doors} doors @param {string[]} levels */
const levelWords = (doors, levels) => levels.map((id) => doors.groupName(id)).sort((a, b) => a.localeCompare(b)).join(", ") || "no level";

/** @param {import("../frame.js").Context} context @param {HTMLElement} tabs @param {string | null} chosen @returns {import("../frame.js").View} */
export function accessKeysView(context, tabs, chosen) {
  const { session, doors } = context;
  doors.owners.want();
  doors.persons.want();
  const view = listView({
    title: "Keys", path: ["doors", "keys"], source: doors.accessKeys, needs: [doors.groups], beside: [doors.groups], top: tabs, chosen,
    words: { one: "key", many: "keys", all: "All keys", chosen: "Chosen key", choose: "Choose a key to see what it opens, and how far that is." },
    text: (key) => `${holderName(key)}\n${key.key.type === "code" ? "" : key.key.identification}\n${levelWords(doors, key.accessLevels)}`,
    compare: (a, b) => holderName(a).localeCompare(holderName(b)) || (a.id < b.id ? -1 : 1),
    nameOf: keyName,
    filters: [
      { name: "type", label: "Type", choices: () => [["", "All"], ...TYPES], test: (key, wanted) => key.key.type === wanted },
      {
        name: "level", label: "Level", test: (key, wanted) => key.accessLevels.includes(wanted),
        choices: () => [["", "All"], ...[...doors.groups.items.values()].sort((a, b) => a.title.localeCompare(b.title)).map(({ id, title }) => /** @type {[string, string]} */ ([id, title]))],
      },
    ],
    add: session.may("AccessKeys.AddAccessKey") ? sender({ class: "primary", onclick: () => addKey(context) }, icon("add"), "Add key") : null,
    remark: (keys) => (keys.size ? "" : "No key yet."),
    row: (key) => [
      h("span", { class: "name" }, holderName(key)),
      h("span", { class: "login" }, keyWords(key), " · ", validityWords(validityOf(key))),
      h("span", { class: "may" }, key.accessLevels.length ? levelWords(doors, key.accessLevels) : state("", "No level")),
    ],
    panel: (id, signal, removed) => keyPanel(context, id, signal, removed),
  });
  return { ...view, update: ({ id }) => view.choose(id) };
}

/** The levels to choose from. @param {import("../../doors.js").Doors} doors @param {() => string | undefined} ownerId whose */
const levelsField = (doors, ownerId) => new CheckGroup({
  legend: "Levels", empty: "There is no group of locks yet.",
  items: () => [...doors.groups.items.values()].filter((group) => !ownerId() || group.ownerId === ownerId()).sort((a, b) => a.title.localeCompare(b.title)).map(({ id, title }) => [id, title]),
});

/** @param {import("../frame.js").Context} context */
async function addKey({ session, doors }) {
  await Promise.all([doors.owners, doors.persons, doors.groups, doors.accessKeys].map((one) => one.there()));
  const owner = ownerField(doors);
  const ownerId = () => owner?.value ?? doors.onlyOwner?.id;
  const { type, value } = credentialFields("What it is", TYPES);
  const number = (/** @type {string} */ text) => (/^(\d+|0x[\da-f]+)$/i.test(text) && type.value === "proximity" ? BigInt(text) : text);
  const isThere = () => [...doors.accessKeys.items.values()].some(({ key }) => key.type === type.value && number(key.identification) === number(value.value.trim()));
  const pin = pinField("PIN (optional)", PIN, true);
  const levels = levelsField(doors, ownerId);
  owner?.input.addEventListener("change", () => levels.offer());
  const { validFrom, validBefore } = validityFields();
  const who = radioGroup("Whose it is", [["new", "Somebody new"], ["person", "A person"]], "new", () => show());
  const person = new PickField({
    label: "Person", what: "person", items: () => [...doors.persons.items.values()].filter((one) => one.ownerId === ownerId()).map((one) => [one.id, personName(one)]),
  });
  const name = (/** @type {string} */ label) => new Field({
    label: `${label} (optional)`, attributes: { autocapitalize: "words" }, check: (text) => ([...text.trim()].length > MAX_NAME ? `At most ${MAX_NAME} characters.` : ""),
  });
  const [firstName, lastName] = [name("First name"), name("Last name")];
  const names = h("div", { class: "stack tight" }, h("div", { class: "pair" }, firstName.element, lastName.element), h("p", { class: "hint" }, "A name that is left empty is made up."));
  const isNew = () => who.value === "new";
  function show() {
    person.element.hidden = isNew();
    names.hidden = !isNew();
  }
  show();
  await openDialog({
    title: "Add key", verb: "Add key",
    body: h("div", { class: "stack" }, owner?.element, h("div", { class: "pair" }, type.element, value.element), pin.element, levels.element,
      h("div", { class: "pair" }, validFrom.element, validBefore.element), who.element, person.element, names),
    isDirty: () => [value, pin, validFrom, validBefore, person, firstName, lastName].some((field) => field.value !== "") || levels.value.length > 0,
    submit: async (status) => {
      if (!checkAll(value, pin, validFrom, validBefore, ...(isNew() ? [firstName, lastName] : [person]))) return false;
      // A key that is there would be changed instead.
      if (isThere()) {
        value.fail("There is such a key already: change that one.");
        value.input.focus();
        return false;
      }
      const given = Object.fromEntries(Object.entries({ firstName, lastName }).map(([param, field]) => [param, field.value.trim()]).filter(([, text]) => text));
      const params = {
        key: { identification: value.value.trim(), type: type.value }, accessLevels: levels.value, person: isNew() ? given : { id: person.key },
        ...(pin.value && { pin: pin.value }), ...(validFrom.value && { validFromDate: fromField(validFrom.value) }), ...(validBefore.value && { validToDate: fromField(validBefore.value) }),
        ...(owner && { ownerId: owner.value }),
      };
      const reply = await send(session, status, () => session.call("AccessKeys.AddAccessKey", params), {
        fields: { key: value, pin, validToDate: validBefore, accessLevels: /** @type {any} */ (levels), firstName, lastName },
        fieldOf: (error) => (error === "AccessKeyErrorPersonNotFound" ? person : undefined),
      });
      if (reply) say(`The key of ${holderName(reply.accessKey)} was added.`);
      return reply !== null;
    },
  });
}

/** @param {import("../frame.js").Context} context @param {string} id @param {AbortSignal} signal @param {() => void} removed */
function keyPanel(context, id, signal, removed) {
  const { session, doors } = context;
  const remove = removeKeyCard(context, id, removed);
  return thingPanel({
    collection: doors.accessKeys, key: id, signal, what: "key", name: keyName, isRemoving: remove.isRemoving,
    build: (key) => {
      const facts = h("dl", { class: "facts" });
      const codes = new ShownCodes(() => showFacts(doors.accessKeys.get(id) ?? key));
      const shown = key.key.type === "code" ? h("span") : null;
      const showFacts = (/** @type {any} */ now) => {
        fill(facts, [
          ["Who", now.person ? h("a", { href: hashOf("doors", "persons", now.person.id) }, holderName(now)) : "Nobody"],
          ["What", codes.has(id) ? `Code ${now.key.identification}` : keyWords(now)],
          ["Levels", now.accessLevels.length ? h("ul", { class: "links" }, now.accessLevels.map((/** @type {string} */ level) => h("li", {}, h("a", { href: hashOf("doors", "groups", level) }, doors.groupName(level))))) : "No level"],
          ["Valid", validityWords(validityOf(now))],
        ].map(([term, value]) => h("div", {}, h("dt", {}, term), h("dd", {}, value))));
        if (!shown) return;
        const focused = shown.contains(document.activeElement);
        fill(shown, codes.button(id, keyWords(now)));
        if (focused) shown.querySelector("button")?.focus();
      };
      showFacts(key);
      const details = session.may("AccessKeys.AddAccessKey") ? detailsCard(context, id, signal) : null;
      return {
        cards: [
          card("Key", facts, h("div", { class: "actions" }, shown, details ? sender({ onclick: () => newPin(context, id) }, "Set PIN") : null)),
          statusCard(context, id, signal), details?.element, session.may("AccessKeys.RemoveAccessKey") ? remove.element : null,
        ],
        arrived: (now) => {
          showFacts(now);
          details?.arrived();
        },
      };
    },
  });
}

/** How far it is on its way, to each system. @param {import("../frame.js").Context} context @param {string} id @param {AbortSignal} signal */
function statusCard(context, id, signal) {
  const { session } = context;
  const systemName = (/** @type {any} */ { systemId }) => systemId || "Locks of no system";
  const overall = h("div");
  const list = listCard(context, {
    title: "On its way to the locks", what: "how far it is", empty: "None of its levels has a lock.", top: overall,
    read: async () => {
      const { status, systems } = await session.ask("AccessKeys.GetAccessKeyStatus", { id });
      if (!signal.aborted) fill(overall, h("p", {}, keyStatus(status)), h("p", { class: "muted small" }, keyStatusMeaning(status)));
      return systems;
    },
    key: (system) => system.systemId, name: systemName,
    show: (system) => [
      h("div", { class: "row spread" }, h("span", { class: "name" }, systemName(system)), keyStatus(system.status)),
      system.error ? h("p", { class: "small" }, `A lock could not take it: ${system.error}`) : null,
    ],
  }, signal);
  return list.element;
}

/** @param {import("../frame.js").Context} context @param {string} id @param {AbortSignal} signal */
function detailsCard({ session, doors }, id, signal) {
  const { validFrom, validBefore } = validityFields();
  const levels = levelsField(doors, () => doors.persons.get(doors.accessKeys.get(id)?.person?.id)?.ownerId);
  for (const one of [doors.groups, doors.persons]) for (const type of ["added", "removed", "loaded"]) one.addEventListener(type, () => levels.offer(), { signal });
  const form = detailsForm({
    store: doors, draftKey: `access key ${id}`,
    parts: {
      accessLevels: { control: levels, label: "Levels", same: (a, b) => [...a].sort().join() === [...b].sort().join(), words: (value) => levelWords(doors, value) },
      validFromDate: { control: validFrom, label: "Valid from" },
      validToDate: { control: validBefore, label: "Valid until" },
    },
    values: () => {
      const key = doors.accessKeys.get(id);
      return key && { accessLevels: key.accessLevels, validFromDate: toField(key.validFromDate), validToDate: toField(key.validToDate) };
    },
    call: ({ accessLevels, ...dates }) => session.call("AccessKeys.AddAccessKey", {
      id, ...(accessLevels && { accessLevels }), ...Object.fromEntries(Object.entries(dates).map(([param, value]) => [param, fromField(value)])),
    }),
  });
  return { element: card("Details", form.element), arrived: form.arrived };
}

/** @param {import("../frame.js").Context} context @param {string} id */
const newPin = ({ session, doors }, id) => pinDialog(session, {
  of: keyWords(doors.accessKeys.get(id)), ...PIN, call: (pin) => session.call("AccessKeys.AddAccessKey", { id, pin }),
});

/** @param {import("../frame.js").Context} context @param {string} id @param {() => void} removed */
function removeKeyCard({ session, doors }, id, removed) {
  let name = "";
  return removeCard({
    doors, label: "Remove key", hint: "Removes the key, of which the locks hear. Its person stays.",
    question: async () => {
      name = keyName(doors.accessKeys.get(id));
      return { title: `Remove ${name}?`, text: ["It opens nothing any more. This can't be undone."] };
    },
    call: () => session.call("AccessKeys.RemoveAccessKey", { id }),
    saved: () => `${name} was removed.`, isGone: () => doors.accessKeys.get(id) === null, done: removed,
  });
}
