/** Who may open which lock, when, as this page knows it: locks, persons, credentials, grants and groups. */

import { Collection, isIn } from "./collection.js";
import { soon } from "./ui/soon.js";

/** How many locks are asked why they could not take something, at the most. */
const ASKED = 50;

/** Whose notifications are about doors. */
const NAMESPACES = ["Access", "LockGroups", "SmartlockAuths", "LockRoles", "AccessKeys"];

/** Who tells all that may change who can open what; "" is told where one sees other things. */
const MOVING = ["", "Access", "LockGroups"];

/** What they tell beside it. */
const UNMOVED = ["Access.AccessDecided", "Access.SyncPending"];

/** @param {string} name */
const byId = (name) => (/** @type {any} */ item) => item[name];

/** A person's name. @param {any} person */
export const personName = (person) => `${person.firstName} ${person.lastName}`.trim() || person.username || `Person ${person.number}`;

/**
 * Events: "stirred" (something was told of doors; detail: the message), "loaded" (all that was
 * wanted has been read anew).
 */
export class Doors extends EventTarget {
  /** @param {import("./session.js").Session} session @param {import("./store.js").Store} store */
  constructor(session, store) {
    super();
    this.session = session;
    const list = (/** @type {string} */ method, /** @type {string} */ name) => async () => (await session.ask(method))[name];
    const merge = (/** @type {any} */ told, /** @type {any} */ before) => ({ ...before, ...told });
    this.owners = new Collection(session, { key: byId("id"), read: list("Access.GetOwners", "owners") });
    this.persons = new Collection(session, { key: byId("id"), read: list("Access.GetPersons", "persons") });
    this.credentials = new Collection(session, { key: byId("id"), read: list("Access.GetCredentials", "credentials") });
    this.grants = new Collection(session, { key: byId("id"), read: list("Access.GetGrants", "grants") });
    this.locks = new Collection(session, {
      key: byId("id"), read: list("Access.GetLocks", "locks"),
      // How many changes it could not take is asked for, and no longer true once it is in step.
      merge: (told, before) => ({ ...told, failed: told.pendingSyncCount ? told.failed ?? before?.failed ?? 0 : 0 }),
    });
    this.groups = new Collection(session, { key: byId("id"), read: () => this.#readGroups(), merge });
    this.accessKeys = new Collection(session, { key: byId("id"), read: list("AccessKeys.GetAccessKeys", "accessKeys") });
    this.all = [this.owners, this.persons, this.credentials, this.grants, this.locks, this.groups, this.accessKeys];
    for (const one of this.all) {
      one.addEventListener("loaded", () => {
        if (this.all.every((other) => other === one || !other.reading)) this.dispatchEvent(new Event("loaded"));
      });
    }
    const rereadLocks = soon(200, () => { if (this.locks.wanted) this.locks.load(); });
    const askFailures = soon(200, () => { if (this.locks.loaded) this.#askFailures(); });
    const rereadGroups = soon(200, () => { if (this.groups.wanted) this.groups.load(); });
    this.locks.addEventListener("loaded", () => this.#askFailures());
    session.addEventListener("notification", (event) => {
      const { method, params } = /** @type {CustomEvent} */ (event).detail;
      const [namespace, name] = method.split(".");
      if (!NAMESPACES.includes(namespace)) return;
      this.#hear(name, params);
      // A lock that could take nothing is no other than before: only its grants tell.
      if (name === "GrantChanged" && params.grant.state === "failed") askFailures();
      // How many changes wait is not told with it.
      if (name === "SyncPending") rereadLocks();
      if (name.startsWith("Membership") || name === "LockGroupAdded") rereadGroups();
      this.dispatchEvent(new CustomEvent("stirred", { detail: { method, params } }));
    });
    // Other things, other locks.
    store.addEventListener("changed", (event) => {
      const { item, before } = /** @type {CustomEvent} */ (event).detail;
      if (item.username !== session.username || item.allowedThingIds.join() === before.allowedThingIds.join()) return;
      for (const one of this.all) if (one.wanted) one.load();
      this.dispatchEvent(new CustomEvent("stirred", { detail: { method: "", params: {} } }));
    });
  }

  /** Tell when something was changed that may change who can open what. @param {() => void} listener @param {AbortSignal} signal */
  onChange(listener, signal) {
    this.addEventListener("stirred", (event) => {
      const { method } = /** @type {CustomEvent} */ (event).detail;
      if (MOVING.includes(method.split(".")[0]) && !UNMOVED.includes(method)) listener();
    }, { signal });
    this.session.addEventListener("synced", listener, { signal });
  }

  /** When anything was last heard. */
  get readAt() {
    return Math.max(...this.all.map(({ readAt }) => readAt));
  }

  /** The only owner, null where there are several. */
  get onlyOwner() {
    return this.owners.items.size === 1 ? [...this.owners.items.values()][0] : null;
  }

  /** @param {string | undefined} id */
  personName(id) {
    const person = id ? this.persons.get(id) : null;
    return person ? personName(person) : "Somebody";
  }

  /** @param {string | undefined} id */
  lockName(id) {
    return (id && this.locks.get(id)?.title) || "A lock that is gone";
  }

  /** @param {string | undefined} id */
  groupName(id) {
    return (id && this.groups.get(id)?.title) || "A group that is gone";
  }

  /** @param {string} name @param {any} params */
  #hear(name, params) {
    const [, kind, verb] = /^(Owner|Lock|Person|Credential|Grant|LockGroup|AccessKey)(Added|Changed|Removed)$/.exec(name) ?? [];
    if (!kind) return;
    const collection = { Owner: this.owners, Lock: this.locks, Person: this.persons, Credential: this.credentials, Grant: this.grants, LockGroup: this.groups, AccessKey: this.accessKeys }[kind];
    if (!collection?.wanted) return;
    const param = `${kind[0].toLowerCase()}${kind.slice(1)}`;
    if (verb === "Removed") collection.drop(params[`${param}Id`]);
    else collection.put(params[param]);
    if (kind === "Lock" && verb === "Changed") this.#askFailures(params.lock.id);
  }

  async #readGroups() {
    const { owners } = await this.session.ask("Access.GetOwners");
    const groups = [];
    for (const { id } of owners) {
      const { lockGroups } = await this.session.ask("LockGroups.GetLockGroups", { ownerAccountId: id, expand: "statistics" });
      groups.push(...lockGroups.map((/** @type {any} */ group) => ({ ...group, ownerId: id, statistics: group.statistics ?? { ByState: [] } })));
    }
    return groups;
  }

  /** Which changes a lock could not take: of one lock, or of all where something waits. @param {string} [only] */
  async #askFailures(only) {
    if (!this.session.may("Access.GetPendingSync")) return;
    const asked = [...this.locks.items.values()].filter((lock) => lock.pendingSyncCount && (!only || lock.id === only)).slice(0, ASKED);
    for (const { id } of asked) {
      try {
        const { items = [] } = await this.session.call("Access.GetPendingSync", { lockId: id });
        const failed = items.filter((/** @type {any} */ item) => item.error !== undefined).length;
        const now = this.locks.get(id);
        if (now && now.failed !== failed) this.locks.put({ ...now, failed }, now.failed === undefined || now.failed === 0);
      } catch {
        // It is a detail; what matters has been read.
        if (!isIn(this.session)) return;
      }
    }
  }
}
