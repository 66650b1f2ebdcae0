// @nymproject/mix-tunnel 0.2.1 with mix-dns, mix-fetch 2.1.1 and mix-websocket (IP packet router), in Node.
import './worker-of-node.mjs';
import { need, run } from './cases.mjs';
import { tunnelCases } from './tunnel-cases.mjs';

const { setupMixTunnel, getTunnelState, disconnectMixTunnel } = await import('@nymproject/mix-tunnel');
const { mixDNS } = await import('@nymproject/mix-dns');
const { mixFetch } = await import('@nymproject/mix-fetch');
const { MixWebSocket } = await import('@nymproject/mix-websocket');

await run(`mix-tunnel 0.2.1, Node${process.env.LAB_TITLE ?? ''}`, tunnelCases(
  { setupMixTunnel, getTunnelState, disconnectMixTunnel, mixDNS, mixFetch, MixWebSocket },
  { entry: need('LAB_ENTRY'), router: need('LAB_IP_PACKET_ROUTER'), host: need('LAB_HOST'), address: need('LAB_HOST_ADDRESS') },
), 90);
