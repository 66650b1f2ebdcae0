// Lets a package that starts a Web Worker from a blob URL run in Node: the same source in a thread of its own.
import { resolveObjectURL } from 'node:buffer';
import { webcrypto } from 'node:crypto';
import { Worker as Thread } from 'node:worker_threads';

globalThis.self = globalThis;
globalThis.crypto ??= webcrypto;
globalThis.CloseEvent ??= class CloseEvent extends Event {
  constructor(type, init = {}) {
    super(type);
    Object.assign(this, { code: 0, reason: '', wasClean: false }, init);
  }
};

const transferOf = (options) => (Array.isArray(options) ? options : options?.transfer);

globalThis.Worker = class Worker {
  #thread = null;
  #early = [];
  #listeners = { message: new Set(), error: new Set() };

  constructor(url) {
    this.#start(String(url));
  }

  async #start(url) {
    const source = await resolveObjectURL(url).text();
    this.#thread = new Thread(new URL('./worker-thread.mjs', import.meta.url), { workerData: source });
    this.#thread.on('message', (data) => this.#tell('message', { data, origin: '' }));
    this.#thread.on('error', (error) => this.#tell('error', error));
    for (const [message, transfer] of this.#early.splice(0)) this.#thread.postMessage(message, transfer);
  }

  #tell(kind, event) {
    this[`on${kind}`]?.(event);
    for (const listener of this.#listeners[kind]) (listener.handleEvent ?? listener)(event);
  }

  postMessage(message, options) {
    if (this.#thread) this.#thread.postMessage(message, transferOf(options));
    else this.#early.push([message, transferOf(options)]);
  }

  addEventListener(kind, listener) {
    this.#listeners[kind]?.add(listener);
  }

  removeEventListener(kind, listener) {
    this.#listeners[kind]?.delete(listener);
  }

  terminate() {
    this.#thread?.terminate();
  }
};
