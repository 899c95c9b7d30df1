/** A request as text: parts of it are changed in place, everything else stays to the letter. */

import { member, scan } from "../scanner.js";

/** @typedef {"nymea" | "jsonrpc2"} Dialect */
/** @typedef {import("../scanner.js").Node} Node */

/**
 * A new request. @param {Dialect} dialect @param {number} id @param {string} method @param {boolean} withToken
 */
export function newRequest(dialect, id, method, withToken) {
  return JSON.stringify({ ...(dialect === "jsonrpc2" && { jsonrpc: "2.0" }), id, method, params: {}, ...(withToken && { token: "$TOKEN" }) }, null, 2);
}

/** What a text is, as far as it can be read. @param {string} text */
export function read(text) {
  const { node, problem } = scan(text);
  const object = node?.type === "object" ? node : null;
  const dialect = node === null ? null : /** @type {Dialect} */ (node.type === "array" || member(object, "jsonrpc") ? "jsonrpc2" : "nymea");
  return { node, problem, dialect, method: member(object, "method")?.value.text ?? null, params: member(object, "params")?.value ?? null };
}

/** The dialect that the server will take a text for, broken ones included. @param {string} text @returns {Dialect} */
export const dialectOf = (text) => read(text).dialect ?? (text.includes('"jsonrpc"') ? "jsonrpc2" : "nymea");

/**
 * The same request in the other dialect; only its envelope is touched. Null where there is none to touch: in a
 * batch, which only JSON-RPC 2.0 has, and in broken text.
 * @param {string} text @param {Dialect} dialect @returns {string | null}
 */
export function inDialect(text, dialect) {
  const { node } = read(text);
  if (node?.type !== "object") return null;
  const mark = member(node, "jsonrpc");
  if (dialect === "nymea") return mark ? without(text, node, "jsonrpc") : text;
  if (mark) return text;
  const inside = node.start + 1;
  const rest = text.slice(inside);
  const space = /^\s*/.exec(rest)?.[0] ?? "";
  return `${text.slice(0, inside)}${space}"jsonrpc": "2.0"${node.members?.length ? "," : ""}${space || " "}${rest.slice(space.length)}`;
}

/**
 * The request with a param set to this text, or without it.
 * @param {string} text @param {string} name @param {string | null} value
 */
export function withParam(text, name, value) {
  const { node, params } = read(text);
  if (node?.type !== "object" || (params && params.type !== "object")) return text;
  if (params === null) {
    if (value === null) return text;
    return insert(text, node, "params", `{\n    ${JSON.stringify(name)}: ${value}\n  }`, "method", "\n  ");
  }
  const found = member(params, name);
  if (value === null) return found ? without(text, params, name) : text;
  if (found) return text.slice(0, found.value.start) + value + text.slice(found.value.end);
  return insert(text, params, name, value, null, "\n    ");
}

/** @param {string} text @param {Node} object @param {string} name @param {string} value @param {string | null} after @param {string} indent */
function insert(text, object, name, value, after, indent) {
  const part = `${JSON.stringify(name)}: ${value}`;
  const before = (after && member(object, after)) ?? object.members?.at(-1);
  if (before) return `${text.slice(0, before.end)},${indent}${part}${text.slice(before.end)}`;
  return `${text.slice(0, object.start + 1)}${indent}${part}${indent.slice(0, -2)}${text.slice(object.end - 1)}`;
}

/** @param {string} text @param {Node} object @param {string} name */
function without(text, object, name) {
  const members = object.members ?? [];
  const index = members.findLastIndex((found) => found.name === name);
  const [start, end] = index + 1 < members.length ? [members[index].start, members[index + 1].start]
    : index > 0 ? [members[index - 1].end, members[index].end] : [object.start + 1, object.end - 1];
  return text.slice(0, start) + text.slice(end);
}
