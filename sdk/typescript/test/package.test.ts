import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import * as esm from '@chittihq/duckling';
import { startServer } from './setup.js';

const root = new URL('../', import.meta.url);
const compilers = { node: 'nodenext', bundler: 'bundler' };

for (const [name, moduleResolution] of Object.entries(compilers)) {
  test(`the guide's code compiles under strict, resolved as ${name} does`, () => {
    const module = moduleResolution === 'bundler' ? 'preserve' : 'nodenext';
    const args = ['--no-install', 'tsc', '-p', 'test/guide', '--module', module, '--moduleResolution', moduleResolution];
    execFileSync('npx', args, { cwd: root, stdio: ['ignore', 'inherit', 'ignore'] });
  });
}

test('require and import give the same names', () => {
  const cjs = createRequire(import.meta.url)('@chittihq/duckling') as object;
  assert.deepEqual(Object.keys(cjs).sort(), Object.keys(esm).sort());
});

test('the CommonJS build works', async (t) => {
  const server = await startServer(t);
  const { DucklingClient } = createRequire(import.meta.url)('@chittihq/duckling') as typeof esm;
  const client = new DucklingClient({ url: server.url, apiKey: 'secret' });
  t.after(() => client.close());
  assert.deepEqual(await client.query('SELECT 1'), [{ n: 1 }]);
});

test('the browser build stands alone and uses the platform WebSocket', async (t) => {
  const file = new URL('dist/browser/duckling.js', root);
  const source = readFileSync(file, 'utf8');
  assert.doesNotMatch(source, /^\s*import\b|\brequire\(|\bprocess\.|node:|\bBuffer\b/m);
  const server = await startServer(t);
  usePlatformWebSocket(t);
  const browser = (await import(file.href)) as typeof esm;
  const client = new browser.DucklingClient({ url: server.url, apiKey: 'secret' });
  t.after(() => client.close());
  assert.deepEqual(await client.query('SELECT 1'), [{ n: 1 }]);
});

test('on Node too the platform WebSocket is used where there is one', async (t) => {
  const server = await startServer(t);
  const opened = usePlatformWebSocket(t);
  const client = new esm.DucklingClient({ url: server.url, apiKey: 'secret' });
  t.after(() => client.close());
  await client.connect();
  assert.deepEqual(opened, [`${server.url}?db=default`]);
});

/** Gives this Node a global WebSocket for one test; the addresses opened with it are recorded. */
function usePlatformWebSocket(t: { after(run: () => void): void }): string[] {
  const opened: string[] = [];
  const before = globalThis.WebSocket;
  const recording = class extends WebSocket {
    constructor(url: string) {
      super(url);
      opened.push(url);
    }
  };
  globalThis.WebSocket = recording as unknown as typeof globalThis.WebSocket;
  t.after(() => {
    globalThis.WebSocket = before;
  });
  return opened;
}
