import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DucklingClient, DucklingError, DuckDBError, DuckDBErrorType } from '@chittihq/duckling';
import { deadUrl, nextEvent, rejection, startClient, startServer } from './setup.js';

test('a query connects by itself, authenticates and gives its rows', async (t) => {
  const server = await startServer(t);
  const client = startClient(t, server);
  assert.equal(client.isConnected(), false);

  assert.deepEqual(await client.query<{ n: number }>('SELECT 1 AS n'), [{ n: 1 }]);

  assert.equal(client.isConnected(), true);
  assert.deepEqual(
    server.received.map(({ frame }) => frame.type),
    ['auth', 'query'],
  );
  assert.equal('params' in (server.received[1]?.frame ?? {}), false, 'params are left out when there are none');
  assert.equal(server.received[1]?.peer.database, 'default');
});

test('execute is query by another name', async (t) => {
  const server = await startServer(t);
  const client = startClient(t, server);
  assert.deepEqual(await client.execute<{ n: number }>('SELECT ? AS n', [7]), await client.query<{ n: number }>('SELECT ? AS n', [7]));
  const [executed, queried] = server.received.slice(1).map(({ frame: { id: _, ...rest } }) => rest);
  assert.deepEqual(executed, queried);
  assert.deepEqual([executed?.type, executed?.params], ['query', [7]]);
});

test('concurrent queries and connect() share one handshake', async (t) => {
  const server = await startServer(t);
  const client = startClient(t, server, { autoConnect: true });
  await Promise.all([client.connect(), client.query('SELECT 1'), client.query('SELECT 2'), client.connect()]);
  await client.connect();
  assert.equal(server.connections, 1);
  assert.equal(server.count('auth'), 1);
});

test('the database goes into the address, and the url may name it too', async (t) => {
  const server = await startServer(t);
  await startClient(t, server, { databaseName: 'shop' }).query('SELECT 1');
  await startClient(t, { url: `${server.url}?db=shop` }).query('SELECT 1');
  assert.deepEqual(
    server.received.filter(({ frame }) => frame.type === 'query').map(({ peer }) => peer.database),
    ['shop', 'shop'],
  );
});

test('params travel exactly', async (t) => {
  const server = await startServer(t);
  const client = startClient(t, server);
  const sent = server.next('query');
  await client.query('SELECT ?', [1, 'x "y"\n', null, true, 1.5, 9007199254740993n, undefined, new Date(Date.UTC(2025, 0, 31, 10))]);
  const { raw, frame } = await sent;
  assert.match(raw, /"params":\[1,"x \\"y\\"\\n",null,true,1.5,9007199254740993,null,"2025-01-31 10:00:00.000"\]/);
  assert.equal(frame.sql, 'SELECT ?');
});

test('params that SQL over JSON cannot express are refused before anything is sent', async (t) => {
  const server = await startServer(t);
  const client = startClient(t, server);
  for (const [value, says] of [
    [NaN, /params\[1\] is NaN/],
    [{}, /params\[1\] is \[object Object\]/],
    [new Date(NaN), /params\[1\] is/],
  ] as const) {
    await assert.rejects(
      client.query('SELECT ?, ?', [1, value]),
      (error: DuckDBError) => says.test(error.message) && error.code === 'SQL_PARAMS',
    );
  }
  assert.equal(server.received.length, 0);
});

test('value modes and the dialect come from the client and can be set for one query', async (t) => {
  const server = await startServer(t);
  const client = startClient(t, server, { dateMode: 'iso', numberMode: 'string', dialect: 'mysql' });
  const first = server.next('query');
  await client.query('SELECT 1');
  const second = server.next('query');
  await client.query('SELECT 1', undefined, { numberMode: 'auto', jsonMode: 'value', dialect: 'duckdb' });
  assert.deepEqual(pick((await first).frame), { numberMode: 'string', dateMode: 'iso', jsonMode: undefined, dialect: 'mysql' });
  assert.deepEqual(pick((await second).frame), { numberMode: 'auto', dateMode: 'iso', jsonMode: 'value', dialect: 'duckdb' });

  function pick({ numberMode, dateMode, jsonMode, dialect }: Record<string, unknown>) {
    return { numberMode, dateMode, jsonMode, dialect };
  }
});

