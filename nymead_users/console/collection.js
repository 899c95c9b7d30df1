/** Things of one kind as this page knows them: read when they are first wanted, then patched by notifications. */

/** @param {import("./session.js").Session} session */
export const isIn = (session) => ["signed-in", "open"].includes(session.state);

/**
 * Events: "loaded", "failed", and with details (item, before, quiet) "added", "changed", "removed".
 * @template T
 */
export class Collection extends EventTarget {
  /**
   * @param {import("./session.js").Session} session
   * @param {{read: () => Promise<T[]>, key: (item: T) => string, merge?: (item: any, before: T | undefined) => T}} options
   *   `merge`: what is known beside what the server told, kept from before
   */
  constructor(session, { read, key, merge = (item) => item }) {
    super();
    this.session = session;
    this.read = read;
    this.key = key;
    this.merge = merge;
    /** @type {Map<string, T>} */
    this.items = new Map();
    this.loaded = false;
    this.wanted = false;
    /** @type {unknown} */
    this.error = null;
    this.readAt = 0;
    /** @type {Promise<void> | null} */
    this.reading = null;
    session.addEventListener("synced", () => { if (this.wanted) this.load(); });
    session.addEventListener("change", () => { if (!isIn(session)) this.clear(); });
  }

  clear() {
    this.items.clear();
    this.loaded = false;
    this.wanted = false;
    this.error = null;
  }

  /** Have it read unless it is there already. */
  want() {
    if (this.wanted) return;
    this.wanted = true;
    this.load();
  }

  /** Resolves once it has been read. */
  async there() {
    if (!this.loaded) await this.load();
  }

  /** @param {string} key */
  get(key) {
    return this.items.get(key) ?? null;
  }

  /** Read everything, and tell what is different. Never rejects; who asks while it is being read gets the next reading. @returns {Promise<void>} */
  load() {
    this.wanted = true;
    if (this.reading) {
      this.again = true;
      return this.reading;
    }
    this.reading = this.#read().finally(() => { this.reading = null; });
    return this.reading;
  }

  /** Somebody asked while it was being read. */
  again = false;

  /** What was told while everything was being read: it is newer than what is read. @type {Map<string, T | null> | null} */
  #meanwhile = null;

  async #read() {
    do {
      this.again = false;
      if (!isIn(this.session)) return;
      this.#meanwhile = new Map();
      try {
        const items = await this.read();
        if (!isIn(this.session)) return;
        this.#take(items);
      } catch (error) {
        if (!isIn(this.session)) return;
        this.error = error;
        this.tell("failed", null);
      } finally {
        this.#meanwhile = null;
      }
    } while (this.again);
  }

  /** It was added or is another now. @param {any} told @param {boolean} [quiet] it is no news, only known better */
  put(told, quiet = false) {
    const key = this.key(told);
    const before = this.items.get(key);
    const item = this.merge(told, before);
    this.#meanwhile?.set(key, item);
    this.readAt = Date.now();
    this.items.set(key, item);
    if (this.loaded) this.tell(before ? "changed" : "added", item, before, quiet);
  }

  /** @param {string} key */
  drop(key) {
    const item = this.items.get(key);
    this.#meanwhile?.set(key, null);
    this.readAt = Date.now();
    this.items.delete(key);
    if (item && this.loaded) this.tell("removed", item);
  }

  /** @param {T[]} read */
  #take(read) {
    const first = !this.loaded;
    const before = this.items;
    const items = new Map(read.map((item) => [this.key(item), this.merge(item, before.get(this.key(item)))]));
    for (const [key, item] of this.#meanwhile ?? []) {
      if (item === null) items.delete(key);
      else items.set(key, item);
    }
    this.items = items;
    this.loaded = true;
    this.error = null;
    this.readAt = Date.now();
    if (!first) {
      for (const [key, item] of before) if (!items.has(key)) this.tell("removed", item);
      for (const [key, item] of items) {
        const old = before.get(key);
        if (old === undefined) this.tell("added", item);
        else if (old !== item && JSON.stringify(old) !== JSON.stringify(item)) this.tell("changed", item, old);
      }
    }
    this.tell("loaded", null);
  }

  /** @param {string} type @param {T | null} item @param {T} [before] @param {boolean} [quiet] */
  tell(type, item, before, quiet = false) {
    this.dispatchEvent(new CustomEvent(type, { detail: { item, before, quiet } }));
  }
}
