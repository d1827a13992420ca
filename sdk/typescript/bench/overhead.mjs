// What the client adds to one query, against a bare ws exchange of the same frames, and with many in flight.
import { once } from 'node:events';
import { DucklingClient, DucklingPool } from '@chittihq/duckling';
import { WebSocket } from 'ws';
import { alternate, quantile, report, startEchoServer } from './measure.mjs';

const server = await startEchoServer();
const client = new DucklingClient({ url: server.url, apiKey: 'secret' });
await client.connect();
const socket = new WebSocket(server.url, { perMessageDeflate: false });
await once(socket, 'open');

let received;
socket.on('message', (data) => received(JSON.parse(data).result));
let lastId = 0;
const raw = () =>
  new Promise((resolve) => {
    received = resolve;
    socket.send(JSON.stringify({ id: String(++lastId), type: 'query', sql: 'small' }));
  });

await alternate({ raw, client: () => client.query('small') }, 2000); // warm up
const times = await alternate({ raw, client: () => client.query('small') }, 10_000);
const p50 = { raw: quantile(times.raw, 0.5), client: quantile(times.client, 0.5) };
const overhead = p50.client - p50.raw;

// Throughput: as many requests in flight over five bare sockets and over a pool of five.
const IN_FLIGHT = 1000;
const REQUESTS = 50_000;
const pool = new DucklingPool({ url: server.url, apiKey: 'secret', size: 5 });
await pool.connect();
const sockets = await Promise.all(
  Array.from({ length: 5 }, async () => {
    const bare = new WebSocket(server.url, { perMessageDeflate: false });
    await once(bare, 'open');
    const waiting = new Map();
    bare.on('message', (data) => {
      const { id, result } = JSON.parse(data);
      waiting.get(id)(result);
      waiting.delete(id);
    });
    return (id) =>
      new Promise((resolve) => {
        waiting.set(id, resolve);
        bare.send(JSON.stringify({ id, type: 'query', sql: 'small' }));
      });
  }),
);
const drive = async (one) => {
  let sent = 0;
  const worker = async () => {
    while (sent < REQUESTS) await one(sent++);
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
};
const rates = await alternate({ raw: () => drive((i) => sockets[i % 5](String(i))), pool: () => drive(() => pool.query('small')) }, 6);
const perSecond = (name) => Math.round(REQUESTS / (quantile(rates[name], 0.5) / 1000));

report(
  'overhead',
  {
    rawP50Ms: p50.raw,
    clientP50Ms: p50.client,
    overheadP50Ms: overhead,
    rawPerSecond: perSecond('raw'),
    poolPerSecond: perSecond('pool'),
  },
  {
    'overhead of a query under 0.2 ms at p50': overhead < 0.2,
    'five pooled clients reach 90 % of five bare sockets with 1000 in flight': perSecond('pool') >= 0.9 * perSecond('raw'),
  },
);
client.close();
pool.close();
server.stop();
process.exit();
