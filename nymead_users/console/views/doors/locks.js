/** Locks: which there are, and whether they know what the server has decided. */

import { say } from "../../ui/announce.js";
import { detailsForm, tick } from "../../ui/details.js";
import { openDialog } from "../../ui/dialog.js";
import { fill, h, icon, sender } from "../../ui/dom.js";
import { checkAll, Field, textProblem } from "../../ui/form.js";
import { save, send } from "../../ui/saving.js";
import { here } from "../../zone.js";
import { listView } from "../list.js";
import { card } from "../user.js";
import { accessCard, sideOfLock } from "./access.js";
import { authsCard } from "./auths.js";
import { evaluateCard } from "./evaluate.js";
import { grantsCard } from "./grants-of.js";
import { ownerField } from "./owners.js";
import { removeCard, thingPanel } from "./panel.js";
import { rolesCard, sharedKeysCard } from "./roles.js";
import { weekCard } from "./week.js";
import { counted, state, syncState } from "./words.js";

/** @param {import("../frame.js").Context} context @param {HTMLElement} tabs @param {string | null} chosen @returns {import("../frame.js").View} */
export function locksView(context, tabs, chosen) {
  const { session, doors } = context;
  doors.owners.want();
  const view = listView({
    title: "Locks", path: ["doors", "locks"], source: doors.locks, top: tabs, chosen,
    words: { one: "lock", many: "locks", all: "All locks", chosen: "Chosen lock", choose: "Choose a lock to see who may open it, and when." },
    text: (lock) => `${lock.title}\n${lock.description}\n${lock.systemId}\n${lock.id}`,
    compare: (a, b) => a.title.localeCompare(b.title),
    nameOf: (lock) => lock.title,
    filters: [{
      name: "sync", label: "State", choices: () => [["", "All"], ["step", "In step"], ["waiting", "Waiting"], ["failed", "Failed"]],
      test: (lock, wanted) => (lock.failed ? "failed" : lock.pendingSyncCount ? "waiting" : "step") === wanted,
    }],
    add: session.may("Access.AddLock") ? sender({ class: "primary", onclick: () => addLock(context) }, icon("add"), "Add lock") : null,
    remark: (locks) => (locks.size ? "" : session.may("Access.AddLock") ? "No lock yet." : "None of your things is a lock."),
    row: (lock) => [h("span", { class: "name" }, lock.title), lock.description ? h("span", { class: "login" }, lock.description) : null, h("span", { class: "may" }, syncState(lock))],
    panel: (id, signal, removed) => lockPanel(context, id, signal, removed),
  });
  return { ...view, update: ({ id }) => view.choose(id) };
}

/** The fields of a lock. @param {string} [timeZone] */
function lockFields(timeZone = here()) {
  const zones = /** @type {any} */ (Intl).supportedValuesOf?.("timeZone") ?? [];
  const listId = "time-zones";
  const zone = new Field({ label: "Time zone", value: timeZone, hint: "By its name, such as Europe/Vienna: schedules are in it.", check: (value) => (value.trim() ? "" : "Enter a time zone."), attributes: { list: listId } });
  zone.element.append(h("datalist", { id: listId }, zones.map((/** @type {string} */ name) => h("option", { value: name }))));
  return {
    title: new Field({ label: "Title", check: (value) => (value.trim() ? textProblem(value) : "Enter a title."), attributes: { autocapitalize: "words" } }),
    description: new Field({ label: "Description (optional)", check: textProblem }),
    timeZone: zone,
    systemId: new Field({ label: "System (optional)", hint: "Which system it is a part of.", check: textProblem }),
    protocolVersion: new Field({ label: "Protocol version", value: "1", hint: "0 knows no groups.", attributes: { inputmode: "numeric" }, check: (value) => (/^\d{1,9}$/.test(value.trim()) ? "" : "Enter a whole number.") }),
    virtual: tick("Virtual", "it is no real one, and is synchronised here"),
    bridge: new Field({ label: "Bridge (optional)", hint: "The user who speaks for it: its name.", check: textProblem, attributes: { autocapitalize: "none", spellcheck: "false" } }),
  };
}

