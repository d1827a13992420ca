import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Frame, Peer, ScriptedServer } from './scripted-server.js';
import { meta } from './scripted-server.js';
import { rejection, startClient, startServer } from './setup.js';

interface Row {
  n: number;
}

/** Streams rows 0..total-1, two in a chunk, as credit allows; `granted` holds what each stream was given and used. */
function serveStream(server: ScriptedServer, total: number): { credit: number; sent: number }[] {
  const streams = new Map<string, { credit: number; sent: number; pump: () => void }>();
  const seen: { credit: number; sent: number }[] = [];
  server.on('stream', (frame: Frame, peer: Peer) => {
    peer.send({ id: frame.id, success: true, type: 'start', meta });
    const state = {
      credit: frame.credit as number,
      sent: 0,
      pump() {
        while (state.credit > state.sent && state.sent * 2 < total) {
          const n = state.sent * 2;
          const result = [{ n }, { n: n + 1 }].slice(0, total - n);
          peer.send({ id: frame.id, success: true, type: 'chunk', seq: state.sent++, result });
        }
        if (state.sent * 2 < total || !streams.delete(frame.id)) return;
        peer.send({ id: frame.id, success: true, type: 'end', chunks: state.sent, rows: total, duration: 1 });
      },
    };
    streams.set(frame.id, state);
    seen.push(state);
    state.pump();
  });
  server.on('credit', (frame) => {
    const state = streams.get(frame.id);
    if (!state) return;
    state.credit += frame.credit as number;
    state.pump();
  });
  server.on('cancel', (frame, peer) => peer.acknowledge(frame, { cancelled: streams.delete(frame.target) }));
  return seen;
}

test('a stream gives all rows in order, and its meta', async (t) => {
  const server = await startServer(t);
  serveStream(server, 101);
  const client = startClient(t, server);
  const stream = client.stream<Row>('SELECT n FROM t', [1], { chunkRows: 2 });
  assert.equal(stream.meta, undefined);
  const rows: number[] = [];
  for await (const row of stream) rows.push(row.n);
  assert.deepEqual(
    rows,
    Array.from({ length: 101 }, (_, i) => i),
  );
  assert.deepEqual(stream.meta, meta);
  assert.equal(client.getStats().pendingRequests, 0);
  assert.equal(server.count('cancel'), 0);
  const frame = server.received.find(({ frame }) => frame.type === 'stream')?.frame;
  assert.deepEqual([frame?.credit, frame?.chunkRows, frame?.params], [4, 2, [1]]);
});

test('an empty result is an empty stream', async (t) => {
  const server = await startServer(t);
  serveStream(server, 0);
  const stream = startClient(t, server).stream('SELECT 1 WHERE false');
  for await (const row of stream) assert.fail(JSON.stringify(row));
  assert.deepEqual(stream.meta, meta);
});

test('the server never has more than the window of chunks ahead of the reader', async (t) => {
  const server = await startServer(t);
  const streams = serveStream(server, 200);
  const client = startClient(t, server);
  let read = 0;
  for await (const chunk of client.stream<Row>('SELECT n', undefined, { window: 3 }).chunks()) {
    read++;
    await client.ping(); // all that the server was allowed to send is here now
    const { credit, sent } = streams[0] as { credit: number; sent: number };
    assert.ok(sent <= read + 3 && credit <= read + 3, `read ${read}, sent ${sent}, credit ${credit}`);
    assert.equal(chunk.length, 2);
  }
  assert.equal(read, 100);
});

test('leaving the loop cancels the stream', async (t) => {
  const server = await startServer(t);
  serveStream(server, 1000);
  const client = startClient(t, server);
  const cancelled = server.next('cancel');
  for await (const row of client.stream<Row>('SELECT n')) if (row.n === 3) break;
  const streamId = server.received.find(({ frame }) => frame.type === 'stream')?.frame.id;
  assert.equal((await cancelled).frame.target, streamId);
  assert.equal(client.getStats().pendingRequests, 0);
});

test('an abort ends the loop with its reason and cancels the stream', async (t) => {
  const server = await startServer(t);
  server.on('stream', (frame, peer) => peer.send({ id: frame.id, success: true, type: 'start', meta }));
  server.on('cancel', (frame, peer) => peer.acknowledge(frame, { cancelled: true }));
  const controller = new AbortController();
  const [started, cancelled] = [server.next('stream'), server.next('cancel')];
  const reading = assert.rejects(
    startClient(t, server).stream('SELECT n', [], { signal: controller.signal })[Symbol.asyncIterator]().next(),
    {
      name: 'AbortError',
    },
  );
  await started;
  controller.abort();
  await reading;
  await cancelled;
});

test('a failure on the way ends the loop with the error, after the rows before it', async (t) => {
  const server = await startServer(t);
  server.on('stream', (frame, peer) => {
    peer.send({ id: frame.id, success: true, type: 'start', meta });
    peer.send({ id: frame.id, success: true, type: 'chunk', seq: 0, result: [{ n: 0 }] });
    peer.fail(frame, 'SLOW_CONSUMER', 'no credit for 60 s');
  });
  const rows: unknown[] = [];
  const error = await rejection(
    (async () => {
      for await (const row of startClient(t, server).stream('SELECT n')) rows.push(row);
    })(),
  );
  assert.equal(error.code, 'SLOW_CONSUMER');
  assert.deepEqual(rows, [{ n: 0 }]);
  assert.equal(server.count('cancel'), 0, 'a stream that has ended needs no cancel');
});

test('a missing chunk and a short end are errors, never short results', async (t) => {
  const server = await startServer(t);
  const client = startClient(t, server);
  server.on('cancel', (frame, peer) => peer.acknowledge(frame, { cancelled: false }));
  const read = async () => {
    for await (const _ of client.stream('SELECT n'));
  };
  server.on('stream', (frame, peer) => {
    peer.send({ id: frame.id, success: true, type: 'start', meta });
    peer.send({ id: frame.id, success: true, type: 'chunk', seq: 1, result: [{ n: 0 }] });
  });
  await assert.rejects(read(), /Stream broken: chunk 1 came where chunk 0 was due/);
  server.on('stream', (frame, peer) => {
    peer.send({ id: frame.id, success: true, type: 'start', meta });
    peer.send({ id: frame.id, success: true, type: 'end', chunks: 1, rows: 2, duration: 1 });
  });
  await assert.rejects(read(), /Stream broken: the server sent 1 chunks and 0 arrived/);
});

test('a lost connection ends the loop with an error', async (t) => {
  const server = await startServer(t);
  server.on('stream', (frame, peer) => {
    peer.send({ id: frame.id, success: true, type: 'start', meta });
    peer.terminate();
  });
  await assert.rejects(startClient(t, server).stream('SELECT n')[Symbol.asyncIterator]().next(), { type: 'CONNECTION_ERROR' });
});

test('a stalled stream runs out of time', async (t) => {
  const server = await startServer(t);
  server.on('stream', () => {});
  server.on('cancel', (frame, peer) => peer.acknowledge(frame, { cancelled: true }));
  const client = startClient(t, server);
  await client.connect();
  const cancelled = server.next('cancel');
  await assert.rejects(client.stream('SELECT n', [], { timeout: 30 })[Symbol.asyncIterator]().next(), {
    type: 'TIMEOUT_ERROR',
  });
  await cancelled;
});

test('a stream can be read only once', async (t) => {
  const server = await startServer(t);
  serveStream(server, 2);
  const stream = startClient(t, server).stream('SELECT n');
  for await (const _ of stream);
  await assert.rejects(stream[Symbol.asyncIterator]().next(), /only once/);
});
