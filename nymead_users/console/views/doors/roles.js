/** Sharing: who may share keys for a lock with others, and the keys that they shared. */

import { personName } from "../../doors.js";
import { hashOf } from "../../router.js";
import { fromField } from "../../zone.js";
import { say } from "../../ui/announce.js";
import { tick } from "../../ui/details.js";
import { confirmDialog, openDialog } from "../../ui/dialog.js";
import { h, icon, sender } from "../../ui/dom.js";
import { checkAll, Field, textProblem } from "../../ui/form.js";
import { PickField } from "../../ui/pick.js";
import { save, send } from "../../ui/saving.js";
import { grantFields } from "./grant-form.js";
import { listCard, rowButton } from "./list-card.js";
import { counted, grantState, scheduleWords, state, validityWords } from "./words.js";

/** How many roles a call tells. */
const PAGE = 1000;

/** All of a list that is told in pages. @param {import("../../session.js").Session} session @param {string} method @param {object} params */
async function allRoles(session, method, params) {
  /** @type {any[]} */
  const found = [];
  for (;;) {
    const { roles } = await session.ask(method, { ...params, limit: PAGE, ...(found.length && { startAfterId: found.at(-1).id }) });
    found.push(...roles);
    if (roles.length < PAGE) return found;
  }
}

/** The roles at a lock. @param {import("../frame.js").Context} context @param {string} lockId @returns {Promise<any[]>} */
const rolesAt = async ({ session, doors }, lockId) => allRoles(session, "LockRoles.GetLockRoles", { lockHolderId: doors.locks.get(lockId)?.ownerId, lockId });

/** The person of a phone number. @param {import("../../doors.js").Doors} doors @param {string | undefined} ownerId @param {string} phone */
const personOf = (doors, ownerId, phone) => [...doors.persons.items.values()].find((person) => person.ownerId === ownerId && person.phone === phone);

/** Whose a number is. @param {import("../../doors.js").Doors} doors @param {string} lockId @param {string} phone */
function nameOf(doors, lockId, phone) {
  const person = personOf(doors, doors.locks.get(lockId)?.ownerId, phone);
  return person?.firstName || person?.lastName ? personName(person) : phone || "Somebody without a number";
}

/** What somebody with a role is called. @param {import("../../doors.js").Doors} doors @param {any} role */
const sharerName = (doors, role) => role.userName || nameOf(doors, role.lockId, role.userId);

/** Whether one may share and revoke in the name of a role's person. @param {import("../frame.js").Context} context @param {any} role */
const mayActFor = ({ session, doors }, role) =>
  session.isAdministrator || (session.username !== null && personOf(doors, doors.locks.get(role.lockId)?.ownerId, role.userId)?.username === session.username);

/** A person with a number, or the number of somebody new. @param {import("../../doors.js").Doors} doors @param {string} lockId @param {string} label */
function phoneField(doors, lockId, label) {
  const ownerId = doors.locks.get(lockId)?.ownerId;
  return new PickField({
    label, what: "person", hint: "One who is here with a phone number, or the number of somebody new, such as +4781549300.",
    items: () => [...doors.persons.items.values()].filter((person) => person.ownerId === ownerId && person.phone).map((person) => [person.phone, `${personName(person)}, ${person.phone}`]),
    isOther: (text) => /^\+?\d[\d ().\/-]*$/.test(text),
  });
}

/**
 * The roles at a lock, or those of a person that can share.
 * @param {import("../frame.js").Context} context @param {{lockId?: string, personId?: string}} of @param {AbortSignal} signal
 */
