/** Adding a user: one dialog, one call. */

import { Lost, Refused, CODES } from "../connection.js";
import { maskOfChoice } from "../permissions.js";
import { nameOf, outcomeWords } from "../words.js";
import { alertUser, say } from "../ui/announce.js";
import { openDialog } from "../ui/dialog.js";
import { h } from "../ui/dom.js";
import { checkAll, Field, newPasswordField, setStatus, textProblem, usernameProblem } from "../ui/form.js";
import { paramsOf, PermissionsEditor, samePermissions } from "../ui/permissions.js";
import { refusalWords } from "../ui/saving.js";

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
      setStatus(status, "wait", "Saving…");
      let failure;
      try {
        const { error } = await session.call("Users.CreateUser", user);
        if (error === "UserErrorDuplicateUserId") {
          setStatus(status, "");
          username.fail(outcomeWords(error));
          username.input.focus();
          return false;
        }
        failure = outcomeWords(error);
      } catch (error) {
        if (error instanceof Lost) {
          failure = "Connection lost. Look whether the user is there when it is back.";
        } else failure = error instanceof Refused && error.code === CODES.busy ? "The server is busy. Try again." : refusalWords(session, error);
      }
      if (failure) {
        setStatus(status, "danger", failure);
        alertUser(failure);
        return false;
      }
      say(`${nameOf(user.username.toLowerCase())} was added.`);
      return true;
    },
  });
}
