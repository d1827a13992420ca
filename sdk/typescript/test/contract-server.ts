import type { Frame, Peer } from './scripted-server.js';
import { meta, ScriptedServer } from './scripted-server.js';

type Outcome = { rows: object[] } | { code: string; error: string } | 'never ends';

/** Plays the gateway for the statements of contract.test.ts. */
export async function startContractServer(): Promise<ScriptedServer> {
  const server = await ScriptedServer.start();
  const authenticated = new WeakSet<Peer>();
  const statements = new Map<string, string>();
  const running = new Map<string, Frame>();

  server.on('auth', (frame, peer) => {
    if (!frame.apiKey) return peer.fail(frame, 'AUTH_REQUIRED', 'API key is required');
    if (frame.apiKey !== 'secret') {
      peer.fail(frame, 'AUTH_INVALID', 'Invalid API key (API key mismatch)');
      return peer.close(1008, 'Invalid API key (API key mismatch)');
    }
    authenticated.add(peer);
    peer.acknowledge(frame, { authenticated: true, message: 'Authentication successful' });
  });

  const answer = (frame: Frame, peer: Peer, sql: string | undefined) => {
    if (!authenticated.has(peer)) {
      return peer.fail(frame, 'AUTH_REQUIRED', 'Not authenticated. Send auth message with valid API key first.');
    }
    if (!sql) return peer.fail(frame, 'BAD_REQUEST', 'SQL query is required');
    const outcome = run(sql, frame);
    if (outcome === 'never ends') running.set(frame.id, frame);
    else if ('rows' in outcome) peer.rows(frame, outcome.rows);
    else peer.fail(frame, outcome.code, outcome.error);
  };
  server.on('query', (frame, peer) => answer(frame, peer, frame.sql));
  server.on('execute', (frame, peer) => answer(frame, peer, statements.get(frame.statement)));
  server.on('batch', (frame, peer) => {
    const results = frame.queries.map((query: Frame) => {
      const outcome = run(query.sql, { ...frame, ...query });
      if (outcome !== 'never ends' && 'rows' in outcome) {
        return { success: true, result: outcome.rows, duration: 0.1, ...(frame.meta ? { meta } : {}) };
      }
      return { success: false, ...(outcome as object), retryable: false };
    });
    peer.send({ id: frame.id, success: true, results, duration: 0.2 });
  });
  server.on('prepare', (frame, peer) => {
    const statement = `s${statements.size + 1}`;
    statements.set(statement, frame.sql);
    peer.acknowledge(frame, { statement, parameters: 1, columns: [{ name: 'n', type: 'BIGINT' }] });
  });
  server.on('deallocate', (frame, peer) => peer.acknowledge(frame, { deallocated: true }));
  server.on('cancel', (frame, peer) => {
    const target = running.get(frame.target);
    running.delete(frame.target);
    peer.acknowledge(frame, { cancelled: target !== undefined });
    if (target) peer.fail(target, 'CANCELLED', 'Query cancelled');
  });
  server.on('subscribe', (frame, peer) =>
    peer.send({ id: frame.id, success: true, type: 'update', seq: 0, result: [{ n: 1 }], meta, duration: 1 }),
  );
  server.on('unsubscribe', (frame, peer) => peer.acknowledge(frame, { unsubscribed: true }));
  serveChunks(server);
  return server;
}

/** Streams the numbers of `range(n)`, as credit allows. */
function serveChunks(server: ScriptedServer): void {
  const streams = new Map<string, { pump(credit: number): void }>();
  server.on('stream', (frame, peer) => {
    const total = Number(/range\((\d+)\)/.exec(frame.sql)?.[1]);
    const step = frame.chunkRows ?? 1000;
    let seq = 0;
    const stream = {
      pump(credit: number) {
        for (; credit > 0 && seq * step < total; credit--) {
          const first = seq * step;
          const result = Array.from({ length: Math.min(step, total - first) }, (_, i) => ({ n: first + i }));
          peer.send({ id: frame.id, success: true, type: 'chunk', seq: seq++, result });
        }
        if (seq * step < total || !streams.delete(frame.id)) return;
        peer.send({ id: frame.id, success: true, type: 'end', chunks: seq, rows: total, duration: 1 });
      },
    };
    streams.set(frame.id, stream);
    peer.send({ id: frame.id, success: true, type: 'start', meta });
    stream.pump(frame.credit);
  });
  server.on('credit', (frame) => streams.get(frame.id)?.pump(frame.credit));
}

function run(sql: string, { params = [], numberMode, dateMode }: Frame): Outcome {
  switch (sql) {
    case 'SELECT 1 AS n':
    case 'SELECT 1 AS `n`':
      return { rows: [{ n: 1 }] };
    case 'SELECT CAST(? AS BIGINT) AS n':
      return params.length === 1 ? { rows: [{ n: params[0] }] } : { code: 'SQL_PARAMS', error: '1 value expected' };
    case 'SELECT ? AS a, ? AS b, ? AS c':
      return { rows: [{ a: params[0], b: params[1], c: params[2] }] };
    case 'SELECT 9007199254740993 AS big, 5 AS small':
      return { rows: [{ big: '9007199254740993', small: numberMode === 'string' ? '5' : 5 }] };
    case "SELECT TIMESTAMP '2025-01-31 10:00:00.5' AS at":
      return { rows: [{ at: dateMode === 'iso' ? '2025-01-31T10:00:00.500000' : '2025-01-31 10:00:00.500000' }] };
    case "SELECT repeat('x', 1000) AS s FROM range(10000)":
      return { rows: Array.from({ length: 10_000 }, () => ({ s: 'x'.repeat(1000) })) };
    case 'SELEC 1':
      return { code: 'SQL_SYNTAX', error: 'syntax error at or near "SELEC"' };
    case 'SELECT * FROM no_such_table':
      return { code: 'NOT_FOUND', error: 'Table "no_such_table" does not exist' };
    case 'DROP TABLE t':
      return { code: 'SQL_FORBIDDEN', error: 'Only read-only statements are allowed' };
    default:
      return 'never ends';
  }
}
