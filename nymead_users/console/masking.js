/** Hides secrets in messages, whether they are JSON or were meant to be. */

import { scan, member } from "./scanner.js";
import { hideKnown } from "./secrets.js";

const NAMES = new Set(["token", "password", "newPassword", "pin", "code"]);

/** The value of a credential, and what a key is identified by, is a secret if it is one of these. */
const SECRET_TYPES = new Set(["code"]);
const VALUES = new Set(["value", "identification"]);

/** @param {string} name */
export const isSecret = (name) => NAMES.has(name);

/** @typedef {(name: string) => string} Replace the text, quotes included, in place of a secret */
/** @typedef {(method: string) => string[] | undefined} ParamNames in the declared order */

/** @type {ParamNames} */
let paramNames = () => undefined;

/** Tell in which order methods take their params: secrets among positional ones are found by it. @param {ParamNames} lookUp */
export function knowParams(lookUp) {
  paramNames = lookUp;
}

/**
 * A message with its secrets replaced, and with the places of secrets where `places` is set.
 * @param {string} text @param {Replace} [replace] @param {{places?: boolean}} [options]
 */
export function mask(text, replace = () => '"•••"', { places = false } = {}) {
  const { node } = scan(text);
  const spans = node ? spansIn(node, places ? isNothing : isHarmless) : spansInBroken(text);
  let masked = "";
  let at = 0;
  for (const { start, end, name } of spans) {
    if (start < at) continue;
    masked += text.slice(at, start) + replace(name);
    at = end;
  }
  return hideKnown(masked + text.slice(at), replace("token").replaceAll('"', ""));
}

/** @typedef {{start: number, end: number, name: string}} Span */

/** @param {import("./scanner.js").Node} root @param {typeof isNothing} exempt @returns {Span[]} */
function spansIn(root, exempt) {
  /** @type {Span[]} */
  const spans = [];
  const visit = (/** @type {import("./scanner.js").Node} */ node) => {
    const isCode = SECRET_TYPES.has(member(node, "type")?.value.text ?? "");
    for (const found of node.members ?? []) {
      if ((isSecret(found.name) || (isCode && VALUES.has(found.name))) && !isOtherCode(found) && !exempt(found.value)) spans.push({ start: found.value.start, end: found.value.end, name: found.name });
      else visit(found.value);
    }
    const method = member(node, "method")?.value.text;
    const params = member(node, "params")?.value.items ?? [];
    const names = (method && paramNames(method)) ?? [];
    const takesCode = SECRET_TYPES.has(params[names.indexOf("type")]?.text ?? "");
    params.forEach((item, index) => {
      if ((isSecret(names[index] ?? "") || (takesCode && VALUES.has(names[index]))) && !exempt(item)) spans.push({ start: item.start, end: item.end, name: names[index] });
    });
    for (const item of node.items ?? []) visit(item);
  };
  visit(root);
  return spans.sort((a, b) => a.start - b.start);
}

/** The code of a door is a text; an error's is a number, and a schema may be called so, too. @param {{name: string, value: import("./scanner.js").Node}} member */
const isOtherCode = ({ name, value }) => name === "code" && value.type !== "string";

/** @param {import("./scanner.js").Node} node */
const isNothing = (node) => ["null", "true", "false"].includes(node.type) || node.text === "";

/** Nothing is no secret, and neither is the place of one ("$TOKEN"). @param {import("./scanner.js").Node} node */
const isHarmless = (node) => isNothing(node) || /^\$[A-Z]+$/.test(node.text ?? "");

const STRING = /"(?:[^"\\]|\\[\s\S])*(?:"|$)|'(?:[^'\\]|\\[\s\S])*(?:'|$)/y;
const WORD = /[A-Za-z_$][\w$]*/y;

/**
 * Secrets in a text that is no JSON: whatever follows the name of one, and every string among positional
 * params, as it can't be told which is which.
 * @param {string} text @returns {Span[]}
 */
function spansInBroken(text) {
  /** @type {Span[]} */
  const spans = [];
  const mayBeCode = [...SECRET_TYPES].some((type) => text.includes(type));
  const names = (/** @type {string} */ name) => isSecret(name) || (mayBeCode && VALUES.has(name));
  let at = 0;
  while (at < text.length) {
    const token = match(STRING, text, at) ?? match(WORD, text, at);
    if (!token) {
      at += 1;
      continue;
    }
    at += token.length;
    const name = plain(token);
    const after = /\s*[:=]?\s*/y;
    const start = at + (match(after, text, at) ?? "").length;
    // What names a secret itself is none: "type": "code" "value": …
    if (names(name) && start < text.length && !",]}".includes(text[start]) && !names(plain(match(STRING, text, start) ?? ""))) {
      const end = endOfValue(text, start);
      spans.push({ start, end, name });
      at = end;
    } else if (name === "params" && text[start] === "[") {
      at = start;
      for (; at < text.length && text[at] !== "]"; at += 1) {
        const item = match(STRING, text, at);
        if (!item) continue;
        spans.push({ start: at, end: at + item.length, name: "password" });
        at += item.length - 1;
      }
    }
  }
  return spans;
}

/** @param {string} text @param {number} start */
function endOfValue(text, start) {
  const string = match(STRING, text, start);
  if (string) return start + string.length;
  let at = start;
  if ("{[".includes(text[at])) {
    let depth = 0;
    while (at < text.length) {
      const inner = match(STRING, text, at);
      if (inner) {
        at += inner.length;
        continue;
      }
      if ("{[".includes(text[at])) depth += 1;
      if ("}]".includes(text[at])) depth -= 1;
      at += 1;
      if (depth === 0) break;
    }
    return at;
  }
  while (at < text.length && !/[,\]}\s]/.test(text[at])) at += 1;
  return at;
}

/** @param {string} token */
function plain(token) {
  if (token[0] === "'") return token.slice(1, -1);
  if (token[0] !== '"') return token;
  try {
    return JSON.parse(token);
  } catch {
    return token.slice(1, -1);
  }
}

/** @param {RegExp} pattern @param {string} text @param {number} at */
function match(pattern, text, at) {
  pattern.lastIndex = at;
  const found = pattern.exec(text);
  return found ? found[0] : null;
}
