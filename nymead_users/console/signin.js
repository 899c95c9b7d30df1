/** The sign-in that this tab holds, and the name under which this browser asks for one. */

import { browser, tab } from "./storage.js";

/** @typedef {{token: string, deviceName: string, username: string}} SignIn */

const KEY = "sign-in";

/** @returns {SignIn | null} */
export const stored = () => tab.get(KEY) ?? browser.get(KEY);

/** @param {SignIn} signIn @param {boolean} keep also for other tabs, and after the browser was closed */
export function keep(signIn, keep) {
  tab.set(KEY, signIn);
  if (keep) browser.set(KEY, signIn);
}

/** Forget a sign-in wherever it is stored. @param {SignIn | null} signIn */
export function forget(signIn) {
  tab.set(KEY, null);
  if (signIn !== null && browser.get(KEY)?.token === signIn.token) browser.set(KEY, null);
}

/** A name for the next sign-in: what kind of browser, which one, and which of its sign-ins. */
export function nextDeviceName() {
  const number = (browser.get("sign-ins") ?? 0) + 1;
  browser.set("sign-ins", number);
  return `Console, ${software()}, ${browserId()}-${number}`;
}

/** Whether a device is this browser, of this or an earlier sign-in. @param {string} deviceName */
export const isThisBrowser = (deviceName) => deviceName.startsWith("Console, ") && deviceName.includes(`, ${browserId()}-`);

/** Six letters that tell this browser from others. Works without a secure context. */
function browserId() {
  let id = browser.get("browser-id");
  if (id === null) {
    const letters = "abcdefghjkmnpqrstuvwxyz23456789";
    id = Array.from(crypto.getRandomValues(new Uint8Array(6)), (byte) => letters[byte % letters.length]).join("");
    browser.set("browser-id", id);
  }
  return id;
}

/** "Firefox on Linux", as far as the browser tells. */
function software() {
  const agent = navigator.userAgent;
  const names = [["Edg/", "Edge"], ["OPR/", "Opera"], ["Firefox/", "Firefox"], ["Chrome/", "Chrome"], ["Safari/", "Safari"]];
  const systems = [["Android", "Android"], ["iPhone", "iPhone"], ["iPad", "iPad"], ["Windows", "Windows"], ["Mac OS", "macOS"], ["CrOS", "ChromeOS"], ["Linux", "Linux"]];
  const find = (/** @type {string[][]} */ table) => table.find(([mark]) => agent.includes(mark))?.[1];
  return `${find(names) ?? "Browser"} on ${find(systems) ?? "unknown system"}`;
}
