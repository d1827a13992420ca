import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ScriptedServer } from './scripted-server.js';
import { nextEvent, rejection, startClient, startServer } from './setup.js';

/** Keeps statements as a server does: handles belong to one connection. */
function servePrepared(server: ScriptedServer): void {
  const statements = new WeakMap<object, Set<string>>();
  let last = 0;
  server.on('prepare', (frame, peer) => {
    if (frame.sql === 'SELEC') return peer.fail(frame, 'SQL_SYNTAX', 'syntax error', { position: 0 });
    const statement = `s${++last}`;
    statements.set(peer, (statements.get(peer) ?? new Set()).add(statement));
    peer.acknowledge(frame, { statement, parameters: 1, columns: [{ name: 'n', type: 'BIGINT' }] });
  });
  server.on('execute', (frame, peer) => {
    if (!statements.get(peer)?.has(frame.statement)) return peer.fail(frame, 'STATEMENT_NOT_FOUND', `no statement ${frame.statement}`);
    peer.rows(frame, [{ n: frame.params[0] }]);
  });
  server.on('deallocate', (frame, peer) => {
    statements.get(peer)?.delete(frame.statement);
    peer.acknowledge(frame, { deallocated: true });
  });
}

test('a prepared statement runs many times on one prepare', async (t) => {
  const server = await startServer(t);
  servePrepared(server);
  const client = startClient(t, server);
  const statement = await client.prepare<{ n: number }>('SELECT ? AS n');
  assert.equal(statement.parameters, 1);
  assert.deepEqual(statement.columns, [{ name: 'n', type: 'BIGINT' }]);
  const results = await Promise.all([1, 2, 3].map((n) => statement.execute([n])));
  assert.deepEqual(results, [[{ n: 1 }], [{ n: 2 }], [{ n: 3 }]]);
  assert.equal(server.count('prepare'), 1);
  await statement.close();
  assert.equal(server.count('deallocate'), 1);
});

test('after a reconnect it is prepared again, once', async (t) => {
  const server = await startServer(t);
  servePrepared(server);
  const client = startClient(t, server);
  const statement = await client.prepare('SELECT ? AS n');
  const back = nextEvent(client, 'disconnected').then(() => nextEvent(client, 'connected'));
  for (const peer of server.peers) peer.terminate();
  await back;
  assert.deepEqual(await Promise.all([statement.execute([1]), statement.execute([2])]), [[{ n: 1 }], [{ n: 2 }]]);
  assert.equal(server.count('prepare'), 2);
});

test('a closed statement is prepared again when it is used', async (t) => {
  const server = await startServer(t);
  servePrepared(server);
  const client = startClient(t, server);
  const statement = await client.prepare('SELECT ? AS n');
  await statement.close();
  await statement.close();
  assert.equal(server.count('deallocate'), 1);
  assert.deepEqual(await statement.execute([1]), [{ n: 1 }]);
  client.close();
  await statement.close();
});

test('the dialect goes with the prepare and not with the execute', async (t) => {
  const server = await startServer(t);
  servePrepared(server);
  const statement = await startClient(t, server, { dialect: 'mysql' }).prepare('SELECT ? AS n', { dialect: 'duckdb' });
  await statement.execute([1], { dateMode: 'iso' });
  const [prepare, execute] = server.received.slice(1).map(({ frame }) => frame);
  assert.deepEqual([prepare?.dialect, execute?.dialect, execute?.dateMode], ['duckdb', undefined, 'iso']);
});

test('a statement that does not parse is refused when it is prepared', async (t) => {
  const server = await startServer(t);
  servePrepared(server);
  const error = await rejection(startClient(t, server).prepare('SELEC'));
  assert.deepEqual([error.code, error.message], ['SQL_SYNTAX', 'Query failed: syntax error']);
});
