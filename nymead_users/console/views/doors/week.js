/** Who can open a lock when, in the coming week: a picture of bars, and the same as a table. */

import { dayWords, daysFrom, momentWords, timeWords } from "../../zone.js";
import { fill, h } from "../../ui/dom.js";
import { soon } from "../../ui/soon.js";
import { failedNote } from "../frame.js";
import { card } from "../user.js";
import { counted, onlyByPin, spanWords } from "./words.js";

/** How many moments are asked for, at the most. */
const MOST = 400;

/** Up to so many, a week is read anew by itself when something changed. */
const FEW = 60;

/** How many rows are drawn at a time. */
const PAGE = 50;

/** How wide a day is in the picture. */
const WIDE = 1000;

/** @typedef {{begin: number, end: number, kind: "open" | "pin" | "unheard" | "still"}} Span */

/** What a decision looks like; "" for nothing. @param {any} decision @returns {Span["kind"] | ""} */
function kindOf(decision) {
  if (onlyByPin(decision)) return "pin";
  if (decision.allowed) return decision.onLock ? "open" : "unheard";
  return decision.onLock ? "still" : "";
}

const KINDS = /** @type {Record<Span["kind"], string>} */ ({
  open: "May open it",
  pin: "Only with the PIN",
  unheard: "May, but the lock has not heard of it yet",
  still: "May not, but the lock would still open",
});

/**
 * Step through the time from `begin` to `end`: each answer tells until when nothing changes.
 * @param {import("./access.js").Side} side @param {number} begin @param {number} end
 * @param {{signal: AbortSignal, progress: (part: number) => void}} options
 * @returns {Promise<{rows: {row: any, spans: Span[]}[], until: number, calls: number} | null>} null where nobody waits for it any more
 */
export async function readWeek(side, begin, end, { signal, progress }) {
  /** @type {Map<string, {row: any, spans: Span[]}>} */
  const rows = new Map();
  let moment = begin;
  let calls = 0;
  while (moment < end && calls < MOST) {
    const found = await side.ask(new Date(moment).toISOString());
    if (signal.aborted) return null;
    calls += 1;
    const next = Math.min(end, ...found.map(({ until }) => (until ? Date.parse(until) : end)).filter((until) => until > moment));
    for (const row of found) {
      const key = side.key(row);
      const entry = rows.get(key) ?? { row, spans: [] };
      rows.set(key, entry);
      const kind = kindOf(row);
      const last = entry.spans.at(-1);
      if (!kind) continue;
      if (last?.kind === kind && last.end === moment) last.end = next;
      else entry.spans.push({ begin: moment, end: next, kind });
    }
    moment = next;
    progress((moment - begin) / (end - begin));
  }
  return { rows: [...rows.values()], until: moment, calls };
}

const SVG = "http://www.w3.org/2000/svg";

