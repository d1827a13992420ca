import type { Connection } from './connection.js';
import { field, statementFields } from './encode.js';
import { DuckDBError, DuckDBErrorType, failureToError } from './errors.js';
import { Inbox } from './inbox.js';
import type { ErrorReply, ResultMeta, UpdateFrame } from './protocol.js';
import type { RequestOptions, Session } from './session.js';

export interface SubscribeOptions extends Omit<RequestOptions, 'retry'> {
  /** Get rows added and removed in place of the whole result, where that is less. Default false. */
  diff?: boolean | undefined;
  /** Milliseconds the server lets pass between two runs, at least. Default 0. */
  minIntervalMs?: number | undefined;
}

/** A result that changed: whole (`rows`), or against the update before (`added` and `removed`, only with `diff`). */
export type Update<T> =
  | { rows: T[]; added?: undefined; removed?: undefined; meta: ResultMeta }
  | { rows?: undefined; added: T[]; removed: T[]; meta: ResultMeta };

/**
 * Updates of a result: one at once, then one for each change. A consumer slower than the changes gets the newest.
 * After a reconnect the subscription goes on with a whole result. Leaving the loop, or the signal, ends it.
 */
export async function* subscribe<T>(
  session: Session,
  sql: string,
  params: readonly unknown[] | undefined,
  options: SubscribeOptions = {},
): AsyncGenerator<Update<T>, void, void> {
  const fields =
    statementFields(sql, params) +
    (options.diff === undefined ? '' : field('diff', options.diff)) +
    (options.minIntervalMs === undefined ? '' : field('minIntervalMs', options.minIntervalMs)) +
    session.reading(options);
  options.signal?.throwIfAborted();

  session.active++;
  try {
    for (;;) {
      try {
        yield* updates<T>(session, fields, options);
      } catch (error) {
        const lost = error instanceof DuckDBError && error.type === DuckDBErrorType.CONNECTION_ERROR;
        // A consumer that was busy meanwhile hears of the loss when the connection is there again.
        if (!lost || !(session.isReconnecting || session.isConnected)) throw error;
      }
    }
  } finally {
    session.active--;
  }
}

/** The updates that come over one connection. Ends only by an error or by the consumer. */
async function* updates<T>(session: Session, fields: string, options: SubscribeOptions): AsyncGenerator<Update<T>, void, void> {
  const id = session.nextId();
  const timeoutMs = options.timeout ?? session.options.requestTimeout;
  const onTimeout = () => new DuckDBError(`Request timeout: ${id}`, DuckDBErrorType.TIMEOUT_ERROR);
  // A whole result makes all that waits before it pointless.
  const inbox = new Inbox<UpdateFrame<T> | ErrorReply>((frame) => frame.success && frame.result !== undefined);

  const connection = await session.connectedWithin(id, timeoutMs, { ...options, retry: session.options.autoReconnect });
  connection.listen(id, 'subscribe', fields, inbox);
  let over = false;
  try {
    // Only the first update is due at a known time.
    let frame = await inbox.take({ timeoutMs, onTimeout, signal: options.signal });
    for (;;) {
      if (!frame.success) {
        over = true;
        throw failureToError(frame);
      }
      yield toUpdate(frame);
      frame = await inbox.take({ onTimeout, signal: options.signal });
    }
  } finally {
    connection.forget(id);
    if (!over) unsubscribe(session, connection, id);
  }
}

function unsubscribe(session: Session, connection: Connection, id: string): void {
  connection.notify(session.nextId(), 'unsubscribe', field('target', id));
}

function toUpdate<T>({ result, added, removed, meta }: UpdateFrame<T>): Update<T> {
  return result ? { rows: result, meta } : { added: added ?? [], removed: removed ?? [], meta };
}
