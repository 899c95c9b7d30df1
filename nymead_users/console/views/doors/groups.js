/** Groups: locks that are granted together, and how far each is on its way in and out. */

import { say } from "../../ui/announce.js";
import { detailsForm } from "../../ui/details.js";
import { confirmDialog, openDialog } from "../../ui/dialog.js";
import { h, icon, sender } from "../../ui/dom.js";
import { checkAll, checkbox, Field, textProblem } from "../../ui/form.js";
import { PickField } from "../../ui/pick.js";
import { save, send } from "../../ui/saving.js";
import { listView } from "../list.js";
import { card } from "../user.js";
import { grantsCard } from "./grants-of.js";
import { listCard } from "./list-card.js";
import { ownerField } from "./owners.js";
import { thingPanel } from "./panel.js";
import { state, statisticsWords } from "./words.js";

/** @param {import("../frame.js").Context} context @param {HTMLElement} tabs @param {string | null} chosen @returns {import("../frame.js").View} */
export function groupsView(context, tabs, chosen) {
  const { session, doors } = context;
  doors.owners.want();
  doors.locks.want();
  const view = listView({
    title: "Groups", path: ["doors", "groups"], source: doors.groups, top: tabs, chosen,
    words: { one: "group", many: "groups", all: "All groups", chosen: "Chosen group", choose: "Choose a group to see its locks and grants." },
    text: (group) => `${group.title}\n${group.description}`,
    compare: (a, b) => a.title.localeCompare(b.title),
    nameOf: (group) => group.title,
    add: session.may("LockGroups.CreateLockGroup") ? sender({ class: "primary", onclick: () => addGroup(context) }, icon("add"), "Add group") : null,
    remark: (groups) => (groups.size ? "" : "No group yet."),
    row: (group) => [h("span", { class: "name" }, group.title), group.description ? h("span", { class: "login" }, group.description) : null, h("span", { class: "may" }, statisticsWords(group.statistics))],
    panel: (id, signal, removed) => groupPanel(context, id, signal, removed),
  });
  return { ...view, update: ({ id }) => view.choose(id) };
}

const groupFields = () => ({
  title: new Field({ label: "Title", check: (value) => (value.trim() ? textProblem(value) : "Enter a title."), attributes: { autocapitalize: "words" } }),
  description: new Field({ label: "Description (optional)", check: textProblem }),
});

/** @param {import("../frame.js").Context} context */
async function addGroup({ session, doors }) {
  await doors.owners.there();
  const { title, description } = groupFields();
  const owner = ownerField(doors);
  return openDialog({
    title: "Add group", verb: "Add group", body: h("div", { class: "stack" }, owner?.element, title.element, description.element),
    isDirty: () => title.value !== "" || description.value !== "",
    submit: async (status) => {
      if (!checkAll(title, description)) return false;
      const ownerAccountId = owner?.value ?? doors.onlyOwner?.id;
      const reply = await send(session, status, () => session.call("LockGroups.CreateLockGroup", { ownerAccountId, title: title.value.trim(), description: description.value.trim() }), {
        fieldOf: (error) => (error === "LockGroupErrorTitleMissing" ? title : undefined),
      });
      if (reply) say(`${title.value.trim()} was added.`);
      return reply !== null;
    },
  });
}

/** @param {import("../frame.js").Context} context @param {string} id @param {AbortSignal} signal @param {() => void} removed */
function groupPanel(context, id, signal, removed) {
  const { session, doors } = context;
  const remove = removeGroupCard(context, id, removed);
  return thingPanel({
    collection: doors.groups, key: id, signal, what: "group", name: (group) => group.title, isRemoving: remove.isRemoving,
    below: (group) => h("p", {}, [group.description, statisticsWords(group.statistics)].filter(Boolean).join(" · ")),
    build: (group) => {
      const details = session.may("LockGroups.UpdateLockGroup") ? detailsCard(context, id) : null;
      return {
        cards: [membersCard(context, group, signal), grantsCard(context, { lockGroupId: id }, signal), details?.element, session.may("LockGroups.RemoveLockGroup") ? remove.element : null],
        arrived: () => details?.arrived(),
      };
    },
  });
}

const LIFE = /** @type {[string, string][]} */ ([["joinStartDate", "Added"], ["joinCompletedDate", "Joined"], ["leaveStartDate", "Removed"], ["leaveCompletedDate", "Left"]]);

/** Where a membership is. @param {any} membership */
function memberState(membership) {
  if (membership.leaveCompletedDate) return state("", "Left");
  if (membership.leaveStartDate) return state("wait", "Leaving – a member until the lock has heard");
  return membership.joinCompletedDate ? state("ok", "Joined") : state("wait", "Joining – once the lock has heard");
}