/** As the API takes them. @param {Record<string, any>} params */
const lockParams = ({ protocolVersion, bridge, ...rest }) => ({
  ...rest, ...(protocolVersion !== undefined && { protocolVersion: Number(protocolVersion) }), ...(bridge !== undefined && { bridge: bridge.trim() || null }),
});

/** @param {import("../frame.js").Context} context */
function addLock({ session, doors }) {
  const fields = lockFields();
  fields.virtual.value = true;
  const lockId = new Field({ label: "Id of its thing (optional)", hint: "A uuid; left empty: a new one." });
  const owner = ownerField(doors);
  const texts = [fields.title, fields.description, fields.timeZone, fields.bridge, fields.systemId, fields.protocolVersion, lockId];
  const before = texts.map(({ value }) => value).join("\n");
  return openDialog({
    title: "Add lock", verb: "Add lock",
    body: h("div", { class: "stack" }, owner?.element, fields.title.element, fields.description.element, fields.timeZone.element, fields.virtual.element, fields.bridge.element,
      h("details", {}, h("summary", {}, "More"), h("div", { class: "stack" }, fields.systemId.element, fields.protocolVersion.element, lockId.element))),
    isDirty: () => texts.map(({ value }) => value).join("\n") !== before,
    submit: async (status) => {
      if (!checkAll(fields.title, fields.description, fields.timeZone, fields.systemId, fields.protocolVersion)) return false;
      const params = lockParams({
        title: fields.title.value.trim(), description: fields.description.value.trim(), timeZone: fields.timeZone.value.trim(), systemId: fields.systemId.value.trim(),
        protocolVersion: fields.protocolVersion.value.trim(), virtual: fields.virtual.value,
        ...(fields.bridge.value.trim() && { bridge: fields.bridge.value }),
        ...(lockId.value.trim() && { lockId: lockId.value.trim() }), ...(owner && { ownerId: owner.value }),
      });
      const reply = await send(session, status, () => session.call("Access.AddLock", params), { fields: { title: fields.title, description: fields.description, timeZone: fields.timeZone, bridge: fields.bridge, systemId: fields.systemId, lockId } });
      if (reply) say(`${params.title} was added.`);
      return reply !== null;
    },
  });
}

/** @param {import("../frame.js").Context} context @param {string} id @param {AbortSignal} signal @param {() => void} removed */
function lockPanel(context, id, signal, removed) {
  const { session, doors } = context;
  doors.persons.want();
  const remove = removeLockCard(context, id, removed);
  return thingPanel({
    collection: doors.locks, key: id, signal, what: "lock", name: (lock) => lock.title, isRemoving: remove.isRemoving,
    below: (lock) => h("p", {}, [lock.description, lock.timeZone].filter(Boolean).join(" · ")),
    build: () => {
      const side = sideOfLock(context, id);
      const sync = syncCard(context, id, signal);
      const details = session.may("Access.UpdateLock") ? detailsCard(context, id) : null;
      return {
        cards: [
          sync.element,
          accessCard(context, side, { title: "Who has access now", empty: "Nobody has a grant that reaches it." }, signal),
          weekCard(context, side, { who: "Who", empty: "Nobody may open it in this week.", zone: () => doors.locks.get(id)?.timeZone ?? "UTC" }, signal),
          evaluateCard(context, { lockId: id }, signal),
          grantsCard(context, { lockId: id }, signal),
          session.may("SmartlockAuths.GetSmartlockAuths") ? authsCard(context, id, signal) : null,
          session.may("LockRoles.GetLockRoles") ? rolesCard(context, { lockId: id }, signal) : null,
          session.may("LockRoles.GetSharedKeys") ? sharedKeysCard(context, id, signal) : null,
          details?.element,
          session.may("Access.RemoveLock") ? remove.element : null,
        ],
        arrived: () => {
          sync.arrived();
          details?.arrived();
        },
      };
    },
  });
}

