/**
 * What a client may rely on from any gateway. Runs against the server at DUCKLING_CONTRACT_URL with the key in
 * DUCKLING_CONTRACT_API_KEY, and against a scripted stand-in when no such server is named. Every frame of the server
 * is checked against the schema.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, beforeEach, afterEach, test } from 'node:test';
import { DucklingClient, DuckDBError, type DucklingClientOptions } from '@chittihq/duckling';
import { WebSocket } from 'ws';
import { startContractServer } from './contract-server.js';
import { violation } from './schema.js';
import type { ScriptedServer } from './scripted-server.js';

const ENDLESS = 'SELECT COUNT(*) AS n FROM range(100000000) a, range(100000000) b WHERE a.range % 7 = b.range % 5';

let url = process.env.DUCKLING_CONTRACT_URL ?? '';
const apiKey = process.env.DUCKLING_CONTRACT_API_KEY ?? 'secret';
let standIn: ScriptedServer | undefined;
let client: DucklingClient;
let violations: string[] = [];

before(async () => {
  if (url) return;
  standIn = await startContractServer();
  url = standIn.url;
});
after(async () => {
  // The stand-in would also object to the frames that are wrong on purpose, so it is not asked.
  await standIn?.stop().catch(() => {});
});
beforeEach(() => {
  violations = [];
  client = open();
});
afterEach(() => {
  client.close();
  assert.deepEqual(violations, []);
});

function open(options: Partial<DucklingClientOptions> = {}): DucklingClient {
  const opened = new DucklingClient({ url, apiKey, autoConnect: false, autoReconnect: false, ...options });
  opened.on('error', () => {});
  opened.on('message', (frame) => {
    const problem = violation('serverMessage', frame);
    if (problem) violations.push(problem);
  });
  return opened;
}

/** A connection that sends what no client would; gives the reply, which comes after the welcome. */
async function raw(...frames: string[]): Promise<Record<string, unknown>[]> {
  const socket = new WebSocket(`${url}?db=default`);
  const replies: Record<string, unknown>[] = [];
  socket.on('message', (data) => replies.push(JSON.parse(String(data))));
  await once(socket, 'open');
  for (const frame of frames) socket.send(frame);
  while (replies.length < frames.length + 1) await once(socket, 'message');
  socket.close();
  for (const reply of replies) assert.equal(violation('serverMessage', reply), undefined);
  return replies.slice(1);
}

const failsWith = (code: string) => (error: DuckDBError) => {
  assert.equal(error.code, code, error.message);
  return true;
};

test('query, params and backticks', async () => {
  assert.deepEqual(await client.query('SELECT 1 AS n'), [{ n: 1 }]);
  assert.deepEqual(await client.query('SELECT 1 AS `n`'), [{ n: 1 }]);
  assert.deepEqual(await client.query('SELECT ? AS a, ? AS b, ? AS c', ['x', null, true]), [{ a: 'x', b: null, c: true }]);
});

test('values are exact and written as asked', async () => {
  const numbers = 'SELECT 9007199254740993 AS big, 5 AS small';
  assert.deepEqual(await client.query(numbers), [{ big: '9007199254740993', small: 5 }]);
  assert.deepEqual(await client.query(numbers, undefined, { numberMode: 'string' }), [{ big: '9007199254740993', small: '5' }]);
  const [{ at } = { at: '' }] = await client.query<{ at: string }>("SELECT TIMESTAMP '2025-01-31 10:00:00.5' AS at");
  assert.match(at, /^2025-01-31 10:00:00\.5/);
  const [{ at: iso } = { at: '' }] = await client.query<{ at: string }>("SELECT TIMESTAMP '2025-01-31 10:00:00.5' AS at", [], {
    dateMode: 'iso',
  });
  assert.match(iso, /^2025-01-31T10:00:00\.5/);
});

test('queryDetailed tells columns and generation', async () => {
  const { rows, meta } = await client.queryDetailed('SELECT 1 AS n');
  assert.equal(rows.length, 1);
  assert.equal(meta.columns[0]?.name, 'n');
  assert.ok(meta.generation >= 0);
});

test('wrong statements have their codes', async () => {
  await assert.rejects(client.query('SELEC 1'), failsWith('SQL_SYNTAX'));
  await assert.rejects(client.query('SELECT * FROM no_such_table'), failsWith('NOT_FOUND'));
  await assert.rejects(client.query('DROP TABLE t'), failsWith('SQL_FORBIDDEN'));
  await assert.rejects(client.query('SELECT CAST(? AS BIGINT) AS n', []), failsWith('SQL_PARAMS'));
  assert.deepEqual(await client.query('SELECT 1 AS n'), [{ n: 1 }], 'the connection goes on');
});

