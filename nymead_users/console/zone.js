/** Times of day in another time zone than the browser's. All moments are milliseconds since the epoch. */

/** @type {Map<string, Intl.DateTimeFormat>} */
const formats = new Map();

/** The browser's own zone. */
export const here = () => Intl.DateTimeFormat().resolvedOptions().timeZone;

/** @param {string} zone */
function format(zone) {
  let found = formats.get(zone);
  if (!found) {
    const options = /** @type {Intl.DateTimeFormatOptions} */ ({ hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric" });
    try {
      found = new Intl.DateTimeFormat("en-GB", { ...options, timeZone: zone });
    } catch {
      // A zone that this browser does not know.
      found = new Intl.DateTimeFormat("en-GB", { ...options, timeZone: "UTC" });
    }
    formats.set(zone, found);
  }
  return found;
}

/** @param {string} zone @param {number} moment @returns {{year: number, month: number, day: number, hour: number, minute: number, second: number}} */
function partsAt(zone, moment) {
  return /** @type {any} */ (Object.fromEntries(format(zone).formatToParts(moment).map(({ type, value }) => [type, Number(value)])));
}

/** How far a zone's clock is ahead of UTC. @param {string} zone @param {number} moment */
function ahead(zone, moment) {
  const { year, month, day, hour, minute, second } = partsAt(zone, moment);
  return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(moment / 1000) * 1000;
}

/** When a day begins by a zone's clock. @param {string} zone @param {number} year @param {number} month from 1 @param {number} day more than a month has leads into the next */
function midnight(zone, year, month, day) {
  const guess = Date.UTC(year, month - 1, day);
  const moment = guess - ahead(zone, guess);
  return guess - ahead(zone, moment);
}

/** When the days of a week begin, of which the first has `moment` in it, and when the last one ends. @param {string} zone @param {number} moment @param {number} [days] */
export function daysFrom(zone, moment, days = 7) {
  const { year, month, day } = partsAt(zone, moment);
  return Array.from({ length: days + 1 }, (_, index) => midnight(zone, year, month, day + index));
}

/** @param {string} zone */
const known = (zone) => format(zone).resolvedOptions().timeZone;

/** "Sat 28 Nov" @param {number} moment @param {string} zone */
export const dayWords = (moment, zone) => new Date(moment).toLocaleDateString("en-GB", { weekday: "short", day: "numeric", month: "short", timeZone: known(zone) });

/** "08:00" @param {number} moment @param {string} zone */
export const timeWords = (moment, zone) => new Date(moment).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: known(zone) });

/** "Sat 28 Nov 08:00" @param {number} moment @param {string} zone */
export const momentWords = (moment, zone) => `${dayWords(moment, zone)} ${timeWords(moment, zone)}`;

/** A moment as a field for a date and a time takes it, in the browser's zone; "" for none. @param {string | null | undefined} iso */
export function toField(iso) {
  if (!iso) return "";
  const moment = Date.parse(iso);
  return new Date(moment - new Date(moment).getTimezoneOffset() * 60000).toISOString().slice(0, 16);
}

/** What such a field holds as the API takes it, null for nothing. @param {string} value */
export const fromField = (value) => (value ? new Date(value).toISOString() : null);
