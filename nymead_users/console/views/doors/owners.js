/** Whose something new is: asked only where there are several sites. */

import { Field } from "../../ui/form.js";

/** @param {import("../../doors.js").Doors} doors */
export function ownerField(doors) {
  const owners = [...doors.owners.items.values()];
  if (owners.length < 2) return null;
  return new Field({ label: "Site", choices: owners.map(({ id, title }) => [id, title]), value: owners[0].id });
}
