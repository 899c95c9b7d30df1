/** Reads JSON keeping the place of everything, and says where and why a text is none. */

/**
 * @typedef {object} Node
 * @property {"object" | "array" | "string" | "number" | "true" | "false" | "null"} type
 * @property {number} start
 * @property {number} end after its last character
 * @property {string} [text] of a string, its escapes resolved
 * @property {Member[]} [members]
 * @property {Node[]} [items]
 *
 * @typedef {{name: string, start: number, end: number, value: Node}} Member from its name to the end of its value
 *
 * @typedef {{offset: number, line: number, column: number, reason: string}} Problem
 */

const MAX_DEPTH = 500;

class Broken extends Error {
  /** @param {number} offset @param {string} reason */
  constructor(offset, reason) {
    super(reason);
    this.offset = offset;
  }
}

/** @param {string} text @returns {{node: Node, problem: null} | {node: null, problem: Problem}} */
export function scan(text) {
  try {
    return { node: new Scanner(text).whole(), problem: null };
  } catch (error) {
    if (!(error instanceof Broken)) throw error;
    const before = text.slice(0, error.offset);
    const lines = before.split("\n");
    return { node: null, problem: { offset: error.offset, line: lines.length, column: [...(lines.at(-1) ?? "")].length + 1, reason: error.message } };
  }
}

class Scanner {
  /** @param {string} text */
  constructor(text) {
    this.text = text;
    this.at = 0;
    this.depth = 0;
  }

  /** @returns {Node} */
  whole() {
    const node = this.value("a value");
    this.space();
    if (this.at < this.text.length) this.fail(`nothing more can follow here, found ${this.found()}`);
    return node;
  }

  /** @param {string} expected @returns {Node} */
  value(expected) {
    this.space();
    const start = this.at;
    const character = this.text[start];
    if (character === "{") return this.object();
    if (character === "[") return this.array();
    if (character === '"') {
      const text = this.string();
      return { type: "string", start, end: this.at, text };
    }
    const number = this.match(/-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y);
    if (number) {
      if (/[\w.+-]/.test(this.text[this.at] ?? "")) this.fail(this.numberReason(number), start);
      return { type: "number", start, end: this.at };
    }
    const word = /[A-Za-z_$][\w$]*/y;
    word.lastIndex = start;
    const found = word.exec(this.text)?.[0];
    if (found === "true" || found === "false" || found === "null") {
      this.at += found.length;
      return { type: found, start, end: this.at };
    }
    if (character === "'") this.fail("strings are in double quotes, not single ones");
    if (found) this.fail(`expected ${expected}, found the word ${found}; strings need double quotes`);
    return this.fail(`expected ${expected}, found ${this.found()}`);
  }

  /** @returns {Node} */
  object() {
    const start = this.at;
    /** @type {Member[]} */
    const members = [];
    this.enter();
    this.space();
    if (this.text[this.at] !== "}") {
      do {
        this.space();
        const from = this.at;
        if (this.text[from] === "}") this.fail("a comma must not stand before }");
        if (this.text[from] === "'") this.fail("names are in double quotes, not single ones");
        if (this.text[from] !== '"') this.fail(`expected a name in double quotes, found ${this.found()}`);
        const name = this.string();
        this.space();
        if (this.text[this.at] !== ":") this.fail(`expected a colon after the name ${name}, found ${this.found()}`);
        this.at += 1;
        const value = this.value("a value");
        members.push({ name, start: from, end: this.at, value });
      } while (this.comma("}"));
    }
    this.leave();
    return { type: "object", start, end: this.at, members };
  }

  /** @returns {Node} */
  array() {
    const start = this.at;
    /** @type {Node[]} */
    const items = [];
    this.enter();
    this.space();
    if (this.text[this.at] !== "]") {
      do {
        this.space();
        if (this.text[this.at] === "]") this.fail("a comma must not stand before ]");
        items.push(this.value("a value"));
      } while (this.comma("]"));
    }
    this.leave();
    return { type: "array", start, end: this.at, items };
  }

  /** Whether another member follows. @param {string} close */
  comma(close) {
    this.space();
    if (this.text[this.at] === ",") {
      this.at += 1;
      return true;
    }
    if (this.text[this.at] !== close) this.fail(`expected a comma or ${close}, found ${this.found()}`);
    return false;
  }

  string() {
    const start = this.at;
    this.match(/"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*/y);
    const character = this.text[this.at];
    if (character === '"') {
      this.at += 1;
      return JSON.parse(this.text.slice(start, this.at));
    }
    if (character === undefined) this.fail("the string that begins here has no end", start);
    if (character === "\n") this.fail("the string ends before the line does, or write \\n");
    if (character === "\\") this.fail("no escape: after a backslash stands one of \" \\ / b f n r t, or u and four digits");
    return this.fail("a control character in a string, write it as an escape");
  }

  /** @param {string} number */
  numberReason(number) {
    if (/^-?0$/.test(number) && /\d/.test(this.text[this.at] ?? "")) return "a number must not begin with 0";
    return "this is no number";
  }

  enter() {
    this.depth += 1;
    if (this.depth > MAX_DEPTH) this.fail(`nested deeper than ${MAX_DEPTH} levels`);
    this.at += 1;
  }

  leave() {
    this.depth -= 1;
    this.at += 1;
  }

  space() {
    this.match(/[ \t\n\r]+/y);
  }

  /** @param {RegExp} pattern sticky */
  match(pattern) {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0];
    if (found) this.at += found.length;
    return found;
  }

  found() {
    const character = String.fromCodePoint(this.text.codePointAt(this.at) ?? 0);
    return this.at >= this.text.length ? "the end" : character === "\n" ? "the end of the line" : character;
  }

  /** @param {string} reason @param {number} [offset] @returns {never} */
  fail(reason, offset = this.at) {
    throw new Broken(offset, reason);
  }
}

/** A member of an object by its name; the last one counts. @param {Node | null} node @param {string} name */
export const member = (node, name) => node?.members?.findLast((found) => found.name === name) ?? null;

/** The text without the space between its parts. @param {string} text @param {Node} node @returns {string} */
export function compact(text, node) {
  if (node.members) return `{${node.members.map((found) => `${JSON.stringify(found.name)}:${compact(text, found.value)}`).join(",")}}`;
  if (node.items) return `[${node.items.map((item) => compact(text, item)).join(",")}]`;
  return text.slice(node.start, node.end);
}
