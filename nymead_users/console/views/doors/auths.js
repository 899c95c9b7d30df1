/** Authorizations at a lock: apps, fobs and keypad codes by name, and how far the lock has heard of them. */

import { personName } from "../../doors.js";
import { hashOf } from "../../router.js";
import { fromField, toField } from "../../zone.js";
import { say } from "../../ui/announce.js";
import { confirmDialog, openDialog } from "../../ui/dialog.js";
import { h, icon, sender } from "../../ui/dom.js";
import { checkAll, Field, secretField } from "../../ui/form.js";
import { PickField } from "../../ui/pick.js";
import { save, send } from "../../ui/saving.js";
import { grantFields } from "./grant-form.js";
import { listCard, rowButton, ShownCodes } from "./list-card.js";
import { counted, DAYS, scheduleWords, state, validityWords } from "./words.js";

const APP = 0;
const CODE = 13;

const TYPES = /** @type {Record<number, string>} */ ({ [APP]: "App", 1: "Bridge", 2: "Fob", 3: "Keypad", [CODE]: "Keypad code" });

/** @param {number} type */
const typeName = (type) => TYPES[type] ?? `Type ${type}`;

/** The longest name, and that of a code. */
const MAX_NAME = 32;
const MAX_CODE_NAME = 20;

/** The bit of a weekday in a mask: Monday 64, Sunday 1. @param {number} index from Monday */
const bitOf = (index) => 64 >> index;

/** @param {number} minutes from midnight */
const timeOf = (minutes) => `${String(Math.floor(minutes / 60)).padStart(2, "0")}:${String(minutes % 60).padStart(2, "0")}`;

/** @param {string} time "24:00" is the next midnight */
const minutesOf = (time) => (Number(time.slice(0, 2)) % 24) * 60 + Number(time.slice(3));

/** When it holds, as grants have it. @param {any} auth */
function scheduleOf({ schedule = null, allowedWeekDays: mask, allowedFromTime: from, allowedUntilTime: until }) {
  if (mask === undefined) return schedule;
  return { weekly: [{ weekdays: DAYS.filter((_, index) => mask & bitOf(index)).map(([key]) => key), from: timeOf(from), until: timeOf(until || 24 * 60) }] };
}

/** As the API takes it; null for always. @param {any} schedule */
function windowOf(schedule) {
  const [window] = schedule?.weekly ?? [];
  if (!window) return { allowedWeekDays: null, allowedFromTime: null, allowedUntilTime: null };
  const days = DAYS.map(([key], index) => (window.weekdays.includes(key) ? bitOf(index) : 0));
  return { allowedWeekDays: days.reduce((all, bit) => all + bit), allowedFromTime: minutesOf(window.from), allowedUntilTime: minutesOf(window.until) };
}

/** @param {any} auth */
const validityOf = ({ allowedFromDate: validFrom, allowedUntilDate: validBefore }) => ({ validFrom, validBefore });

/** @param {any} auth */
function authState({ enabled, operationId, error, allowedFromDate, allowedUntilDate }) {
  if (error !== undefined) return state("danger", `The lock could not take it: ${error}`);
  if (operationId) return state("wait", "Under way");
  if (!enabled) return state("warn", "Disabled");
  if (allowedUntilDate && Date.parse(allowedUntilDate) <= Date.now()) return state("", "Over");
  if (allowedFromDate && Date.parse(allowedFromDate) > Date.now()) return state("", "Not yet");
  return state("ok", "In effect");
}

