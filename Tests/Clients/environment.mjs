// What a browser has and Node lacks, and a guard: a client reaches this machine's loopback and nothing else.
import 'fake-indexeddb/auto';
import { webcrypto } from 'node:crypto';
import WebSocketOfNode from 'ws';

globalThis.self = globalThis;
globalThis.crypto ??= webcrypto;
globalThis.WorkerGlobalScope ??= class WorkerGlobalScope {};

/** Where requests for hosts that are compiled into a client go instead: base URLs, or null. */
export const redirect = { directory: null, gateway: null };

const isLocal = (url) => url.hostname === '127.0.0.1';

function local(asked, base) {
  const url = new URL(asked);
  if (isLocal(url)) return url;
  if (base === null) throw new TypeError(`the client asks for ${url.origin}, which is not this machine`);
  return new URL(base.pathname.replace(/\/$/, '') + url.pathname + url.search, base);
}

const fetchOfNode = globalThis.fetch;
globalThis.fetch = async (input, init) => {
  if (!(input instanceof Request)) return fetchOfNode(local(input, redirect.directory), init);
  const body = ['GET', 'HEAD'].includes(input.method) ? undefined : await input.arrayBuffer();
  return fetchOfNode(local(input.url, redirect.directory), { method: input.method, headers: input.headers, body });
};

globalThis.WebSocket = class extends WebSocketOfNode {
  constructor(url, protocols) {
    const wanted = new URL(url);
    if (!isLocal(wanted) && redirect.gateway === null) throw new TypeError(`the client asks for ${wanted.origin}, which is not this machine`);
    super(isLocal(wanted) ? wanted : redirect.gateway, protocols);
  }
};

// The socket of the registration reports its end to a closure that the client has dropped already.
process.on('uncaughtException', (error) => {
  if (/closure invoked/.test(String(error))) return;
  console.error(error);
  process.exit(1);
});
