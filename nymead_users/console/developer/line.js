/** The developer's own connection: it opens with the first message, and nothing that happens on it touches the console. */

import { serverUrl } from "../connection.js";
import { remember } from "../secrets.js";
import { dialectOf } from "./envelope.js";

/** Events: "state", "message" (detail: the text). */
export class Line extends EventTarget {
  /** @param {import("../session.js").Session} session @param {import("../traffic.js").Traffic} traffic */
  constructor(session, traffic) {
    super();
    this.session = session;
    this.traffic = traffic;
    this.helloFirst = true;
    this.withToken = true;
    /** @type {WebSocket | null} */
    this.socket = null;
    /** The token that was given to this connection. @type {string | null} */
    this.ownToken = null;
    /** Secrets by their places, "$PASSWORD" and the like. @type {Map<string, string>} */
    this.vault = new Map();
  }

  get state() {
    return this.socket === null ? "closed" : this.socket.readyState === WebSocket.OPEN ? "open" : "opening";
  }

  /** The token in use here: the connection's own, else the console's. */
  get token() {
    return this.ownToken ?? this.session.token;
  }

  /** Send a text, its places filled in. @param {string} text */
  async send(text) {
    const socket = await this.#open(dialectOf(text));
    const filled = this.#filled(text);
    this.traffic.record("developer", "out", filled);
    socket.send(filled);
  }

  close() {
    this.socket?.close();
  }

  /** @param {import("./envelope.js").Dialect} dialect @returns {Promise<WebSocket>} */
  #open(dialect) {
    if (this.socket?.readyState === WebSocket.OPEN) return Promise.resolve(this.socket);
    this.socket?.close();
    const socket = new WebSocket(serverUrl());
    this.socket = socket;
    this.ownToken = null;
    this.#tell();
    return new Promise((resolve, reject) => {
      socket.addEventListener("open", () => {
        this.traffic.record("developer", "event", "connected");
        let greeting = this.helloFirst;
        socket.addEventListener("message", ({ data }) => {
          this.traffic.record("developer", "in", data);
          // The answer to our own Hello is nobody's reply.
          if (greeting && isReplyTo(data, HELLO_ID)) greeting = false;
          else {
            this.#learn(data);
            this.dispatchEvent(new CustomEvent("message", { detail: data }));
          }
        });
        if (this.helloFirst) {
          const text = this.#filled(hello(dialect, this.withToken && this.token !== null));
          this.traffic.record("developer", "out", text);
          socket.send(text);
        }
        this.#tell();
        resolve(socket);
      });
      socket.addEventListener("close", () => {
        this.traffic.record("developer", "event", "connection ended");
        if (this.socket === socket) {
          this.socket = null;
          this.ownToken = null;
        }
        this.#tell();
        reject(new Error("Could not connect."));
      });
    });
  }

  /** @param {string} text */
  #filled(text) {
    return text.replace(/"(\$[A-Z]+)"/g, (place, name) => {
      const value = name === "$TOKEN" ? this.token : this.vault.get(name);
      return value === null || value === undefined ? place : JSON.stringify(value);
    });
  }

  /** A sign-in on this connection binds its token: further messages carry that one. @param {string} text */
  #learn(text) {
    try {
      const message = JSON.parse(text);
      const given = (message.result ?? message.params)?.token;
      if (typeof given !== "string") return;
      remember(given);
      this.ownToken = given;
    } catch {
      // Not for us to judge here.
    }
  }

  #tell() {
    this.dispatchEvent(new Event("state"));
  }
}

const HELLO_ID = 0;

/** @param {string} text @param {number} id */
function isReplyTo(text, id) {
  const message = JSON.parse(text);
  return message.id === id && message.method === undefined && message.notification === undefined;
}

/** @param {import("./envelope.js").Dialect} dialect @param {boolean} withToken */
function hello(dialect, withToken) {
  if (dialect === "nymea") return JSON.stringify({ id: HELLO_ID, method: "JSONRPC.Hello", ...(withToken && { token: "$TOKEN" }) });
  return JSON.stringify({ jsonrpc: "2.0", id: HELLO_ID, method: "JSONRPC.Hello", params: withToken ? { token: "$TOKEN" } : {} });
}