/** @param {any} auth */
function usedWords({ lockCount, lastActiveDate }) {
  if (!lockCount) return "Not used yet";
  return `Used ${counted(lockCount, "time")}${lastActiveDate ? `, last on ${new Date(lastActiveDate).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" })}` : ""}`;
}

/** @param {import("../frame.js").Context} context @param {string} lockId @param {AbortSignal} signal */
export function authsCard(context, lockId, signal) {
  const { session, doors } = context;
  const codes = new ShownCodes(() => list.redraw());
  const writes = session.may("SmartlockAuths.UpdateAuth");
  /** Who may have one, by number. @type {Map<number, any>} */
  let persons = new Map();
  const adder = (/** @type {number} */ type, /** @type {string} */ label) =>
    (session.may("SmartlockAuths.CreateAuth") ? [sender({ onclick: () => edit({ type }) }, icon("add"), label)] : []);

  /** Grants need no name. @param {any} auth */
  function nameOf({ name, accountUserId, type }) {
    const person = persons.get(accountUserId);
    return name || (person && personName(person)) || typeName(type);
  }

  const list = listCard(context, {
    title: "Authorizations", what: "the authorizations", empty: "No authorization yet.", heard: "SmartlockAuths.", beside: [doors.persons],
    read: async () => {
      const { auths } = await session.ask("SmartlockAuths.GetSmartlockAuths", { smartlockId: lockId });
      const ownerId = doors.locks.get(lockId)?.ownerId;
      persons = new Map([...doors.persons.items.values()].filter((person) => person.ownerId === ownerId).map((person) => [person.number, person]));
      return auths.sort((/** @type {any} */ a, /** @type {any} */ b) => nameOf(a).localeCompare(nameOf(b)) || (a.id < b.id ? -1 : 1));
    },
    key: (auth) => auth.id, name: nameOf,
    show: (auth) => [
      h("div", { class: "row spread" }, h("span", { class: "name" }, nameOf(auth)), h("span", { class: "row" }, authState(auth), !auth.enabled && (auth.operationId || auth.error) ? state("warn", "Disabled") : null)),
      h("p", { class: "small" }, typeName(auth.type), codeWords(auth), auth.accountUserId === undefined ? "" : [" · ", personLink(auth.accountUserId)]),
      h("p", { class: "muted small" }, [validityWords(validityOf(auth)), scheduleWords(scheduleOf(auth)), auth.remoteAllowed ? "From afar, too" : "At the door only"].join(" · ")),
      h("p", { class: "muted small" }, usedWords(auth)),
      auth.code || writes ? h("div", { class: "row" }, auth.code ? codes.button(auth.id, nameOf(auth)) : null, writes ? [
        rowButton("change", "Change", nameOf(auth), () => edit(auth)),
        rowButton("enable", auth.enabled ? "Disable" : "Enable", nameOf(auth), () => enable(auth)),
        rowButton("remove", "Remove", nameOf(auth), () => remove(auth), true),
      ] : null) : null,
    ],
    actions: [...adder(CODE, "Add code"), ...adder(APP, "Add app")],
  }, signal);

  /** @param {any} auth */
  const codeWords = (auth) => (auth.code ? [" ", codes.has(auth.id) ? h("strong", { class: "mono" }, auth.code) : h("span", { "aria-label": "hidden", role: "img" }, "••••••")] : "");

  /** @param {number} number */
  function personLink(number) {
    const person = persons.get(number);
    return person ? h("a", { href: hashOf("doors", "persons", person.id), "data-part": "person" }, personName(person)) : `Person ${number}`;
  }

  /** @param {any} auth @param {object} params @param {string} saved */
  async function change(auth, params, saved) {
    await save(doors, list.status, () => session.call("SmartlockAuths.UpdateAuth", { smartlockId: lockId, id: auth.id, ...params }), { saved });
    await list.load();
  }

  async function enable(/** @type {any} */ auth) {
    const enabled = !auth.enabled;
    if (!enabled && !(await confirmDialog({ title: `Disable ${nameOf(auth)}?`, text: ["It opens nothing until it is enabled again."], verb: "Disable" }))) return;
    await change(auth, { enabled }, enabled ? "Enabled" : "Disabled");
  }

  async function remove(/** @type {any} */ auth) {
    if (!(await confirmDialog({ title: `Remove ${nameOf(auth)}?`, text: ["Nobody is let in by it from now on. It stays in the list until the lock has heard of that. This can't be undone."], verb: "Remove authorization" }))) return;
    await save(doors, list.status, () => session.call("SmartlockAuths.RemoveAuth", { smartlockId: lockId, id: auth.id }), { saved: "Removed" });
    await list.load();
  }

  /** Make one, or change what is there: only what is another then is sent. @param {any} auth without an id it is new */
  async function edit(auth) {
    await doors.persons.there();
    const isCode = auth.type === CODE;
    const most = isCode ? MAX_CODE_NAME : MAX_NAME;
    const ownerId = doors.locks.get(lockId)?.ownerId;
    const owned = [...doors.persons.items.values()].filter((person) => person.ownerId === ownerId);
    const name = new Field({
      label: "Name", value: auth.name ?? "", hint: `At most ${most} characters.`, attributes: { autocapitalize: "words" },
      check: (text) => (!text.trim() ? "Enter a name." : [...text.trim()].length > most ? `At most ${most} characters.` : ""),
    });
    const code = secretField({
      label: "Code", value: auth.code ?? "", hint: "6 digits from 1 to 9, not beginning with 12.",
      check: (text) => (/^(?!12)[1-9]{6}$/.test(text) ? "" : "6 digits from 1 to 9 are wanted, not beginning with 12."),
    });
    const person = new PickField({
      label: isCode ? "Person (optional)" : "Person", what: "person", optional: isCode, value: String(auth.accountUserId ?? ""), items: () => owned.map((one) => [String(one.number), personName(one)]),
    });
    const { validFrom, validBefore, schedule, remoteAllowed } = grantFields({ single: true });
    const foreign = auth.schedule !== undefined;
    validFrom.value = toField(auth.allowedFromDate);
    validBefore.value = toField(auth.allowedUntilDate);
    schedule.value = foreign ? null : scheduleOf(auth);
    remoteAllowed.value = auth.remoteAllowed ?? false;

    const values = () => ({
      name: name.value.trim(), ...(isCode && { code: code.value }), accountUserId: person.key ? Number(person.key) : null, remoteAllowed: remoteAllowed.value,
      allowedFromDate: fromField(validFrom.value), allowedUntilDate: fromField(validBefore.value), ...(foreign ? {} : windowOf(schedule.value)),
    });
    const before = /** @type {Record<string, any>} */ (values());
    const changed = () => Object.fromEntries(Object.entries(values()).filter(([param, value]) => (auth.id ? value !== before[param] : value !== null)));

    function suggest() {
      const taken = new Set(list.items.map((one) => one.code));
      do code.value = randomCode(); while (taken.has(code.value) || !code.check());
      // It is to be passed on.
      code.input.classList.remove("secret");
      say(`The code is ${[...code.value].join(" ")}.`);
    }

    await openDialog({
      title: auth.id ? `Change ${nameOf(auth)}` : isCode ? "Add code" : "Add app", verb: auth.id ? "Save" : isCode ? "Add code" : "Add app",
      body: h("div", { class: "stack" }, name.element,
        isCode ? h("div", { class: "beside" }, code.element, h("button", { type: "button", onclick: suggest }, "Suggest")) : null,
        person.element, h("div", { class: "pair" }, validFrom.element, validBefore.element),
        foreign ? h("p", {}, `${scheduleWords(auth.schedule)}. `, h("a", { href: hashOf("doors", "grants", auth.id) }, "Change it as a grant")) : schedule.element,
        remoteAllowed.element),
      isDirty: () => JSON.stringify(values()) !== JSON.stringify(before),
      submit: async (status) => {
        if (!checkAll(name, ...(isCode ? [code] : []), person, validFrom, validBefore, ...(foreign ? [] : [/** @type {any} */ (schedule)]))) return false;
        const method = auth.id ? "UpdateAuth" : "CreateAuth";
        const params = { smartlockId: lockId, ...(auth.id ? { id: auth.id } : { type: auth.type }), ...changed() };
        const reply = await send(session, status, () => session.call(`SmartlockAuths.${method}`, params), {
          fields: { name, code, accountUserId: person, allowedFromDate: validFrom, allowedUntilDate: validBefore },
          fieldOf: (error) => (error === "SmartlockAuthErrorAccountUserNotFound" ? person : undefined),
        });
        if (reply) say(auth.id ? "Saved" : `${name.value.trim()} was added.`);
        return reply !== null;
      },
    });
  }

  return list.element;
}

/** Six digits from 1 to 9, each as likely as the others. */
function randomCode() {
  let code = "";
  while (code.length < 6) {
    const [byte] = crypto.getRandomValues(new Uint8Array(1));
    if (byte < 252) code += String(byte % 9 + 1);
  }
  return code;
}
