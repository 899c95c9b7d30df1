/** A form for what one thing is: only what was changed is sent, others' changes are patched in, and there is a way back. */

import { draft, setDraft } from "../drafts.js";
import { sentence } from "../words.js";
import { h, sender } from "./dom.js";
import { checkAll, checkbox } from "./form.js";
import { LiveField } from "./live.js";
import { save } from "./saving.js";

/**
 * @typedef {{element: HTMLElement, value: any, hasFocus: boolean, check?: () => boolean, fail?: (reason: string) => void, focus?: () => void, input?: HTMLElement}} Control
 * @typedef {{control: Control, label: string, same?: (a: any, b: any) => boolean, words?: (value: any) => string}} Part
 */

/** A check box as a control. @param {string} label @param {any} [hint] @returns {Control} */
export function tick(label, hint = null) {
  const { input, element } = checkbox(label, {}, hint && h("span", { class: "hint" }, " – ", hint));
  return {
    // The notice of a conflict goes behind it.
    element: h("div", {}, element),
    input,
    get value() { return input.checked; },
    set value(value) { input.checked = value; },
    get hasFocus() { return document.activeElement === input; },
  };
}

/**
 * @param {{store: import("./saving.js").Store, draftKey: string, parts: Record<string, Part>, values: () => Record<string, any> | null,
 *   call: (params: Record<string, any>) => Promise<any>}} options
 *   `values`: what the server has by now, null where the thing has gone
 */
export function detailsForm({ store, draftKey, parts, values, call }) {
  const status = h("span", { class: "status" });
  const controls = Object.values(parts).map(({ control }) => control);
  const form = h("form", { class: "stack", novalidate: true, onsubmit: submit }, controls.map(({ element }) => element),
    h("div", { class: "actions" }, sender({ type: "submit", class: "primary" }, "Save"), status));
  const base = values() ?? {};
  /** @type {Record<string, LiveField<any>>} */
  const fields = {};
  for (const [param, { control, label, same, words }] of Object.entries(parts)) {
    control.value = base[param];
    fields[param] = new LiveField({
      name: label, base: base[param], get: () => control.value, set: (value) => { control.value = value; }, same, words, element: control.element, hasFocus: () => control.hasFocus,
    });
  }
  const entries = Object.entries(fields);
  const kept = draft(draftKey);
  for (const [param, field] of entries) field.restore(kept?.[param]);
  const keepDraft = () => setDraft(draftKey, entries.some(([, field]) => field.edited) ? Object.fromEntries(entries.map(([param, field]) => [param, field.draft])) : null);
  form.addEventListener("input", keepDraft);
  form.addEventListener("change", keepDraft);

  /** @param {Event} event */
  async function submit(event) {
    event.preventDefault();
    if (!checkAll(...controls.filter(({ check }) => check).map((control) => /** @type {any} */ (control)))) return;
    const conflict = entries.find(([, field]) => field.conflicting);
    if (conflict) return conflict[1].focusConflict();
    const changed = entries.filter(([, field]) => field.edited);
    const before = Object.fromEntries(changed.map(([param, field]) => [param, field.base]));
    await send(Object.fromEntries(changed.map(([param, field]) => [param, field.get()])), () => send(before));
  }

  /** Send these params alone: what others changed elsewhere stays. @param {Record<string, any>} params @param {() => void} [undo] */
  async function send(params, undo) {
    const names = Object.keys(params);
    const same = (/** @type {string} */ param, /** @type {any} */ value) => fields[param].same(value, params[param]);
    for (const param of names) fields[param].sent = params[param];
    const failure = await save(store, status, () => call(params), {
      verify: () => { const now = values(); return now !== null && names.every((param) => same(param, now[param])); },
      undo, saved: undo ? "Saved" : "Undone",
      refused: (message) => {
        const [, param, reason] = /^(\w+)[^:]*: (.*)$/s.exec(message) ?? [];
        parts[param]?.control.fail?.(sentence(reason));
      },
    });
    for (const param of names) {
      const field = fields[param];
      field.sent = undefined;
      if (failure) continue;
      const typed = !same(param, field.get()) && undo ? { value: field.get(), shown: params[param] } : null;
      // The server may have written it in another way.
      const now = values()?.[param] ?? params[param];
      if (!typed) field.set(now);
      field.stored(now);
      field.restore(typed);
    }
    keepDraft();
  }

  return {
    element: form,
    /** Others, or this form, have changed it. */
    arrived: () => {
      const now = values();
      if (now) for (const [param, field] of entries) field.arrived(now[param]);
    },
  };
}
