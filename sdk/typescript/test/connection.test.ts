import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:net';
import { once } from 'node:events';
import { mock, test } from 'node:test';
import { DucklingClient, DuckDBError, DuckDBErrorType } from '@chittihq/duckling';
import { ScriptedServer } from './scripted-server.js';
import { deadUrl, nextEvent, rejection, startClient, startServer } from './setup.js';

test('constructing a client whose server is away does not throw; the failure is an error event', async (t) => {
  const url = await deadUrl();
  const client = new DucklingClient({ url, apiKey: 'secret', autoReconnect: false });
  t.after(() => client.close());
  const [error] = (await nextEvent(client, 'error')) as [DuckDBError];
  assert.equal(error.type, DuckDBErrorType.CONNECTION_ERROR);
  assert.match(error.message, /^Connection failed: .*\(127\.0\.0\.1:\d+\)$/);
  await assert.rejects(client.query('SELECT 1'), { type: 'CONNECTION_ERROR' });
});

test('without an error listener a failure is logged, not thrown', async (t) => {
  const url = await deadUrl();
  const logged = new Promise<string>((resolve) => t.mock.method(console, 'error', (text: string) => resolve(text)));
  const client = new DucklingClient({ url, apiKey: 'secret', autoReconnect: false });
  t.after(() => client.close());
  assert.match(await logged, /^\[duckling\] Connection failed: /);
});

test('a wrong key: AUTH_ERROR with the server text, and no reconnect', async (t) => {
  const server = await startServer(t);
  const client = startClient(t, server, { apiKey: 'wrong', autoConnect: true });
  let reconnects = 0;
  client.on('reconnecting', () => reconnects++);
  const failed = nextEvent(client, 'error');
  await assert.rejects(client.connect(), {
    message: 'Authentication failed: Invalid API key (API key mismatch)',
    type: DuckDBErrorType.AUTH_ERROR,
    code: 'AUTH_INVALID',
  });
  await failed;
  assert.equal(reconnects, 0);
  assert.equal(client.state, 'disconnected');
});

test('an unknown database: the error names those that exist, and no reconnect', async (t) => {
  const server = await startServer(t);
  const client = startClient(t, server, { databaseName: 'nope' });
  let reconnects = 0;
  client.on('reconnecting', () => reconnects++);
  await assert.rejects(client.query('SELECT 1'), {
    message: "Connection closed (code 1011): Database 'nope' not found. Available databases: default, shop",
    code: 'DATABASE_NOT_FOUND',
  });
  assert.equal(reconnects, 0);
});

test('an open connection that is closed with 1008 or 1011 is not opened again', async (t) => {
  for (const code of [1008, 1011]) {
    const server = await startServer(t);
    const client = startClient(t, server);
    let reconnects = 0;
    client.on('reconnecting', () => reconnects++);
    await client.connect();
    const events = Promise.all([nextEvent(client, 'disconnected'), nextEvent(client, 'error')]);
    for (const peer of server.peers) peer.close(code, 'revoked');
    const [disconnected] = await events;
    assert.deepEqual(disconnected, [code, 'revoked']);
    assert.equal(reconnects, 0);
    assert.equal(client.state, 'disconnected');
  }
});

test('a server that accepts and says nothing: timeout that names its length', async (t) => {
  const silent: Server = createServer(() => {}).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const sockets = new Set<{ destroy(): void }>();
  silent.on('connection', (socket) => void sockets.add(socket));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    silent.close();
  });
  const address = silent.address() as { port: number };
  const client = startClient(t, { url: `ws://127.0.0.1:${address.port}/ws` }, { connectionTimeout: 50 });
  await assert.rejects(client.connect(), { message: 'Connection timeout after 50ms', type: DuckDBErrorType.TIMEOUT_ERROR });
});

test('a server that never answers auth: the same timeout', async (t) => {
  const server = await startServer(t);
  server.on('auth', () => {});
  await assert.rejects(startClient(t, server, { connectionTimeout: 50 }).connect(), { message: 'Connection timeout after 50ms' });
});

test('a dropped connection rejects what is in flight and comes back', async (t) => {
  const server = await startServer(t);
  server.on('query', (_, peer) => peer.terminate());
  const client = startClient(t, server);
  const order: string[] = [];
  for (const name of ['connected', 'disconnected', 'reconnecting'] as const) client.on(name, () => void order.push(name));
  await client.connect();
  const back = nextEvent(client, 'connected');
  await assert.rejects(client.query('SELECT 1'), { message: 'Connection closed (code 1006)', type: DuckDBErrorType.CONNECTION_ERROR });
  await back;
  assert.deepEqual(order, ['connected', 'disconnected', 'reconnecting', 'connected']);
  assert.equal(client.getStats().reconnectAttempts, 0, 'a connection restores the budget');
});

