/** Grants: who may open what, and how far that is on its way to the locks. */

import { hashOf } from "../../router.js";
import { fromField, toField } from "../../zone.js";
import { detailsForm } from "../../ui/details.js";
import { confirmDialog } from "../../ui/dialog.js";
import { fill, h, icon, sender } from "../../ui/dom.js";
import { save } from "../../ui/saving.js";
import { soon } from "../../ui/soon.js";
import { listView } from "../list.js";
import { card } from "../user.js";
import { addGrant, grantFields } from "./grant-form.js";
import { thingPanel } from "./panel.js";
import { sameSchedule } from "./schedule.js";
import { GRANT_FILTER, grantName, grantState, grantStateMeaning, scheduleWords, state, subjectName, targetName, validityWords } from "./words.js";

/** @param {import("../frame.js").Context} context @param {HTMLElement} tabs @param {string | null} chosen @returns {import("../frame.js").View} */
export function grantsView(context, tabs, chosen) {
  const { session, doors } = context;
  const titles = (/** @type {import("../../collection.js").Collection<any>} */ things) => () =>
    /** @type {[string, string][]} */ ([["", "All"], ...[...things.items.values()].sort((a, b) => a.title.localeCompare(b.title)).map(({ id, title }) => [id, title])]);
  /** The grants that reach the chosen lock, by its groups too. @type {Set<string> | null} */
  let reaching = null;
  let reached = "";
  async function reach(/** @type {string} */ lockId) {
    if (lockId !== reached) reaching = null;
    reached = lockId;
    if (!lockId) return;
    const { grants = [] } = await session.call("Access.GetGrants", { lockId }).catch(() => ({}));
    if (reached !== lockId) return;
    reaching = new Set(grants.map((/** @type {any} */ { id }) => id));
    view.refresh();
  }
  const view = listView({
    title: "Grants", path: ["doors", "grants"], source: doors.grants, needs: [doors.persons, doors.locks, doors.groups, doors.credentials],
    beside: [doors.persons, doors.locks, doors.groups, doors.credentials], top: tabs, chosen,
    words: { one: "grant", many: "grants", all: "All grants", chosen: "Chosen grant", choose: "Choose a grant to see when it holds, and how far it is." },
    text: (grant) => `${grantName(doors, grant)}\n${grant.name ?? ""}\n${grant.issuer}`,
    // The newest first.
    compare: (a, b) => (a.created < b.created ? 1 : a.created > b.created ? -1 : a.id < b.id ? -1 : 1),
    nameOf: (grant) => grantName(doors, grant),
    filters: [
      { name: "state", label: "State", choices: () => GRANT_FILTER, test: (grant, wanted) => grant.state === wanted },
      { name: "lock", label: "Lock", choices: titles(doors.locks), chosen: reach, test: (grant, lockId) => grant.lockId === lockId || (reaching?.has(grant.id) ?? false) },
      { name: "group", label: "Group", choices: titles(doors.groups), test: (grant, groupId) => grant.lockGroupId === groupId },
    ],
    add: session.may("Access.AddGrant") ? sender({ class: "primary", onclick: () => addGrant(context) }, icon("add"), "New grant") : null,
    remark: (grants) => (grants.size ? "" : "No grant yet."),
    row: (grant) => grantRow(context, grant),
    panel: (id, signal) => grantPanel(context, id, signal),
  });
  doors.onChange(soon(300, () => { if (reached) reach(reached); }), view.life.signal);
  return { ...view, update: ({ id }) => view.choose(id) };
}

/** @param {import("../frame.js").Context} context @param {any} grant */
function grantRow({ doors }, grant) {
  return [
    h("span", { class: "name" }, subjectName(doors, grant)),
    h("span", { class: "login" }, targetName(doors, grant), grant.lockGroupId ? " (group)" : "", ` · ${scheduleWords(grant.schedule)}`, grant.name ? ` · ${grant.name}` : ""),
    h("span", { class: "may" }, grantState(grant.state), grant.enabled ? null : [" · ", state("warn", "Disabled")]),
  ];
}

