import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DucklingPool } from '@chittihq/duckling';
import type { ScriptedServer } from './scripted-server.js';
import { startServer } from './setup.js';

function startPool(t: { after(run: () => void): void }, server: ScriptedServer, size: number): DucklingPool {
  const pool = new DucklingPool({ url: server.url, apiKey: 'secret', size, reconnectDelay: 1_000_000 });
  t.after(() => pool.close());
  return pool;
}

test('calls spread evenly over the connections', async (t) => {
  const server = await startServer(t);
  const held: (() => void)[] = [];
  server.on('query', (frame, peer) => {
    held.push(() => peer.rows(frame, []));
    if (held.length === 30) for (const reply of held) reply();
  });
  const pool = startPool(t, server, 3);
  await pool.connect();
  await Promise.all(Array.from({ length: 30 }, () => pool.query('SELECT 1')));
  const perPeer = new Map<unknown, number>();
  for (const { frame, peer } of server.received) if (frame.type === 'query') perPeer.set(peer, (perPeer.get(peer) ?? 0) + 1);
  assert.deepEqual([...perPeer.values()], [10, 10, 10]);
});

test('a connection that is busy gets no more until the others are as busy', async (t) => {
  const server = await startServer(t);
  const slow: (() => void)[] = [];
  server.on('query', (frame, peer) => (frame.sql === 'slow' ? slow.push(() => peer.rows(frame, [])) : peer.rows(frame, [])));
  const pool = startPool(t, server, 2);
  await pool.connect();
  const slowSent = server.next('query');
  const running = pool.query('slow');
  const { peer: busy } = await slowSent;
  for (let i = 0; i < 10; i++) await pool.query('fast');
  const onBusy = server.received.filter(({ frame, peer }) => frame.sql === 'fast' && peer === busy);
  assert.equal(onBusy.length, 0);
  for (const reply of slow) reply();
  await running;
});

test('a connection that is down is passed over', async (t) => {
  const server = await startServer(t);
  const pool = startPool(t, server, 2);
  await pool.connect();
  const [down] = server.peers;
  const dropped = new Promise<void>((resolve) => pool.on('disconnected', () => resolve()));
  down?.terminate();
  await dropped;
  for (let i = 0; i < 6; i++) await pool.query('SELECT 1');
  assert.equal(server.connections, 2, 'no query had to connect');
  assert.deepEqual([pool.isConnected(), pool.getStats().connected, pool.getStats().size], [true, 1, 2]);
});

test('a pool connects by itself, batches, pages and streams like a client', async (t) => {
  const server = await startServer(t);
  server.on('batch', (frame, peer) =>
    peer.send({ id: frame.id, success: true, results: [{ success: true, result: [{ n: 1 }], duration: 0 }], duration: 1 }),
  );
  const pool = startPool(t, server, 2);
  assert.deepEqual(await pool.queryBatch(['SELECT 1']), [[{ n: 1 }]]);
  assert.equal((await pool.queryBatchDetailed(['SELECT 1']))[0]?.success, true);
  assert.equal((await pool.queryPaginated('SELECT 1', { limit: 1, offset: 0 })).pagination.hasMore, false);
  pool.close();
  await assert.rejects(pool.query('SELECT 1'), /Client is closed/);
});

test('a size that makes no sense is refused', () => {
  assert.throws(() => new DucklingPool({ url: 'ws://x', apiKey: 'k', size: 0 }), { type: 'CONFIG_ERROR' });
});