/** @param {string} tag @param {Record<string, string | number>} attributes @param {...Node} children */
function drawn(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/** @param {string} kind @param {number} x @param {number} width */
const bar = (kind, x, width) => drawn("rect", { class: kind, x, width: Math.max(width, 8), y: 0, height: 20 });

/** One day of one row. @param {Span[]} spans @param {number} begin @param {number} end @param {number} now */
function day(spans, begin, end, now) {
  const scale = WIDE / (end - begin);
  const inside = spans.filter((span) => span.end > begin && span.begin < end);
  return drawn("svg", { class: "day", viewBox: `0 0 ${WIDE} 20`, preserveAspectRatio: "none" },
    ...inside.map((span) => bar(span.kind, (Math.max(span.begin, begin) - begin) * scale, (Math.min(span.end, end) - Math.max(span.begin, begin)) * scale)),
    ...(now >= begin && now < end ? [drawn("rect", { class: "now", x: (now - begin) * scale - 8, width: 16, y: 0, height: 20 })] : []));
}

/**
 * @param {import("../frame.js").Context} context @param {import("./access.js").Side} side
 * @param {{who: string, empty: string, zone: () => string, also?: () => string}} words `who`: what rows are
 * @param {AbortSignal} signal
 */
export function weekCard({ doors }, side, { who, empty, zone: zoneNow, also = () => "" }, signal) {
  const bars = h("progress", { max: 1, value: 0, "aria-label": "Reading the week" });
  const state = h("div", {}, h("p", { class: "muted" }, "Reading the week… ", bars));
  const result = h("div", { class: "stack" });
  const note = h("div");
  let shown = PAGE;
  let calls = 0;
  let run = 0;
  /** @type {AbortController | null} */
  let life = null;
  /** Whether its table is open: it stays so. */
  let unfolded = false;
  /** @type {(() => void) | null} */
  let draw = null;
  let zone = "";

  async function load() {
    life?.abort();
    life = new AbortController();
    signal.addEventListener("abort", () => life?.abort(), { once: true });
    const mine = ++run;
    zone = zoneNow();
    const days = daysFrom(zone, Date.now());
    fill(note);
    const waiting = setTimeout(() => { state.hidden = false; }, 200);
    try {
      const week = await readWeek(side, days[0], days[7], { signal: life.signal, progress: (part) => { bars.value = part; } });
      if (!week || mine !== run) return;
      calls = week.calls;
      const readIn = zone;
      draw = () => show(week, days, readIn);
      draw();
    } catch (error) {
      if (!signal.aborted && mine === run && document.body.dataset.connection === "online") fill(note, failedNote("the week", error, load));
    } finally {
      clearTimeout(waiting);
      if (mine === run) state.hidden = true;
    }
  }

  /** @param {any} week @param {number[]} days @param {string} zone */
  function show(week, days, zone) {
    const now = Date.now();
    const able = week.rows.filter((/** @type {any} */ { spans }) => spans.length).sort((/** @type {any} */ a, /** @type {any} */ b) => side.name(a.row).localeCompare(side.name(b.row)));
    const never = week.rows.length - able.length;
    const part = able.slice(0, shown);
    const kinds = /** @type {Span["kind"][]} */ (Object.keys(KINDS)).filter((kind) => able.some((/** @type {any} */ { spans }) => spans.some((/** @type {Span} */ span) => span.kind === kind)));
    const more = able.length > part.length ? h("button", { type: "button", onclick: () => { shown += PAGE; show(week, days, zone); } }, `Show more (${part.length} of ${able.length})`) : null;
    const picture = h("div", { class: "week", "aria-hidden": "true" },
      h("div", { class: "week-row head" }, h("span", { class: "week-name" }), days.slice(0, 7).map((begin) => {
        const [weekday, date] = dayWords(begin, zone).split(" ");
        return h("span", { class: `week-day${now >= begin && now < begin + 86400000 && begin === days[0] ? " today" : ""}` }, h("span", {}, weekday.replace(",", "")), " ", h("span", {}, date));
      })),
      part.map((/** @type {any} */ { row, spans }) => h("div", { class: "week-row" }, h("span", { class: "week-name" }, side.name(row)),
        days.slice(0, 7).map((begin, index) => day(spans, begin, days[index + 1], now)))));
    const legend = h("ul", { class: "legend", "aria-hidden": "true" },
      kinds.map((kind) => h("li", {}, drawn("svg", { viewBox: `0 0 ${WIDE} 20`, preserveAspectRatio: "none", class: "day" }, bar(kind, 0, WIDE)), KINDS[kind])),
      h("li", {}, drawn("svg", { viewBox: `0 0 ${WIDE} 20`, preserveAspectRatio: "none", class: "day" }, drawn("rect", { class: "now", x: 460, width: 80, y: 0, height: 20 })), "Now"));
    const table = h("details", { open: unfolded, ontoggle: () => { unfolded = table.open; } }, h("summary", {}, "As a table"),
      h("table", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, who), h("th", { scope: "col" }, "When"))),
        h("tbody", {}, part.map((/** @type {any} */ { row, spans }) => h("tr", {}, h("th", { scope: "row" }, side.name(row)),
          h("td", {}, h("ul", {}, spans.map((/** @type {Span} */ span) =>
            h("li", {}, spanWords(span.begin, span.end, zone, days), span.kind === "open" ? null : h("span", { class: "muted" }, ` – ${KINDS[span.kind]}`))))))))));
    fill(result,
      h("p", { class: "muted small" }, `Now it is ${momentWords(now, zone)} (${zone}). ${also()}`.trim()),
      able.length ? [picture, legend, more, table] : h("p", {}, empty),
      never ? h("p", { class: "muted small" }, `${counted(never, "other has", "others have")} a grant, but may not open in this week.`) : null,
      week.until < days[7] ? h("p", { class: "status warn" }, `Cut: only until ${dayWords(week.until, zone)} ${timeWords(week.until, zone)}, since so much changes in this week.`) : null);
  }

  // A week that is cheap is read anew by itself, another one on demand.
  const again = soon(500, () => {
    if (signal.aborted) return;
    if (calls <= FEW) load();
    else fill(note, h("p", { class: "row" }, "Something changed meanwhile. ", h("button", { type: "button", onclick: load }, "Read again")));
  });
  const redraw = soon(200, () => {
    // Nobody loses the focus to a clock.
    if (!signal.aborted && !result.contains(document.activeElement)) draw?.();
  });
  doors.onChange(again, signal);
  for (const one of [doors.persons, doors.locks, doors.credentials]) {
    one.addEventListener("loaded", () => {
      // With the locks comes whose days these are.
      if (zoneNow() === zone) redraw();
      else load();
    }, { signal });
  }
  const clock = setInterval(redraw, 60000);
  signal.addEventListener("abort", () => clearInterval(clock));
  state.hidden = true;
  load();
  return card("The coming week", state, note, result);
}
