/** The address's hash: which view, and of whom or what. Nothing else is ever in it. */

/** @typedef {{view: string, username: string | null, part: string, id: string | null}} Route `part` and `id`: of the doors */

const VIEWS = ["users", "user", "doors", "account", "developer"];

/** @param {string} [hash] @returns {Route} */
export function readRoute(hash = location.hash) {
  const [, view = "", ...rest] = hash.replace(/^#/, "").split("/");
  const nowhere = { username: null, part: "", id: null };
  if (!VIEWS.includes(view)) return { ...nowhere, view: "" };
  try {
    if (view === "doors") return { ...nowhere, view, part: rest[0] ?? "", id: rest[1] ? decodeURIComponent(rest[1]) : null };
    return { ...nowhere, view, username: view === "user" ? decodeURIComponent(rest.join("/")) : null };
  } catch {
    return { ...nowhere, view: "users" };
  }
}

/** @param {string} view @param {...string} rest */
export const hashOf = (view, ...rest) => `#/${[view, ...rest.map(encodeURIComponent)].join("/")}`;

/** @param {string} view @param {...string} rest */
export function go(view, ...rest) {
  location.hash = hashOf(view, ...rest);
}
