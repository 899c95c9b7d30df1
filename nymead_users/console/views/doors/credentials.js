/** What a person shows at doors. A PIN is set and never shown, a code only on demand. */

import { say } from "../../ui/announce.js";
import { tick } from "../../ui/details.js";
import { confirmDialog, openDialog } from "../../ui/dialog.js";
import { fill, h, icon, sender } from "../../ui/dom.js";
import { checkAll, secretField } from "../../ui/form.js";
import { Rows } from "../../ui/rows.js";
import { save, send } from "../../ui/saving.js";
import { soon } from "../../ui/soon.js";
import { failedNote } from "../frame.js";
import { card } from "../user.js";
import { credentialFields } from "./evaluate.js";
import { counted, credentialWords, state } from "./words.js";

const PIN_HINT = "4 to 8 digits. It is never shown again.";

const pinField = (/** @type {string} */ label, optional = false) => secretField({
  label, hint: PIN_HINT,
  check: (value) => ((optional && !value) || /^\d{4,8}$/.test(value) ? "" : "4 to 8 digits."),
});

/** @param {import("../frame.js").Context} context @param {string} personId @param {AbortSignal} signal */
export function credentialsCard(context, personId, signal) {
  const { session, doors } = context;
  const status = h("span", { class: "status" });
  const failure = h("div");
  /** Codes that are shown on demand. @type {Set<string>} */
  const open = new Set();
  const writes = session.may("Access.UpdateCredential");
  /** @type {any[]} */
  let found = [];
  const rows = new Rows({
    label: "Credentials", empty: "No credential yet.", signal, key: (/** @type {any} */ credential) => credential.id, name: credentialWords,
    show: (credential) => {
      const locked = credential.lockedUntil && Date.parse(credential.lockedUntil) > Date.now();
      const isCode = credential.type === "code";
      const words = isCode && open.has(credential.id) ? `Code ${credential.value}` : credentialWords(credential);
      const button = (/** @type {string} */ part, /** @type {string} */ label, /** @type {() => void} */ onclick, destructive = false) =>
        sender({ class: `plain${destructive ? " destructive" : ""}`, "data-part": part, "aria-label": `${label}: ${credentialWords(credential)}`, onclick }, label);
      return [
        h("div", { class: "row spread" }, h("span", { class: "name" }, words), credential.enabled ? state("ok", "Enabled") : state("warn", "Disabled")),
        h("p", { class: "row small muted" }, credential.hasPin ? "With a PIN" : "Without a PIN", locked ? state("danger", `Locked out until ${new Date(credential.lockedUntil).toLocaleTimeString(undefined, { timeStyle: "medium" })}`) : null),
        h("div", { class: "row" },
          isCode ? h("button", { type: "button", class: "plain", "data-part": "show", "aria-label": `${open.has(credential.id) ? "Hide code" : "Show code"}: ${credentialWords(credential)}`, onclick: () => {
            if (!open.delete(credential.id)) open.add(credential.id);
            rows.update(found);
          } }, open.has(credential.id) ? "Hide code" : "Show code") : null,
          writes ? [
            button("enable", credential.enabled ? "Disable" : "Enable", () => enable(credential)),
            button("pin", credential.hasPin ? "New PIN" : "Set PIN", () => newPin(context, credential)),
            button("remove", "Remove", () => remove(credential), true),
          ] : null),
      ];
    },
  });
  const add = session.may("Access.AddCredential") ? sender({ onclick: () => addCredential(context, personId) }, icon("add"), "Add credential") : null;

  async function load() {
    try {
      const { credentials = [] } = await session.call("Access.GetCredentials", { personId });
      if (signal.aborted) return;
      fill(failure);
      found = credentials;
      rows.update(found);
    } catch (error) {
      if (!signal.aborted && session.connection.state === "online") fill(failure, failedNote("the credentials", error, load));
    }
  }

  async function enable(/** @type {any} */ credential) {
    const enabled = !credential.enabled;
    if (!enabled && !(await confirmDialog({ title: `Disable ${credentialWords(credential)}?`, text: ["It opens nothing until it is enabled again."], verb: "Disable" }))) return;
    await save(doors, status, () => session.call("Access.UpdateCredential", { credentialId: credential.id, enabled }), { saved: enabled ? "Enabled" : "Disabled" });
    await load();
  }

  async function remove(/** @type {any} */ credential) {
    const { grants = [] } = await session.call("Access.GetGrants", { personId }).catch(() => ({}));
    const count = grants.filter((/** @type {any} */ grant) => grant.credentialId === credential.id).length;
    if (!(await confirmDialog({ title: `Remove ${credentialWords(credential)}?`, text: [`It opens nothing any more${count ? `, and ${counted(count, "grant goes", "grants go")} along` : ""}. This can't be undone.`], verb: "Remove credential" }))) return;
    await save(doors, status, () => session.call("Access.RemoveCredential", { credentialId: credential.id }), { saved: "Removed" });
    await load();
  }

  const again = soon(200, () => { if (!signal.aborted) load(); });
  doors.addEventListener("stirred", (event) => {
    if (/** @type {CustomEvent} */ (event).detail.method.startsWith("Access.Credential")) again();
  }, { signal });
  session.addEventListener("synced", again, { signal });
  load();
  return card("Credentials", failure, rows.element, h("div", { class: "actions" }, add, status));
}

/** @param {import("../frame.js").Context} context @param {string} personId */
function addCredential({ session }, personId) {
  const { type, value } = credentialFields("What it is");
  const pin = pinField("PIN (optional)", true);
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

/** @param {import("../frame.js").Context} context @param {any} credential */
function newPin({ session }, credential) {
  const pin = pinField("New PIN");
  const none = tick("No PIN any more");
  if (!credential.hasPin) none.element.hidden = true;
  none.input?.addEventListener("change", () => { pin.input.disabled = none.value; pin.reset(); });
  return openDialog({
    title: `PIN of ${credentialWords(credential)}`, verb: "Set PIN",
    body: h("div", { class: "stack" }, h("p", { class: "muted" }, "If wrong PINs have locked it out, that is over then."), pin.element, none.element),
    isDirty: () => pin.value !== "",
    submit: async (status) => {
      if (!none.value && !checkAll(pin)) return false;
      const reply = await send(session, status, () => session.call("Access.UpdateCredential", { credentialId: credential.id, pin: none.value ? null : pin.value }), { fields: { pin } });
      if (reply) say("The PIN was set.");
      return reply !== null;
    },
  });
}
