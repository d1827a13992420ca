import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { DucklingClient, DuckDBError, type DucklingClientEventName, type DucklingClientOptions } from '@chittihq/duckling';
import { ScriptedServer } from './scripted-server.js';

/** A server that is stopped, and its frames checked, when the test ends. */
export async function startServer(t: TestContext): Promise<ScriptedServer> {
  const server = await ScriptedServer.start();
  t.after(() => server.stop());
  return server;
}

/** A client that is closed when the test ends, reconnects fast, and keeps its errors off the console. */
export function startClient(t: TestContext, server: { url: string }, options: Partial<DucklingClientOptions> = {}): DucklingClient {
  const client = new DucklingClient({ url: server.url, apiKey: 'secret', autoConnect: false, reconnectDelay: 1, ...options });
  client.on('error', () => {});
  t.after(() => client.close());
  return client;
}

/** The arguments of the next event of that name. */
export function nextEvent(client: DucklingClient, name: DucklingClientEventName): Promise<unknown[]> {
  return new Promise((resolve) => client.once(name, (...args: unknown[]) => resolve(args)));
}

/** The DuckDBError a promise rejects with. */
export async function rejection(promise: Promise<unknown>): Promise<DuckDBError> {
  const error = await promise.then(
    () => assert.fail('it did not reject'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof DuckDBError, String(error));
  return error;
}

/** An address where nothing listens. */
export async function deadUrl(): Promise<string> {
  const server = await ScriptedServer.start();
  const { url } = server;
  await server.stop();
  return url;
}
