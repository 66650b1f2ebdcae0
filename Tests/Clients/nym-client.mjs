// @nymproject/nym-client-wasm-node 1.4.1: raw messages. Requests to the network requester are written by hand here
// (network-requester.md §1.3, §2.4, §2.5) and sent anonymously, with SURBs for the answer.
import './environment.mjs';
import { createRequire } from 'node:module';
import { expect, need, run } from './cases.mjs';

const nym = createRequire(import.meta.url)('@nymproject/nym-client-wasm-node');
const requester = need('LAB_NETWORK_REQUESTER');
const waiting = [];
let client;

const next = () => new Promise((resolve) => waiting.push(resolve));

async function ask(bytes, surbs = 30) {
  const answer = next();
  await client.send_anonymous_message(new Uint8Array(bytes), requester, surbs);
  return answer;
}

const begins = (answer, ...bytes) => expect(bytes.every((b, i) => answer[i] === b), `the answer begins with ${[...answer.subarray(0, 8)]}`);
const text = (answer, from) => new TextDecoder().decode(answer.subarray(from));

await run('nym-client 1.4.1', {
  'start': async () => {
    client = await new nym.NymClient((bytes) => waiting.shift()?.(new Uint8Array(bytes)), {
      clientId: `test-${process.pid}`,
      preferredGateway: need('LAB_ENTRY'),
      nymApiUrl: need('LAB_DIRECTORY'),
      clientOverride: {
        traffic: { disableMainPoissonPacketDistribution: true, averagePacketDelayMs: 10 },
        acknowledgements: { averageAckDelayMs: 10 },
        coverTraffic: { disableLoopCoverTrafficStream: true },
      },
    });
    return client.selfAddress().slice(0, 20);
  },
  'a message to itself': async () => {
    const answer = next();
    await client.send_regular_message(new TextEncoder().encode('over three mixes and back'), client.selfAddress());
    const back = text(await answer, 0);
    expect(back === 'over three mixes and back', back);
    return back;
  },
  'control: health': async () => {
    const answer = await ask([3, 0, 0]);
    begins(answer, 3, 0, 0);
    return 'alive';
  },
  'control: binary information': async () => {
    const answer = await ask([3, 0, 1]);
    begins(answer, 3, 0, 1);
    const { binary_name: name, build_information: build } = JSON.parse(text(answer, 3));
    expect(name && Object.keys(build).length >= 10, `${Object.keys(build)}`);
    return `${name} ${build.build_version}`;
  },
  'control: supported versions': async () => {
    const answer = await ask([3, 0, 2]);
    begins(answer, 3, 0, 2);
    const versions = JSON.parse(text(answer, 3));
    expect(JSON.parse(versions.interface_version).version === 3 && JSON.parse(versions.provider_version).version === 3, text(answer, 3));
    return text(answer, 3);
  },
  'query: open proxy': async () => {
    const answer = await ask([3, 1, 3, 2, 0]);
    begins(answer, 3, 1, 3, 3, 0, 0);
    return 'it is none';
  },
  'query: description': async () => {
    const answer = await ask([3, 1, 3, 2, 1]);
    begins(answer, 3, 1, 3, 3, 1);
    return text(answer, 6);
  },
  'query: exit policy': async () => {
    const answer = await ask([3, 1, 3, 2, 2]);
    begins(answer, 3, 1, 3, 3, 2);
    const rules = (text(answer, 6).match(/\d+(\.\d+){3}\/\d+|\*/g) ?? []).length;
    expect(rules > 100, `${rules} patterns`);
    return `${rules} patterns in ${answer.length} bytes`;
  },
}, 60);
