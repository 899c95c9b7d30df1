/** The grants of a person, at a lock or for a group, inside its panel. */

import { hashOf } from "../../router.js";
import { h, icon, sender } from "../../ui/dom.js";
import { addGrant } from "./grant-form.js";
import { listCard } from "./list-card.js";
import { grantName, grantState, scheduleWords, subjectName, targetName } from "./words.js";

/** @param {import("../frame.js").Context} context @param {{personId?: string, lockId?: string, lockGroupId?: string}} of which of them @param {AbortSignal} signal */
export function grantsCard(context, of, signal) {
  const { session, doors } = context;
  return listCard(context, {
    title: "Grants", what: "the grants", empty: "No grant yet.", beside: [doors.persons, doors.locks, doors.groups, doors.credentials],
    read: async () => (await session.ask("Access.GetGrants", of)).grants.sort((/** @type {any} */ a, /** @type {any} */ b) => Number(Boolean(a.revoked)) - Number(Boolean(b.revoked)) || (a.created < b.created ? 1 : -1)),
    key: (grant) => grant.id, name: (grant) => grantName(doors, grant),
    show: (grant) => [
      h("div", { class: "row spread" },
        h("a", { href: hashOf("doors", "grants", grant.id), "data-part": "name" }, of.personId ? `${targetName(doors, grant)}${grant.lockGroupId ? " (group)" : ""}` : of.lockId && grant.lockGroupId ? grantName(doors, grant) : subjectName(doors, grant)),
        grantState(grant.state)),
      h("p", { class: "muted small" }, grant.name ? `${grant.name} · ` : "", scheduleWords(grant.schedule), grant.enabled ? "" : " · Disabled"),
    ],
    actions: session.may("Access.AddGrant") ? [sender({ onclick: () => addGrant(context, of) }, icon("add"), "New grant")] : [],
  }, signal).element;
}
