// @nymproject/mix-fetch-wasm 1.4.4 (network requester): the WASM of mix-fetch without its worker.
import './environment.mjs';
import fs from 'node:fs';
import path from 'node:path';
import vm from 'node:vm';
import { createRequire } from 'node:module';
import { digest, expect, need, run } from './cases.mjs';

const folder = path.dirname(createRequire(import.meta.url).resolve('@nymproject/mix-fetch-wasm'));
const read = (name) => fs.readFileSync(path.join(folder, name));
const web = need('LAB_WEB');

vm.runInThisContext(read('wasm_exec.js').toString());
const client = await import('@nymproject/mix-fetch-wasm');
await client.default({ module_or_path: read('mix_fetch_wasm_bg.wasm') });
const go = new globalThis.Go();
go.run((await WebAssembly.instantiate(read('go_conn.wasm'), go.importObject)).instance);
const { send_client_data, start_new_mixnet_connection, mix_fetch_initialised, finish_mixnet_connection } = client;
globalThis.__rs_go_bridge__ = { send_client_data, start_new_mixnet_connection, mix_fetch_initialised, finish_mixnet_connection };

const get = (url, more) => globalThis.mixFetch(url, { mode: 'unsafe-ignore-cors', ...more });

async function download(bytes) {
  const answer = await get(`${web}/bytes/${bytes}`);
  expect(answer.status === 200, `status ${answer.status}`);
  const body = new Uint8Array(await answer.arrayBuffer());
  expect(body.length === bytes, `${body.length} bytes of ${bytes}`);
  const direct = await fetch(`${web}/bytes/${bytes}`);
  expect(digest(body) === digest(new Uint8Array(await direct.arrayBuffer())), 'other bytes than were sent');
}

/** The exit tells by a close; an end by the client's own time limit is no refusal. */
async function refused(url) {
  const told = await get(url).then((answer) => `status ${answer.status}`, (error) => String(error?.message ?? error));
  expect(/\bEOF\b/.test(told), told);
  return `refused: ${told}`;
}

const refusals = {
  'a name that does not exist': () => refused('http://no-such-host.invalid/'),
  'a host that cannot be reached': () => refused('http://11.9.0.1/'),
  'a port where nobody listens': () => refused('http://127.0.0.1:50999/'),
  'a denied port': () => refused('http://127.0.0.1:25/'),
};

async function start() {
  await client.setupMixFetch({
    clientId: `test-${process.pid}`,
    preferredGateway: need('LAB_ENTRY'),
    preferredNetworkRequester: need('LAB_NETWORK_REQUESTER'),
    nymApiUrl: need('LAB_DIRECTORY'),
    forceTls: false,
    mixFetchOverride: { requestTimeoutMs: 60000 },
    clientOverride: {
      traffic: { disableMainPoissonPacketDistribution: true, averagePacketDelayMs: 10 },
      acknowledgements: { averageAckDelayMs: 10 },
      coverTraffic: { disableLoopCoverTrafficStream: true },
    },
  });
  return 'registered, topology read';
}

async function page() {
  const answer = await get(`${web}/`);
  const text = await answer.text();
  expect(answer.status === 200 && text.length > 0, `status ${answer.status}, ${text.length} characters`);
  return `status 200: ${text}`;
}

const works = {
  'GET': page,
  'POST of 1 MB': async () => {
    const body = new Uint8Array(1_000_000).map((_, i) => (i * 7919) >> 5);
    const answer = await get(`${web}/upload`, { method: 'POST', body });
    const text = (await answer.text()).trim();
    expect(answer.status === 200 && text === `${digest(body)} ${body.length}`, `status ${answer.status}, digest ${text}`);
    return 'the server has the same digest';
  },
  '20 fetches at once': async () => {
    await Promise.all(Array.from({ length: 20 }, (_, i) => download(20_000 + i)));
    return '20 pages of 20 kB, all right';
  },
  'a 10 MB download': async () => {
    await download(10_000_000);
    return '10,000,000 bytes, all right';
  },
};

// A refusal has a process to itself: an answer that this client cannot take ends its whole program, and then the page does not come.
const asked = process.argv[2];
await run('mix-fetch 1.4.4', { start, ...(asked === undefined ? works : { [asked]: refusals[asked], 'a page after that': page }) }, 120);
