/** Tokens that this page has seen, by value: wherever one turns up it is masked. */

/** @type {Set<string>} */
const known = new Set();

/** @param {unknown} value */
export function remember(value) {
  if (typeof value === "string" && value.length >= 8) known.add(value);
}

/** Find tokens in a message's text. @param {string} text */
export function rememberFrom(text) {
  if (!text.includes("oken")) return;
  try {
    visit(JSON.parse(text));
  } catch {
    // Broken text is masked by its form.
  }
}

/** @param {any} value */
function visit(value) {
  if (value === null || typeof value !== "object") return;
  for (const [key, member] of Object.entries(value)) {
    if (key === "token") remember(member);
    visit(member);
  }
}

/** @param {string} text @param {string} [by] */
export function hideKnown(text, by = "•••") {
  for (const token of known) if (text.includes(token)) text = text.replaceAll(token, by);
  return text;
}