/** @param {import("../frame.js").Context} context @param {string} id @param {AbortSignal} signal */
function grantPanel(context, id, signal) {
  const { session, doors } = context;
  return thingPanel({
    collection: doors.grants, key: id, signal, what: "grant", name: (grant) => grantName(doors, grant),
    below: (grant) => h("p", {}, `Made ${new Date(grant.created).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" })}${grant.issuer ? ` by ${grant.issuer}` : ""}`),
    build: (grant) => {
      const facts = h("div", { class: "stack tight" });
      const over = () => Boolean(doors.grants.get(id)?.revoked);
      const showFacts = (/** @type {any} */ now) => fill(facts,
        h("p", {}, grantState(now.state)), h("p", { class: "muted small" }, grantStateMeaning(now.state)),
        h("dl", { class: "facts" }, [
          ["Who", h("a", { href: now.personId ? hashOf("doors", "persons", now.personId) : personOf(doors, now) }, subjectName(doors, now))],
          ["What", h("a", { href: now.lockId ? hashOf("doors", "locks", now.lockId) : hashOf("doors", "groups", now.lockGroupId) }, targetName(doors, now))],
          ["Valid", validityWords(now)], ["When", scheduleWords(now.schedule)],
          ["From afar", now.remoteAllowed ? "Yes" : "No"], ["Enabled", now.enabled ? "Yes" : "No"],
        ].map(([term, value]) => h("div", {}, h("dt", {}, term), h("dd", {}, value)))));
      showFacts(grant);
      const details = session.may("Access.UpdateGrant") && !over() ? detailsCard(context, id) : null;
      const revoke = session.may("Access.RevokeGrant") && !over() ? revokeCard(context, id) : null;
      return {
        cards: [card("State", facts), details?.element, revoke],
        arrived: (now) => {
          showFacts(now);
          details?.arrived();
          // What was revoked stays as it is.
          for (const part of [details?.element, revoke]) if (part && over() && !part.contains(document.activeElement)) part.hidden = true;
        },
      };
    },
  });
}

/** @param {import("../../doors.js").Doors} doors @param {any} grant */
function personOf(doors, grant) {
  const personId = doors.credentials.get(grant.credentialId)?.personId;
  return personId ? hashOf("doors", "persons", personId) : hashOf("doors", "persons");
}

/** @param {import("../frame.js").Context} context @param {string} id */
function detailsCard({ session, doors }, id) {
  const fields = grantFields();
  const yes = (/** @type {boolean} */ value) => (value ? "yes" : "no");
  const form = detailsForm({
    store: doors, draftKey: `grant ${id}`,
    parts: {
      validFrom: { control: fields.validFrom, label: "Valid from" },
      validBefore: { control: fields.validBefore, label: "Valid until" },
      schedule: { control: fields.schedule, label: "When", same: sameSchedule, words: scheduleWords },
      enabled: { control: fields.enabled, label: "Enabled", words: yes },
      remoteAllowed: { control: fields.remoteAllowed, label: "From afar", words: yes },
    },
    values: () => {
      const grant = doors.grants.get(id);
      return grant && { validFrom: toField(grant.validFrom), validBefore: toField(grant.validBefore), schedule: grant.schedule ?? null, enabled: grant.enabled, remoteAllowed: grant.remoteAllowed };
    },
    call: ({ validFrom, validBefore, ...params }) => session.call("Access.UpdateGrant", {
      grantId: id, ...params,
      ...(validFrom !== undefined && { validFrom: fromField(validFrom) }), ...(validBefore !== undefined && { validBefore: fromField(validBefore) }),
    }),
  });
  return { element: card("Details", form.element), arrived: form.arrived };
}

/** @param {import("../frame.js").Context} context @param {string} id */
function revokeCard({ session, doors }, id) {
  const status = h("span", { class: "status" });
  async function revoke() {
    const grant = doors.grants.get(id);
    if (!grant) return;
    const sure = await confirmDialog({
      title: `Revoke the grant of ${subjectName(doors, grant)} for ${targetName(doors, grant)}?`, verb: "Revoke grant",
      text: ["Nobody is let in by it from now on. A lock that has not heard of that yet may still open. This can't be undone."],
    });
    if (sure) await save(doors, status, () => session.call("Access.RevokeGrant", { grantId: id }), { saved: "Revoked", verify: () => Boolean(doors.grants.get(id)?.revoked) });
  }
  return card("Revoke", h("p", { class: "muted" }, "Takes the grant back. It stays in the list."), h("div", { class: "actions" }, sender({ class: "destructive", onclick: revoke }, "Revoke grant"), status));
}
