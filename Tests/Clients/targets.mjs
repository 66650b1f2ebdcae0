// The internet of the tests, in a namespace of its own: an answerer of DNS, a web server and a websocket echo.
// targets.mjs NAME ADDRESS DNS-ADDRESS...
import dgram from 'node:dgram';
import http from 'node:http';
import { WebSocketServer } from 'ws';
import { contentByte } from './tunnel-cases.mjs';

const [name, address, ...servers] = process.argv.slice(2);

/** A query's name and where it ends (RFC 1035 §3.1, §4.1.2); null when malformed. */
function question(query) {
  const labels = [];
  let at = 12;
  while (at < query.length && query[at] !== 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + query[at]));
    at += query[at] + 1;
  }
  return at + 5 <= query.length ? { asked: labels.join('.').toLowerCase(), type: query.readUInt16BE(at + 1), end: at + 5 } : null;
}

function answer(query) {
  const found = query.length > 12 ? question(query) : null;
  if (!found) return null;
  const known = found.asked === name, has = known && found.type === 1;
  const header = Buffer.from(query.subarray(0, 12));
  header.writeUInt16BE(known ? 0x8180 : 0x8183, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(has ? 1 : 0, 6);
  header.fill(0, 8, 12);
  const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...address.split('.').map(Number)]);
  return Buffer.concat([header, query.subarray(12, found.end), ...(has ? [record] : [])]);
}

for (const server of servers) {
  const socket = dgram.createSocket('udp4');
  socket.on('message', (query, from) => {
    const reply = answer(query);
    if (reply) socket.send(reply, from.port, from.address);
  });
  socket.bind(53, server);
}

const web = http.createServer((request, response) => {
  const count = /^\/bytes\/(\d{1,8})$/.exec(request.url)?.[1];
  if (count !== undefined) {
    response.end(Buffer.from(Uint8Array.from({ length: Number(count) }, (_, i) => contentByte(i))));
  } else if (request.url === '/length') {
    let length = 0;
    request.on('data', (chunk) => (length += chunk.length)).on('end', () => response.end(String(length)));
  } else {
    response.end('a page from the internet of the tests\n');
  }
});
new WebSocketServer({ server: web, path: '/echo' }).on('connection', (socket) => {
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
});
web.listen(80, address, () => console.log('ready'));
