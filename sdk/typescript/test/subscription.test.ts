import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Frame, Peer } from './scripted-server.js';
import { meta } from './scripted-server.js';
import { rejection, startClient, startServer } from './setup.js';

function update(peer: Peer, frame: Frame, seq: number, fields: object): void {
  peer.send({ id: frame.id, success: true, type: 'update', seq, meta, duration: 1, ...fields });
}

test('updates come as they are sent, and leaving the loop unsubscribes', async (t) => {
  const server = await startServer(t);
  server.on('subscribe', (frame, peer) => update(peer, frame, 0, { result: [{ n: 0 }] }));
  server.on('unsubscribe', (frame, peer) => peer.acknowledge(frame, { unsubscribed: true }));
  const client = startClient(t, server);
  const [subscribed, unsubscribed] = [server.next('subscribe'), server.next('unsubscribe')];
  let seen = 0;
  for await (const { rows, meta: got } of client.subscribe('SELECT n', [1], { minIntervalMs: 50 })) {
    assert.deepEqual(rows, [{ n: seen++ }]);
    assert.deepEqual(got, meta);
    if (seen === 3) break;
    const { frame, peer } = await subscribed;
    update(peer, frame, seen, { result: [{ n: seen }] });
  }
  const { frame } = await subscribed;
  assert.deepEqual([frame.minIntervalMs, frame.params, 'diff' in frame], [50, [1], false]);
  assert.equal((await unsubscribed).frame.target, frame.id);
  assert.equal(client.getStats().pendingRequests, 0);
});

test('a slow consumer gets the newest result, not all of them', async (t) => {
  const server = await startServer(t);
  server.on('subscribe', (frame, peer) => {
    for (let n = 0; n < 5; n++) update(peer, frame, n, { result: [{ n }] });
  });
  server.on('unsubscribe', (frame, peer) => peer.acknowledge(frame, { unsubscribed: true }));
  const client = startClient(t, server);
  const updates = client.subscribe<{ n: number }>('SELECT n');
  await updates.next();
  await client.ping(); // the other four are here
  assert.deepEqual((await updates.next()).value?.rows, [{ n: 4 }]);
  await updates.return();
});

test('differences are all delivered, in order; a whole result replaces those that wait', async (t) => {
  const server = await startServer(t);
  server.on('subscribe', (frame, peer) => {
    assert.equal(frame.diff, true);
    update(peer, frame, 0, { result: [{ n: 0 }] });
    update(peer, frame, 1, { added: [{ n: 1 }], removed: [{ n: 0 }] });
    update(peer, frame, 2, { added: [{ n: 2 }], removed: [] });
  });
  server.on('unsubscribe', (frame, peer) => peer.acknowledge(frame, { unsubscribed: true }));
  const client = startClient(t, server);
  const updates = client.subscribe('SELECT n', undefined, { diff: true });
  const subscribed = server.next('subscribe');
  assert.deepEqual((await updates.next()).value?.rows, [{ n: 0 }]);
  const second = (await updates.next()).value;
  assert.deepEqual([second?.rows, second?.added, second?.removed], [undefined, [{ n: 1 }], [{ n: 0 }]]);
  const { frame, peer } = await subscribed;
  update(peer, frame, 3, { result: [{ n: 9 }] });
  await client.ping();
  assert.deepEqual((await updates.next()).value?.rows, [{ n: 9 }], 'the difference before it is pointless now');
  await updates.return();
});

test('after a reconnect the subscription goes on', async (t) => {
  const server = await startServer(t);
  let subscriptions = 0;
  server.on('subscribe', (frame, peer) => {
    update(peer, frame, 0, { result: [{ n: ++subscriptions }] });
    if (subscriptions < 3) setImmediate(() => peer.terminate());
  });
  server.on('unsubscribe', (frame, peer) => peer.acknowledge(frame, { unsubscribed: true }));
  const seen: unknown[] = [];
  for await (const { rows } of startClient(t, server).subscribe<{ n: number }>('SELECT n')) {
    seen.push(rows?.[0]?.n);
    if (seen.length === 3) break;
  }
  assert.deepEqual(seen, [1, 2, 3]);
});

test('without autoReconnect a lost connection ends the loop with an error', async (t) => {
  const server = await startServer(t);
  server.on('subscribe', (_, peer) => peer.terminate());
  const error = await rejection(startClient(t, server, { autoReconnect: false }).subscribe('SELECT n').next());
  assert.equal(error.type, 'CONNECTION_ERROR');
});

test('a failure ends the loop with the error, without an unsubscribe', async (t) => {
  const server = await startServer(t);
  server.on('subscribe', (frame, peer) => {
    update(peer, frame, 0, { result: [] });
    peer.fail(frame, 'NOT_FOUND', 'table dropped');
  });
  const client = startClient(t, server);
  const updates = client.subscribe('SELECT n');
  await updates.next();
  assert.equal((await rejection(updates.next())).code, 'NOT_FOUND');
  assert.equal(server.count('unsubscribe'), 0);
  assert.equal(client.getStats().pendingRequests, 0);
});

test('an abort ends the loop with its reason', async (t) => {
  const server = await startServer(t);
  server.on('subscribe', (frame, peer) => update(peer, frame, 0, { result: [] }));
  server.on('unsubscribe', (frame, peer) => peer.acknowledge(frame, { unsubscribed: true }));
  const controller = new AbortController();
  const unsubscribed = server.next('unsubscribe');
  const updates = startClient(t, server).subscribe('SELECT n', [], { signal: controller.signal });
  await updates.next();
  const waiting = assert.rejects(updates.next(), { name: 'AbortError' });
  controller.abort();
  await waiting;
  await unsubscribed;
});
