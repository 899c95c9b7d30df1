/** What is said of doors: reasons, states, schedules, entries of the log. */

import { dayWords, momentWords, timeWords, here } from "../../zone.js";
import { h, icon } from "../../ui/dom.js";

/** A state: icon, word, colour. @param {"ok" | "warn" | "danger" | "wait" | ""} kind @param {...any} words */
export const state = (kind, ...words) => h("span", { class: `status ${kind === "wait" ? "" : kind}`.trim() }, icon(kind || "none"), h("span", {}, words));

/** @param {number} count @param {string} one @param {string} [many] */
export const counted = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;

/** Why somebody may open a lock, or not. */
export const REASONS = /** @type {Record<string, string>} */ ({
  granted: "A grant allows it.",
  unknownCredential: "Nobody has such a credential.",
  revoked: "The grant was revoked.",
  disabled: "The person, the credential or the grant is disabled.",
  lockedOut: "Wrong PINs have locked the credential out for a while.",
  notAuthorized: "No grant reaches this lock.",
  notYetValid: "The grant is not valid yet.",
  expired: "The grant is no longer valid.",
  outsideSchedule: "It is outside the hours of the grant.",
  remoteNotAllowed: "The grant is for the door itself, not from afar.",
  pinNotSet: "A PIN is wanted and none was given, or one was given where there is none.",
  wrongPin: "The PIN is wrong.",
});

/** @param {string} reason */
export const reasonWords = (reason) => REASONS[reason] ?? reason;

/** Where nobody was asked for a PIN: with the right one it would do. @param {{allowed: boolean, reason: string}} decision */
export const onlyByPin = ({ allowed, reason }) => !allowed && reason === "pinNotSet";

/** @param {{pendingSyncCount: number, failed?: number}} lock */
export function syncState({ pendingSyncCount, failed = 0 }) {
  if (failed) return state("danger", `Could not take ${counted(failed, "change")}`);
  if (pendingSyncCount) return state("wait", `${counted(pendingSyncCount, "change")} waiting`);
  return state("ok", "In step");
}

const GRANT_STATES = /** @type {Record<string, [any, string, string]>} */ ({
  pending: ["wait", "Pending", "Not all its locks have heard of it yet."],
  active: ["ok", "Active", "All its locks know it."],
  revoking: ["wait", "Revoking", "Nobody is let in by it; not all its locks have heard of that yet."],
  revoked: ["", "Revoked", "All its locks have forgotten it."],
  failed: ["danger", "Could not be stored on a lock", "A lock could not take it when it last tried; it will try again."],
});

export const GRANT_FILTER = /** @type {[string, string][]} */ ([["", "All"], ...Object.entries(GRANT_STATES).map(([key, [, words]]) => [key, words])]);

/** @param {string} name */
export function grantState(name) {
  const [kind, words] = GRANT_STATES[name] ?? ["", name];
  return state(kind, words);
}

/** @param {string} name */
export const grantStateMeaning = (name) => GRANT_STATES[name]?.[2] ?? "";

const KEY_STATUS = /** @type {Record<string, [any, string, string]>} */ ({
  NotApplied: ["", "Not applied", "It has no level with a lock in it."],
  Pending: ["wait", "Pending", "No lock of its levels knows it yet."],
  Applied: ["ok", "Applied", "All locks of its levels know it."],
  PartiallyApplied: ["wait", "Partially applied", "Not all locks of its levels know it yet."],
  Failed: ["danger", "Failed", "A lock could not take it when it last tried; it will try again."],
});

/** @param {string} name */
export function keyStatus(name) {
  const [kind, words] = KEY_STATUS[name] ?? ["", name];
  return state(kind, words);
}

/** @param {string} name */
export const keyStatusMeaning = (name) => KEY_STATUS[name]?.[2] ?? "";

const MEMBER_STATES = /** @type {Record<string, string>} */ ({ JoinPending: "joining", Joined: "joined", UnjoinPending: "leaving", Unjoined: "left" });

/** @param {{ByState: {State: string, Count: number}[]} | undefined} statistics */
export const statisticsWords = (statistics) => statistics?.ByState.map(({ State, Count }) => `${Count} ${MEMBER_STATES[State] ?? State}`).join(", ") || "No locks";

const TYPES = /** @type {Record<string, string>} */ ({ code: "Code", proximity: "Proximity key", phone: "Phone" });

export const CREDENTIAL_TYPES = /** @type {[string, string][]} */ (Object.entries(TYPES));

/** A credential without what must not be seen by chance. @param {any} credential */
export const credentialWords = (credential) => (credential.type === "code" ? `Code with ${credential.value.length} digits` : `${TYPES[credential.type] ?? credential.type} ${credential.value}`);

// Schedules

export const DAYS = /** @type {[string, string, string][]} */ ([
  ["mon", "Mon", "Monday"], ["tue", "Tue", "Tuesday"], ["wed", "Wed", "Wednesday"], ["thu", "Thu", "Thursday"], ["fri", "Fri", "Friday"], ["sat", "Sat", "Saturday"], ["sun", "Sun", "Sunday"],
]);

/** "Mon–Fri" @param {string[]} weekdays */
function daysWords(weekdays) {
  const at = DAYS.map(([key]) => weekdays.includes(key));
  if (at.every(Boolean)) return "Every day";
  const runs = [];
  for (let index = 0; index < at.length; index += 1) {
    if (!at[index]) continue;
    const from = index;
    while (at[index + 1]) index += 1;
    runs.push(from === index ? DAYS[from][1] : `${DAYS[from][1]}${index === from + 1 ? ", " : "–"}${DAYS[index][1]}`);
  }
  return runs.join(", ");
}

