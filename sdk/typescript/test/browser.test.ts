/** The browser build in a real Chromium: it plays the same exchanges with the same gateway, from a page. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { exchanges, startContractServer } from './contract-server.js';

const root = fileURLToPath(new URL('../', import.meta.url));
const chromium = join(process.env.DUCKLING_TESTDB ?? join(homedir(), '.cache/duckling/testdb'), 'chromium/server');

interface Report {
  agent: string;
  failures: Record<string, string>;
}

let gateway: Awaited<ReturnType<typeof startContractServer>>;
let site: Server;
let browser: ChildProcess;
let profile: string;
let report: Promise<Report>;

before(async () => {
  assert.ok(existsSync(chromium), `${chromium} is missing: run scripts/testdb.sh install chromium (make testdb)`);
  gateway = await startContractServer();
  const page = await bundle();
  let tell!: (report: Report) => void;
  report = new Promise((resolve) => (tell = resolve));
  site = createServer(async (request, response) => {
    if (request.method === 'POST') tell(JSON.parse(await textOf(request)));
    if (request.url === '/page.js') response.setHeader('Content-Type', 'text/javascript');
    else response.setHeader('Content-Type', 'text/html');
    response.end(request.url === '/page.js' ? page : '<!doctype html><meta charset="utf-8"><script type="module" src="/page.js"></script>');
  }).listen(0, '127.0.0.1');
  await once(site, 'listening');
  profile = mkdtempSync(join(tmpdir(), 'duckling-chromium-'));
  const address = `http://127.0.0.1:${(site.address() as AddressInfo).port}/`;
  // Its sandbox needs rights that a container may not give; it opens nothing but this page.
  const options = ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', `--user-data-dir=${profile}`, '--remote-debugging-port=0'];
  browser = spawn(chromium, [...options, address], { stdio: 'ignore' });
});

after(async () => {
  if (browser?.exitCode === null) {
    const ended = once(browser, 'exit');
    browser.kill('SIGKILL');
    await ended;
  }
  site?.close();
  site?.closeAllConnections();
  await gateway?.stop();
  rmSync(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
});

test('every exchange goes as it should in Chromium', async () => {
  const ended = once(browser, 'exit').then(([code]) => assert.fail(`Chromium ended with ${code}`));
  const { agent, failures } = await Promise.race([report, ended]);
  assert.match(agent, /Chrome\//);
  assert.deepEqual(failures, {});
});

/** One script with the player and the package as a bundler takes it for browsers. */
async function bundle(): Promise<string> {
  const contents = `
    import { play } from './dist-test/exchanges.js';
    const failures = {};
    for (const exchange of ${JSON.stringify(exchanges)}) {
      await play(exchange, ${JSON.stringify(gateway)}).catch((error) => (failures[exchange.name] = String(error)));
    }
    await fetch('/', { method: 'POST', body: JSON.stringify({ agent: navigator.userAgent, failures }) });`;
  const { outputFiles, metafile } = await build({
    stdin: { contents, resolveDir: root },
    bundle: true,
    format: 'esm',
    platform: 'browser',
    write: false,
    metafile: true,
    absWorkingDir: root,
  });
  assert.deepEqual(Object.keys(metafile.inputs).sort(), ['<stdin>', 'dist-test/exchanges.js', 'dist/browser/duckling.js']);
  return outputFiles[0]?.text ?? '';
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const piece of request.setEncoding('utf8')) text += piece;
  return text;
}
