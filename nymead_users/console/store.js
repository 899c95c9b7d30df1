/** The users as this page knows them, patched by notifications. */

import { ADMIN, maskOf } from "./permissions.js";

/** @typedef {{username: string, displayName: string, email: string, scopes: string[], allowedThingIds: string[]}} User */

/** Events: "loaded", "failed", "added", "changed" (detail: user, before), "removed". Details carry the user. */
export class Store extends EventTarget {
  /** @param {import("./session.js").Session} session */
  constructor(session) {
    super();
    this.session = session;
    /** @type {Map<string, User>} */
    this.users = new Map();
    this.loaded = false;
    /** @type {unknown} */
    this.error = null;
    this.readAt = 0;
    session.addEventListener("synced", () => this.load());
    session.addEventListener("notification", (event) => this.#hear(/** @type {CustomEvent} */ (event).detail));
    session.addEventListener("change", () => {
      if (!["signed-in", "open"].includes(session.state)) this.clear();
    });
  }

  clear() {
    this.users.clear();
    this.loaded = false;
    this.error = null;
  }

  /** Read everything that may be read, and tell what is different. Never rejects. */
  async load() {
    const { session } = this;
    if (!["signed-in", "open"].includes(session.state)) return;
    try {
      let users;
      if (session.may("Users.GetUsers")) ({ users } = await session.call("Users.GetUsers"));
      else {
        const { userInfo } = await session.call("Users.GetUserInfo");
        users = userInfo ? [userInfo] : [];
      }
      this.#take(users);
    } catch (error) {
      this.error = error;
      this.#tell("failed", null);
    }
  }

  /** @param {string} username */
  get(username) {
    return this.users.get(username) ?? null;
  }

  /** Whether nobody else is an administrator. @param {string} username */
  isLastAdministrator(username) {
    const user = this.users.get(username);
    if (!user || maskOf(user.scopes) !== ADMIN) return false;
    for (const other of this.users.values()) if (other.username !== username && maskOf(other.scopes) === ADMIN) return false;
    return true;
  }

  /** @param {User[]} users */
  #take(users) {
    const first = !this.loaded;
    const before = this.users;
    this.users = new Map(users.map((user) => [user.username, user]));
    this.loaded = true;
    this.error = null;
    this.readAt = Date.now();
    if (!first) {
      for (const user of before.values()) if (!this.users.has(user.username)) this.#tell("removed", user);
      for (const user of users) {
        const old = before.get(user.username);
        if (old === undefined) this.#tell("added", user);
        else if (JSON.stringify(old) !== JSON.stringify(user)) this.#tell("changed", user, old);
      }
    }
    this.#me();
    this.#tell("loaded", null);
  }

  /** @param {{method: string, params: any}} message */
  #hear({ method, params }) {
    if (method === "Users.UserAdded" || method === "Users.UserChanged") {
      const user = /** @type {User} */ (params.userInfo);
      const before = this.users.get(user.username);
      this.users.set(user.username, user);
      if (this.loaded) this.#tell(before ? "changed" : "added", user, before);
      this.#me();
    } else if (method === "Users.UserRemoved") {
      const user = this.users.get(params.username);
      this.users.delete(params.username);
      if (user) this.#tell("removed", user);
    }
    this.readAt = Date.now();
  }

  /** What happened to the signed-in user themselves. */
  #me() {
    const me = this.session.username === null ? undefined : this.users.get(this.session.username);
    if (!me) return;
    const could = this.session.may("Users.GetUsers");
    this.session.permissionsChanged(me.scopes);
    if (could !== this.session.may("Users.GetUsers")) this.load();
  }

  /** @param {string} type @param {User | null} user @param {User} [before] */
  #tell(type, user, before) {
    this.dispatchEvent(new CustomEvent(type, { detail: { user, before } }));
  }
}