/** @param {import("../frame.js").Context} context @param {string} id @param {AbortSignal} signal */
function syncCard({ session, doors }, id, signal) {
  const words = h("p");
  const waits = h("ul", { class: "links" });
  const status = h("span", { class: "status" });
  const go = sender({ onclick: synchronise }, icon("sync"), "Synchronise");
  const hint = h("p", { class: "muted small" });
  const element = card("Synchronisation", words, waits, hint, h("div", { class: "actions" }, go, status));
  const hidden = go.parentElement;

  async function synchronise() {
    await save(doors, status, () => session.call("Access.SyncLock", { lockId: id }), { saved: "Synchronised", verify: () => doors.locks.get(id)?.pendingSyncCount === 0 });
  }

  function arrived() {
    const lock = doors.locks.get(id);
    if (!lock) return;
    fill(words, syncState(lock));
    const offered = lock.virtual && session.may("Access.SyncLock");
    hint.textContent = lock.virtual ? "It is virtual: it hears of changes when it is synchronised here."
      : lock.bridge ? `Its bridge, ${lock.bridge}, tells it of changes.` : "It has no bridge: name the user who speaks for it in its details.";
    // Nobody loses the focus to a change elsewhere.
    if (hidden && !hidden.contains(document.activeElement)) hidden.hidden = !offered;
    if (lock.failed) tellWhy();
    else fill(waits);
  }

  async function tellWhy() {
    try {
      const { items = [] } = await session.call("Access.GetPendingSync", { lockId: id });
      if (signal.aborted) return;
      fill(waits, items.filter((/** @type {any} */ item) => item.error !== undefined).map((/** @type {any} */ item) =>
        h("li", {}, state("danger", `A ${item.entity}, tried ${counted(item.attempts, "time")}: ${item.error}`))));
    } catch {
      fill(waits);
    }
  }

  arrived();
  return { element, arrived };
}

/** @param {import("../frame.js").Context} context @param {string} id */
function detailsCard({ session, doors }, id) {
  const fields = lockFields();
  const form = detailsForm({
    store: doors, draftKey: `lock ${id}`,
    parts: Object.fromEntries(Object.entries(fields).map(([param, control]) => [param, { control, label: control instanceof Field ? control.label.textContent ?? param : "Virtual", words: (value) => (value === true ? "yes" : value === false ? "no" : value) }])),
    values: () => {
      const lock = doors.locks.get(id);
      return lock && { title: lock.title, description: lock.description, timeZone: lock.timeZone, systemId: lock.systemId, protocolVersion: String(lock.protocolVersion), virtual: lock.virtual, bridge: lock.bridge ?? "" };
    },
    call: (params) => session.call("Access.UpdateLock", { lockId: id, ...lockParams(params) }),
  });
  return { element: card("Details", form.element), arrived: form.arrived };
}

/** @param {import("../frame.js").Context} context @param {string} id @param {() => void} removed */
function removeLockCard({ session, doors }, id, removed) {
  const title = () => doors.locks.get(id)?.title ?? "This lock";
  let name = "";
  return removeCard({
    doors, label: "Remove lock", hint: "Removes the lock with its grants. It leaves its groups, and no user's things name it any more.",
    question: async () => {
      name = title();
      let effect = "Its grants go along.";
      try {
        const { grants = [] } = await session.call("Access.GetGrants", { lockId: id });
        effect = `${counted(grants.filter((/** @type {any} */ grant) => grant.lockId === id).length, "grant goes", "grants go")} along.`;
      } catch {
        // How many is good to know, but no reason to keep anything.
      }
      return { title: `Remove ${name}?`, text: [`${effect} It leaves its groups. This can't be undone.`] };
    },
    call: () => session.call("Access.RemoveLock", { lockId: id }),
    saved: () => `${name} was removed.`, isGone: () => doors.locks.get(id) === null, done: removed,
  });
}