export function rolesCard(context, { lockId, personId }, signal) {
  const { session, doors } = context;
  const writes = session.may("LockRoles.SetRole");
  const shares = session.may("LockRoles.ShareKey");
  const nameIn = (/** @type {any} */ role) => (lockId ? sharerName(doors, role) : doors.lockName(role.lockId));
  const list = listCard(context, {
    title: lockId ? "Who may share it" : "What they may share", what: "the sharing roles", empty: lockId ? "Nobody has a role yet." : "They may share no lock.",
    heard: "LockRoles.Role", beside: [doors.persons, doors.locks],
    read: async () => {
      if (lockId) return rolesAt(context, lockId);
      const { ownerId: lockHolderId, phone } = doors.persons.get(personId ?? "") ?? {};
      return phone ? (await allRoles(session, "LockRoles.GetRoles", { lockHolderId })).filter((role) => role.userId === phone) : [];
    },
    key: (role) => role.id, name: nameIn,
    show: (role) => {
      const name = nameIn(role);
      const person = personOf(doors, doors.locks.get(role.lockId)?.ownerId, role.userId);
      const href = !lockId ? hashOf("doors", "locks", role.lockId) : person ? hashOf("doors", "persons", person.id) : "";
      return [
        h("div", { class: "row spread" }, href ? h("a", { href, "data-part": "name" }, name) : h("span", { class: "name" }, name), role.canShare ? state("ok", "May share") : state("", "May not share")),
        h("p", { class: "muted small" }, lockId ? `${role.userId} · ` : "", role.createdKeys ? `${counted(role.createdKeys, "key")} shared so far` : "No key shared yet"),
        writes || shares ? h("div", { class: "row" },
          shares && role.canShare && mayActFor(context, role) ? rowButton("share", "Share key", name, () => shareKey(context, role)) : null,
          writes ? [
            rowButton("right", role.canShare ? "Stop sharing" : "Let share", name, () => setRight(role, !role.canShare)),
            rowButton("remove", "Remove", name, () => remove(role), true),
          ] : null) : null,
      ];
    },
    actions: writes && lockId ? [sender({ onclick: () => addRole(context, lockId) }, icon("add"), "Add role")] : [],
  }, signal);

  /** @param {any} role */
  const which = (role) => ({ lockHolderId: doors.locks.get(role.lockId)?.ownerId, lockId: role.lockId, userId: role.userId });

  async function setRight(/** @type {any} */ role, /** @type {boolean} */ canShare) {
    const question = { title: `Stop ${sharerName(doors, role)} from sharing ${doors.lockName(role.lockId)}?`, text: ["They share no new keys from now on. The keys that they shared stay."], verb: "Stop sharing" };
    if (!canShare && !(await confirmDialog(question))) return;
    await save(doors, list.status, () => session.call("LockRoles.SetRole", { ...which(role), canShare }), { saved: canShare ? "May share" : "May not share" });
    await list.load();
  }

  async function remove(/** @type {any} */ role) {
    if (!(await confirmDialog({ title: `Remove the role of ${sharerName(doors, role)} at ${doors.lockName(role.lockId)}?`, text: ["They share no new keys from now on. The keys that they shared stay, among the grants."], verb: "Remove role" }))) return;
    await save(doors, list.status, () => session.call("LockRoles.RemoveRole", which(role)), { saved: "Removed" });
    await list.load();
  }

  return list.element;
}

/** @param {import("../frame.js").Context} context @param {string} lockId */
async function addRole({ session, doors }, lockId) {
  await doors.persons.there();
  const person = phoneField(doors, lockId, "Person");
  const userName = new Field({ label: "Name at this lock (optional)", check: textProblem, attributes: { autocapitalize: "words" } });
  const canShare = tick("May share", "it gives no access by itself");
  canShare.value = true;
  await openDialog({
    title: "Add role", verb: "Add role", body: h("div", { class: "stack" }, person.element, userName.element, canShare.element),
    isDirty: () => person.value !== "" || userName.value !== "",
    submit: async (status) => {
      if (!checkAll(person, userName)) return false;
      const params = { lockHolderId: doors.locks.get(lockId)?.ownerId, lockId, userId: person.key, canShare: canShare.value, ...(userName.value.trim() && { userName: userName.value.trim() }) };
      const reply = await send(session, status, () => session.call("LockRoles.SetRole", params), { fields: { userId: person, userName } });
      if (reply) say("The role was added.");
      return reply !== null;
    },
  });
}

