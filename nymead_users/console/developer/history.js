/** What was sent from this tab, its secrets masked. */

import { mask } from "../masking.js";
import { tab } from "../storage.js";
import { read } from "./envelope.js";

const KEY = "history";
const CAPACITY = 50;

/** @typedef {{time: number, method: string, text: string}} Sent */

/** Newest first. @returns {Sent[]} */
export const history = () => tab.get(KEY) ?? [];

/** @param {string} text */
export function addToHistory(text) {
  const masked = mask(text);
  const entries = history().filter((sent) => sent.text !== masked);
  tab.set(KEY, [{ time: Date.now(), method: read(text).method ?? "raw text", text: masked }, ...entries].slice(0, CAPACITY));
}

export const clearHistory = () => tab.set(KEY, null);
