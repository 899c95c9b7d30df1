/** Copying, also where the page came over plain http and the browser's clipboard is closed to it. */

import { say } from "./ui/announce.js";
import { h, icon } from "./ui/dom.js";

/** @param {string} text @param {Element} near @returns {Promise<boolean>} */
async function copy(text, near) {
  try {
    if (window.isSecureContext) {
      await navigator.clipboard.writeText(text);
      return true;
    }
  } catch {
    // Not permitted: the old way may be.
  }
  const area = h("textarea", { class: "only-screen-reader", readonly: true, "aria-hidden": "true", tabindex: "-1", value: text });
  const focused = document.activeElement;
  (near.closest("dialog") ?? document.body).append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  if (focused instanceof HTMLElement) focused.focus();
  return copied;
}

/** A button that copies; `shown` is selected where the browser does not let it. @param {string} label @param {() => string} text @param {Element | null} [shown] */
export function copyButton(label, text, shown = null) {
  const word = h("span", {}, label);
  const button = h("button", { type: "button", onclick: async () => {
    const copied = await copy(text(), button);
    if (!copied && shown) {
      getSelection()?.selectAllChildren(shown);
    }
    word.textContent = copied ? "Copied" : "Press Ctrl+C";
    say(word.textContent ?? "");
    setTimeout(() => { word.textContent = label; }, 4000);
  } }, icon("copy"), word);
  return button;
}