/** @param {import("../frame.js").Context} context @param {any} role */
async function shareKey({ session, doors }, role) {
  await doors.persons.there();
  const person = phoneField(doors, role.lockId, "For whom");
  const name = new Field({ label: "Name (optional)", hint: "What the key is called.", check: textProblem, attributes: { autocapitalize: "words" } });
  const { validFrom: start, validBefore: end, schedule } = grantFields({ single: true });
  await openDialog({
    title: `Share a key of ${sharerName(doors, role)}`, verb: "Share key",
    body: h("div", { class: "stack" }, person.element, name.element, h("div", { class: "pair" }, start.element, end.element), schedule.element),
    isDirty: () => [person, name, start, end].some(({ value }) => value !== "") || schedule.value !== null,
    submit: async (status) => {
      if (!checkAll(person, name, start, end, /** @type {any} */ (schedule))) return false;
      const params = {
        lockId: role.lockId, userId: role.userId, toUserId: person.key, ...(name.value.trim() && { name: name.value.trim() }),
        ...(start.value && { start: fromField(start.value) }), ...(end.value && { end: fromField(end.value) }), ...(schedule.value && { recurrence: recurrenceOf(schedule.value) }),
      };
      const reply = await send(session, status, () => session.call("LockRoles.ShareKey", params), { fields: { toUserId: person, name, start, end, recurrence: /** @type {any} */ (schedule) } });
      if (reply) say("The key was shared.");
      return reply !== null;
    },
  });
}

/** A window of a week as the API takes it: a period for each day. @param {any} schedule */
function recurrenceOf({ weekly: [{ weekdays, from, until }] }) {
  const [startHour, startMinute, endHour, endMinute] = [from, until].flatMap((time) => time.split(":").map(Number));
  return Object.fromEntries(weekdays.map((/** @type {string} */ day) => [day, { startHour, startMinute, endHour, endMinute }]));
}

/** The other way round: days of the same times are one window. @param {any} recurrence */
function scheduleOf(recurrence) {
  if (!recurrence) return null;
  const two = (/** @type {number} */ number) => String(number).padStart(2, "0");
  /** @type {Map<string, any>} */
  const windows = new Map();
  for (const [day, { startHour, startMinute, endHour, endMinute }] of Object.entries(recurrence)) {
    const [from, until] = [`${two(startHour)}:${two(startMinute)}`, `${two(endHour)}:${two(endMinute)}`];
    const window = windows.get(from + until) ?? { weekdays: [], from, until };
    window.weekdays.push(day);
    windows.set(from + until, window);
  }
  return { weekly: [...windows.values()] };
}

/** The keys that were shared at a lock, by those for whom one may ask. @param {import("../frame.js").Context} context @param {string} lockId @param {AbortSignal} signal */
export function sharedKeysCard(context, lockId, signal) {
  const { session, doors } = context;
  const nameOfKey = (/** @type {any} */ key) => key.name || `Key of ${nameOf(doors, lockId, key.userId)}`;
  const list = listCard(context, {
    title: "Shared keys", what: "the shared keys", empty: session.isAdministrator ? "No key was shared." : "You have shared no key.", heard: "LockRoles.", beside: [doors.persons],
    read: async () => {
      const sharers = (await rolesAt(context, lockId)).filter((role) => mayActFor(context, role));
      const found = await Promise.all(sharers.map(async (sharer) =>
        (await session.ask("LockRoles.GetSharedKeys", { lockId, userId: sharer.userId })).keys.map((/** @type {any} */ key) => ({ ...key, sharer }))));
      return found.flat().sort((a, b) => Number(a.state === "revoked") - Number(b.state === "revoked") || (a.created < b.created ? 1 : -1));
    },
    key: (key) => key.id, name: nameOfKey,
    show: (key) => [
      h("div", { class: "row spread" }, h("span", { class: "name" }, nameOfKey(key)), grantState(key.state)),
      h("p", { class: "small" }, key.name ? `For ${nameOf(doors, lockId, key.userId)}, shared` : "Shared", ` by ${sharerName(doors, key.sharer)}`),
      h("p", { class: "muted small" }, `${validityWords({ validFrom: key.start, validBefore: key.end })} · ${scheduleWords(scheduleOf(key.recurrence))}`),
      ["revoking", "revoked"].includes(key.state) ? null : h("div", { class: "row" }, rowButton("revoke", "Revoke", nameOfKey(key), () => revoke(key), true)),
    ],
  }, signal);

  async function revoke(/** @type {any} */ key) {
    const question = { title: `Revoke ${nameOfKey(key)}?`, text: ["Nobody is let in by it from now on. A lock that has not heard of that yet may still open. This can't be undone."], verb: "Revoke key" };
    if (!(await confirmDialog(question))) return;
    await save(doors, list.status, () => session.call("LockRoles.RevokeSharedKeys", { lockId, userId: key.sharer.userId, ids: [key.id] }), { saved: "Revoked" });
    await list.load();
  }

  return list.element;
}
