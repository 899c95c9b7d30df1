/** Keys for those who like them. Letters alone can be switched off: speech input would trip over them. */

import { browser } from "./storage.js";
import { openDialog } from "./ui/dialog.js";
import { h } from "./ui/dom.js";
import { checkbox } from "./ui/form.js";

const VIEWS = /** @type {Record<string, string>} */ ({ u: "users", o: "doors", a: "account", d: "developer" });

const KEYS = [
  ["?", "This help"],
  ["/", "Search"],
  ["g u", "Users"],
  ["g o", "Doors"],
  ["g a", "Account"],
  ["g d", "Developer"],
  ["n", "Add what the list is of"],
  ["Ctrl Enter", "Send (developer)"],
  ["Esc", "Close a dialog"],
];

const lettersOn = () => browser.get("letters") !== false;

/** @param {{search: () => void, add: () => void, go: (view: string) => void}} actions */
export function installKeys({ search, add, go }) {
  let waiting = 0;
  document.addEventListener("keydown", (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (!lettersOn() || document.querySelector("dialog[open]") || target.closest("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]")) return;
    const { key } = event;
    if (waiting && key in VIEWS) go(VIEWS[key]);
    else if (key === "?") showHelp();
    else if (key === "/") search();
    else if (key === "n") add();
    else if (key !== "g") return;
    clearTimeout(waiting);
    waiting = key === "g" ? setTimeout(() => { waiting = 0; }, 1500) : 0;
    event.preventDefault();
  });
}

export function showHelp() {
  const letters = checkbox("Single letters are keys", { checked: lettersOn(), onchange: () => browser.set("letters", letters.input.checked) });
  return openDialog({
    title: "Keys",
    body: h("div", { class: "stack" },
      h("div", { class: "keys" }, KEYS.map(([keys, what]) => [h("span", { class: "row" }, keys.split(" ").map((key) => h("kbd", {}, key))), h("span", {}, what)])),
      letters.element),
    verb: "", cancel: "Close", local: true,
  });
}
