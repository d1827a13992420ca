// A result of 100,000 rows: the client against JSON.parse of the same text, and against a bare exchange of it. In processor time.
import { DucklingClient } from '@chittihq/duckling';
import { WebSocket } from 'ws';
import { alternate, cpuMs, quantile, report, startEchoServer } from './measure.mjs';

const server = await startEchoServer();
const client = new DucklingClient({ url: server.url, apiKey: 'secret' });
await client.connect();
// The same kind of socket as the client's.
const socket = globalThis.WebSocket ? new globalThis.WebSocket(server.url) : new WebSocket(server.url, { perMessageDeflate: false });
const next = (event) => new Promise((resolve) => socket.addEventListener(event, resolve, { once: true }));
await next('open');

const exchange = async () => {
  const answer = next('message');
  socket.send(JSON.stringify({ id: '1', type: 'query', sql: 'large' }));
  return (await answer).data;
};
const text = await exchange();

// The client with a socket that hands it the text, so that what is timed is from frame to rows. The text is a new
// string each time, as it is when it comes from a socket, made before the clock starts.
const fresh = (id) => Buffer.from(text.replace('"1"', `"${id}"`)).toString();
let reply;
const instant = await clientOn(() => reply);
let lastId = 1; // the client counts its requests; auth was the first
const subjects = {
  parse: { prepare: () => fresh(1), run: async (frame) => JSON.parse(frame).result },
  decode: { prepare: () => (reply = fresh(++lastId)), run: () => instant.query('large') },
  rawExchange: async () => JSON.parse(await exchange()).result,
  clientExchange: () => client.query('large'),
};
await alternate(subjects, 3);
const times = await alternate(subjects, 20, cpuMs);
const ms = Object.fromEntries(Object.keys(times).map((name) => [name, quantile(times[name], 0.5)]));

report(
  'decode',
  { rows: 100_000, megabytes: text.length / 1e6, ...ms },
  {
    'decoding takes no more than JSON.parse plus 20 %': ms.decode <= 1.2 * ms.parse,
    'a query takes no more than the bare exchange plus 20 %': ms.clientExchange <= 1.2 * ms.rawExchange,
  },
);
client.close();
server.stop();
process.exit();

async function clientOn(answer) {
  const before = globalThis.WebSocket;
  globalThis.WebSocket = class {
    constructor() {
      setImmediate(() => this.onopen());
    }
    send(frame) {
      const request = JSON.parse(frame);
      const reply =
        request.type === 'auth' ? `{"id":"${request.id}","success":true,"result":[{"authenticated":true,"message":""}]}` : answer(request);
      queueMicrotask(() => this.onmessage({ data: reply }));
    }
    close() {}
  };
  const created = new DucklingClient({ url: 'ws://nowhere/ws', apiKey: 'secret', autoPing: false });
  await created.connect();
  globalThis.WebSocket = before;
  return created;
}
