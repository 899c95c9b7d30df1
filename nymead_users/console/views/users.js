/** All users: the list, and beside it the one who is chosen. */

import { maskOf, describe, roleOf, ROLES } from "../permissions.js";
import { nameOf } from "../words.js";
import { h, icon, sender } from "../ui/dom.js";
import { addUser } from "./add-user.js";
import { listView } from "./list.js";
import { userPanel } from "./user.js";

/** @param {import("./frame.js").Context} context @param {import("../router.js").Route} route @returns {import("./frame.js").View} */
export function usersView(context, route) {
  const { session, store } = context;
  const chosenOf = (/** @type {import("../router.js").Route} */ { view, username }) => (view === "user" ? username : null);
  const view = listView({
    title: "Users",
    path: ["users"],
    source: store,
    mark: "username",
    words: { one: "user", many: "users", all: "All users", chosen: "Chosen user", choose: "Choose a user to see and change what they may do." },
    text: (user) => `${user.username}\n${user.displayName}\n${user.email}\n${nameOf(user.username)}`,
    compare: (a, b) => (a.username < b.username ? -1 : 1),
    nameOf: (user) => nameOf(user.username),
    filters: [{ name: "role", label: "Role", choices: () => Object.entries(ROLES), test: (user, role) => roleOf(maskOf(user.scopes)) === role }],
    add: session.may("Users.CreateUser") ? sender({ class: "primary", onclick: () => addUser(context) }, icon("add"), "Add user") : null,
    remark: (users) => (users.size === 1 && users.has(session.username ?? "\n") ? "Only you so far." : ""),
    row: (user) => [
      h("span", { class: "name" }, user.displayName || nameOf(user.username),
        user.username === session.username && session.state === "signed-in" ? h("span", { class: "muted small" }, " (you)") : null),
      user.displayName ? h("span", { class: "login" }, nameOf(user.username)) : null,
      h("span", { class: "may" }, describe(maskOf(user.scopes), user.allowedThingIds.length)),
    ],
    panel: (username, signal, removed) => userPanel(context, username, signal, { removed }),
    chosen: chosenOf(route),
  });
  return { ...view, update: (to) => view.choose(chosenOf(to)) };
}