test('replies find their queries in whatever order they come', async (t) => {
  const server = await startServer(t);
  const held: (() => void)[] = [];
  server.on('query', (frame, peer) => {
    held.push(() => peer.rows(frame, [{ sql: frame.sql }]));
    if (held.length === 50) for (const reply of held.reverse()) reply();
  });
  const client = startClient(t, server);
  const texts = Array.from({ length: 50 }, (_, i) => `SELECT ${i}`);
  const results = await Promise.all(texts.map((sql) => client.query<{ sql: string }>(sql)));
  assert.deepEqual(
    results.map((rows) => rows[0]?.sql),
    texts,
  );
  assert.equal(client.getStats().pendingRequests, 0);
});

test('a server error carries its code, place and advice', async (t) => {
  const server = await startServer(t);
  server.on('query', (frame, peer) =>
    peer.send({ id: frame.id, success: false, error: 'queue full', code: 'QUEUE_FULL', retryable: true, retryAfterMs: 250, position: 3 }),
  );
  const error = await rejection(startClient(t, server).query('SELECT 1'));
  assert.ok(error instanceof DuckDBError && error instanceof DucklingError && error instanceof Error);
  assert.equal(error.name, 'DuckDBError');
  assert.equal(error.message, 'Query failed: queue full');
  assert.equal(error.type, DuckDBErrorType.QUERY_ERROR);
  assert.equal(error.code, 'QUEUE_FULL');
  assert.equal(error.retryable, true);
  assert.deepEqual([error.context.retryAfterMs, error.context.position], [250, 3]);
});

test('an error without a code, as older servers send it, is understood', async (t) => {
  const server = await startServer(t);
  server.on('query', (frame, peer) => peer.sendRaw(JSON.stringify({ id: frame.id, success: false, error: 'Parser Error' })));
  await assert.rejects(startClient(t, server).query('SELEC'), { message: 'Query failed: Parser Error', code: undefined, retryable: false });
});

test('queryDetailed tells columns, generation and age', async (t) => {
  const server = await startServer(t);
  const { rows, meta, duration } = await startClient(t, server).queryDetailed('SELECT 1 AS n');
  assert.deepEqual(rows, [{ n: 1 }]);
  assert.deepEqual(meta.columns, [{ name: 'n', type: 'BIGINT' }]);
  assert.deepEqual([meta.generation, meta.lagMs, duration], [42, 310, 0.5]);
});

test('queryBatch is one frame, takes texts and objects, and keeps the order', async (t) => {
  const server = await startServer(t);
  server.on('batch', (frame, peer) =>
    peer.send({
      id: frame.id,
      success: true,
      results: frame.queries.map((query: object) => ({ success: true, result: [query], duration: 0.5 })),
      duration: 1,
    }),
  );
  const client = startClient(t, server);
  const results = await client.queryBatch(['SELECT 1', { sql: 'SELECT ?', params: [2n] }]);
  assert.deepEqual(results, [[{ sql: 'SELECT 1' }], [{ sql: 'SELECT ?', params: [2] }]]);
  assert.equal(server.count('batch'), 1);
  assert.deepEqual(await client.queryBatch([]), []);
  assert.equal(server.count('batch'), 1, 'an empty batch needs no server');
});

test('queryBatch rejects with the first failure, queryBatchDetailed reports each', async (t) => {
  const server = await startServer(t);
  server.on('batch', (frame, peer) =>
    peer.send({
      id: frame.id,
      success: true,
      results: [
        { success: true, result: [{ n: 1 }], duration: 0.5 },
        { success: false, error: 'no table a', code: 'NOT_FOUND', retryable: false },
        { success: false, error: 'no table b', code: 'NOT_FOUND', retryable: false, duration: 0.2 },
      ],
      duration: 1,
    }),
  );
  const client = startClient(t, server);
  await assert.rejects(client.queryBatch(['a', 'b', 'c']), { message: 'Query failed: no table a', code: 'NOT_FOUND' });
  const [first, second, third] = await client.queryBatchDetailed(['a', { sql: 'b' }, 'c']);
  assert.deepEqual(first, { query: 'a', success: true, data: [{ n: 1 }], duration: 0.5 });
  assert.deepEqual([second?.query, second?.success, second?.error?.code, second?.duration], ['b', false, 'NOT_FOUND', 0]);
  assert.equal(third?.error?.message, 'Query failed: no table b');
});

