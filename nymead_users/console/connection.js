/** A connection that comes back by itself, speaking JSON-RPC 2.0. */

/** The connection ended before the reply came: whether the call had an effect is not known. */
export class Lost extends Error {
  constructor() {
    super("Connection lost.");
  }
}

/** The server refused a call. */
export class Refused extends Error {
  /** @param {{code: number, message: string, data?: any}} error @param {string} method */
  constructor(error, method) {
    super(error.message);
    this.code = error.code;
    this.data = error.data ?? {};
    this.method = method;
  }
}

export const CODES = Object.freeze({ internal: -32603, unauthorized: -32001, setupRequired: -32002, denied: -32003, attempts: -32004, busy: -32005 });

/** Milliseconds before each next try. */
const DELAYS = [1000, 2000, 4000, 8000, 15000, 30000];

/** Milliseconds without a reply after which a connection counts as dead. */
const PATIENCE = 15000;

/** Where this page's server listens for WebSockets. */
export function serverUrl() {
  const url = new URL(".", document.baseURI);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  url.search = "";
  url.hash = "";
  return url.href;
}

/**
 * States: "connecting", "online", "offline" (waiting for the next try). Events: "state", "notification",
 * "unauthorized". `greet` is called with each new connection before it counts as online.
 */
export class Connection extends EventTarget {
  /** @param {{url: string, greet: () => Promise<void>, record: (direction: "in" | "out" | "event", text: string) => void}} options */
  constructor({ url, greet, record }) {
    super();
    this.url = url;
    this.greet = greet;
    this.record = record;
    this.state = "connecting";
    this.nextTry = 0;
    this.failures = 0;
    /** @type {WebSocket | null} */
    this.socket = null;
    /** @type {Map<number, {resolve: (result: any) => void, reject: (error: Error) => void, method: string, timer: number}>} */
    this.pending = new Map();
    this.lastId = 0;
    this.timer = 0;
  }

  open() {
    clearTimeout(this.timer);
    this.#become("connecting");
    const socket = new WebSocket(this.url);
    this.socket = socket;
    socket.addEventListener("open", async () => {
      this.record("event", "connected");
      try {
        await this.greet();
      } catch {
        socket.close();
        this.#ended(socket);
        return;
      }
      if (this.socket !== socket) return;
      this.failures = 0;
      this.#become("online");
    });
    socket.addEventListener("message", (event) => this.#receive(socket, String(event.data)));
    socket.addEventListener("close", () => this.#ended(socket));
  }

  /** Try again without waiting for the delay. */
  tryNow() {
    if (this.state === "offline") this.open();
  }

  /** Leave this connection for a new one: whatever was bound to it or waited for on it is over. */
  restart() {
    const socket = this.socket;
    this.socket = null;
    socket?.close();
    this.#giveUp();
    this.open();
  }

  /**
   * Call a method. Rejects with Refused or Lost.
   * @param {string} method @param {object} [params] @returns {Promise<any>}
   */
  call(method, params) {
    const socket = this.socket;
    if (socket === null || socket.readyState !== WebSocket.OPEN) return Promise.reject(new Lost());
    this.lastId += 1;
    const id = this.lastId;
    const text = JSON.stringify({ jsonrpc: "2.0", id, method, ...(params && { params }) });
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        socket.close();
        this.#ended(socket);
      }, PATIENCE);
      this.pending.set(id, { resolve, reject, method, timer });
      this.record("out", text);
      socket.send(text);
    });
  }

  /** @param {WebSocket} socket @param {string} text */
  #receive(socket, text) {
    if (socket !== this.socket) return;
    this.record("in", text);
    const message = JSON.parse(text);
    if (message.method !== undefined) {
      this.dispatchEvent(new CustomEvent("notification", { detail: message }));
      return;
    }
    const call = this.pending.get(message.id);
    if (call === undefined) return;
    this.pending.delete(message.id);
    clearTimeout(call.timer);
    if (message.error === undefined) {
      call.resolve(message.result);
      return;
    }
    const error = new Refused(message.error, call.method);
    call.reject(error);
    if (error.code === CODES.unauthorized) this.dispatchEvent(new CustomEvent("unauthorized", { detail: error }));
  }

  /** @param {WebSocket} socket */
  #ended(socket) {
    if (socket !== this.socket) return;
    this.socket = null;
    this.record("event", "connection ended");
    this.#giveUp();
    const delay = DELAYS[Math.min(this.failures, DELAYS.length - 1)] * (0.9 + Math.random() * 0.2);
    this.failures += 1;
    this.nextTry = Date.now() + delay;
    this.timer = setTimeout(() => this.open(), delay);
    this.#become("offline");
  }

  #giveUp() {
    clearTimeout(this.timer);
    for (const call of this.pending.values()) {
      clearTimeout(call.timer);
      call.reject(new Lost());
    }
    this.pending.clear();
  }

  /** @param {"connecting" | "online" | "offline"} state */
  #become(state) {
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }
}
