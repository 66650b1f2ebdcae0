// The same tunnel in headless Chromium, unmodified: a page served here imports the packages as they are. The directory's name, which is
// compiled into the client, is mapped to the lab's TLS port.
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import puppeteer from 'puppeteer-core';
import { need, run } from './cases.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const packages = fs.realpathSync(path.join(here, 'node_modules'));
const page = `<!doctype html><title>tunnel</title><script type="importmap">${JSON.stringify({
  imports: Object.fromEntries(['mix-dns', 'mix-fetch', 'mix-websocket', 'mix-tunnel'].map((name) =>
    [`@nymproject/${name}`, `/packages/@nymproject/${name}/dist/${name === 'mix-tunnel' ? 'esm/' : ''}index.js`])),
})}</script>`;
const types = { '.js': 'text/javascript', '.mjs': 'text/javascript', '.wasm': 'application/wasm' };

function fileOf(url) {
  const [root, name] = url.startsWith('/packages/') ? [packages, url.slice('/packages/'.length)] : [here, url.slice(1)];
  const file = path.join(root, name);
  return file.startsWith(root + path.sep) && fs.existsSync(file) ? file : null;
}

const server = http.createServer((request, response) => {
  const { pathname } = new URL(request.url, 'http://127.0.0.1');
  const file = pathname === '/' ? null : fileOf(pathname);
  if (pathname === '/') response.setHeader('Content-Type', 'text/html').end(page);
  else if (file) response.setHeader('Content-Type', types[path.extname(file)] ?? 'application/octet-stream').end(fs.readFileSync(file));
  else response.writeHead(404).end();
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));

const directory = new URL(need('LAB_DIRECTORY_TLS'));
const browser = await puppeteer.launch({
  executablePath: need('CHROMIUM'),
  args: [
    '--no-sandbox', '--no-proxy-server', '--disable-background-networking', '--ignore-certificate-errors',
    `--host-resolver-rules=MAP validator.nymtech.net ${directory.host},MAP * ~NOTFOUND,EXCLUDE 127.0.0.1`,
  ],
});
const tab = await browser.newPage();
tab.on('console', (message) => console.error('page:', message.text()));
tab.on('pageerror', (error) => console.error('page:', error));
await tab.goto(`http://127.0.0.1:${server.address().port}/`);
await tab.evaluate(async (lab) => {
  const [{ setupMixTunnel, getTunnelState }, { mixDNS }, { mixFetch }, { MixWebSocket }, { tunnelCases }] = await Promise.all([
    import('@nymproject/mix-tunnel'), import('@nymproject/mix-dns'), import('@nymproject/mix-fetch'),
    import('@nymproject/mix-websocket'), import('/tunnel-cases.mjs'),
  ]);
  globalThis.cases = tunnelCases({ setupMixTunnel, getTunnelState, mixDNS, mixFetch, MixWebSocket }, lab);
}, { entry: need('LAB_ENTRY'), router: need('LAB_IP_PACKET_ROUTER'), host: need('LAB_HOST'), address: need('LAB_HOST_ADDRESS') });

const names = await tab.evaluate(() => Object.keys(globalThis.cases));
process.on('exit', () => browser.process()?.kill('SIGKILL'));
await run(`mix-tunnel 0.2.1, Chromium${process.env.LAB_TITLE ?? ''}`, Object.fromEntries(names.map((name) =>
  [name, () => tab.evaluate((wanted) => globalThis.cases[wanted](), name)])), 90);