test('a batch keeps the order and runs past a failure', async () => {
  const outcomes = await client.queryBatchDetailed(['SELECT 1 AS n', 'SELEC 1', { sql: 'SELECT CAST(? AS BIGINT) AS n', params: [2] }]);
  assert.deepEqual(
    outcomes.map(({ success, data, error }) => [success, data, error?.code]),
    [
      [true, [{ n: 1 }], undefined],
      [false, undefined, 'SQL_SYNTAX'],
      [true, [{ n: 2 }], undefined],
    ],
  );
});

test('a prepared statement', async () => {
  const statement = await client.prepare('SELECT CAST(? AS BIGINT) AS n');
  assert.equal(statement.parameters, 1);
  assert.deepEqual(await Promise.all([statement.execute([1]), statement.execute([2])]), [[{ n: 1 }], [{ n: 2 }]]);
  await statement.close();
});

test('a slow query holds nothing up, and an abort stops it at the server', async () => {
  const controller = new AbortController();
  const cancelled = new Promise<void>((resolve) => {
    client.on('message', (frame) => void (!frame.success && frame.code === 'CANCELLED' && resolve()));
  });
  await client.connect();
  const slow = assert.rejects(client.query(ENDLESS, [], { signal: controller.signal }), { name: 'AbortError' });
  assert.deepEqual(await client.query('SELECT 1 AS n'), [{ n: 1 }]);
  controller.abort();
  await slow;
  await cancelled;
});

test('a stream gives every row once, in chunks no larger than asked for', async () => {
  const sizes: number[] = [];
  let sum = 0;
  for await (const chunk of client
    .stream<{ n: number }>('SELECT range AS n FROM range(2500)', [], { chunkRows: 1000, window: 1 })
    .chunks()) {
    sizes.push(chunk.length);
    for (const { n } of chunk) sum += n;
  }
  assert.equal(
    sizes.reduce((a, b) => a + b),
    2500,
  );
  assert.ok(Math.max(...sizes) <= 1000);
  assert.equal(sum, (2499 * 2500) / 2);
});

test('a stream that is left leaves the connection usable', async () => {
  for await (const row of client.stream<{ n: number }>('SELECT range AS n FROM range(1000000)', [], { chunkRows: 10 })) {
    if (row.n === 25) break;
  }
  assert.deepEqual(await client.query('SELECT 1 AS n'), [{ n: 1 }]);
});

test('a subscription gives the result at once', async () => {
  const updates = client.subscribe('SELECT 1 AS n');
  assert.deepEqual((await updates.next()).value?.rows, [{ n: 1 }]);
  await updates.return();
  assert.equal(await client.ping(), true);
});

test('a result of 10 MB', async () => {
  const rows = await client.query<{ s: string }>("SELECT repeat('x', 1000) AS s FROM range(10000)");
  assert.equal(rows.length, 10_000);
  assert.equal(rows.at(-1)?.s.length, 1000);
});

test('a wrong key and an unknown database', async () => {
  const wrongKey = open({ apiKey: 'wrong' });
  await assert.rejects(wrongKey.connect(), /^DuckDBError: Authentication failed: Invalid API key/);
  const wrongDatabase = open({ databaseName: 'no_such_database' });
  await assert.rejects(
    wrongDatabase.connect(),
    /Connection closed \(code 1011\): Database 'no_such_database' not found. Available databases: .*default/,
  );
  wrongKey.close();
  wrongDatabase.close();
});

test('before auth only auth and ping are answered, and the connection stays open', async () => {
  const replies = await raw(
    '{"id":"1","type":"query","sql":"SELECT 1"}',
    '{"id":"2","type":"ping"}',
    '{"id":"3","type":"auth","apiKey":""}',
    JSON.stringify({ id: '4', type: 'auth', apiKey }),
  );
  const byId = Object.fromEntries(replies.map((reply) => [reply.id, reply]));
  assert.equal(byId[1]?.error, 'Not authenticated. Send auth message with valid API key first.');
  assert.equal(byId[1]?.code, 'AUTH_REQUIRED');
  assert.equal(byId[2]?.success, true);
  assert.equal(byId[3]?.error, 'API key is required');
  assert.equal(byId[4]?.success, true);
});

test('what is not a message is answered', async () => {
  const [notJson] = await raw('{"id":');
  assert.deepEqual([notJson?.id, notJson?.code], ['parse-error', 'BAD_REQUEST']);
  const [unknown] = await raw('{"id":"1","type":"teleport"}');
  assert.deepEqual([unknown?.id, unknown?.code], ['1', 'UNKNOWN_TYPE']);
});
