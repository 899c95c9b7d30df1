/** The address's hash: which view, and whose. Nothing else is ever in it. */

/** @typedef {{view: string, username: string | null}} Route */

const VIEWS = ["users", "user", "account", "developer"];

/** @param {string} [hash] @returns {Route} */
export function readRoute(hash = location.hash) {
  const [, view = "", ...rest] = hash.replace(/^#/, "").split("/");
  if (!VIEWS.includes(view)) return { view: "", username: null };
  try {
    return { view, username: view === "user" ? decodeURIComponent(rest.join("/")) : null };
  } catch {
    return { view: "users", username: null };
  }
}

/** @param {string} view @param {string | null} [username] */
export const hashOf = (view, username = null) => `#/${view}${username === null ? "" : `/${encodeURIComponent(username)}`}`;

/** @param {string} view @param {string | null} [username] */
export function go(view, username = null) {
  location.hash = hashOf(view, username);
}
