/** The log of both connections. */

import { copyButton } from "../clipboard.js";
import { mask } from "../masking.js";
import { exported, CAPACITY } from "../traffic.js";
import { clockOf } from "../words.js";
import { say } from "../ui/announce.js";
import { fill, h, icon, uniqueId } from "../ui/dom.js";
import { checkbox } from "../ui/form.js";

/** Characters beyond which a message is not shown whole at once. */
const LARGE = 16 * 1024;

/** Entries on the page. */
const SHOWN = 200;

const KINDS = { "": "Everything", call: "Calls", reply: "Replies", error: "Errors", notification: "Notifications", event: "Connection" };
const CONNECTIONS = { "": "Both", developer: "Developer", console: "Console" };
const DIRECTIONS = { in: "Received", out: "Sent", event: "Event" };

/** @param {string} label @param {Record<string, string>} choices @param {() => void} changed */
function choose(label, choices, changed) {
  const id = uniqueId();
  const input = h("select", { id, onchange: changed }, Object.entries(choices).map(([value, words]) => h("option", { value }, words)));
  return { input, element: h("div", { class: "field" }, h("label", { for: id }, label), input) };
}

/** @param {import("../traffic.js").Traffic} traffic @param {AbortSignal} signal */
export function logPanel(traffic, signal) {
  const kind = choose("Show", KINDS, () => render());
  const connection = choose("Connection", CONNECTIONS, () => render());
  const searchId = uniqueId();
  const search = h("input", { id: searchId, type: "search", autocomplete: "off", spellcheck: "false", oninput: () => render() });
  const pause = h("button", { type: "button", "aria-pressed": "false", onclick: () => setPaused(!paused) }, "Pause");
  const secrets = checkbox("Show secrets", { onchange: () => render() });
  const list = h("div", { class: "log-entries" });
  const count = h("p", { class: "muted small" });
  let paused = false;
  let missed = 0;

  /** @param {boolean} now */
  function setPaused(now) {
    paused = now;
    missed = 0;
    pause.setAttribute("aria-pressed", String(now));
    pause.textContent = now ? "Go on" : "Pause";
    say(now ? "Paused. Messages are still kept." : "Going on.");
    if (!now) render();
    else tell();
  }

  /** As it may be seen. @param {import("../traffic.js").Entry} entry */
  const visible = (entry) => (secrets.input.checked ? entry.text : mask(entry.text));

  /** @param {import("../traffic.js").Entry} entry */
  function matches(entry) {
    const wanted = search.value.trim().toLowerCase();
    return (!kind.input.value || entry.kind === kind.input.value)
      && (!connection.input.value || entry.connection === connection.input.value)
      && (!wanted || entry.method.toLowerCase().includes(wanted) || visible(entry).toLowerCase().includes(wanted));
  }

  /** @param {import("../traffic.js").Entry} entry */
  function item(entry) {
    const body = h("div", { class: "entry" });
    const details = h("details", { ontoggle: () => { if (details.open && !body.firstChild) showBody(); } },
      h("summary", {},
        h("time", { datetime: new Date(entry.time).toISOString() }, `${clockOf(entry.time)}.${String(entry.time % 1000).padStart(3, "0")}`),
        h("span", { class: "status" }, icon(entry.direction === "out" ? "send" : entry.direction === "in" ? "receive" : "wait"), DIRECTIONS[entry.direction]),
        h("span", { class: `what${entry.kind === "error" ? " failed" : ""}` }, entry.method || (entry.direction === "event" ? entry.text : "text"), entry.kind === "error" ? " – error" : entry.kind === "notification" ? " – notification" : ""),
        entry.id ? h("span", { class: "muted" }, `id ${entry.id}`) : null,
        entry.took === null ? null : h("span", { class: "took" }, `${entry.took} ms`),
        h("span", { class: "badge" }, entry.connection === "console" ? "Console" : "Developer")),
      body);

    function showBody() {
      const text = visible(entry).trimEnd();
      const code = h("pre", { class: "code", tabindex: "0", "aria-label": "Message" }, text.length > LARGE ? `${text.slice(0, LARGE)}…` : text);
      const whole = text.length > LARGE
        ? h("button", { type: "button", onclick: () => { code.textContent = text; whole.remove(); code.focus(); } }, `Show all ${Math.ceil(text.length / 1024)} KB`)
        : null;
      fill(body, code, h("div", { class: "row" }, copyButton("Copy", () => mask(entry.text), code), whole));
    }
    return details;
  }

  function render() {
    if (paused) return;
    const found = traffic.entries.filter(matches);
    fill(list, found.slice(-SHOWN).reverse().map(item));
    tell(found.length);
  }

  function tell(found = list.children.length) {
    count.textContent = `${found > SHOWN ? `${SHOWN} newest of ${found}` : `${found}`} shown, ${traffic.entries.length} of at most ${CAPACITY} kept${paused ? `, paused; ${missed} since` : ""}`;
  }

  traffic.addEventListener("entry", (event) => {
    const entry = /** @type {CustomEvent} */ (event).detail;
    if (paused) missed += 1;
    else if (matches(entry)) {
      list.prepend(item(entry));
      while (list.children.length > SHOWN && list.lastChild) list.lastChild.remove();
    }
    tell();
  }, { signal });
  traffic.addEventListener("cleared", () => { missed = 0; fill(list); tell(0); }, { signal });

  function download() {
    const url = URL.createObjectURL(new Blob([exported(traffic.entries)], { type: "application/x-ndjson" }));
    const link = h("a", { href: url, download: "console-log.jsonl", hidden: true });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  }

  render();
  return h("section", { class: "log", "aria-label": "Log" },
    h("h2", {}, "Log"),
    h("div", { class: "log-filters" },
      h("div", { class: "field" }, h("label", { for: searchId }, "Search the log"), search), kind.element, connection.element),
    h("div", { class: "row" }, pause, h("button", { type: "button", onclick: download }, "Export"),
      h("button", { type: "button", onclick: () => traffic.clear() }, "Clear"), secrets.element),
    count, list);
}
