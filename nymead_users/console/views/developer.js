/** The developer's view: every method of the contract, requests by form or by hand, and everything that goes over the wire. */

import { copyButton } from "../clipboard.js";
import { inDialect, newRequest, read } from "../developer/envelope.js";
import { addToHistory, clearHistory, history } from "../developer/history.js";
import { Line } from "../developer/line.js";
import { logPanel } from "../developer/log.js";
import { ParamsForm } from "../developer/params.js";
import { snippets } from "../developer/snippets.js";
import { mask } from "../masking.js";
import { scopeWords } from "../permissions.js";
import { clockOf } from "../words.js";
import { alertUser, say } from "../ui/announce.js";
import { fill, h, icon, note, uniqueId } from "../ui/dom.js";
import { checkbox, radioGroup, setStatus } from "../ui/form.js";
import { heading } from "./frame.js";

/** It outlives the view: what was written stays, and so does the connection. @type {{line: Line, text: string, dialect: import("../developer/envelope.js").Dialect, chosen: string, lastId: number, listening: Set<string>} | null} */
let work = null;

/** Leave nothing of it to whoever signs in next. */
export function forgetWork() {
  work?.line.close();
  work = null;
}

/** @param {import("./frame.js").Context} context @returns {import("./frame.js").View} */
export function developerView({ session, traffic }) {
  const life = new AbortController();
  const { signal } = life;
  const contract = /** @type {import("../contract.js").Contract} */ (session.contract);
  work ??= { line: new Line(session, traffic), text: "", dialect: "jsonrpc2", chosen: "JSONRPC.Hello", lastId: 0, listening: new Set() };
  const state = work;
  const { line } = state;

  // Methods and notifications

  const searchId = uniqueId();
  const search = h("input", { id: searchId, type: "search", autocomplete: "off", spellcheck: "false", oninput: showMethods });
  const list = h("div", { class: "method-list" });
  const names = [...contract.methods.keys(), ...contract.notifications.keys()];

  /** @param {import("../contract.js").Method} method */
  const badge = (method) => (method["x-access"] === "token" ? scopeWords(method["x-permissionScope"]) : method["x-access"] === "setup" ? "Set-up" : "Public");

  function showMethods() {
    const wanted = search.value.trim().toLowerCase();
    const spaces = new Map();
    for (const name of names) {
      if (!name.toLowerCase().includes(wanted)) continue;
      const space = name.split(".")[0];
      spaces.set(space, [...(spaces.get(space) ?? []), name]);
    }
    fill(list, [...spaces].map(([space, members]) => h("section", { class: "stack tight", "aria-label": space }, h("h2", {}, space),
      h("ul", {}, members.map((/** @type {string} */ name) => {
        const method = contract.methods.get(name);
        return h("li", {}, h("button", { type: "button", "aria-pressed": String(name === state.chosen), "data-name": name, onclick: () => choose(name) },
          h("span", {}, name.split(".")[1]), h("span", { class: `badge${method ? "" : " ok"}` }, method ? badge(method) : "Notification")));
      })))), spaces.size ? null : h("p", { class: "muted" }, "No method matches."));
  }

  /** @param {string} name */
  function choose(name) {
    state.chosen = name;
    for (const button of list.querySelectorAll("button")) button.setAttribute("aria-pressed", String(button.dataset.name === name));
    if (contract.methods.has(name)) begin(name);
    showRequest();
  }

  /** A new request for a method. @param {string} name */
  function begin(name) {
    state.lastId += 1;
    const method = contract.methods.get(name);
    state.text = newRequest(state.dialect, state.lastId, name, withToken(method));
  }

  /** @param {import("../contract.js").Method | undefined} method */
  const withToken = (method) => line.withToken && line.token !== null && method?.["x-access"] === "token";

  // The request

  const request = h("section", { class: "request", "aria-label": "Request" });
  const form = new ParamsForm(contract, line.vault);
  const rawId = uniqueId();
  const raw = h("textarea", { id: rawId, class: "raw", spellcheck: "false", autocomplete: "off", autocapitalize: "none", "aria-describedby": `${rawId}-problem`, oninput: () => takeRaw() });
  const problem = h("div", { id: `${rawId}-problem`, role: "status" });
  const dialect = radioGroup("Dialect", [["jsonrpc2", "JSON-RPC 2.0"], ["nymea", "nymea"]], state.dialect, (to) => switchDialect(/** @type {any} */ (to)));
  const dialectNote = h("p", { class: "hint", role: "status" });
  const helloFirst = checkbox("Hello first", { checked: line.helloFirst, onchange: () => { line.helloFirst = helloFirst.input.checked; showSnippets(); } });
  const ownToken = checkbox("With my token", { checked: line.withToken, onchange: () => { line.withToken = ownToken.input.checked; renewToken(); } });
  const status = h("span", { class: "status", role: "status" });
  const disconnect = h("button", { type: "button", onclick: () => line.close() }, "Disconnect");
  const reply = h("pre", { class: "code", tabindex: "0", "aria-label": "Reply" });
  const took = h("p", { class: "muted small" });
  const replyPart = h("div", { class: "stack tight", hidden: true }, h("h3", {}, "Reply"), took, reply, h("div", { class: "row" }, copyButton("Copy reply", () => mask(lastReply), reply)));
  const snippetPart = h("div", { class: "stack" });
  const past = h("details", {}, h("summary", {}, "History"), h("div", { class: "stack tight" }));
  const send = h("button", { type: "button", class: "primary", onclick: transmit }, icon("send"), "Send");
  const head = h("div", { class: "stack tight" });
  const lockNote = h("div");
  let lastReply = "";

  const tabs = /** @type {[string, any][]} */ ([
    ["Form", h("div", { class: "stack tight" }, form.element, lockNote)],
    ["Raw", h("div", { class: "stack tight" }, h("label", { for: rawId, class: "label" }, "Request as it is sent"), raw, problem)],
    ["Snippets", snippetPart],
  ]);
  const tabButtons = tabs.map(([label], index) => h("button", { type: "button", role: "tab", id: `${rawId}-tab-${index}`, "aria-controls": `${rawId}-panel-${index}`, onclick: () => openTab(index), onkeydown: moveTab }, label));
  const panels = tabs.map(([, content], index) => h("div", { role: "tabpanel", id: `${rawId}-panel-${index}`, "aria-labelledby": `${rawId}-tab-${index}` }, content));
  const working = h("div", { class: "stack" },
    dialect.element, dialectNote,
    h("div", {}, h("div", { class: "tabs", role: "tablist", "aria-label": "Ways to write the request" }, tabButtons)), panels,
    h("div", { class: "row" }, helloFirst.element, ownToken.element),
    h("div", { class: "row" }, send, disconnect, status), replyPart, past);
  const notificationPart = h("div", { class: "stack" });
  fill(request, head, working, notificationPart);

  /** @param {number} index */
  function openTab(index) {
    tabButtons.forEach((button, at) => {
      button.setAttribute("aria-selected", String(at === index));
      button.tabIndex = at === index ? 0 : -1;
      panels[at].hidden = at !== index;
    });
    if (index === 2) showSnippets();
  }

  /** @param {KeyboardEvent} event */
  function moveTab(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = (tabButtons.indexOf(/** @type {any} */ (event.target)) + step + tabButtons.length) % tabButtons.length;
    openTab(next);
    tabButtons[next].focus();
    event.preventDefault();
  }

  function showRequest() {
    const notification = contract.notifications.get(state.chosen);
    const method = contract.methods.get(state.chosen);
    const described = notification ?? method;
    fill(head, h("h2", { tabindex: "-1" }, state.chosen),
      h("p", {}, described?.description ?? ""),
      method ? h("div", { class: "row" }, h("span", { class: "badge" }, badge(method))) : null);
    working.hidden = Boolean(notification);
    notificationPart.hidden = !notification;
    if (notification) showNotification(notification);
    else {
      raw.value = state.text;
      show();
    }
  }

  /** The text changed, wherever: everything else follows. */
  function show() {
    const { problem: trouble, dialect: found, method } = read(state.text);
    if (method !== null && method !== state.chosen && contract.methods.has(method)) {
      state.chosen = method;
      showMethods();
      const described = contract.methods.get(method);
      fill(head, h("h2", { tabindex: "-1" }, method), h("p", {}, described?.description ?? ""), described ? h("div", { class: "row" }, h("span", { class: "badge" }, badge(described))) : null);
    }
    if (found) {
      state.dialect = found;
      dialect.value = found;
    }
    fill(problem, trouble ? note("warn", h("p", {}, `Line ${trouble.line}, column ${trouble.column}: ${trouble.reason}.`), h("p", { class: "small" }, "It can be sent as it is.")) : null);
    if (trouble) raw.setAttribute("aria-invalid", "true");
    else raw.removeAttribute("aria-invalid");
    form.show(state.text, state.chosen);
    fill(lockNote, form.locked ? h("button", { type: "button", onclick: () => { begin(state.chosen); raw.value = state.text; show(); } }, "Begin anew") : null);
    dialectNote.textContent = "";
    showSnippets();
  }

  function takeRaw() {
    state.text = raw.value;
    show();
  }

  form.addEventListener("edit", (event) => {
    state.text = /** @type {CustomEvent} */ (event).detail;
    raw.value = state.text;
    show();
  });

  /** @param {import("../developer/envelope.js").Dialect} to */
  function switchDialect(to) {
    const text = inDialect(state.text, to);
    if (text === null) {
      const { node } = read(state.text);
      dialectNote.textContent = node ? "Only JSON-RPC 2.0 has this form: nothing was rewritten." : "Broken text is not rewritten.";
      dialect.value = read(state.text).dialect ?? to;
      return;
    }
    state.dialect = to;
    state.text = text;
    raw.value = text;
    show();
  }

  /** Put the token's place into the request, or take it out, where nothing else was written. */
  function renewToken() {
    for (const before of [true, false]) {
      if (state.text === newRequest(state.dialect, state.lastId, state.chosen, before)) {
        state.text = newRequest(state.dialect, state.lastId, state.chosen, withToken(contract.methods.get(state.chosen)));
        raw.value = state.text;
        break;
      }
    }
    show();
  }

  function showSnippets() {
    if (panels[2].hidden) return;
    fill(snippetPart, snippets(state.text, { helloFirst: line.helloFirst, withToken: line.withToken && line.token !== null }).map(({ name, text }) => {
      const code = h("pre", { class: "code", tabindex: "0", "aria-label": name }, text);
      return h("div", { class: "stack tight" }, h("h3", {}, name), code, h("div", {}, copyButton(`Copy for ${name}`, () => text, code)));
    }), h("p", { class: "hint" }, "Set TOKEN in the environment; secrets are never written into these."));
  }

  // Sending

  let waitingSince = 0;

  async function transmit() {
    await deliver(state.text);
    addToHistory(state.text);
    showHistory();
  }

  /** @param {string} text */
  async function deliver(text) {
    replyPart.hidden = true;
    try {
      waitingSince = performance.now();
      await line.send(text);
      say("Sent.");
    } catch (error) {
      setStatus(status, "danger", error instanceof Error ? error.message : String(error));
      alertUser(status.textContent ?? "");
    }
  }

  line.addEventListener("message", (event) => {
    const text = /** @type {CustomEvent} */ (event).detail;
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      return;
    }
    if (message.method !== undefined || message.notification !== undefined) return;
    lastReply = text;
    reply.textContent = mask(text).trimEnd();
    took.textContent = `After ${Math.round(performance.now() - waitingSince)} ms`;
    replyPart.hidden = false;
    say("Reply received.");
  }, { signal });

  function showLine() {
    const words = { open: "Own connection open", opening: "Connecting…", closed: "Opens its own connection" }[line.state];
    setStatus(status, line.state === "open" ? "ok" : "", words ?? "");
    disconnect.hidden = line.state !== "open";
    if (line.state === "closed") state.listening.clear();
  }
  line.addEventListener("state", showLine, { signal });

  request.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !working.hidden) {
      event.preventDefault();
      transmit();
    }
  });

  // History

  function showHistory() {
    const entries = history();
    fill(past.lastElementChild, entries.length
      ? [h("ul", {}, entries.map((sent) => h("li", {}, h("button", { type: "button", class: "link", onclick: () => { state.text = sent.text; raw.value = sent.text; choosePast(sent.text); } }, `${clockOf(sent.time)} ${sent.method}`)))),
        h("div", {}, h("button", { type: "button", onclick: () => { clearHistory(); showHistory(); } }, "Clear history"))]
      : h("p", { class: "muted" }, "Nothing was sent from this tab yet."));
  }

  /** @param {string} text */
  function choosePast(text) {
    const { method } = read(text);
    if (method && contract.methods.has(method)) state.chosen = method;
    showMethods();
    showRequest();
    openTab(1);
    raw.focus();
  }

  // Notifications

  /** @param {import("../contract.js").Notification} notification */
  function showNotification(notification) {
    const space = notification.name.split(".")[0];
    const received = h("ul", { class: "stack tight", "aria-label": "Received" });
    const listen = h("button", { type: "button", class: "primary", onclick: async () => {
      state.listening.add(space);
      state.lastId += 1;
      const params = { namespaces: [...state.listening] };
      const base = { ...(state.dialect === "jsonrpc2" && { jsonrpc: "2.0" }), id: state.lastId, method: "JSONRPC.SetNotificationStatus", params };
      await deliver(JSON.stringify({ ...base, ...(line.withToken && line.token !== null && { token: "$TOKEN" }) }));
      say(`Listening to ${space}.`);
    } }, "Listen");
    const showReceived = () => {
      const found = traffic.entries.filter((entry) => entry.kind === "notification" && entry.method === notification.name).reverse();
      fill(received, found.length ? found.map((entry) => h("li", {}, h("time", { class: "muted small" }, clockOf(entry.time)), " ", h("span", { class: "badge" }, entry.connection === "console" ? "Console" : "Developer"), h("pre", { class: "code", tabindex: "0" }, mask(entry.text).trimEnd())))
        : h("li", { class: "muted" }, "None came yet."));
    };
    fill(notificationPart, h("p", { class: "muted" }, "Params: ", notification.params.map((param) => param.name).join(", ")), h("div", { class: "row" }, listen), h("h3", {}, "Received"), received);
    refreshReceived = showReceived;
    showReceived();
  }
  let refreshReceived = () => {};
  traffic.addEventListener("entry", (event) => {
    if (/** @type {CustomEvent} */ (event).detail.kind === "notification" && !notificationPart.hidden) refreshReceived();
  }, { signal });

  if (!state.text) begin(state.chosen);
  showMethods();
  openTab(0);
  showRequest();
  showHistory();
  showLine();

  const element = h("div", { class: "developer" },
    h("div", { class: "head" }, heading("Developer"), h("p", { class: "muted" }, "Requests go over a connection of their own: they can't break the console.")),
    h("div", { class: "methods" }, h("div", { class: "field" }, h("label", { for: searchId }, "Search methods"), search), list),
    h("div", { class: "work" }, request, logPanel(traffic, signal)));
  return { title: "Developer", element, life, search: () => search.focus() };
}
