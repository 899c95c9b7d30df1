/** Adding a user: one dialog, one call. */

import { maskOfChoice } from "../permissions.js";
import { nameOf } from "../words.js";
import { say } from "../ui/announce.js";
import { openDialog } from "../ui/dialog.js";
import { h } from "../ui/dom.js";
import { checkAll, Field, newPasswordField, textProblem, usernameProblem } from "../ui/form.js";
import { paramsOf, PermissionsEditor, samePermissions } from "../ui/permissions.js";
import { send } from "../ui/saving.js";

/** @param {import("./frame.js").Context} context */
export function addUser({ session, store }) {
  const usual = { mask: maskOfChoice({ admin: false, all: true, things: 1, rules: 1 }), things: [] };
  const username = new Field({ label: "Username", name: "new-username", check: (value) => usernameProblem(value) || (store.get(value.toLowerCase()) ? "This username is taken." : "") });
  const displayName = new Field({ label: "Name (optional)", check: textProblem, attributes: { autocapitalize: "words" } });
  const email = new Field({ label: "E-mail (optional)", type: "email", check: textProblem });
  const password = newPasswordField("Password");
  const editor = new PermissionsEditor(usual);
  const body = h("div", { class: "stack" }, username.element, displayName.element, email.element, password.element, h("h3", {}, "Permissions"), editor.element);

  return openDialog({
    title: "Add user",
    body,
    verb: "Add user",
    isDirty: () => [username, displayName, email, password].some((field) => field.value !== "") || !samePermissions(editor.value, usual),
    submit: async (status) => {
      if (!checkAll(username, displayName, email, password, editor)) return false;
      const user = { username: username.value, password: password.value, displayName: displayName.value.trim(), email: email.value.trim(), ...paramsOf(editor.value) };
      const reply = await send(session, status, () => session.call("Users.CreateUser", user), {
        fieldOf: (error) => (error === "UserErrorDuplicateUserId" ? username : undefined),
        lost: "Look whether the user is there when it is back.",
      });
      if (reply === null) return false;
      say(`${nameOf(user.username.toLowerCase())} was added.`);
      return true;
    },
  });
}
