/** A request as commands for elsewhere. Secrets are named by variables, never by their values. */

import { serverUrl } from "../connection.js";
import { mask } from "../masking.js";
import { compact, scan } from "../scanner.js";
import { dialectOf, read } from "./envelope.js";

/** nymea's own port for TCP; the page can't know another. */
const TCP_PORT = 2222;

/** Where a secret goes: its variable's name between two characters that no text of a request has. @param {string} name */
const place = (name) => `\uE000${name.toUpperCase()}\uE001`;

const PLACE = /\uE000([A-Z]+)\uE001/g;

/** On one line, secrets as places. @param {string} text */
function line(text) {
  const { node } = scan(text);
  const whole = node ? compact(text, node) : text.replace(/\s*\n\s*/g, " ").trim();
  return mask(whole, (name) => `"${place(name)}"`, { places: true });
}

/** For a shell: single quotes, left for the variables. @param {string} text */
const shell = (text) => `'${text.replaceAll("'", "'\\''").replace(PLACE, (_, name) => `'"$${name}"'`)}'`;

/** @param {string} text @param {boolean} helloFirst @param {boolean} withToken */
function lines(text, helloFirst, withToken) {
  const hello = dialectOf(text) === "nymea"
    ? `{"id":0,"method":"JSONRPC.Hello"${withToken ? `,"token":"${place("token")}"` : ""}}`
    : `{"jsonrpc":"2.0","id":0,"method":"JSONRPC.Hello","params":{${withToken ? `"token":"${place("token")}"` : ""}}}`;
  return [...(helloFirst ? [hello] : []), line(text)].map(shell).join(" ");
}

/**
 * @param {string} text @param {{helloFirst: boolean, withToken: boolean}} options
 * @returns {{name: string, text: string}[]}
 */
export function snippets(text, { helloFirst, withToken }) {
  const url = new URL(serverUrl());
  const secure = url.protocol === "wss:";
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const sent = lines(text, helloFirst, withToken);
  const nc = secure ? `openssl s_client -quiet -no_ign_eof -connect ${url.hostname}:${TCP_PORT}` : `nc -w 1 ${host} ${TCP_PORT}`;
  return [
    { name: "nc", text: `# The TCP listener; its port is another where the operator chose one.\n(printf '%s\\n' ${sent}; sleep 1) | ${nc}` },
    { name: "websocat", text: `(printf '%s\\n' ${sent}; sleep 1) | websocat ${secure ? "--insecure " : ""}${url.href}` },
    { name: "Python", text: python(text, withToken) },
  ];
}

/** @param {string} text @param {boolean} withToken */
function python(text, withToken) {
  const { node, method, params } = read(text);
  const url = serverUrl().replace(/\/$/, "");
  const dialect = dialectOf(text);
  const head = `import asyncio\nimport os\n\nfrom nymead_users.client import Client\n\n\nasync def main() -> None:\n`;
  const tail = `\n\nasyncio.run(main())`;
  if (!node || method === null || (params && params.type !== "object")) {
    return "# The client sends requests with named params; this text is something else.\n# Take nc or websocat for it.";
  }
  const token = withToken ? 'token=os.environ["TOKEN"]' : "";
  const masked = params ? mask(text.slice(params.start, params.end), (name) => `"${place(name)}"`, { places: true }) : "";
  const inner = masked ? scan(masked).node : null;
  const given = inner?.members?.length ? `, ${literal(masked, inner)}` : "";
  return `${head}    async with await Client.connect("${url}", dialect="${dialect}") as client:\n        await client.hello(${token})\n        print(await client.call("${method}"${given}))\n${tail}`;
}

/** A value in Python. @param {string} text @param {import("../scanner.js").Node} node @returns {string} */
function literal(text, node) {
  if (node.members) return `{${node.members.map((found) => `${JSON.stringify(found.name)}: ${literal(text, found.value)}`).join(", ")}}`;
  if (node.items) return `[${node.items.map((item) => literal(text, item)).join(", ")}]`;
  const variable = /^\uE000([A-Z]+)\uE001$/.exec(node.text ?? "");
  if (variable) return `os.environ["${variable[1]}"]`;
  if (node.type === "string") return JSON.stringify(node.text).replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
  return { true: "True", false: "False", null: "None" }[/** @type {string} */ (node.type)] ?? text.slice(node.start, node.end);
}