test('queryBatchDetailed does not reject when the server is away', async (t) => {
  const client = startClient(t, { url: await deadUrl() });
  const [outcome] = await client.queryBatchDetailed(['SELECT 1']);
  assert.equal(outcome?.success, false);
  assert.equal(outcome?.error?.type, DuckDBErrorType.CONNECTION_ERROR);
});

test('queryPaginated asks for one row more to know whether there is another page', async (t) => {
  const server = await startServer(t);
  server.on('query', (frame, peer) => {
    const [, limit, offset] = /LIMIT (\d+) OFFSET (\d+)$/.exec(frame.sql) ?? [];
    const all = [{ n: 0 }, { n: 1 }, { n: 2 }, { n: 3 }];
    peer.rows(frame, all.slice(Number(offset), Number(offset) + Number(limit)));
  });
  const client = startClient(t, server);
  const sql = 'SELECT n FROM t ORDER BY n -- all of them;\n;';
  assert.deepEqual(await client.queryPaginated(sql, { limit: 2, offset: 0 }), {
    data: [{ n: 0 }, { n: 1 }],
    pagination: { offset: 0, limit: 2, hasMore: true },
  });
  assert.deepEqual((await client.queryPaginated(sql, { limit: 2, offset: 2 })).pagination.hasMore, false);
  assert.match(server.received.at(-1)?.frame.sql, /them\n LIMIT 3 OFFSET 2$/, 'a trailing comment must not swallow the LIMIT');
  await assert.rejects(client.queryPaginated(sql, { limit: 1.5, offset: 0 }), { code: 'BAD_REQUEST' });
});

test('ping answers true, and false without a connection', async (t) => {
  const client = startClient(t, await startServer(t));
  assert.equal(await client.ping(), false);
  await client.connect();
  assert.equal(await client.ping(), true);
});

test('every frame is seen by message listeners, the welcome first', async (t) => {
  const client = startClient(t, await startServer(t));
  const seen: string[] = [];
  client.on('message', (message) => void seen.push(message.id));
  await client.query('SELECT 1');
  assert.equal(seen[0], 'welcome');
  assert.equal(seen.length, 3);
});

test('what a listener throws does not disturb the client, and is not lost', async (t) => {
  const client = startClient(t, await startServer(t));
  const uncaught: unknown[] = [];
  const queueMicrotask = globalThis.queueMicrotask;
  t.mock.method(globalThis, 'queueMicrotask', (run: () => void) =>
    queueMicrotask(() => {
      try {
        run();
      } catch (error) {
        uncaught.push(error);
      }
    }),
  );
  client.on('connected', () => {
    throw new Error('from a listener');
  });
  assert.deepEqual(await client.query('SELECT 1'), [{ n: 1 }]);
  assert.deepEqual(uncaught, [new Error('from a listener')]);
});

test('wrong options are named all at once', () => {
  assert.throws(
    () => new DucklingClient({ url: 'http://x', apiKey: undefined, requestTimeout: 0, maxReconnectAttempts: -1 }),
    (error: DuckDBError) => {
      assert.equal(error.type, DuckDBErrorType.CONFIG_ERROR);
      for (const name of ['url', 'apiKey', 'requestTimeout', 'maxReconnectAttempts']) assert.match(error.message, new RegExp(name));
      return true;
    },
  );
});

test('a request over the frame limit is refused here, not by a closed connection', async (t) => {
  const server = await startServer(t);
  const client = startClient(t, server);
  await client.connect();
  await assert.rejects(client.query('x'.repeat(11 * 1024 * 1024)), { code: 'BAD_REQUEST' });
  assert.equal(client.isConnected(), true);
});

test('getStats and state follow the connection', async (t) => {
  const server = await startServer(t);
  const client = startClient(t, server);
  assert.equal(client.state, 'disconnected');
  const connected = nextEvent(client, 'connected');
  const running = client.query('SELECT 1');
  assert.deepEqual([client.state, client.getStats().pendingRequests], ['connecting', 1]);
  await Promise.all([connected, running]);
  assert.deepEqual(client.getStats(), {
    connected: true,
    authenticated: true,
    pendingRequests: 0,
    reconnectAttempts: 0,
    url: `${server.url}?db=default`,
  });
  client.close();
  assert.equal(client.state, 'closed');
});
