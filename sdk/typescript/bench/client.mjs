// What the client costs with a real gateway. bench/tsclient runs it: node client.mjs WHAT URL KEY SQL, and reads the one line of JSON.
import { once } from 'node:events';
import { DucklingClient, DucklingPool } from '@chittihq/duckling';
import { WebSocket } from 'ws';

const [what, url, apiKey, sql] = process.argv.slice(2);
const measures = { version: async () => process.version, overhead, throughput, decode };
console.log(JSON.stringify(await measures[what]()));
process.exit();

/** An authenticated connection without the client. Its answers are not looked at. */
async function bareSocket() {
  const socket = new WebSocket(`${url}?db=default`, { perMessageDeflate: false });
  await once(socket, 'message'); // welcome
  socket.send(JSON.stringify({ id: 'auth', type: 'auth', apiKey }));
  await once(socket, 'message');
  return socket;
}

function frame(id) {
  return JSON.stringify({ id: String(id), type: 'query', sql });
}

function quantile(times, q) {
  return [...times].sort((a, b) => a - b)[Math.floor(times.length * q)];
}

/** Runs subjects ({ prepare, run }, of which only run is timed) in turn, so that what else the machine does falls on all alike. */
async function alternate(subjects, rounds, clock = () => performance.now()) {
  const times = Object.fromEntries(Object.keys(subjects).map((name) => [name, []]));
  const names = Object.keys(subjects);
  for (let round = 0; round < rounds; round++) {
    // Each goes first in half of the rounds: the first after a pause is the slower one.
    for (const name of round % 2 ? names : [...names].reverse()) {
      const { prepare, run } = subjects[name];
      const input = prepare?.();
      const start = clock();
      await run(input);
      times[name].push(clock() - start);
    }
  }
  return times;
}

async function overhead() {
  const client = new DucklingClient({ url, apiKey });
  await client.connect();
  const socket = await bareSocket();
  let received;
  socket.on('message', (data) => received(data.toString()));
  let lastId = 0;
  const raw = () =>
    new Promise((resolve) => {
      received = resolve;
      socket.send(frame(++lastId));
    });
  const subjects = { raw: { run: raw }, client: { run: () => client.query(sql) } };
  await alternate(subjects, 2000); // warm up
  const times = await alternate(subjects, 10_000);
  const spread = (all) => ({ p50: quantile(all, 0.5), p99: quantile(all, 0.99) });
  return { raw: spread(times.raw), client: spread(times.client) };
}

async function throughput() {
  const IN_FLIGHT = 1000;
  const MILLISECONDS = 2000;
  const perSecond = async (one) => {
    const start = performance.now();
    let answered = 0;
    const worker = async (i) => {
      while (performance.now() - start < MILLISECONDS) {
        await one(i);
        answered++;
      }
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, (_, i) => worker(i)));
    return answered / ((performance.now() - start) / 1000);
  };
  const pool = new DucklingPool({ url, apiKey, size: 5 });
  await pool.connect();
  const sockets = await Promise.all(Array.from({ length: 5 }, bareSocket));
  const waiting = new Map();
  for (const socket of sockets) {
    socket.on('message', (data) => {
      const { id } = JSON.parse(data);
      waiting.get(id)();
      waiting.delete(id);
    });
  }
  let lastId = 0;
  const raw = (i) =>
    new Promise((resolve) => {
      waiting.set(String(++lastId), resolve);
      sockets[i % 5].send(frame(lastId));
    });
  await perSecond(() => pool.query(sql)); // warm up
  return { raw: await perSecond(raw), pool: await perSecond(() => pool.query(sql)) };
}

/** In processor time, which says what code costs where the wall clock says what else the machine does. */
async function decode() {
  const cpuMs = () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  };
  const client = new DucklingClient({ url, apiKey });
  await client.connect();
  const socket = await bareSocket();
  const exchange = async () => {
    const answer = once(socket, 'message');
    socket.send(frame(1));
    return (await answer)[0].toString();
  };
  const text = await exchange();

  // The client with a socket that hands it the text, so that what is timed is from frame to rows. The text is a new
  // string each time, as it is when it comes from a socket, made before the clock starts.
  const fresh = (id) => Buffer.from(text.replace('"1"', `"${id}"`)).toString();
  let reply;
  let lastId = 1; // the client counts its requests; auth was the first
  const instant = await clientOn(() => reply);
  const subjects = {
    parse: { prepare: () => fresh(1), run: async (frame) => JSON.parse(frame).result },
    decode: { prepare: () => (reply = fresh(++lastId)), run: () => instant.query(sql) },
    rawExchange: { run: async () => JSON.parse(await exchange()).result },
    clientExchange: { run: () => client.query(sql) },
  };
  await alternate(subjects, 3);
  const times = await alternate(subjects, 20, cpuMs);
  const medians = Object.fromEntries(Object.keys(times).map((name) => [name, quantile(times[name], 0.5)]));
  return { rows: JSON.parse(text).result.length, megabytes: text.length / 1e6, ...medians };
}

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
