/** What a person shows at doors. A PIN is set and never shown, a code only on demand. */

import { say } from "../../ui/announce.js";
import { tick } from "../../ui/details.js";
import { confirmDialog, openDialog } from "../../ui/dialog.js";
import { h, icon, sender } from "../../ui/dom.js";
import { checkAll, secretField } from "../../ui/form.js";
import { save, send } from "../../ui/saving.js";
import { credentialFields } from "./evaluate.js";
import { listCard, rowButton, ShownCodes } from "./list-card.js";
import { counted, credentialWords, state } from "./words.js";

const PIN = { hint: "4 to 8 digits. It is never shown again.", pattern: /^\d{4,8}$/ };

/** @param {import("../frame.js").Context} context @param {string} personId @param {AbortSignal} signal */
export function credentialsCard(context, personId, signal) {
  const { session, doors } = context;
  const writes = session.may("Access.UpdateCredential");
  const codes = new ShownCodes(() => list.redraw());
  const list = listCard(context, {
    title: "Credentials", what: "the credentials", empty: "No credential yet.", heard: "Access.Credential",
    read: async () => (await session.ask("Access.GetCredentials", { personId })).credentials,
    key: (credential) => credential.id, name: credentialWords,
    show: (credential) => {
      const locked = credential.lockedUntil && Date.parse(credential.lockedUntil) > Date.now();
      const isCode = credential.type === "code";
      const name = credentialWords(credential);
      return [
        h("div", { class: "row spread" }, h("span", { class: "name" }, isCode && codes.has(credential.id) ? `Code ${credential.value}` : name), credential.enabled ? state("ok", "Enabled") : state("warn", "Disabled")),
        h("p", { class: "row small muted" }, credential.hasPin ? "With a PIN" : "Without a PIN", locked ? state("danger", `Locked out until ${new Date(credential.lockedUntil).toLocaleTimeString(undefined, { timeStyle: "medium" })}`) : null),
        h("div", { class: "row" },
          isCode ? codes.button(credential.id, name) : null,
          writes ? [
            rowButton("enable", credential.enabled ? "Disable" : "Enable", name, () => enable(credential)),
            rowButton("pin", credential.hasPin ? "New PIN" : "Set PIN", name, () => newPin(session, credential)),
            rowButton("remove", "Remove", name, () => remove(credential), true),
          ] : null),
      ];
    },
    actions: session.may("Access.AddCredential") ? [sender({ onclick: () => addCredential(context, personId) }, icon("add"), "Add credential")] : [],
  }, signal);

  async function enable(/** @type {any} */ credential) {
    const enabled = !credential.enabled;
    if (!enabled && !(await confirmDialog({ title: `Disable ${credentialWords(credential)}?`, text: ["It opens nothing until it is enabled again."], verb: "Disable" }))) return;
    await save(doors, list.status, () => session.call("Access.UpdateCredential", { credentialId: credential.id, enabled }), { saved: enabled ? "Enabled" : "Disabled" });
    await list.load();
  }

  async function remove(/** @type {any} */ credential) {
    const { grants = [] } = await session.call("Access.GetGrants", { personId }).catch(() => ({}));
    const count = grants.filter((/** @type {any} */ grant) => grant.credentialId === credential.id).length;
    if (!(await confirmDialog({ title: `Remove ${credentialWords(credential)}?`, text: [`It opens nothing any more${count ? `, and ${counted(count, "grant goes", "grants go")} along` : ""}. This can't be undone.`], verb: "Remove credential" }))) return;
    await save(doors, list.status, () => session.call("Access.RemoveCredential", { credentialId: credential.id }), { saved: "Removed" });
    await list.load();
  }

  return list.element;
}

/** @param {import("../frame.js").Context} context @param {string} personId */
function addCredential({ session }, personId) {
  const { type, value } = credentialFields("What it is");
  const pin = pinField("PIN (optional)", PIN, true);
  const enabled = tick("Enabled");
  enabled.value = true;
  return openDialog({
    title: "Add credential", verb: "Add credential",
    body: h("div", { class: "stack" }, type.element, value.element, pin.element, enabled.element),
    isDirty: () => value.value !== "" || pin.value !== "",
    submit: async (status) => {
      if (!checkAll(value, pin)) return false;
      const params = { type: type.value, value: value.value.trim(), personId, enabled: enabled.value, ...(pin.value && { pin: pin.value }) };
      const reply = await send(session, status, () => session.call("Access.AddCredential", params), {
        fields: { value, pin }, fieldOf: (error) => (error === "AccessErrorDuplicate" ? value : undefined),
      });
      if (reply) say("The credential was added.");
      return reply !== null;
    },
  });
}

/** @param {import("../../session.js").Session} session @param {any} credential */
const newPin = (session, credential) => pinDialog(session, {
  of: credentialWords(credential), ...PIN, removable: credential.hasPin, call: (pin) => session.call("Access.UpdateCredential", { credentialId: credential.id, pin }),
});

/** @param {string} label @param {{hint: string, pattern: RegExp}} rule @param {boolean} [optional] */
export const pinField = (label, { hint, pattern }, optional = false) => secretField({
  label, hint, check: (value) => ((optional && !value) || pattern.test(value) ? "" : hint.replace(/\..*$/, ".")),
});

/**
 * Set another PIN, or none.
 * @param {import("../../session.js").Session} session
 * @param {{of: string, hint: string, pattern: RegExp, removable?: boolean, call: (pin: string | null) => Promise<any>}} options
 */
export function pinDialog(session, { of, removable = true, call, ...rule }) {
  const pin = pinField("New PIN", rule);
  const none = tick("No PIN any more");
  none.element.hidden = !removable;
  none.input?.addEventListener("change", () => { pin.input.disabled = none.value; pin.reset(); });
  return openDialog({
    title: `PIN of ${of}`, verb: "Set PIN",
    body: h("div", { class: "stack" }, h("p", { class: "muted" }, "If wrong PINs have locked it out, that is over then."), pin.element, none.element),
    isDirty: () => pin.value !== "",
    submit: async (status) => {
      if (!none.value && !checkAll(pin)) return false;
      const reply = await send(session, status, () => call(none.value ? null : pin.value), { fields: { pin } });
      if (reply) say("The PIN was set.");
      return reply !== null;
    },
  });
}