/** @param {any} schedule */
export function scheduleWords(schedule) {
  if (!schedule) return "Always";
  if (schedule.ical !== undefined) {
    const rule = /^RRULE:(.*)$/m.exec(schedule.ical)?.[1].trim();
    return rule ? `By a calendar: ${rule.replaceAll(";", "; ")}` : "By a calendar";
  }
  return schedule.weekly.map((/** @type {any} */ { weekdays, from, until }) => `${daysWords(weekdays)} ${from}–${until}`).join("; ");
}

/** @param {{validFrom?: string, validBefore?: string}} grant */
export function validityWords({ validFrom, validBefore }) {
  const words = (/** @type {string} */ iso) => new Date(iso).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
  if (validFrom && validBefore) return `${words(validFrom)} to ${words(validBefore)}`;
  if (validFrom) return `From ${words(validFrom)} on`;
  return validBefore ? `Until ${words(validBefore)}` : "For good";
}

/** Who a grant is for. @param {import("../../doors.js").Doors} doors @param {any} grant */
export function subjectName(doors, grant) {
  if (grant.personId) return doors.personName(grant.personId);
  const credential = doors.credentials.get(grant.credentialId);
  if (!credential) return "A credential";
  return credential.personId ? `${doors.personName(credential.personId)}, ${credentialWords(credential)}` : credentialWords(credential);
}

/** What a grant is for. @param {import("../../doors.js").Doors} doors @param {any} grant */
export const targetName = (doors, grant) => (grant.lockId ? doors.lockName(grant.lockId) : doors.groupName(grant.lockGroupId));

/** @param {import("../../doors.js").Doors} doors @param {any} grant */
export const grantName = (doors, grant) => `${subjectName(doors, grant)} – ${targetName(doors, grant)}`;

/** Until when something stays as it is. @param {string | undefined} until @param {string} zone the lock's */
export function untilWords(until, zone) {
  if (!until) return "This stays so until something is changed.";
  return `This stays so until ${momentWords(Date.parse(until), zone)}${zone === here() ? "" : ` (${zone})`}.`;
}

/** "Sat 28 Nov 08:00–17:00" @param {number} begin @param {number} end @param {string} zone @param {number[]} days when days begin */
export function spanWords(begin, end, zone, days) {
  const day = days.findLast((start) => start <= begin) ?? begin;
  const next = days.find((start) => start > begin) ?? Infinity;
  if (begin === day && end === next) return `${dayWords(begin, zone)}, all day`;
  if (end <= next) return `${dayWords(begin, zone)} ${timeWords(begin, zone)}–${end === next ? "24:00" : timeWords(end, zone)}`;
  return `${momentWords(begin, zone)} – ${momentWords(end, zone)}`;
}

// The log

const THINGS = /** @type {Record<string, string>} */ ({ owner: "site", lock: "lock", person: "person", credential: "credential", grant: "grant", lockGroup: "group", membership: "membership", role: "sharing role" });
const VERBS = /** @type {Record<string, string>} */ ({ Added: "added", Changed: "changed", Removed: "removed" });
const OPERATIONS = /** @type {Record<string, string>} */ ({ add: "a new", update: "a changed", remove: "a removed" });

/** A name, and where it leads. @typedef {{name: string, part: "persons" | "locks" | "groups", id: string}} Linked */

/**
 * An entry in words: its icon and word, and a sentence in which names may lead somewhere.
 * @param {import("../../doors.js").Doors} doors @param {any} event @returns {{kind: "ok" | "warn" | "danger" | "wait" | "", word: string, text: (string | Linked)[]}}
 */
export function eventWords(doors, event) {
  const { kind, reason, details } = event;
  /** @type {string | Linked} */
  const lock = !event.lockId ? "" : doors.locks.get(event.lockId) ? { name: doors.lockName(event.lockId), part: "locks", id: event.lockId } : "a lock that is gone";
  /** @type {string | Linked} */
  const person = !event.personId ? "" : doors.persons.get(event.personId) ? { name: doors.personName(event.personId), part: "persons", id: event.personId } : "somebody who is gone";
  if (kind === "decision") {
    const who = person || (event.credentialId ? "a credential of nobody" : "an unknown credential");
    const afar = details.remote ? ", from afar" : "";
    return event.allowed ? { kind: "ok", word: "Granted", text: [who, " was let in at ", lock, `${afar}.`] }
      : { kind: "danger", word: "Denied", text: [who, " was not let in at ", lock, `${afar}. ${reasonWords(reason)}`] };
  }
  if (kind === "sync") {
    const what = `${OPERATIONS[details.op] ?? "a"} ${THINGS[details.entity] ?? details.entity}`;
    if (reason === "syncFailed") return { kind: "danger", word: "Not stored", text: [lock, ` could not take ${what}: ${details.error}`] };
    return { kind: "wait", word: "Synchronised", text: [lock, ` has heard of ${what}`, ...(person ? [" for ", person] : []), "."] };
  }
  const [, thing, verb] = /^(.*)(Added|Changed|Removed)$/.exec(reason) ?? [];
  const group = thing === "lockGroup" ? doors.groups.get(details.id) : null;
  /** @type {string | Linked} */
  const itself = thing === "person" ? person : thing === "lock" ? lock : group ? { name: group.title, part: "groups", id: group.id } : "";
  const about = itself ? [itself] : [`the ${THINGS[thing] ?? thing}`, ...(person ? [" of ", person] : []), ...(lock ? [" at ", lock] : [])];
  return { kind: "", word: "Changed", text: [...about, ` was ${VERBS[verb] ?? reason}`, details.by ? ` by ${details.by}.` : "."] };
}
