/** Fields that tell at themselves what is wrong: on leaving them first, then with each key. */

import { h, icon, uniqueId, fill } from "./dom.js";

let pressed = false;
addEventListener("pointerdown", () => { pressed = true; }, true);
for (const type of ["pointerup", "pointercancel"]) addEventListener(type, () => { pressed = false; }, true);

/** Run it when no pointer is down: a message that appears must not move a button away from under it. @param {() => void} work */
function afterPress(work) {
  if (pressed) addEventListener("pointerup", () => setTimeout(work), { once: true });
  else work();
}

/**
 * @typedef {object} FieldOptions
 * @property {string} label
 * @property {string} [name]
 * @property {string} [type]
 * @property {string} [value]
 * @property {string} [autocomplete]
 * @property {any} [hint]
 * @property {boolean} [multiline]
 * @property {[string, string][]} [choices] values and their labels, to choose one of
 * @property {Record<string, any>} [attributes]
 * @property {(value: string) => string} [check] what is wrong, "" for nothing
 */

export class Field {
  /** @param {FieldOptions} options */
  constructor({ label, name, type = "text", value = "", autocomplete = "off", hint = null, multiline = false, choices, attributes = {}, check = () => "" }) {
    const id = uniqueId();
    this.rule = check;
    this.checking = false;
    const described = { id, name: name ?? null, "aria-describedby": `${id}-hint ${id}-problem`, ...attributes };
    this.input = choices ? h("select", described) : h(multiline ? "textarea" : "input", {
      ...described, type: multiline ? null : type, autocomplete, value, autocapitalize: "none", spellcheck: "false", ...attributes,
    });
    if (choices) this.choose(choices, value);
    this.problem = h("p", { class: "problem", id: `${id}-problem` });
    this.label = h("label", { for: id }, label);
    this.hint = h("div", { class: "hint", id: `${id}-hint` }, hint);
    this.element = h("div", { class: "field" }, this.label, this.input, this.hint, this.problem);
    if (!hint) this.hint.hidden = true;
    this.input.addEventListener("blur", () => afterPress(() => {
      if (this.value !== "" && !this.input.matches(":focus")) this.check();
    }));
    this.input.addEventListener("input", () => {
      if (this.checking) this.check();
    });
  }

  get value() {
    return this.input.value;
  }

  set value(value) {
    this.input.value = value;
  }

  get hasFocus() {
    return document.activeElement === this.input;
  }

  /** Offer these to choose from. @param {[string, string][]} choices @param {string} [value] */
  choose(choices, value = this.value) {
    fill(this.input, choices.map(([key, label]) => h("option", { value: key }, label)));
    this.value = value;
  }

  /** Whether the value is all right; says what is not. */
  check() {
    this.checking = true;
    return this.fail(this.rule(this.value));
  }

  /** Say what is wrong; "" for nothing. @param {string} reason */
  fail(reason) {
    if (reason) this.checking = true;
    const said = this.problem.textContent === reason;
    if (!said) fill(this.problem, reason ? [icon("danger"), reason] : null);
    if (reason) this.input.setAttribute("aria-invalid", "true");
    else this.input.removeAttribute("aria-invalid");
    return reason === "";
  }

  reset() {
    this.checking = false;
    this.fail("");
  }
}

/** Check all fields and focus the first one that is wrong. @param {...{check: () => boolean, focus?: () => void, input?: HTMLElement}} fields */
export function checkAll(...fields) {
  const wrong = fields.filter((field) => !field.check());
  const first = wrong[0];
  if (first) (first.focus ? first.focus() : first.input?.focus());
  return wrong.length === 0;
}

export const PASSWORD_RULES = /** @type {[string, (password: string) => boolean][]} */ ([
  ["At least 8 characters", (password) => [...password].length >= 8],
  ["A lower-case letter a–z", (password) => /[a-z]/.test(password)],
  ["An upper-case letter A–Z", (password) => /[A-Z]/.test(password)],
  ["A digit", (password) => /[0-9]/.test(password)],
]);

const MAX_PASSWORD_BYTES = 1024;

/** A new password, its rules ticked as they are met. @param {string} label @param {string} [name] */
export function newPasswordField(label, name = "new-password") {
  const items = PASSWORD_RULES.map(([words]) => h("li", {}, words, h("span", { class: "only-screen-reader" }, " (missing)")));
  const field = new Field({
    label, name, type: "password", autocomplete: "new-password",
    hint: h("ul", { class: "rules" }, items),
    check: (password) => {
      if (!password) return "Enter a password.";
      if (new TextEncoder().encode(password).length > MAX_PASSWORD_BYTES) return `At most ${MAX_PASSWORD_BYTES} bytes.`;
      return PASSWORD_RULES.every(([, met]) => met(password)) ? "" : "Not all rules are met yet.";
    },
  });
  const tick = () => PASSWORD_RULES.forEach(([, met], index) => {
    const ok = met(field.value);
    items[index].classList.toggle("met", ok);
    items[index].querySelector("span").textContent = ok ? " (met)" : " (missing)";
  });
  field.input.addEventListener("input", tick);
  return Object.assign(field, { clear: () => { field.value = ""; field.reset(); tick(); } });
}

