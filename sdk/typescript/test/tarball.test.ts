/** The package as its users get it: packed, installed from the tarball, and used on every Node it is for and in a bundle for browsers. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { startServer } from './setup.js';

const sdk = fileURLToPath(new URL('../', import.meta.url));
const run = promisify(execFile);
let project: string;

before(async () => {
  project = mkdtempSync(join(tmpdir(), 'duckling-tarball-'));
  write('package.json', '{"name": "consumer", "private": true}');
  // The scripts would build anew, under the feet of the tests that run beside this one.
  const { stdout } = await run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', project], { cwd: sdk });
  const packed = Object.values(JSON.parse(stdout) as Record<string, { filename: string; files: { path: string }[] }>)[0];
  assert.ok(packed);
  for (const { path } of packed.files) assert.match(path, /^(dist\/(esm|cjs|browser)\/|package\.json$|README\.md$|LICENSE$)/, 'packed');
  const tarball = join(project, packed.filename.replace('@', '').replace('/', '-'));
  // ws comes from here, so that no registry is asked.
  await run('npm', ['install', '--offline', '--no-audit', '--no-fund', tarball, join(sdk, 'node_modules/ws')], { cwd: project });
});
after(() => rmSync(project, { recursive: true, force: true }));

function write(name: string, text: string): string {
  writeFileSync(join(project, name), text);
  return join(project, name);
}

const body = `
const client = new DucklingClient({ url: process.argv[2], apiKey: 'secret' });
client.query('SELECT 1').then((rows) => {
  console.log(JSON.stringify({ node: process.version, rows, websocket: typeof globalThis.WebSocket }));
  client.close();
});
`;

for (const [name, binary] of Object.entries({
  'this Node': process.execPath,
  'Node 18': join(sdk, 'test/nodes/node_modules/node-18/bin/node'),
  'Node 22, with its own WebSocket': join(sdk, 'test/nodes/node_modules/node-22/bin/node'),
})) {
  for (const [file, load] of Object.entries({
    'consumer.mjs': "import { DucklingClient } from '@chittihq/duckling';",
    'consumer.cjs': "const { DucklingClient } = require('@chittihq/duckling');",
  })) {
    test(`${file} runs on ${name}`, async (t) => {
      assert.ok(existsSync(binary), `${binary} is missing: run npm ci in sdk/typescript/test/nodes`);
      const server = await startServer(t);
      const { stdout } = await run(binary, [write(`${name.slice(-2)}-${file}`, load + body), server.url]);
      const { node, rows, websocket } = JSON.parse(stdout);
      assert.deepEqual(rows, [{ n: 1 }]);
      if (name.startsWith('Node 18')) assert.match(node, /^v18\./);
      if (name.startsWith('Node 22')) assert.equal(websocket, 'function');
    });
  }
}

const typed = `
const client = new DucklingClient({ url: 'ws://localhost/ws', apiKey: 'k', autoConnect: false });
export const rows: Promise<{ n: number }[]> = client.query<{ n: number }>('SELECT 1 AS n');
// @ts-expect-error -- a number is no SQL
void client.query(1);
client.on('disconnected', (code, reason) => [code.toFixed(), reason.trim()]);
`;
for (const [file, load] of Object.entries({
  'types.mts': "import { DucklingClient } from '@chittihq/duckling';",
  'types.cts': "import duckling = require('@chittihq/duckling');\nconst { DucklingClient } = duckling;",
})) {
  test(`${file} compiles`, async () => {
    const options = [
      '--strict',
      '--noEmit',
      '--target',
      'es2022',
      '--lib',
      'es2022,dom',
      '--types',
      '',
      '--module',
      'nodenext',
      '--skipLibCheck',
      'false',
    ];
    const { stdout } = await run(join(sdk, 'node_modules/.bin/tsc'), [...options, write(file, load + typed)], { cwd: project }).catch(
      (error: { stdout: string }) => error,
    );
    assert.equal(stdout, '');
  });
}

test('a bundle for browsers holds one file of the package, and nothing else', async () => {
  const entry = write('page.js', "import { DucklingClient } from '@chittihq/duckling';\nglobalThis.client = DucklingClient;\n");
  const { metafile } = await build({
    entryPoints: [entry],
    bundle: true,
    platform: 'browser',
    write: false,
    metafile: true,
    absWorkingDir: project,
  });
  assert.deepEqual(Object.keys(metafile.inputs).sort(), ['node_modules/@chittihq/duckling/dist/browser/duckling.js', 'page.js']);
  const text = readFileSync(join(project, 'node_modules/@chittihq/duckling/dist/browser/duckling.js'), 'utf8');
  assert.doesNotMatch(text, /^\s*import\b|\brequire\(|\bprocess\.|node:|\bBuffer\b/m);
});
