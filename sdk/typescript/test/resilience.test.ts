import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { CircuitBreaker, DuckDBError, redisFallback, withFallback, type CircuitState } from '@chittihq/duckling';

const down = () => Promise.reject(new DuckDBError('Connection closed (code 1006)', 'CONNECTION_ERROR'));
const wrongSql = () => Promise.reject(new DuckDBError('Query failed: x', 'QUERY_ERROR', { code: 'SQL_SYNTAX' }));
const fine = () => Promise.resolve('fine');

/** A clock that only `tick` moves. */
function stopClock(t: TestContext): { tick(ms: number): void } {
  let now = 0;
  t.mock.method(Date, 'now', () => now);
  return { tick: (ms) => (now += ms) };
}

test('the breaker opens after failures in a row, tries after the timeout, and closes after successes', async (t) => {
  const clock = stopClock(t);
  const states: CircuitState[] = [];
  const breaker = new CircuitBreaker({ onStateChange: (state) => states.push(state) });
  for (let i = 0; i < 4; i++) await assert.rejects(breaker.execute(down));
  await breaker.execute(fine);
  for (let i = 0; i < 4; i++) await assert.rejects(breaker.execute(down));
  assert.equal(breaker.state, 'CLOSED', 'a success in between starts the count anew');
  await assert.rejects(breaker.execute(down), /code 1006/);
  assert.equal(breaker.state, 'OPEN');

  let ran = false;
  const call = async () => void (ran = true);
  clock.tick(59_999);
  await assert.rejects(breaker.execute(call), { message: 'Circuit breaker is OPEN', context: { retryable: true, retryAfterMs: 1 } });
  assert.equal(ran, false);
  clock.tick(1);
  await breaker.execute(call);
  assert.equal(breaker.state, 'HALF_OPEN');
  await breaker.execute(call);
  assert.deepEqual(states, ['OPEN', 'HALF_OPEN', 'CLOSED']);
});

test('while trying, one call at a time, and a failure opens the breaker again', async (t) => {
  const clock = stopClock(t);
  const breaker = new CircuitBreaker({ failureThreshold: 1, timeout: 10 });
  await assert.rejects(breaker.execute(down));
  clock.tick(10);
  let fail!: (error: Error) => void;
  const trial = breaker.execute(() => new Promise((_, reject) => (fail = reject)));
  await assert.rejects(breaker.execute(fine), /Circuit breaker is OPEN/);
  fail(new Error('still down'));
  await assert.rejects(trial, /still down/);
  assert.equal(breaker.state, 'OPEN');
});

test('a call that ends after the breaker opened does not count', async () => {
  const breaker = new CircuitBreaker({ failureThreshold: 1 });
  let succeed!: (value: string) => void;
  const early = breaker.execute(() => new Promise<string>((resolve) => (succeed = resolve)));
  await assert.rejects(breaker.execute(down));
  succeed('late');
  assert.equal(await early, 'late');
  assert.equal(breaker.state, 'OPEN');
});

test('wrong SQL and aborts do not count as failures of the server', async () => {
  const breaker = new CircuitBreaker({ failureThreshold: 1 });
  await assert.rejects(breaker.execute(wrongSql));
  await assert.rejects(breaker.execute(() => Promise.reject(new DOMException('stop', 'AbortError'))));
  assert.equal(breaker.state, 'CLOSED');
});

function fakeRedis() {
  const kept = new Map<string, string>();
  return {
    kept,
    get: async (key: string) => kept.get(key) ?? null,
    setex: async (key: string, seconds: number, value: string) => kept.set(key, value) && seconds,
  };
}

test('a fresh value is kept, and given when the server is away', async () => {
  const redis = fakeRedis();
  const fallback = redisFallback<{ n: number }>(redis, 'metrics', 300);
  assert.deepEqual(await withFallback(async () => ({ n: 1 }), fallback), { n: 1 });
  assert.equal(redis.kept.get('metrics'), '{"n":1}');
  assert.deepEqual(await withFallback<{ n: number }>(down, fallback), { n: 1 });
});

test('without a kept value, and for wrong SQL, the error itself comes', async () => {
  const redis = fakeRedis();
  await assert.rejects(withFallback(down, redisFallback(redis, 'metrics', 300)), /code 1006/);
  redis.kept.set('metrics', '1');
  await assert.rejects(withFallback(wrongSql, redisFallback(redis, 'metrics', 300)), { code: 'SQL_SYNTAX' });
});

test('a store that fails does not cost the fresh value, and is logged', async (t) => {
  const logged = t.mock.method(console, 'error', () => {});
  const broken = { read: () => null, write: () => Promise.reject(new Error('redis away')) };
  assert.equal(await withFallback(fine, broken), 'fine');
  assert.equal(logged.mock.callCount(), 1);
});
