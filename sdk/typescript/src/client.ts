import { field, statementFields } from './encode.js';
import { Emitter } from './emitter.js';
import { DuckDBError, DuckDBErrorType, failureToError } from './errors.js';
import type { DucklingClientEvents } from './events.js';
import { logEvents } from './logging.js';
import { resolveOptions, type DucklingClientOptions } from './options.js';
import { PreparedStatement } from './prepared.js';
import type { BatchReply, QueryRow, ResultMeta, RowsReply } from './protocol.js';
import { Session, type RequestOptions } from './session.js';
import { RowStream, type StreamOptions } from './stream.js';
import { subscribe, type SubscribeOptions, type Update } from './subscription.js';

export const ConnectionState = {
  DISCONNECTED: 'disconnected',
  CONNECTING: 'connecting',
  CONNECTED: 'connected',
  RECONNECTING: 'reconnecting',
  CLOSED: 'closed',
} as const;
export type ConnectionState = (typeof ConnectionState)[keyof typeof ConnectionState];

export interface ConnectionStats {
  connected: boolean;
  authenticated: boolean;
  /** Requests, streams and subscriptions begun and not ended, those that wait for a connection included. */
  pendingRequests: number;
  reconnectAttempts: number;
  url: string;
}

export interface BatchQueryRequest {
  sql: string;
  params?: readonly unknown[] | undefined;
}

export interface BatchQueryResult<T = QueryRow> {
  query: string;
  success: boolean;
  /** Rows, when it succeeded. */
  data?: T[];
  /** What went wrong, when it did not. */
  error?: DuckDBError;
  /** Milliseconds, as the server measured them; 0 when it did not run. */
  duration: number;
}

/** Rows with what they are and how fresh. */
export interface DetailedResult<T> {
  rows: T[];
  meta: ResultMeta;
  /** Milliseconds, as the server measured them. */
  duration: number;
}

export interface PaginationOptions {
  limit: number;
  offset: number;
}

export interface PaginatedResult<T> {
  data: T[];
  pagination: { offset: number; limit: number; hasMore: boolean };
}

/**
 * A client of one database over one WebSocket. Everything connects by itself when it needs to; requests share the
 * connection and may run at the same time. Rejections are DuckDBError, but an aborted call rejects with its
 * signal's reason.
 */
export class DucklingClient extends Emitter<DucklingClientEvents> {
  readonly #session: Session;

  /** Throws a CONFIG_ERROR for options that cannot work; a server that is away is no such thing. */
  constructor(options: DucklingClientOptions) {
    super();
    const resolved = resolveOptions(options);
    this.#session = new Session(resolved, this);
    if (resolved.enableLogging) logEvents(this, resolved.logLevel);
    if (resolved.autoConnect) this.#session.connectInBackground();
  }

  /** Connects and authenticates; at once when that is done already. Opens a closed client again. */
  connect(): Promise<void> {
    return this.#session.connect();
  }

