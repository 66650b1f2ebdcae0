// Inside that thread: what a worker's scope has, and the directory that is compiled into the client stands here.
import vm from 'node:vm';
import { parentPort, workerData } from 'node:worker_threads';
import { redirect } from './environment.mjs';

// The client asks for /api/… of its directory; the lab's URL ends in /api.
redirect.directory = new URL(process.env.LAB_DIRECTORY.replace(/\/api\/?$/, '/'));
redirect.gateway = process.env.LAB_ENTRY_WS;

const bound = new Map();
globalThis.postMessage = (message, options) => parentPort.postMessage(message, Array.isArray(options) ? options : options?.transfer);
globalThis.addEventListener = (kind, listener) => {
  if (kind !== 'message') return;
  const heard = (data) => (listener.handleEvent ?? listener)({ data, origin: '' });
  bound.set(listener, heard);
  parentPort.on('message', heard);
};
globalThis.removeEventListener = (kind, listener) => {
  if (bound.has(listener)) parentPort.off('message', bound.get(listener));
};
globalThis.location = { href: 'http://127.0.0.1/', origin: 'null' };
vm.runInThisContext(workerData, { filename: 'client-worker.js' });
