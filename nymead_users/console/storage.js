/** What this browser remembers. Storage can be forbidden or full: then it remembers for as long as the page lives. */

const PREFIX = "nymead-users.";

/** @type {Map<string, string>} */
const fallback = new Map();

/** @param {() => Storage} area */
function store(area) {
  return {
    /** @param {string} key @returns {any} */
    get(key) {
      try {
        return JSON.parse(area().getItem(PREFIX + key) ?? "null");
      } catch {
        return JSON.parse(fallback.get(key) ?? "null");
      }
    },
    /** @param {string} key @param {any} value null removes it */
    set(key, value) {
      try {
        if (value === null) area().removeItem(PREFIX + key);
        else area().setItem(PREFIX + key, JSON.stringify(value));
      } catch {
        if (value === null) fallback.delete(key);
        else fallback.set(key, JSON.stringify(value));
      }
    },
  };
}

/** Of this tab: it survives a reload. */
export const tab = store(() => sessionStorage);

/** Of this browser: all tabs share it. */
export const browser = store(() => localStorage);
