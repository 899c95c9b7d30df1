/** nymea's permission scopes: their bits, the sets that go together, and words for them. */

/** Bits by name, in the order in which a set is sent. */
export const SCOPES = Object.freeze({
  PermissionScopeControlThings: 0x0001,
  PermissionScopeConfigureThings: 0x0003,
  PermissionScopeAccessAllThings: 0x0004,
  PermissionScopeExecuteRules: 0x0010,
  PermissionScopeConfigureRules: 0x0030,
  PermissionScopeAdmin: 0xffff,
});

export const ADMIN = SCOPES.PermissionScopeAdmin;
const ALL_THINGS = SCOPES.PermissionScopeAccessAllThings;

/** @param {string[]} names */
export const maskOf = (names) => names.reduce((mask, name) => mask | (/** @type {Record<string, number>} */ (SCOPES)[name] ?? 0), 0);

/** @param {number} mask */
export const namesOf = (mask) => Object.entries(SCOPES).filter(([, bits]) => (mask & bits) === bits).map(([name]) => name);

/** Whether someone who holds `mask` may do what needs a scope. @param {number} mask @param {string} scope */
export const permits = (mask, scope) => {
  const bits = /** @type {Record<string, number>} */ (SCOPES)[scope] ?? 0;
  return (mask & bits) === bits;
};

/** A scope in words. @param {string} scope */
export const scopeWords = (scope) => ({
  PermissionScopeNone: "Signed in",
  PermissionScopeControlThings: "Control things",
  PermissionScopeConfigureThings: "Configure things",
  PermissionScopeAccessAllThings: "All things",
  PermissionScopeExecuteRules: "Run rules",
  PermissionScopeConfigureRules: "Change rules",
  PermissionScopeAdmin: "Administrator",
}[scope] ?? scope);

/** The strongest scopes of a set in words: "Configure things, All things". @param {number} mask */
export function heldWords(mask) {
  if (mask === ADMIN) return "Administrator";
  const names = namesOf(mask).filter((name) => !(
    (name === "PermissionScopeControlThings" && permits(mask, "PermissionScopeConfigureThings"))
    || (name === "PermissionScopeExecuteRules" && permits(mask, "PermissionScopeConfigureRules"))));
  return names.map(scopeWords).join(", ") || "nothing";
}

/**
 * What the editor chooses. `all`: all things rather than only these; `things` and `rules`: 0 to 2.
 * @typedef {{admin: boolean, all: boolean, things: number, rules: number}} Choice
 */

/** @param {number} mask @returns {Choice} */
export function choiceOf(mask) {
  const level = (/** @type {number} */ weak, /** @type {number} */ strong) => ((mask & strong) === strong ? 2 : (mask & weak) === weak ? 1 : 0);
  const admin = mask === ADMIN;
  return {
    admin,
    all: (mask & ALL_THINGS) !== 0,
    things: admin ? 2 : level(0x0001, 0x0003),
    rules: admin ? 2 : level(0x0010, 0x0030),
  };
}

/** The set of a choice; what needs all things is left out without them. @param {Choice} choice */
export function maskOfChoice({ admin, all, things, rules }) {
  if (admin) return ADMIN;
  if (!all) return things > 0 ? 0x0001 : 0;
  return ALL_THINGS | [0, 0x0001, 0x0003][things] | [0, 0x0010, 0x0030][rules];
}

/** A user's permissions in words. @param {number} mask @param {number} chosen how many things are chosen */
export function describe(mask, chosen) {
  if (mask === ADMIN) return "Administrator";
  const { all, things, rules } = choiceOf(mask);
  if (!all) return things ? `Controls ${chosen === 1 ? "1 thing" : `${chosen} things`}` : "No permissions";
  return [["Sees all things", "Controls all things", "Configures all things"][things], ["", "runs rules", "changes rules"][rules]].filter(Boolean).join(", ");
}

/** Roles to filter by. */
export const ROLES = Object.freeze({
  "": "All roles",
  admin: "Administrators",
  all: "All things",
  some: "Only some things",
  none: "No permissions",
});

/** @param {number} mask */
export const roleOf = (mask) => (mask === ADMIN ? "admin" : mask & ALL_THINGS ? "all" : mask ? "some" : "none");
