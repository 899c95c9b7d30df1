/** Who is signed in, on the console's own connection, and what they may do. */

import { CODES, Connection, Lost, Refused, serverUrl } from "./connection.js";
import { Contract } from "./contract.js";
import { knowParams } from "./masking.js";
import { ADMIN, maskOf, permits } from "./permissions.js";
import { remember } from "./secrets.js";
import { forget, keep, nextDeviceName, stored } from "./signin.js";
import { outcomeWords } from "./words.js";

/** Milliseconds between signs of life: a sign-in revoked elsewhere is noticed by the next one. */
const HEARTBEAT = 20000;

/** Whose notifications are wanted. */
const HEARD = ["Users", "Access", "LockGroups", "SmartlockAuths", "LockRoles", "AccessKeys"];

/**
 * States: "starting", "setup", "signed-out", "signed-in", "open" (no authentication here). Events: "change" (state, user or
 * permissions), "synced" (a connection is up and its user known), "notification".
 */
export class Session extends EventTarget {
  /** @param {import("./traffic.js").Traffic} traffic */
  constructor(traffic) {
    super();
    this.state = "starting";
    /** @type {any} */
    this.server = null;
    /** @type {Contract | null} */
    this.contract = null;
    this.signIn = stored();
    remember(this.signIn?.token);
    this.username = /** @type {string | null} */ (null);
    this.mask = 0;
    /** Why one has to sign in again. */
    this.revoked = false;
    /** Signed out here alone: the token is still valid. */
    this.tokenLeft = false;
    /** Somebody else was quicker with the first administrator. */
    this.lostRace = false;
    this.connection = new Connection({
      url: serverUrl(),
      greet: () => this.#greet(),
      record: (direction, text) => traffic.record("console", direction, text),
    });
    this.connection.addEventListener("unauthorized", () => this.#unauthorized());
    this.connection.addEventListener("notification", (event) => {
      this.dispatchEvent(new CustomEvent("notification", { detail: /** @type {CustomEvent} */ (event).detail }));
    });
    setInterval(() => this.#beat(), HEARTBEAT);
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.#beat();
    });
  }

  get token() {
    return this.signIn?.token ?? null;
  }

  /** Whether a method is there, and calls of it are permitted. @param {string} method */
  may(method) {
    const found = this.contract?.methods.get(method);
    return found !== undefined && (this.state === "open" || permits(this.mask, found["x-permissionScope"]));
  }

  get isAdministrator() {
    return this.state === "open" || this.mask === ADMIN;
  }

  /** Call a method on the console's connection. @param {string} method @param {object} [params] */
  call(method, params) {
    return this.connection.call(method, params);
  }

  /** Ask for what is there: any other outcome than that it is told is an Error, in words. @param {string} method @param {object} [params] */
  async ask(method, params) {
    const reply = await this.call(method, params);
    const failure = outcomeWords(reply.error, reply.errorMessage);
    if (failure) throw new Error(failure);
    return reply;
  }

