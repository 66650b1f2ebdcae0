// What both the runner in Node and the page in a browser do with a tunnel.
const check = (condition, what) => {
  if (!condition) throw new Error(what);
};

const within = (promise, seconds, what) => Promise.race([
  promise,
  new Promise((_, reject) => setTimeout(() => reject(new Error(`${what}: nothing after ${seconds} s`)), seconds * 1000)),
]);

/** The repeatable content of the web server behind `/bytes/N`. */
export const contentByte = (i) => (i * 31 + (i >> 8)) & 255;

export const tunnelCases = (tunnel, { entry, router, host, address }) => ({
  'start': async () => {
    await tunnel.setupMixTunnel({
      clientId: `test-${Math.random().toString(36).slice(2)}`,
      preferredGateway: entry,
      preferredIpr: router,
      forceTls: false,
      disablePoissonTraffic: true,
      disableCoverTraffic: true,
      connectTimeoutMs: 30000,
      debug: true,
    });
    const { state } = await tunnel.getTunnelState();
    check(state === 'ready', `the tunnel is ${state}`);
    return 'connected';
  },
  'DNS': async () => {
    const found = await tunnel.mixDNS(host);
    check(found === address, `${host} is ${found}`);
    return `${host} is ${found}`;
  },
  'HTTP GET': async () => {
    const answer = await tunnel.mixFetch(`http://${host}/`);
    const text = await answer.text();
    check(answer.status === 200 && text.includes('internet'), `status ${answer.status}: ${text}`);
    return text;
  },
  'HTTP, 300 kB': async () => {
    const answer = await tunnel.mixFetch(`http://${host}/bytes/300000`);
    const body = new Uint8Array(await answer.arrayBuffer());
    check(body.length === 300_000 && body.every((value, i) => value === contentByte(i)), `${body.length} bytes, or other ones`);
    return '300,000 bytes, all right';
  },
  'HTTP POST': async () => {
    const answer = await tunnel.mixFetch(`http://${host}/length`, { method: 'POST', body: 'x'.repeat(20_000) });
    const text = await answer.text();
    check(answer.status === 200 && text === '20000', `status ${answer.status}: ${text}`);
    return 'the server has 20,000 bytes';
  },
  'websocket': async () => {
    const socket = new tunnel.MixWebSocket(`ws://${host}/echo`);
    await within(socket.opened(), 30, 'open');
    const heard = [];
    const all = new Promise((resolve) => socket.addEventListener('message', (event) => heard.push(event.data) === 3 && resolve()));
    for (const word of ['one', 'two', 'three']) socket.send(word);
    await within(all, 30, 'echo');
    check(heard.join() === 'one,two,three', heard.join());
    socket.close(1000, 'done');
    return 'three messages came back';
  },
});
