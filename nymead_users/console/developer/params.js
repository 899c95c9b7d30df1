/** A form for a method's params, made from the contract. It is a view of the request's text: one text, two ways to write it. */

import { isSecret } from "../masking.js";
import { member, scan } from "../scanner.js";
import { fill, h, icon, uniqueId } from "../ui/dom.js";
import { checkbox } from "../ui/form.js";
import { read, withParam } from "./envelope.js";

/** The places of secrets that were typed into the form: the text names them, and never shows them. */
const PLACES = /** @type {Record<string, string>} */ ({ token: "$OTHERTOKEN", password: "$PASSWORD", newPassword: "$NEWPASSWORD", pin: "$PIN", code: "$CODE" });

/** @typedef {import("../contract.js").Param} Param */
/** @typedef {import("../scanner.js").Node} Node */
/**
 * @typedef {object} Control
 * @property {HTMLElement} element
 * @property {(node: Node, text: string) => string} show what keeps it from holding the value, "" for nothing
 * @property {() => string | null} text the value as JSON, null where it is none
 * @property {string} [wrong] what it is then
 * @property {() => void} clear
 */

/** Events: "edit" (detail: the new text). */
export class ParamsForm extends EventTarget {
  /** @param {import("../contract.js").Contract} contract @param {Map<string, string>} vault */
  constructor(contract, vault) {
    super();
    this.contract = contract;
    this.vault = vault;
    this.text = "";
    /** @type {{param: Param, control: Control, send: HTMLInputElement | null, problem: HTMLElement}[]} */
    this.rows = [];
    this.lock = h("div", { role: "status" });
    this.set = h("fieldset", { class: "stack tight" }, h("legend", { class: "only-screen-reader" }, "Params"));
    this.element = h("form", { class: "stack tight", novalidate: true, onsubmit: (/** @type {Event} */ event) => event.preventDefault() }, this.lock, this.set);
    this.method = "";
  }

  /** Show a text. @param {string} text @param {string} selected the method that is chosen in the list */
  show(text, selected) {
    this.text = text;
    if (selected !== this.method) this.#build(selected);
    const reason = this.#take(text, selected);
    this.locked = reason !== "";
    this.set.disabled = this.locked;
    fill(this.lock, reason ? h("div", { class: "note warn" }, icon("warn"), h("div", {}, h("p", {}, `The form can't hold this: ${reason}`), h("p", { class: "muted small" }, "The raw text is what is sent."))) : null);
  }

  /** @param {string} name */
  #build(name) {
    this.method = name;
    const params = this.contract.methods.get(name)?.params ?? [];
    this.rows = params.map((param) => {
      const id = uniqueId();
      const problem = h("p", { class: "problem", id: `${id}-problem` });
      const control = this.#control(param, id, () => this.#edited(param));
      const send = param.required ? null : checkbox("Send", { "aria-label": `Send ${param.name}`, onchange: () => this.#sent(param) });
      const group = control.element.matches("fieldset");
      control.element.classList.add("param-control");
      return {
        param, control, problem, send: send?.input ?? null,
        element: h("div", { class: "param" },
          h("div", { class: "row spread" }, group ? h("strong", {}, param.name) : h("label", { for: id, class: "mono" }, param.name),
            param.deprecated ? h("span", { class: "badge warn" }, "deprecated") : null,
            send?.element ?? h("span", { class: "badge" }, "required")),
          control.element, h("p", { class: "hint" }, param.description ?? ""), problem),
      };
    });
    fill(this.set, h("legend", { class: "only-screen-reader" }, "Params"),
      this.rows.length ? this.rows.map((row) => /** @type {any} */ (row).element) : h("p", { class: "muted" }, "No params."));
  }

  /** Put the text's values into the controls. Returns what keeps the form from holding them. @param {string} text @param {string} selected */
  #take(text, selected) {
    const { node, problem, method, params } = read(text);
    if (problem) return "it is no JSON.";
    if (node?.type !== "object") return "it is no single request.";
    if (method !== selected) return method === null ? "it names no method." : `the method ${method} is not known.`;
    const names = node.members?.map((found) => found.name) ?? [];
    if (new Set(names).size < names.length) return "a member is there twice.";
    if (params && params.type !== "object") return "its params are not named.";
    const given = params?.members?.map((found) => found.name) ?? [];
    if (new Set(given).size < given.length) return "a param is there twice.";
    const unknown = given.find((name) => !this.rows.some(({ param }) => param.name === name));
    if (unknown !== undefined) return `there is no param ${unknown}.`;
    for (const row of this.rows) {
      const found = member(params, row.param.name);
      if (row.send) row.send.checked = found !== null;
      fill(row.problem);
      if (!found) {
        if (!row.control.element.contains(document.activeElement)) row.control.clear();
        continue;
      }
      const reason = row.control.show(found.value, text);
      if (reason) return `${row.param.name} ${reason}`;
    }
    return "";
  }

