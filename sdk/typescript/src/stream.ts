import { field, statementFields } from './encode.js';
import { DuckDBError, DuckDBErrorType, failureToError } from './errors.js';
import { Inbox } from './inbox.js';
import type { ErrorReply, ResultMeta, StreamEnd, StreamFrame } from './protocol.js';
import type { RequestOptions, Session } from './session.js';

export interface StreamOptions extends Omit<RequestOptions, 'retry'> {
  /** Most rows in a chunk. Default: the server's, 1000. */
  chunkRows?: number | undefined;
  /** Most chunks on their way or waiting here. Default 4. */
  window?: number | undefined;
}

/**
 * The rows of one statement, read as they are needed: the server sends no more than `window` chunks ahead.
 * Nothing is sent until reading starts; it can be read once, by rows or by chunks. Leaving the loop stops the query.
 * All rows are of one generation. A result that breaks off ends in an error, never in a short read.
 */
export class RowStream<T> implements AsyncIterable<T> {
  readonly #session: Session;
  readonly #fields: string;
  readonly #options: StreamOptions;
  #meta: ResultMeta | undefined;
  #started = false;

  /** @internal */
  constructor(session: Session, sql: string, params: readonly unknown[] | undefined, options: StreamOptions = {}) {
    this.#session = session;
    this.#options = options;
    this.#fields =
      statementFields(sql, params) +
      field('credit', this.#window) +
      (options.chunkRows === undefined ? '' : field('chunkRows', options.chunkRows)) +
      session.reading(options);
  }

  /** Columns and freshness; known once the first row or chunk is there, or the end is reached. */
  get meta(): ResultMeta | undefined {
    return this.#meta;
  }

  [Symbol.asyncIterator](): AsyncIterator<T, void, void> {
    const chunks = this.chunks();
    let chunk: T[] = [];
    let next = 0;
    const advance = async (): Promise<IteratorResult<T, void>> => {
      const { done, value } = await chunks.next();
      if (done) return { done: true, value: undefined };
      chunk = value;
      next = 1;
      return { done: false, value: chunk[0] as T };
    };
    // Written out, because an async generator costs several turns of the microtask queue for every row.
    return {
      next: () => (next < chunk.length ? Promise.resolve({ done: false, value: chunk[next++] as T }) : advance()),
      return: async () => {
        await chunks.return();
        return { done: true, value: undefined };
      },
    };
  }

  async *chunks(): AsyncGenerator<T[], void, void> {
    if (this.#started) throw new DuckDBError('A stream can be read only once', DuckDBErrorType.QUERY_ERROR);
    this.#started = true;
    const { signal } = this.#options;
    const timeoutMs = this.#options.timeout ?? this.#session.options.requestTimeout;
    signal?.throwIfAborted();

    const id = this.#session.nextId();
    const onTimeout = () => new DuckDBError(`Request timeout: ${id}`, DuckDBErrorType.TIMEOUT_ERROR);
    const inbox = new Inbox<StreamFrame<T> | ErrorReply>();
    let seen = 0;
    let ungranted = 0;
    let over = false;
    this.#session.active++;
    try {
      const connection = await this.#session.connectedWithin(id, timeoutMs, this.#options);
      connection.listen(id, 'stream', this.#fields, inbox);
      try {
        while (!over) {
          const frame = await inbox.take({ timeoutMs, onTimeout, signal });
          if (!frame.success) {
            over = true;
            throw failureToError(frame);
          }
          switch (frame.type) {
            case 'start':
              this.#meta = frame.meta;
              break;
            case 'chunk':
              if (frame.seq !== seen++) throw broken(`chunk ${frame.seq} came where chunk ${seen - 1} was due`);
              yield frame.result;
              // Granting in halves of the window keeps chunks coming without a frame for each.
              if (++ungranted * 2 >= this.#window) {
                connection.notify(id, 'credit', field('credit', ungranted));
                ungranted = 0;
              }
              break;
            case 'end':
              over = true;
              checkWhole(frame, seen);
          }
        }
      } finally {
        connection.forget(id);
        if (!over) connection.cancel(id);
      }
    } finally {
      this.#session.active--;
    }
  }

  get #window(): number {
    return this.#options.window ?? 4;
  }
}

function checkWhole(end: StreamEnd, seen: number): void {
  if (end.chunks !== seen) throw broken(`the server sent ${end.chunks} chunks and ${seen} arrived`);
}

function broken(what: string): DuckDBError {
  return new DuckDBError(`Stream broken: ${what}`, DuckDBErrorType.UNKNOWN_ERROR);
}
