// Takes the code samples out of guide/guide.txt into generated/, unchanged, and writes beside those that are wrong in
// themselves what guide/patches makes of them. A heading that the guide no longer has is an error.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const services = ['api-service', 'report-service', 'dashboard-service'];

// Where each sample begins, the line after its end, and where it goes. A path without a service's name is one inside
// each service that needs it. Samples without a path are put where their own imports hold.
const samples = [
  {
    from: '// services/duckdb.service.ts',
    until: 'Pattern 2: Connection Pool for High Concurrency',
    to: services.map((service) => `${service}/services/duckdb.service.ts`),
  },
  { from: '// services/duckdb-pool.service.ts', until: 'Use Case Examples', to: ['api-service/services/duckdb-pool.service.ts'] },
  { from: '// api-service/routes/analytics.ts', until: 'Report Service: Daily Sales Report', to: ['api-service/routes/analytics.ts'] },
  {
    from: '// report-service/generators/daily-sales.ts',
    until: 'Dashboard Service: Real-Time Metrics',
    to: ['report-service/generators/daily-sales.ts'],
  },
  {
    from: '// dashboard-service/controllers/metrics.ts',
    until: 'Multi-Database Architecture',
    to: ['dashboard-service/controllers/metrics.ts'],
  },
  { from: '// services/multi-db.service.ts', until: '// Usage in route handler', to: ['api-service/services/multi-db.service.ts'] },
  { from: '// Usage in route handler', until: 'Docker Compose Setup', to: ['api-service/routes/multi-db.ts'] },
  { from: '// utils/circuit-breaker.ts', until: 'Graceful Degradation', to: ['api-service/utils/circuit-breaker.ts'] },
  {
    from: '// Fallback to cached data if DuckDB is unavailable',
    until: 'Performance Monitoring',
    to: ['dashboard-service/utils/metrics-fallback.ts'],
  },
  {
    from: '// middleware/performance.ts',
    until: '// Usage',
    to: ['api-service/middleware/performance.ts', 'dashboard-service/middleware/performance.ts'],
  },
  { from: '// Usage', after: '// middleware/performance.ts', until: 'Best Practices', to: ['api-service/routes/top-customers.ts'] },
];

const guide = readFileSync(join(root, 'guide/guide.txt'), 'utf8').split('\n');

// Headings may stand at the end of the sentence before.
function find(text, from) {
  const at = guide.findIndex((line, i) => i >= from && (text.startsWith('//') ? line.endsWith(text) : line === text));
  if (at < 0) throw new Error(`the guide has no line ${JSON.stringify(text)}`);
  return at;
}

function sampleText({ from, until, after }) {
  const first = find(from, after === undefined ? 0 : find(after, 0));
  const [heading, ...rest] = guide.slice(first, find(until, first + 1));
  return [heading.slice(heading.indexOf('//')), ...rest, ''].join('\n');
}

function write(path, text) {
  const file = join(root, 'generated', path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

// A patch is the reason, then a unified diff from the sample to the file that works.
function applyPatch(name) {
  const lines = readFileSync(join(root, 'guide/patches', name), 'utf8').trimEnd().split('\n');
  const at = lines.findIndex((line) => line.startsWith('--- '));
  const [before, after] = [lines[at].slice(4), lines[at + 1].slice(4)];
  let text = readFileSync(join(root, 'generated', before), 'utf8');
  const hunks = [];
  for (const line of lines.slice(at + 2)) {
    if (line.startsWith('@@')) hunks.push([]);
    else hunks.at(-1).push(line);
  }
  for (const hunk of hunks) {
    const side = (sign) => hunk.filter((line) => line[0] === ' ' || line[0] === sign).map((line) => line.slice(1) + '\n').join('');
    const parts = text.split(side('-'));
    if (parts.length !== 2) throw new Error(`${name} does not fit ${before}: the lines it changes occur ${parts.length - 1} times`);
    text = parts.join(side('+'));
  }
  write(after, text);
}

rmSync(join(root, 'generated'), { recursive: true, force: true });
for (const sample of samples) {
  for (const path of sample.to) write(path, sampleText(sample));
}
for (const name of readdirSync(join(root, 'guide/patches'))) applyPatch(name);