/** @param {string} value */
export function usernameProblem(value) {
  if (!value) return "Enter a username.";
  if (value.length < 3) return "At least 3 characters.";
  if (value.length > 254) return "At most 254 characters.";
  const bad = /[^A-Za-z0-9_.+@-]/u.exec(value);
  return bad ? `${bad[0] === " " ? "A space" : `“${bad[0]}”`} is not possible here: only A–Z a–z 0–9 _ . + @ -` : "";
}

/** @param {string} value */
export function textProblem(value) {
  if ([...value].length > 255) return "At most 255 characters.";
  return /[\p{Cc}\u2028\u2029]/u.test(value) ? "Control characters are not possible here." : "";
}

/** A secret that is no password: hidden as it is typed, and of no interest to password managers. @param {Omit<FieldOptions, "type" | "autocomplete">} options */
export const secretField = ({ attributes, ...options }) => new Field({ ...options, attributes: { ...attributes, class: "secret", inputmode: "numeric" } });

/** A check box with its label. @param {string} label @param {Record<string, any>} [props] @param {any} [more] */
export function checkbox(label, props = {}, more = null) {
  const input = h("input", { type: "checkbox", ...props });
  return { input, element: h("label", { class: "choice" }, input, h("span", {}, label, more)) };
}

/** Choose some of what there is. */
export class CheckGroup {
  /** @param {{legend: string, empty: string, items: () => [string, string][]}} options `items`: keys and labels */
  constructor({ legend, empty, items }) {
    this.empty = empty;
    this.items = items;
    this.list = h("div", { class: "choices" });
    this.problem = h("p", { class: "problem" });
    this.element = h("fieldset", { class: "group" }, h("legend", {}, legend), this.list, this.problem);
    /** @type {Map<string, HTMLInputElement>} */
    this.inputs = new Map();
    this.offer();
  }

  /** Offer what there is by now; what is chosen stays. */
  offer() {
    const { value } = this;
    const focused = [...this.inputs].find(([, input]) => input === document.activeElement)?.[0];
    const boxes = this.items().map(([key, label]) => checkbox(label, { value: key }));
    this.inputs = new Map(boxes.map(({ input }) => [input.value, input]));
    fill(this.list, boxes.length ? boxes.map(({ element }) => element) : h("p", { class: "muted" }, this.empty));
    this.value = value;
    if (focused) this.inputs.get(focused)?.focus();
  }

  /** @returns {string[]} */
  get value() {
    return [...this.inputs].filter(([, input]) => input.checked).map(([key]) => key);
  }

  set value(keys) {
    for (const [key, input] of this.inputs) input.checked = keys.includes(key);
  }

  get input() {
    return this.inputs.values().next().value ?? this.element;
  }

  get hasFocus() {
    return this.element.contains(document.activeElement);
  }

  /** @param {string} reason */
  fail(reason) {
    fill(this.problem, reason ? [icon("danger"), reason] : null);
    return reason === "";
  }
}

/** Choose one of several. @param {string} legend @param {[string, string][]} choices value and label @param {string} value @param {(value: string) => void} changed */
export function radioGroup(legend, choices, value, changed) {
  const name = uniqueId();
  /** @type {Map<string, any>} */
  const inputs = new Map();
  const labels = choices.map(([key, label]) => {
    const input = h("input", { type: "radio", name, value: key, checked: key === value, onchange: () => changed(key) });
    inputs.set(key, input);
    return h("label", { class: "choice" }, input, h("span", {}, label));
  });
  const element = h("fieldset", { class: "group" }, h("legend", {}, legend), h("div", { class: "choices" }, labels));
  return {
    element,
    inputs,
    get value() {
      return [...inputs].find(([, input]) => input.checked)?.[0] ?? "";
    },
    set value(key) {
      const input = inputs.get(key);
      if (input) input.checked = true;
    },
  };
}

/** A status beside buttons: icon, word, colour. @param {HTMLElement} element @param {"ok"|"warn"|"danger"|"wait"|""} kind @param {...any} words */
export function setStatus(element, kind, ...words) {
  element.className = `status ${kind === "wait" ? "" : kind}`.trim();
  fill(element, kind && icon(kind), words);
}
