/** The users as this page knows them, patched by notifications. */

import { Collection } from "./collection.js";
import { ADMIN, maskOf } from "./permissions.js";

/** @typedef {{username: string, displayName: string, email: string, scopes: string[], allowedThingIds: string[]}} User */

/** @param {import("./session.js").Session} session @returns {Promise<User[]>} */
async function readUsers(session) {
  if (session.may("Users.GetUsers")) return (await session.call("Users.GetUsers")).users;
  const { userInfo } = await session.call("Users.GetUserInfo");
  return userInfo ? [userInfo] : [];
}

/** @extends {Collection<User>} */
export class Store extends Collection {
  /** @param {import("./session.js").Session} session */
  constructor(session) {
    super(session, { read: () => readUsers(session), key: (user) => user.username });
    // Everybody is shown at least what they are themselves.
    session.addEventListener("synced", () => this.want());
    session.addEventListener("notification", (event) => this.#hear(/** @type {CustomEvent} */ (event).detail));
  }

  /** Whether nobody else is an administrator. @param {string} username */
  isLastAdministrator(username) {
    const user = this.items.get(username);
    if (!user || maskOf(user.scopes) !== ADMIN) return false;
    for (const other of this.items.values()) if (other.username !== username && maskOf(other.scopes) === ADMIN) return false;
    return true;
  }

  /** @param {{method: string, params: any}} message */
  #hear({ method, params }) {
    if (method === "Users.UserAdded" || method === "Users.UserChanged") {
      this.put(params.userInfo);
      this.#me();
    } else if (method === "Users.UserRemoved") this.drop(params.username);
  }

  /** @param {string} type @param {User | null} user @param {User} [before] @param {boolean} [quiet] */
  tell(type, user, before, quiet) {
    if (type === "loaded") this.#me();
    super.tell(type, user, before, quiet);
  }

  /** What happened to the signed-in user themselves. */
  #me() {
    const me = this.session.username === null ? undefined : this.items.get(this.session.username);
    if (!me) return;
    const could = this.session.may("Users.GetUsers");
    this.session.permissionsChanged(me.scopes);
    if (could !== this.session.may("Users.GetUsers")) this.load();
  }
}