  /** Make the first administrator and sign in. @param {{username: string, password: string, displayName: string, email: string}} user @returns {Promise<string>} an outcome, "lost" where somebody else was quicker */
  async setUp(user) {
    let error;
    try {
      ({ error } = await this.call("JSONRPC.CreateUser", user));
    } catch (reason) {
      if (!(reason instanceof Refused) || reason.code !== CODES.unauthorized) {
        if (reason instanceof Refused && reason.code === CODES.denied && !(await this.#setupRequired())) return this.#lost();
        throw reason;
      }
      return this.#lost();
    }
    if (error === "UserErrorPermissionDenied" || error === "UserErrorDuplicateUserId") {
      if (!(await this.#setupRequired())) return this.#lost();
    }
    if (error !== "UserErrorNoError") return error;
    if (!(await this.signInWith(user.username, user.password, false))) return "signed-out";
    return error;
  }

  async #setupRequired() {
    return (await this.call("JSONRPC.Hello", {})).initialSetupRequired;
  }

  #lost() {
    this.lostRace = true;
    this.state = "signed-out";
    this.dispatchEvent(new Event("change"));
    return "lost";
  }

  /** Sign in; false for a wrong name or password. @param {string} username @param {string} password @param {boolean} keepIt */
  async signInWith(username, password, keepIt) {
    const deviceName = nextDeviceName();
    const result = await this.call("JSONRPC.Authenticate", { username, password, deviceName });
    if (!result.success) return false;
    await this.#enter({ token: result.token, deviceName, username: result.username }, keepIt);
    return true;
  }

  /**
   * Ask for the button. Resolves with true when it was pressed, with false when another device asked.
   * @param {boolean} keepIt
   */
  async waitForButton(keepIt) {
    const deviceName = nextDeviceName();
    const { success, transactionId } = await this.call("JSONRPC.RequestPushButtonAuth", { deviceName });
    if (!success) return false;
    const params = await new Promise((resolve, reject) => {
      const finish = (/** @type {Function} */ settle, /** @type {any} */ value) => {
        this.removeEventListener("notification", hear);
        this.connection.removeEventListener("state", lost);
        settle(value);
      };
      const hear = (/** @type {any} */ { detail }) => {
        if (detail.method === "JSONRPC.PushButtonAuthFinished" && detail.params.transactionId === transactionId) finish(resolve, detail.params);
      };
      const lost = () => finish(reject, new Lost());
      this.addEventListener("notification", hear);
      this.connection.addEventListener("state", lost);
    });
    if (!params.success) return false;
    await this.#enter({ token: params.token, deviceName, username: "" }, keepIt);
    return true;
  }

  /** Sign out; the token is removed where that is allowed. */
  async signOut() {
    let removed = false;
    try {
      const own = this.may("Users.GetTokens") && this.may("Users.RemoveToken") ? await this.ownTokenId() : null;
      if (own !== null) {
        const { error } = await this.call("Users.RemoveToken", { tokenId: own });
        removed = error === "UserErrorNoError" || error === "UserErrorTokenNotFound";
      }
    } catch {
      removed = false;
    }
    this.tokenLeft = !removed;
    this.#leave(false);
    this.connection.restart();
  }

  /** The id of the token in use, null where it can't be found. */
  async ownTokenId() {
    const { tokenInfoList = [] } = await this.call("Users.GetTokens");
    return tokenInfoList.findLast((/** @type {any} */ token) => token.deviceName === this.signIn?.deviceName)?.id ?? null;
  }

  /** The permissions of the signed-in user are others from now on. @param {string[]} scopes */
  permissionsChanged(scopes) {
    const mask = maskOf(scopes);
    if (mask === this.mask) return;
    this.mask = mask;
    this.dispatchEvent(new Event("change"));
  }

  /** @param {import("./signin.js").SignIn} signIn @param {boolean} keepIt */
  async #enter(signIn, keepIt) {
    remember(signIn.token);
    this.signIn = signIn;
    keep(signIn, keepIt);
    await this.#greet();
  }

  /** @param {boolean} revoked */
  #leave(revoked) {
    forget(this.signIn);
    this.signIn = null;
    this.username = null;
    this.mask = 0;
    this.revoked = revoked;
    this.state = "signed-out";
    this.dispatchEvent(new Event("change"));
  }

  #unauthorized() {
    if (this.signIn !== null) this.#leave(true);
    // The server closes such a connection; the next one starts clean.
    this.connection.restart();
  }

  /** Begin a connection, or begin anew on it: who am I, and what is offered? */
  async #greet() {
    const hello = await this.call("JSONRPC.Hello", this.token === null ? {} : { token: this.token });
    this.server = hello;
    if (this.contract === null || this.state === "starting") await this.#readContract();
    if (this.signIn !== null && hello.authenticated === false) {
      this.#leave(true);
      this.connection.restart();
      return;
    }
    const before = this.state;
    if (hello.authenticated) {
      this.username = hello.username;
      this.mask = maskOf(hello.permissionScopes);
      this.revoked = false;
      this.tokenLeft = false;
      this.lostRace = false;
      this.state = "signed-in";
    } else if (!hello.authenticationRequired) this.state = "open";
    else if (hello.initialSetupRequired) this.state = "setup";
    else this.state = "signed-out";
    if (before === "setup" && this.state === "signed-out") this.lostRace = true;
    if (this.state === "signed-in" || this.state === "open") {
      // The server tells everybody only what they may know.
      await this.call("JSONRPC.SetNotificationStatus", { namespaces: HEARD.filter((name) => this.contract?.hasNamespace(name)) });
      // What a restarted server offers may be something else.
      if (before === this.state) await this.#readContract();
    }
    this.dispatchEvent(new Event("change"));
    this.dispatchEvent(new Event("synced"));
  }

  async #readContract() {
    const contract = new Contract(await this.call("rpc.discover"));
    this.contract = contract;
    knowParams((method) => contract.paramNames(method));
  }

  async #beat() {
    if (this.connection.state !== "online") return;
    try {
      if (this.state === "signed-in" || this.state === "open") await this.call("JSONRPC.KeepAlive", { sessionId: null });
      else {
        const { initialSetupRequired } = await this.call("JSONRPC.Hello", {});
        if (this.state === "setup" && !initialSetupRequired) this.#lost();
      }
    } catch {
      // A lost or revoked connection tells by itself.
    }
  }
}
