/** What was typed and not saved: it outlives a view, and a sign-in that was revoked. Passwords are never in here. */

/** @type {Map<string, any>} */
const drafts = new Map();
let owner = /** @type {string | null} */ (null);

/** Drafts belong to whoever typed them: somebody else who signs in does not see them. @param {string | null} username */
export function draftsOf(username) {
  if (owner !== null && owner !== username) drafts.clear();
  owner = username;
}

/** @param {string} key @returns {any} */
export const draft = (key) => drafts.get(key) ?? null;

/** @param {string} key @param {any} value null forgets it */
export function setDraft(key, value) {
  if (value === null) drafts.delete(key);
  else drafts.set(key, value);
}

export const clearDrafts = () => drafts.clear();
