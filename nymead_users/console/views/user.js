/** One user: cards that are saved by one call each. The same cards serve others' users and one's own account. */

import { draft, setDraft } from "../drafts.js";
import { ADMIN } from "../permissions.js";
import { nameOf } from "../words.js";
import { say } from "../ui/announce.js";
import { confirmDialog } from "../ui/dialog.js";
import { detailsForm } from "../ui/details.js";
import { fill, h, note, sender } from "../ui/dom.js";
import { checkAll, Field, newPasswordField, textProblem } from "../ui/form.js";
import { LiveField } from "../ui/live.js";
import { paramsOf, permissionWords, PermissionsEditor, permissionsOf, samePermissions } from "../ui/permissions.js";
import { save } from "../ui/saving.js";
import { devicesCard } from "./devices.js";
import { deniedNote, heading } from "./frame.js";

/** @param {string} title @param {...any} children */
export const card = (title, ...children) => h("section", { class: "card", "aria-label": title }, h("h2", {}, title), ...children);

const LAST = "This is the last administrator. Only the server's command line can make another.";
const SELF = "You are taking Administrator from yourself. You can't undo this.";

/**
 * @param {import("./frame.js").Context} context @param {string} username @param {AbortSignal} signal
 * @param {{removed?: () => void, title?: string, more?: (cards: HTMLElement) => void}} [options]
 */
export function userPanel(context, username, signal, { removed = () => {}, title, more } = {}) {
  const { session, store } = context;
  const user = store.get(username);
  const head = heading(title ?? (user?.displayName || nameOf(username)));
  if (!user) return h("div", { class: "stack" }, head, note("warn", h("p", {}, "There is no such user.")));
  const own = username === session.username && session.state === "signed-in";
  const gone = h("div");
  const cards = h("div", { class: "stack" });
  const panel = h("div", { class: "stack panel" },
    h("div", {}, head, title || user.displayName ? h("p", { class: "muted" }, nameOf(username)) : null), gone, cards);
  let removing = false;

  const details = session.may("Users.SetUserInfo") ? detailsCard(context, user, own) : null;
  const permissions = session.may("Users.SetUserScopes") ? permissionsCard(context, user, own) : null;
  const denied = !details && !permissions;
  if (denied) cards.append(deniedNote(session, session.contract?.scopeOf("Users.SetUserInfo") ?? "PermissionScopeAdmin"), factsCard(user));
  if (details) cards.append(details.element);
  if (permissions) cards.append(permissions.element);
  // Whoever has no name has no password either.
  if (username && session.may(own ? "Users.ChangePassword" : "Users.ChangeUserPassword")) cards.append(passwordCard(context, username, own, signal));
  if (session.may(own ? "Users.GetTokens" : "Users.GetUserTokens") && session.may("Users.RemoveToken")) cards.append(devicesCard(context, username, own, signal));
  more?.(cards);
  if (session.may("Users.RemoveUser")) cards.append(removeCard());

  store.addEventListener("changed", (event) => {
    const now = /** @type {CustomEvent} */ (event).detail.item;
    if (now.username !== username) return;
    if (!title) head.textContent = now.displayName || nameOf(username);
    details?.arrived();
    permissions?.arrived(now);
  }, { signal });
  store.addEventListener("removed", (event) => {
    if (removing || /** @type {CustomEvent} */ (event).detail.item.username !== username) return;
    const text = `${nameOf(username)} was removed by someone else.`;
    fill(gone, note("danger", h("p", {}, text)));
    for (const button of panel.querySelectorAll(".card button")) /** @type {HTMLButtonElement} */ (button).disabled = true;
    say(text);
  }, { signal });

  function removeCard() {
    const status = h("span", { class: "status" });
    return card("Remove",
      h("p", { class: "muted" }, "Removes the user, and signs all their devices out."),
      h("div", { class: "actions" }, sender({ class: "destructive", onclick: remove }, "Remove user"), status));

    async function remove() {
      let effect = "All their devices are signed out.";
      try {
        const { tokenInfoList = [] } = await session.call("Users.GetUserTokens", { username });
        effect = tokenInfoList.length === 1 ? "1 device is signed out." : `${tokenInfoList.length} devices are signed out.`;
      } catch {
        // How many is good to know, but no reason to keep anybody.
      }
      const last = store.isLastAdministrator(username);
      const sure = await confirmDialog({
        title: `Remove ${nameOf(username)}?`, verb: "Remove user", typed: last ? nameOf(username) : null,
        text: [`${effect} This can't be undone.`, ...(last ? [LAST] : [])],
      });
      if (!sure) return;
      removing = true;
      const failure = await save(store, status, () => session.call("Users.RemoveUser", { username }), { saved: `${nameOf(username)} was removed.`, verify: () => store.get(username) === null });
      removing = false;
      if (!failure) removed();
    }
  }

  return panel;
}

/** @param {import("../store.js").User} user */
function factsCard(user) {
  return card("Details",
    h("dl", { class: "stack tight" },
      ...[["Name", user.displayName || "–"], ["E-mail", user.email || "–"], ["Permissions", permissionWords(permissionsOf(user))]]
        .map(([term, value]) => h("div", {}, h("dt", { class: "muted small" }, term), h("dd", {}, value)))));
}

