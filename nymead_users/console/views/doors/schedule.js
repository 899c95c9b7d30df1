/** When a grant holds within its validity: always, in windows of a week, or by a calendar. */

import { fill, h, icon } from "../../ui/dom.js";
import { checkbox, Field, radioGroup } from "../../ui/form.js";
import { DAYS } from "./words.js";

const NEW_WINDOW = { weekdays: ["mon", "tue", "wed", "thu", "fri"], from: "08:00", until: "17:00" };

const NEW_CALENDAR = `BEGIN:VCALENDAR
BEGIN:VEVENT
DTSTART:20260105T080000
DTEND:20260105T170000
RRULE:FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR
END:VEVENT
END:VCALENDAR`;

/** Whether two schedules are the same. @param {any} a @param {any} b */
export const sameSchedule = (a, b) => JSON.stringify(a ?? null) === JSON.stringify(b ?? null);

/** One window of a week. @param {number} number @param {any} window @param {(() => void) | null} remove */
function windowFields(number, window, remove) {
  const boxes = DAYS.map(([key, short, long]) => {
    const box = checkbox(short, { checked: window.weekdays.includes(key), "aria-label": long });
    return { key, ...box };
  });
  const time = (/** @type {string} */ label, /** @type {string} */ value) => new Field({ label, type: "time", value, check: (text) => (text ? "" : "Enter a time.") });
  const from = time("From", window.from);
  // Midnight at the end of a day is 24:00 for the server, and 00:00 in the field.
  const until = time("Until", window.until === "24:00" ? "00:00" : window.until);
  const problem = h("p", { class: "problem" });
  const element = h("fieldset", { class: "window" }, h("legend", {}, `Window ${number}`),
    h("div", { class: "stack tight" }, h("div", { class: "choices" }, boxes.map((box) => box.element)), problem,
      h("div", { class: "pair" }, from.element, until.element),
      remove ? h("div", {}, h("button", { type: "button", class: "plain destructive", onclick: remove }, `Remove window ${number}`)) : null));
  return {
    element,
    get value() {
      return { weekdays: boxes.filter(({ input }) => input.checked).map(({ key }) => key), from: from.value, until: until.value === "00:00" ? "24:00" : until.value };
    },
    check() {
      const some = boxes.some(({ input }) => input.checked);
      fill(problem, some ? null : [icon("danger"), "Choose a day."]);
      const rest = [from, until].map((field) => field.check());
      return some && rest.every(Boolean);
    },
    focusWrong() {
      /** @type {HTMLElement} */ ((boxes.some(({ input }) => input.checked) ? [from, until].find((field) => field.input.matches("[aria-invalid]"))?.input : null) ?? boxes[0].input).focus();
    },
  };
}

/** Events bubble as "change" from its element. */
export class ScheduleEditor {
  /** @param {{single?: boolean}} [options] `single`: always or one window of a week, no calendar */
  constructor({ single = false } = {}) {
    const kinds = /** @type {[string, string][]} */ ([["", "Always"], ["weekly", "Weekly hours"], ["ical", "By a calendar"]]);
    this.kind = radioGroup("When", single ? kinds.slice(0, 2) : kinds, "", (kind) => this.#become(kind));
    /** @type {ReturnType<windowFields>[]} */
    this.windows = [];
    this.list = h("div", { class: "stack tight" });
    this.more = h("button", { type: "button", onclick: () => this.#add() }, icon("add"), "Add window");
    this.weekly = h("div", { class: "stack tight" },
      h("p", { class: "hint" }, "In the lock's own time zone. Until 00:00 is the end of the day; an Until before From is on the following day."), this.list, single ? null : h("div", {}, this.more));
    this.ical = new Field({
      label: "Calendar", multiline: true, hint: "An iCalendar (RFC 5545) with one event. A time without a zone is the lock's own.", attributes: { rows: "8", class: "mono" },
      check: (text) => (text.trim() ? "" : "Enter a calendar."),
    });
    this.problem = h("p", { class: "problem" });
    this.input = this.kind.inputs.get("");
    this.element = h("div", { class: "schedule" }, this.kind.element, this.weekly, this.ical.element, this.problem);
    this.#become("");
  }

  get value() {
    if (this.kind.value === "weekly") return { weekly: this.windows.map((window) => window.value) };
    if (this.kind.value === "ical") return { ical: this.ical.value };
    return null;
  }

  set value(schedule) {
    this.kind.value = schedule?.weekly ? "weekly" : schedule?.ical !== undefined ? "ical" : "";
    this.#show(schedule?.weekly ?? []);
    this.ical.value = schedule?.ical ?? "";
    this.#become(this.kind.value);
    this.fail("");
  }

  get hasFocus() {
    return this.element.contains(document.activeElement);
  }

  check() {
    this.fail("");
    if (this.kind.value === "ical") return this.ical.check();
    return this.kind.value !== "weekly" || this.windows.map((window) => window.check()).every(Boolean);
  }

  focus() {
    if (this.kind.value === "ical") this.ical.input.focus();
    else if (this.kind.value === "weekly") this.windows.find((window) => !window.check())?.focusWrong();
    else this.input.focus();
  }

  /** @param {string} reason */
  fail(reason) {
    fill(this.problem, reason ? [icon("danger"), reason] : null);
    return reason === "";
  }

  /** @param {any[]} windows */
  #show(windows) {
    this.windows = windows.map((window, index) => windowFields(index + 1, window, windows.length > 1 ? () => this.#remove(index) : null));
    fill(this.list, this.windows.map(({ element }) => element));
  }

  #add() {
    this.#show([...this.windows.map((window) => window.value), NEW_WINDOW]);
    this.list.lastElementChild?.querySelector("input")?.focus();
    this.element.dispatchEvent(new Event("change", { bubbles: true }));
  }

  /** @param {number} index */
  #remove(index) {
    this.#show(this.windows.map((window) => window.value).filter((_, other) => other !== index));
    this.more.focus();
    this.element.dispatchEvent(new Event("change", { bubbles: true }));
  }

  /** @param {string} kind */
  #become(kind) {
    this.weekly.hidden = kind !== "weekly";
    this.ical.element.hidden = kind !== "ical";
    if (kind === "weekly" && !this.windows.length) this.#show([NEW_WINDOW]);
    if (kind === "ical" && !this.ical.value) this.ical.value = NEW_CALENDAR;
  }
}
