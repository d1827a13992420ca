// Builds dist/esm and dist/cjs with tsc, and dist/browser as one file without the ws package.
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));

for (const folder of ['dist', 'dist-test']) rmSync(folder, { recursive: true, force: true });
for (const project of ['tsconfig.json', 'tsconfig.cjs.json']) {
  execFileSync('npx', ['--no-install', 'tsc', '-p', project], { stdio: 'inherit' });
}
// The package is "type": "module", so the CommonJS tree has to say that it is not.
writeFileSync('dist/cjs/package.json', '{"type":"commonjs"}\n');

await build({
  entryPoints: ['src/index.ts'],
  outfile: 'dist/browser/duckling.js',
  bundle: true,
  format: 'esm',
  platform: 'browser',
  target: 'es2022',
  alias: { ws: './scripts/browser-ws.mjs' },
  logLevel: 'warning',
});