test('a query marked retry is sent again after the drop, under the same id', async (t) => {
  const server = await startServer(t);
  let drops = 2;
  server.on('query', (frame, peer) => (drops-- > 0 ? peer.terminate() : peer.rows(frame, [{ n: 1 }])));
  const client = startClient(t, server);
  assert.deepEqual(await client.query('SELECT 1', [], { retry: true }), [{ n: 1 }]);
  const ids = server.received.filter(({ frame }) => frame.type === 'query').map(({ frame }) => frame.id);
  assert.equal(ids.length, 3);
  assert.equal(new Set(ids).size, 1);
});

test('retry waits through attempts that fail until the server is back', async (t) => {
  const first = await ScriptedServer.start();
  first.on('query', (_, peer) => {
    peer.terminate();
    void first.stop();
  });
  const client = startClient(t, first, { retry: true, maxReconnectAttempts: 1000, reconnectDelay: 1 });
  const answer = client.query('SELECT 1');
  while (((await nextEvent(client, 'reconnecting')) as [number])[0] < 3);
  const second = await ScriptedServer.start(Number(new URL(client.getStats().url).port));
  t.after(() => second.stop());
  assert.deepEqual(await answer, [{ n: 1 }]);
});

test('retry ends when reconnecting is given up', async (t) => {
  const server = await ScriptedServer.start();
  server.on('query', (_, peer) => {
    peer.terminate();
    void server.stop();
  });
  const client = startClient(t, server, { retry: true, maxReconnectAttempts: 2 });
  await assert.rejects(client.query('SELECT 1'), { type: DuckDBErrorType.CONNECTION_ERROR });
});

test('attempts wait twice as long each time, less a part at random, then give up', async (t) => {
  const client = startClient(
    t,
    { url: await deadUrl() },
    { autoConnect: true, maxReconnectAttempts: 7, reconnectDelay: 1000, connectionTimeout: 4321 },
  );
  t.mock.method(Math, 'random', () => 0.5);
  const delays: number[] = [];
  const realSetTimeout = globalThis.setTimeout;
  t.mock.method(globalThis, 'setTimeout', (run: () => void, delay: number, ...rest: unknown[]) => {
    const isPause = delay >= 750 && delay !== 4321;
    if (isPause) delays.push(delay);
    return realSetTimeout(run, isPause ? 0 : delay, ...rest);
  });
  const [attempts, error] = (await nextEvent(client, 'reconnectExhausted')) as [number, DuckDBError];
  assert.equal(attempts, 7);
  assert.equal(error.message, 'Reconnect attempts exhausted after 7 tries');
  assert.deepEqual(delays, [750, 1500, 3000, 6000, 12000, 22500, 22500]);
});

test('a query brings a client back that gave up', async (t) => {
  const server = await ScriptedServer.start();
  const { port } = server;
  const client = startClient(t, server, { maxReconnectAttempts: 1 });
  await client.connect();
  const gaveUp = nextEvent(client, 'reconnectExhausted');
  await server.stop();
  await gaveUp;
  const again = await ScriptedServer.start(port);
  t.after(() => again.stop());
  assert.deepEqual(await client.query('SELECT 1'), [{ n: 1 }]);
});

test('a query during the wait connects at once, and the wait ends', async (t) => {
  const server = await startServer(t);
  const client = startClient(t, server, { reconnectDelay: 1_000_000 });
  await client.connect();
  const waiting = nextEvent(client, 'reconnecting');
  for (const peer of server.peers) peer.terminate();
  await waiting;
  assert.equal(client.state, 'reconnecting');
  assert.deepEqual(await client.query('SELECT 1'), [{ n: 1 }]);
  assert.equal(client.state, 'connected');
  assert.equal(server.connections, 2);
  const waitingAgain = nextEvent(client, 'reconnecting');
  for (const peer of server.peers) peer.terminate();
  assert.deepEqual(await waitingAgain, [1], 'the first wait is over, so the next drop starts another');
});

test('close rejects what is in flight, stays closed, and connect() opens again', async (t) => {
  const server = await startServer(t);
  server.on('query', () => {});
  const client = startClient(t, server);
  let reconnects = 0;
  client.on('reconnecting', () => reconnects++);
  await client.connect();
  const sent = server.next('query');
  const running = assert.rejects(client.query('SELECT 1', [], { retry: true }), { message: /^Connection closed \(code 1000\)/ });
  await sent;
  client.close();
  await running;
  await assert.rejects(client.query('SELECT 1'), /Client is closed/);
  assert.equal(reconnects, 0);
  server.on('query', (frame, peer) => peer.rows(frame, []));
  await client.connect();
  assert.deepEqual(await client.query('SELECT 1'), []);
});