  async query<T = QueryRow>(sql: string, params?: readonly unknown[], options?: RequestOptions): Promise<T[]> {
    const fields = statementFields(sql, params) + this.#session.reading(options);
    return (await this.#session.request<RowsReply<T>>('query', fields, options)).result;
  }

  /** Like `query`, with the columns' types, the generation and its age. */
  async queryDetailed<T = QueryRow>(sql: string, params?: readonly unknown[], options?: RequestOptions): Promise<DetailedResult<T>> {
    const fields = statementFields(sql, params) + field('meta', true) + this.#session.reading(options);
    const { result, meta, duration } = await this.#session.request<RowsReply<T> & { meta: ResultMeta }>('query', fields, options);
    return { rows: result, meta, duration };
  }

  /** Runs all on one generation; results in the order of the queries. Rejects with the first failure in that order. */
  async queryBatch<T = QueryRow>(queries: readonly (string | BatchQueryRequest)[], options?: RequestOptions): Promise<T[][]> {
    const items = await this.#batch<T>(queries, options);
    return items.map((item) => {
      if (!item.success) throw failureToError(item);
      return item.result;
    });
  }

  /** Like `queryBatch`, but never rejects: each query has its own outcome. */
  async queryBatchDetailed<T = QueryRow>(
    queries: readonly (string | BatchQueryRequest)[],
    options?: RequestOptions,
  ): Promise<BatchQueryResult<T>[]> {
    const sqlOf = (query: string | BatchQueryRequest) => (typeof query === 'string' ? query : query.sql);
    try {
      const items = await this.#batch<T>(queries, options);
      return queries.map((query, i) => toBatchResult(sqlOf(query), items[i] as BatchReply<T>['results'][number]));
    } catch (error) {
      const failure = error instanceof DuckDBError ? error : new DuckDBError(String(error), DuckDBErrorType.UNKNOWN_ERROR, {}, error);
      return queries.map((query) => ({ query: sqlOf(query), success: false, error: failure, duration: 0 }));
    }
  }

  /** One page. The SQL must not have a LIMIT of its own, and needs an ORDER BY for pages to fit together. */
  async queryPaginated<T = QueryRow>(
    sql: string,
    { limit, offset }: PaginationOptions,
    params?: readonly unknown[],
    options?: RequestOptions,
  ): Promise<PaginatedResult<T>> {
    for (const [name, value] of Object.entries({ limit, offset })) {
      if (!Number.isSafeInteger(value) || value < 0) {
        throw new DuckDBError(`Query failed: ${name} must be a whole number, 0 or more, not ${value}`, DuckDBErrorType.QUERY_ERROR, {
          code: 'BAD_REQUEST',
        });
      }
    }
    // One row more than asked for tells whether there is another page. The newline ends a trailing comment.
    const page = `${sql.replace(/[\s;]+$/, '')}\n LIMIT ${limit + 1} OFFSET ${offset}`;
    const rows = await this.query<T>(page, params, options);
    return { data: rows.slice(0, limit), pagination: { offset, limit, hasMore: rows.length > limit } };
  }

  /** Has the server check and keep a statement that will run often. */
  prepare<T = QueryRow>(sql: string, options?: RequestOptions): Promise<PreparedStatement<T>> {
    return PreparedStatement.create<T>(this.#session, sql, options);
  }

  /** `query` by the name other database clients have for it. What runs often is better prepared. */
  execute<T = QueryRow>(sql: string, params?: readonly unknown[], options?: RequestOptions): Promise<T[]> {
    return this.query<T>(sql, params, options);
  }

  /** Rows of a large result, `for await`, in memory that does not grow with it. */
  stream<T = QueryRow>(sql: string, params?: readonly unknown[], options?: StreamOptions): RowStream<T> {
    return new RowStream<T>(this.#session, sql, params, options);
  }

  /** The result now and whenever new data changed it, `for await`. */
  subscribe<T = QueryRow>(sql: string, params?: readonly unknown[], options?: SubscribeOptions): AsyncGenerator<Update<T>, void, void> {
    return subscribe<T>(this.#session, sql, params, options);
  }

  /** Whether the server answers; false also when there is no connection. Never rejects. */
  ping(): Promise<boolean> {
    return this.#session.ping();
  }

  /** Ends the connection and rejects what is in flight. Requests fail from now on, until connect(). */
  close(): void {
    this.#session.close();
  }

  /** Connected and authenticated. */
  isConnected(): boolean {
    return this.#session.isConnected;
  }

  get state(): ConnectionState {
    const session = this.#session;
    if (session.isClosed) return ConnectionState.CLOSED;
    if (session.isConnected) return ConnectionState.CONNECTED;
    if (session.isReconnecting) return ConnectionState.RECONNECTING;
    return session.isConnecting ? ConnectionState.CONNECTING : ConnectionState.DISCONNECTED;
  }

  getStats(): ConnectionStats {
    const { isConnected, active, reconnectAttempts, options } = this.#session;
    return { connected: isConnected, authenticated: isConnected, pendingRequests: active, reconnectAttempts, url: options.url };
  }

  /**
   * How busy it is, for a pool to choose by. One that is not connected comes after all that are.
   * @internal
   */
  get load(): number {
    const { isConnected, active } = this.#session;
    return isConnected ? active : active + 1e9;
  }

  async #batch<T>(
    queries: readonly (string | BatchQueryRequest)[],
    options: RequestOptions | undefined,
  ): Promise<BatchReply<T>['results']> {
    if (queries.length === 0) return [];
    const items = queries.map((query) => {
      const { sql, params } = typeof query === 'string' ? { sql: query, params: undefined } : query;
      return `{${statementFields(sql, params).slice(1)}}`;
    });
    const fields = `,"queries":[${items.join(',')}]${this.#session.reading(options)}`;
    return (await this.#session.request<BatchReply<T>>('batch', fields, options)).results;
  }
}

function toBatchResult<T>(query: string, item: BatchReply<T>['results'][number]): BatchQueryResult<T> {
  if (item.success) return { query, success: true, data: item.result, duration: item.duration };
  return { query, success: false, error: failureToError(item), duration: item.duration ?? 0 };
}
