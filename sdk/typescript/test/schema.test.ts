import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ErrorCode, MessageType } from '@chittihq/duckling';
import { definition, protocolPage, schema, violation } from './schema.js';

const definitions = Object.entries<{ examples?: unknown[] }>(schema.$defs);

test('every example in the schema is valid where it stands, and is one message only', () => {
  const checked = definitions.flatMap(([name, { examples = [] }]) =>
    examples.map((example) => {
      assert.ok(definition(name)(example), `${name}: ${JSON.stringify(example)}`);
      const sides = (['clientMessage', 'serverMessage'] as const).filter((side) => violation(side, example) === undefined);
      assert.equal(sides.length, 1, `${name} is ${sides.join(' and ') || 'neither side'}'s`);
      return name;
    }),
  );
  const messages = [...schema.$defs.clientMessage.oneOf, ...schema.$defs.serverMessage.oneOf].map(({ $ref }) => $ref.split('/').pop());
  assert.deepEqual(
    messages.filter((name) => !checked.includes(name)),
    [],
    'messages without an example',
  );
});

test('every example on the protocol page is valid', () => {
  const examples = [...protocolPage.matchAll(/```json\n(.*?)\n```/gs)].map((match) => JSON.parse(match[1] as string));
  assert.ok(examples.length >= 30, `only ${examples.length} examples found`);
  for (const example of examples) {
    const onEitherSide = violation('clientMessage', example) === undefined || violation('serverMessage', example) === undefined;
    assert.ok(onEitherSide, `${violation('clientMessage', example)}\n${violation('serverMessage', example)}`);
  }
});

test('the protocol page, the schema and the client know the same error codes', () => {
  const onPage = [...protocolPage.matchAll(/^\| `([A-Z_]+)` \| (?:yes|no) \|/gm)].map((match) => match[1]);
  // A missing or an extra code here is a compile error.
  const inClient: Record<ErrorCode, true> = {
    AUTH_REQUIRED: true,
    AUTH_INVALID: true,
    FORBIDDEN: true,
    BAD_REQUEST: true,
    UNKNOWN_TYPE: true,
    SQL_SYNTAX: true,
    SQL_FORBIDDEN: true,
    SQL_PARAMS: true,
    SQL_ERROR: true,
    NOT_FOUND: true,
    DATABASE_NOT_FOUND: true,
    STATEMENT_NOT_FOUND: true,
    TIMEOUT: true,
    CANCELLED: true,
    QUEUE_FULL: true,
    RATE_LIMITED: true,
    LIMIT_EXCEEDED: true,
    RESULT_TOO_LARGE: true,
    OUT_OF_MEMORY: true,
    SLOW_CONSUMER: true,
    UNAVAILABLE: true,
    INTERNAL: true,
  };
  assert.deepEqual(onPage, schema.$defs.code.enum);
  assert.deepEqual(Object.keys(inClient), schema.$defs.code.enum);
});

test('the client knows the message types of the schema', () => {
  const inClient: Record<MessageType, true> = {
    auth: true,
    query: true,
    ping: true,
    batch: true,
    prepare: true,
    execute: true,
    deallocate: true,
    cancel: true,
    stream: true,
    credit: true,
    subscribe: true,
    unsubscribe: true,
  };
  const inSchema = schema.$defs.clientMessage.oneOf.map(
    ({ $ref }: { $ref: string }) => schema.$defs[$ref.split('/').pop() as string].properties.type.const,
  );
  assert.deepEqual(Object.keys(inClient), inSchema);
});

test('the schema refuses what it should', () => {
  const wrong = [
    { id: '1', type: 'query' },
    { id: '1', type: 'query', sql: 'SELECT 1', limit: 3 },
    { id: '1', type: 'query', sql: 'SELECT ?', params: [{}] },
    { id: '1', type: 'query', sql: 'SELECT 1', dateMode: 'unix' },
    { id: '1', type: 'batch', queries: [] },
    { id: '1', type: 'stream', sql: 'SELECT 1', credit: 0 },
    { id: '', type: 'ping' },
    { id: '1', success: true, result: [{ n: 1 }] },
    { id: '1', success: true, type: 'chunk', seq: 0, result: [] },
    { id: '1', success: false, error: 'x', code: 'NO_SUCH_CODE', retryable: false },
    { id: '1', success: false, error: 'x' },
  ];
  for (const frame of wrong) {
    assert.ok(violation('clientMessage', frame) && violation('serverMessage', frame), JSON.stringify(frame));
  }
});