/** A membership's four dates as a line. @param {any} membership */
const lifeLine = (membership) => h("ol", { class: "life" }, LIFE.map(([name, word]) => {
  const iso = membership[name];
  return h("li", { class: iso ? "done" : "" }, h("span", { class: "what" }, word),
    h("span", { class: "small muted" }, iso ? new Date(iso).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" }) : "not yet"));
}));

/** @param {import("../frame.js").Context} context @param {any} group @param {AbortSignal} signal */
function membersCard(context, group, signal) {
  const { session, doors } = context;
  const ownerAccountId = group.ownerId ?? doors.onlyOwner?.id;
  const writes = session.may("LockGroups.RemoveMembership");
  const lockOf = (/** @type {any} */ membership) => membership.boundLock?.title ?? doors.lockName(membership.boundLockId);
  const list = listCard(context, {
    title: "Locks", what: "the members", empty: "No lock yet.", heard: "LockGroups.",
    // Who has left comes last.
    read: async () => (await session.ask("LockGroups.GetMemberships", { ownerAccountId, lockGroupId: group.id, expand: "boundLock" })).memberships.sort(
      (/** @type {any} */ a, /** @type {any} */ b) => Number(Boolean(a.leaveCompletedDate)) - Number(Boolean(b.leaveCompletedDate)) || lockOf(a).localeCompare(lockOf(b)) || (a.joinStartDate < b.joinStartDate ? 1 : -1)),
    key: (membership) => membership.id, name: lockOf,
    show: (membership) => [
      h("div", { class: "row spread" }, h("span", { class: "name" }, lockOf(membership)), memberState(membership)),
      lifeLine(membership),
      writes && !membership.leaveStartDate ? h("div", {}, sender({ class: "plain destructive", "data-part": "remove", "aria-label": `Remove ${lockOf(membership)} from the group`, onclick: () => leave(membership) }, "Remove from the group")) : null,
    ],
    actions: session.may("LockGroups.AddMembership") ? [sender({ onclick: add }, icon("add"), "Add a lock")] : [],
  }, signal);

  async function add() {
    await doors.locks.there();
    const inside = new Set(list.items.filter(({ leaveCompletedDate }) => !leaveCompletedDate).map(({ boundLockId }) => boundLockId));
    const lock = new PickField({ label: "Lock", what: "lock", items: () => [...doors.locks.items.values()].filter(({ id }) => !inside.has(id)).map((item) => [item.id, item.title]) });
    await openDialog({
      title: `Add a lock to ${doors.groups.get(group.id)?.title ?? group.title}`, verb: "Add to group",
      body: h("div", { class: "stack" }, lock.element, h("p", { class: "muted" }, "It is a member once it has heard of it.")),
      isDirty: () => lock.value !== "",
      submit: async (line) => {
        if (!checkAll(lock)) return false;
        const reply = await send(session, line, () => session.call("LockGroups.AddMembership", { ownerAccountId, lockGroupId: group.id, boundLockId: lock.key }), {
          fieldOf: (error) => (/AlreadyMember|ProtocolVersionTooOld|TooManyGroups|LockNotFound/.test(error) ? lock : undefined),
        });
        if (reply) say(`${lock.value} was added to the group.`);
        return reply !== null;
      },
    });
  }

  async function leave(/** @type {any} */ membership) {
    if (!(await confirmDialog({ title: `Remove ${lockOf(membership)} from ${doors.groups.get(group.id)?.title ?? group.title}?`, text: ["Grants for the group no longer open it once it has heard of that."], verb: "Remove from the group" }))) return;
    await save(doors, list.status, () => session.call("LockGroups.RemoveMembership", { ownerAccountId, lockGroupId: group.id, id: membership.id }), { saved: "Removed" });
  }

  return list.element;
}

/** @param {import("../frame.js").Context} context @param {string} id */
function detailsCard({ session, doors }, id) {
  const { title, description } = groupFields();
  const form = detailsForm({
    store: doors, draftKey: `group ${id}`,
    parts: { title: { control: title, label: "Title" }, description: { control: description, label: "Description" } },
    values: () => {
      const group = doors.groups.get(id);
      return group && { title: group.title, description: group.description };
    },
    call: (params) => session.call("LockGroups.UpdateLockGroup", { ownerAccountId: doors.groups.get(id)?.ownerId ?? doors.onlyOwner?.id, id, ...params }),
  });
  return { element: card("Details", form.element), arrived: form.arrived };
}

/** @param {import("../frame.js").Context} context @param {string} id @param {() => void} removed */
function removeGroupCard({ session, doors }, id, removed) {
  let removing = false;
  const element = card("Remove", h("p", { class: "muted" }, "Removes the group from all lists. Grants for it open nothing any more."), h("div", { class: "actions" }, sender({ class: "destructive", onclick: remove }, "Remove group")));

  async function remove() {
    const group = doors.groups.get(id);
    if (!group) return;
    // What stands in the way is offered once the server has said so.
    const locks = checkbox("Have its locks leave", {}, h("span", { class: "hint" }, " – they are members until they have heard of it"));
    const grants = checkbox("Revoke its grants");
    const said = h("div");
    for (const { element: box } of [locks, grants]) box.hidden = true;
    removing = true;
    const done = await openDialog({
      title: `Remove ${group.title}?`, verb: "Remove group", destructive: true,
      body: h("div", { class: "stack" }, h("p", {}, "This can't be undone."), said, locks.element, grants.element),
      submit: async (status) => {
        const reply = await send(session, status, async () => {
          const answer = await session.call("LockGroups.RemoveLockGroup", {
            ownerAccountId: group.ownerId ?? doors.onlyOwner?.id, id, forceRevokeGrants: grants.input.checked, forceUnjoinLocks: locks.input.checked,
          });
          const box = { LockGroupErrorLocksAssigned: locks, LockGroupErrorActiveGrants: grants }[/** @type {string} */ (answer.error)];
          if (box) {
            box.element.hidden = false;
            box.input.focus();
          }
          return answer;
        });
        return reply !== null;
      },
    });
    removing = false;
    if (!done) return;
    say(`${group.title} was removed.`);
    removed();
  }

  return { element, isRemoving: () => removing };
}