/** @param {import("./frame.js").Context} context @param {import("../store.js").User} user @param {boolean} own */
function detailsCard({ session, store }, user, own) {
  const { username } = user;
  const form = detailsForm({
    store,
    draftKey: `details ${username}`,
    parts: {
      displayName: { label: "Name", control: new Field({ label: "Name", check: textProblem, attributes: { autocapitalize: "words" } }) },
      email: { label: "E-mail", control: new Field({ label: "E-mail", type: "email", check: textProblem }) },
    },
    values: () => store.get(username),
    call: (params) => session.call("Users.SetUserInfo", own ? params : { username, ...params }),
  });
  return { element: card("Details", form.element), arrived: form.arrived };
}

/** @param {import("./frame.js").Context} context @param {import("../store.js").User} user @param {boolean} own */
function permissionsCard({ session, store }, user, own) {
  const { username } = user;
  const key = `permissions ${username}`;
  const editor = new PermissionsEditor(permissionsOf(user));
  const status = h("span", { class: "status" });
  const form = h("form", { class: "stack", novalidate: true, onsubmit: submit }, editor.element,
    h("div", { class: "actions" }, sender({ type: "submit", class: "primary" }, "Save"), status));
  const field = new LiveField({
    name: "Permissions", base: permissionsOf(user), get: () => editor.value, set: (value) => { editor.value = value; },
    same: samePermissions, words: permissionWords, element: editor.element, hasFocus: () => editor.hasFocus,
  });
  field.restore(draft(key));
  editor.addEventListener("change", () => setDraft(key, field.draft));

  /** @param {Event} event */
  async function submit(event) {
    event.preventDefault();
    if (!checkAll(editor)) return;
    if (field.conflicting) return field.focusConflict();
    const wanted = editor.value;
    const before = field.base;
    if (!(await confirmed(before, wanted))) return;
    // Whoever takes Administrator from themselves can't give it back.
    const undoable = !(own && before.mask === ADMIN && wanted.mask !== ADMIN);
    await send(wanted, undoable ? () => send(before) : undefined);
  }

  /** @param {import("../ui/permissions.js").Permissions} before @param {import("../ui/permissions.js").Permissions} wanted */
  function confirmed(before, wanted) {
    if (before.mask !== ADMIN || wanted.mask === ADMIN) return true;
    const last = store.isLastAdministrator(username);
    if (!own && !last) return true;
    return confirmDialog({
      title: `Take Administrator from ${nameOf(username)}?`, verb: "Take Administrator", typed: last ? nameOf(username) : null,
      text: [...(own ? [SELF] : []), ...(last ? [LAST] : [])],
    });
  }

  /** @param {import("../ui/permissions.js").Permissions} wanted @param {() => void} [undo] */
  async function send(wanted, undo) {
    field.sent = wanted;
    const failure = await save(store, status, () => session.call("Users.SetUserScopes", { username, ...paramsOf(wanted) }), {
      verify: () => samePermissions(permissionsOf(store.get(username) ?? user), wanted), undo, saved: undo ? "Saved" : "Undone",
    });
    field.sent = undefined;
    if (!failure) {
      if (!undo) editor.value = wanted;
      field.stored(wanted);
    }
    setDraft(key, field.draft);
  }

  return {
    element: card("Permissions", form),
    /** @param {import("../store.js").User} now */
    arrived: (now) => field.arrived(permissionsOf(now)),
  };
}

/** @param {import("./frame.js").Context} context @param {string} username @param {boolean} own @param {AbortSignal} signal */
function passwordCard({ session, store }, username, own, signal) {
  const password = newPasswordField("New password");
  const status = h("span", { class: "status" });
  const after = h("div");
  // Password managers need the name beside a new password.
  const account = h("input", { type: "text", name: "username", autocomplete: "username", value: username, readonly: true, hidden: true });
  const form = h("form", { class: "stack", novalidate: true, onsubmit: submit }, account, password.element,
    h("div", { class: "actions" }, sender({ type: "submit", class: "primary" }, own ? "Change password" : "Set password"), status), after);

  /** @param {Event} event */
  async function submit(event) {
    event.preventDefault();
    if (!checkAll(password)) return;
    fill(after);
    const newPassword = password.value;
    if (own) {
      const failure = await save(store, status, () => session.call("Users.ChangePassword", { newPassword }), { saved: "Changed. Your other devices stay signed in." });
      if (failure) return;
      password.clear();
      if (session.may("Users.GetTokens") && session.may("Users.RemoveToken")) {
        fill(after, sender({ onclick: () => { fill(after); form.dispatchEvent(new CustomEvent("sign-out-others", { bubbles: true })); } }, "Sign them out"));
      }
      return;
    }
    const sure = await confirmDialog({ title: `Set a new password for ${nameOf(username)}?`, text: ["All their devices are signed out."], verb: "Set password" });
    if (!sure) return;
    const failure = await save(store, status, () => session.call("Users.ChangeUserPassword", { username, newPassword }), { saved: "Changed. All their devices are signed out." });
    if (!failure) {
      password.clear();
      form.dispatchEvent(new CustomEvent("devices-changed", { bubbles: true }));
    }
  }

  signal.addEventListener("abort", () => password.clear());
  return card("Password", form);
}