test('close during the handshake rejects those who wait for it', async (t) => {
  const server = await startServer(t);
  server.on('auth', () => {});
  const client = startClient(t, server);
  const asked = server.next('auth');
  const waiting = assert.rejects(client.connect(), { message: /^Connection closed \(code 1000\)/ });
  await asked;
  client.close();
  await waiting;
});

test('connect() right after a close during the handshake opens another connection', async (t) => {
  const server = await startServer(t);
  const client = startClient(t, server);
  const ended = assert.rejects(client.connect());
  client.close();
  await client.connect();
  await ended;
  assert.equal(client.isConnected(), true);
});

test('close during the wait for an attempt ends it without further attempts', async (t) => {
  const server = await startServer(t);
  const client = startClient(t, server, { reconnectDelay: 1_000_000 });
  await client.connect();
  const waiting = nextEvent(client, 'reconnecting');
  for (const peer of server.peers) peer.terminate();
  await waiting;
  client.close();
  assert.equal(client.state, 'closed');
  assert.equal(server.connections, 1);
});

test('a ping without an answer ends the connection and opens another', async (t) => {
  const server = await startServer(t);
  server.on('ping', () => {});
  const client = startClient(t, server, { pingInterval: 20 });
  await client.connect();
  const [code, reason] = await nextEvent(client, 'disconnected');
  assert.equal(code, 1006);
  assert.match(String(reason), /did not answer a ping/);
  server.on('ping', (frame, peer) => peer.acknowledge(frame, { pong: true, timestamp: '2025-01-31T10:00:00.000Z' }));
  await nextEvent(client, 'connected');
});

test('a request that runs out of time is cancelled at the server, and a late reply is ignored', async (t) => {
  const server = await startServer(t);
  server.on('query', () => {});
  server.on('cancel', (frame, peer) => {
    peer.acknowledge(frame, { cancelled: true });
    peer.fail({ id: frame.target, type: '' }, 'CANCELLED', 'Query cancelled');
  });
  const client = startClient(t, server);
  await client.connect();
  const cancelled = server.next('cancel');
  const error = await rejection(client.query('SELECT slow', [], { timeout: 30 }));
  const { frame } = await cancelled;
  assert.equal(error.type, DuckDBErrorType.TIMEOUT_ERROR);
  assert.equal(error.message, `Request timeout: ${frame.target}`);
  assert.equal(await client.ping(), true);
});

test('an aborted query rejects with the reason of its signal and is cancelled at the server', async (t) => {
  const server = await startServer(t);
  server.on('query', () => {});
  server.on('cancel', (frame, peer) => peer.acknowledge(frame, { cancelled: true }));
  const client = startClient(t, server);
  const controller = new AbortController();
  const [sent, cancelled] = [server.next('query'), server.next('cancel')];
  const running = assert.rejects(client.query('SELECT slow', [], { signal: controller.signal }), { name: 'AbortError' });
  const { frame } = await sent;
  controller.abort();
  await running;
  assert.equal((await cancelled).frame.target, frame.id);
  assert.equal(client.getStats().pendingRequests, 0);
  await assert.rejects(client.query('SELECT 1', [], { signal: AbortSignal.abort(new Error('mine')) }), /mine/);
  assert.equal(server.count('query'), 1);
});

test('an abort is heard while the connection is still being made', async (t) => {
  const server = await startServer(t);
  server.on('auth', () => {});
  const controller = new AbortController();
  const asked = server.next('auth');
  const running = assert.rejects(startClient(t, server).query('SELECT 1', [], { signal: controller.signal }), { name: 'AbortError' });
  await asked;
  controller.abort();
  await running;
});

test('a frame that is not JSON ends the connection with a clear error', async (t) => {
  const server = await startServer(t);
  server.on('query', (_, peer) => peer.sendRaw('<html>'));
  await assert.rejects(startClient(t, server).query('SELECT 1'), {
    message: 'The server sent a frame that is not JSON',
    type: 'UNKNOWN_ERROR',
  });
});

test('enableLogging writes the life of the connection to the console', async (t) => {
  const info = mock.method(console, 'info', () => {});
  t.after(() => info.mock.restore());
  const client = startClient(t, await startServer(t), { enableLogging: true });
  await client.connect();
  assert.deepEqual(
    info.mock.calls.map(({ arguments: [text] }) => text),
    ['[duckling] connected'],
  );
});
