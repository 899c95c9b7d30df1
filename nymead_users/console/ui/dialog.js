/** Modal dialogs: focus goes in and comes back, Escape and the backdrop close what is clean and ask otherwise. */

import { h, note, sender } from "./dom.js";

/**
 * @typedef {object} DialogOptions
 * @property {string} title
 * @property {any} body
 * @property {string} verb what the button does
 * @property {boolean} [destructive]
 * @property {boolean} [local] the button sends nothing
 * @property {string} [cancel]
 * @property {() => boolean} [isDirty]
 * @property {(status: HTMLElement) => Promise<boolean | void> | boolean | void} [submit] false keeps it open
 * @property {Element | null} [status]
 */

/** Show a dialog. Resolves with whether it was submitted. @param {DialogOptions} options @returns {Promise<boolean>} */
export function openDialog(options) {
  const opener = document.activeElement;
  return new Promise((resolve) => {
    let done = false;
    let busy = false;
    const status = h("span", { class: "status" });
    const cancel = h("button", { type: "button", "data-cancel": true, onclick: () => leave() }, options.cancel ?? "Cancel");
    const make = options.local ? (/** @type {any} */ props, /** @type {any} */ text) => h("button", props, text) : sender;
    const go = options.verb
      ? make({ type: "submit", class: `primary${options.destructive ? " destructive" : ""}` }, options.verb)
      : null;
    const question = h("div", { hidden: true, role: "alertdialog", "aria-label": "Discard what you typed?" },
      note("warn", h("p", {}, "Discard what you typed?"), h("div", { class: "row" },
        h("button", { type: "button", class: "destructive", onclick: () => finish(false) }, "Discard"),
        h("button", { type: "button", "data-keep": true, onclick: () => { question.hidden = true; first()?.focus(); } }, "Keep typing"))));
    const heading = h("h2", { id: "dialog-title", tabindex: "-1" }, options.title);
    const form = h("form", { novalidate: true, onsubmit: submit },
      h("div", { class: "dialog-body" }, heading, question, options.body),
      h("div", { class: "dialog-actions" }, status, cancel, go),
      h("div", { class: "only-screen-reader", role: "status", "data-region": "polite" }),
      h("div", { class: "only-screen-reader", role: "alert", "data-region": "assertive" }));
    const dialog = h("dialog", { "aria-labelledby": "dialog-title" }, form);

    /** @returns {HTMLElement | null} */
    function first() {
      if (options.destructive && !options.body?.querySelector?.("input")) return cancel;
      return form.querySelector(".dialog-body :is(input, textarea, select):not(:disabled)") ?? (options.destructive || !go ? cancel : go);
    }

    function leave() {
      if (busy) return;
      if (options.isDirty?.()) {
        question.hidden = false;
        question.querySelector("[data-keep]").focus();
      } else finish(false);
    }

    /** @param {Event} event */
    async function submit(event) {
      event.preventDefault();
      if (busy || (go && go.getAttribute("aria-disabled") === "true")) return;
      busy = true;
      try {
        const kept = (await options.submit?.(status)) === false;
        busy = false;
        if (!kept) finish(true);
      } finally {
        busy = false;
      }
    }

    /** @param {boolean} result */
    function finish(result) {
      if (done) return;
      done = true;
      dialog.close();
      dialog.remove();
      if (opener instanceof HTMLElement && opener.isConnected && !opener.hidden) opener.focus();
      else focusHeading();
      resolve(result);
    }

    dialog.addEventListener("cancel", (event) => { event.preventDefault(); leave(); });
    // Chromium closes at a second Escape whatever "cancel" said.
    dialog.addEventListener("close", () => finish(false));
    dialog.addEventListener("pointerdown", (event) => { if (event.target === dialog && outside(event, dialog)) leave(); });
    dialog.addEventListener("dismiss", () => finish(false));
    document.body.append(dialog);
    dialog.showModal();
    (first() ?? heading).focus();
  });
}

/** @param {PointerEvent} event @param {HTMLElement} dialog */
function outside(event, dialog) {
  const box = dialog.getBoundingClientRect();
  return event.clientX < box.left || event.clientX > box.right || event.clientY < box.top || event.clientY > box.bottom;
}

/** Close all dialogs without asking: what they were about has gone. */
export function dismissDialogs() {
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.dispatchEvent(new Event("dismiss"));
}

/** Put the focus on the view's heading. */
export function focusHeading() {
  const headings = [...document.querySelectorAll("main h1")].filter((heading) => heading.checkVisibility());
  /** @type {HTMLElement | null} */ (headings.at(-1) ?? document.getElementById("main"))?.focus();
}

/**
 * Ask before something that can't be taken back. `typed`: the text to type first.
 * @param {{title: string, text?: string[], verb: string, typed?: string | null, local?: boolean}} options
 */
export function confirmDialog({ title, text = [], verb, typed = null, local = true }) {
  const input = typed === null ? null : h("input", { type: "text", autocomplete: "off", spellcheck: "false", id: "confirm-typed" });
  const problem = h("p", { class: "problem", id: "confirm-problem" });
  const body = h("div", { class: "stack" }, ...text.map((line) => h("p", {}, line)),
    input && h("div", { class: "field" }, h("label", { for: "confirm-typed" }, `Type ${typed} to confirm`), input, problem));
  return openDialog({
    title, body, verb, local, destructive: true,
    submit: () => {
      if (input === null || input.value.trim() === typed) return true;
      problem.textContent = `This is not ${typed}.`;
      input.setAttribute("aria-invalid", "true");
      input.setAttribute("aria-describedby", "confirm-problem");
      input.focus();
      return false;
    },
  });
}