  /** A control was used: its param is sent. @param {Param} param */
  #edited(param) {
    const row = this.rows.find((found) => found.param === param);
    if (!row) return;
    const value = row.control.text();
    fill(row.problem, value === null ? [icon("danger"), row.control.wrong ?? "This is no number."] : null);
    if (value === null) return;
    if (row.send) row.send.checked = true;
    this.#change(param.name, value);
  }

  /** @param {Param} param */
  #sent(param) {
    const row = this.rows.find((found) => found.param === param);
    if (!row?.send) return;
    this.#change(param.name, row.send.checked ? row.control.text() ?? "0" : null);
  }

  /** @param {string} name @param {string | null} value */
  #change(name, value) {
    this.text = withParam(this.text, name, value);
    this.dispatchEvent(new CustomEvent("edit", { detail: this.text }));
  }

  /** A schema; of what may be null, too, what it is otherwise. @param {any} given @returns {any} */
  #schemaOf(given) {
    const schema = this.contract.resolve(given);
    const others = (schema.anyOf ?? []).filter((/** @type {any} */ { type }) => type !== "null");
    return others.length === 1 ? this.#schemaOf(others[0]) : schema;
  }

  /** @param {Param} param @param {string} id @param {() => void} edited @returns {Control} */
  #control(param, id, edited) {
    const schema = this.#schemaOf(param.schema);
    const described = { id, "aria-describedby": `${id}-problem`, autocomplete: "off", spellcheck: "false" };
    if (schema.type === "boolean") {
      const input = h("select", { class: "bare", ...described, onchange: edited }, h("option", { value: "true" }, "true"), h("option", { value: "false" }, "false"));
      return {
        element: input, text: () => input.value, clear: () => { input.value = "true"; },
        show: (node) => {
          if (node.type !== "true" && node.type !== "false") return "is no boolean there.";
          input.value = node.type;
          return "";
        },
      };
    }
    if (schema.type === "object" || (schema.type === "array" && this.#schemaOf(schema.items).type === "object")) return this.#json(described, edited);
    if (schema.type === "array") return this.#list(param, schema, described, edited);
    const numeric = schema.type === "integer" || schema.type === "number";
    const secret = isSecret(param.name);
    const input = h("input", { class: "bare mono", ...described, type: secret ? "password" : "text", inputmode: numeric ? "numeric" : null, oninput: edited, ...(secret && { autocomplete: "new-password" }) });
    return {
      element: input,
      clear: () => { input.value = ""; },
      text: () => {
        if (numeric) return /^-?\d+$/.test(input.value.trim()) ? input.value.trim() : null;
        if (!secret || input.value === "" || input.value === "$TOKEN") return JSON.stringify(input.value);
        const place = PLACES[param.name];
        this.vault.set(place, input.value);
        return JSON.stringify(place);
      },
      show: (node, text) => {
        if (node.type !== (numeric ? "number" : "string")) return `is no ${numeric ? "number" : "text"} there.`;
        const raw = numeric ? text.slice(node.start, node.end) : node.text ?? "";
        if (/[\n\r]/.test(raw)) return "has several lines.";
        const value = secret ? this.vault.get(raw) ?? raw : raw;
        if (input.value !== value) input.value = value;
        return "";
      },
    };
  }

  /** What has members is written as it is sent. @param {Record<string, any>} described @param {() => void} edited @returns {Control} */
  #json(described, edited) {
    const input = h("textarea", { class: "bare mono", rows: "3", ...described, oninput: edited, placeholder: "JSON" });
    return {
      element: input, wrong: "This is no JSON.",
      clear: () => { input.value = ""; },
      text: () => (scan(input.value).node ? input.value.trim() : null),
      show: (node, text) => {
        const raw = text.slice(node.start, node.end);
        if (input.value.trim() !== raw) input.value = raw;
        return "";
      },
    };
  }

  /** @param {Param} param @param {any} schema @param {Record<string, any>} described @param {() => void} edited @returns {Control} */
  #list(param, schema, described, edited) {
    const choices = this.contract.resolve(schema.items).enum;
    if (choices) {
      const boxes = choices.map((/** @type {string} */ name) => checkbox(name, { onchange: edited, value: name }));
      return {
        element: h("fieldset", {}, h("legend", { class: "only-screen-reader" }, param.name), boxes.map((/** @type {any} */ box) => box.element)),
        clear: () => boxes.forEach((/** @type {any} */ box) => { box.input.checked = false; }),
        text: () => JSON.stringify(choices.filter((/** @type {string} */ _, /** @type {number} */ index) => boxes[index].input.checked)),
        show: (node) => {
          const names = node.items?.map((item) => item.text);
          if (!names || names.some((name) => !choices.includes(name)) || new Set(names).size < names.length) return "has something else in it.";
          if (names.join() !== choices.filter((/** @type {string} */ name) => names.includes(name)).join()) return "has another order.";
          boxes.forEach((/** @type {any} */ box) => { box.input.checked = names.includes(box.input.value); });
          return "";
        },
      };
    }
    const input = h("textarea", { class: "bare mono", rows: "3", ...described, oninput: edited, placeholder: "One per line" });
    const lines = () => input.value.split("\n").filter((/** @type {string} */ line) => line !== "");
    return {
      element: input,
      clear: () => { input.value = ""; },
      text: () => JSON.stringify(lines()),
      show: (node) => {
        const items = node.items;
        if (!items || items.some((item) => item.type !== "string" || !item.text || /[\n\r]/.test(item.text))) return "is no list of lines there.";
        const given = items.map((item) => item.text ?? "");
        if (lines().join("\n") !== given.join("\n")) input.value = given.join("\n");
        return "";
      },
    };
  }
}
