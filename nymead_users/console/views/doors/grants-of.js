/** The grants of a person, at a lock or for a group, inside its panel. */

import { hashOf } from "../../router.js";
import { fill, h, icon, sender } from "../../ui/dom.js";
import { Rows } from "../../ui/rows.js";
import { soon } from "../../ui/soon.js";
import { failedNote } from "../frame.js";
import { card } from "../user.js";
import { addGrant } from "./grant-form.js";
import { grantName, grantState, scheduleWords, subjectName, targetName } from "./words.js";

/** @param {import("../frame.js").Context} context @param {{personId?: string, lockId?: string, lockGroupId?: string}} of which of them @param {AbortSignal} signal */
export function grantsCard(context, of, signal) {
  const { session, doors } = context;
  for (const one of [doors.persons, doors.locks, doors.groups, doors.credentials]) one.want();
  const failure = h("div");
  const rows = new Rows({
    label: "Grants", empty: "No grant yet.", signal, key: (/** @type {any} */ grant) => grant.id, name: (grant) => grantName(doors, grant),
    show: (grant) => [
      h("div", { class: "row spread" },
        h("a", { href: hashOf("doors", "grants", grant.id), "data-part": "name" }, of.personId ? `${targetName(doors, grant)}${grant.lockGroupId ? " (group)" : ""}` : of.lockId && grant.lockGroupId ? grantName(doors, grant) : subjectName(doors, grant)),
        grantState(grant.state)),
      h("p", { class: "muted small" }, scheduleWords(grant.schedule), grant.enabled ? "" : " · Disabled"),
    ],
  });

  async function load() {
    try {
      const { grants = [] } = await session.call("Access.GetGrants", of);
      if (signal.aborted) return;
      fill(failure);
      rows.update(grants.sort((/** @type {any} */ a, /** @type {any} */ b) => Number(Boolean(a.revoked)) - Number(Boolean(b.revoked)) || (a.created < b.created ? 1 : -1)));
    } catch (error) {
      if (!signal.aborted && session.connection.state === "online") fill(failure, failedNote("the grants", error, load));
    }
  }

  const again = soon(200, () => { if (!signal.aborted) load(); });
  doors.onChange(again, signal);
  for (const one of [doors.persons, doors.locks, doors.groups, doors.credentials]) one.addEventListener("loaded", again, { signal });
  load();
  return card("Grants", failure, rows.element, session.may("Access.AddGrant") ? h("div", { class: "actions" }, sender({ onclick: () => addGrant(context, of) }, icon("add"), "New grant")) : null);
}
