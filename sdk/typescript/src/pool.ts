import {
  DucklingClient,
  type BatchQueryRequest,
  type BatchQueryResult,
  type ConnectionStats,
  type PaginatedResult,
  type PaginationOptions,
} from './client.js';
import { DuckDBError, DuckDBErrorType } from './errors.js';
import type { DucklingClientEventName, DucklingClientEvents } from './events.js';
import type { DucklingClientOptions } from './options.js';
import type { QueryRow } from './protocol.js';
import type { RequestOptions } from './session.js';
import type { RowStream, StreamOptions } from './stream.js';
import type { SubscribeOptions, Update } from './subscription.js';

export interface DucklingPoolOptions extends DucklingClientOptions {
  /** How many connections. Default 5. */
  size?: number | undefined;
}

/** Several connections to one database. Each call goes to the connection with the fewest requests in flight. */
export class DucklingPool {
  readonly #clients: DucklingClient[];

  constructor({ size = 5, ...options }: DucklingPoolOptions) {
    if (!Number.isSafeInteger(size) || size < 1) {
      throw new DuckDBError(
        `Invalid DucklingPool options: size must be a whole number, 1 or more, not ${size}`,
        DuckDBErrorType.CONFIG_ERROR,
      );
    }
    this.#clients = Array.from({ length: size }, () => new DucklingClient(options));
  }

  /** Connects all of them; rejects when one cannot. */
  async connect(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.connect()));
  }

  /** The client a call would go to now. For what needs one connection: prepared statements. */
  client(): DucklingClient {
    let best = this.#clients[0] as DucklingClient;
    let least = Infinity;
    for (const client of this.#clients) {
      const { load } = client;
      if (load < least) [best, least] = [client, load];
    }
    return best;
  }

  query<T = QueryRow>(sql: string, params?: readonly unknown[], options?: RequestOptions): Promise<T[]> {
    return this.client().query<T>(sql, params, options);
  }

  execute<T = QueryRow>(sql: string, params?: readonly unknown[], options?: RequestOptions): Promise<T[]> {
    return this.query<T>(sql, params, options);
  }

  queryBatch<T = QueryRow>(queries: readonly (string | BatchQueryRequest)[], options?: RequestOptions): Promise<T[][]> {
    return this.client().queryBatch<T>(queries, options);
  }

  queryBatchDetailed<T = QueryRow>(
    queries: readonly (string | BatchQueryRequest)[],
    options?: RequestOptions,
  ): Promise<BatchQueryResult<T>[]> {
    return this.client().queryBatchDetailed<T>(queries, options);
  }

  queryPaginated<T = QueryRow>(
    sql: string,
    page: PaginationOptions,
    params?: readonly unknown[],
    options?: RequestOptions,
  ): Promise<PaginatedResult<T>> {
    return this.client().queryPaginated<T>(sql, page, params, options);
  }

  stream<T = QueryRow>(sql: string, params?: readonly unknown[], options?: StreamOptions): RowStream<T> {
    return this.client().stream<T>(sql, params, options);
  }

  subscribe<T = QueryRow>(sql: string, params?: readonly unknown[], options?: SubscribeOptions): AsyncGenerator<Update<T>, void, void> {
    return this.client().subscribe<T>(sql, params, options);
  }

  /** Listens to every client of the pool. */
  on<E extends DucklingClientEventName>(event: E, listener: (...args: DucklingClientEvents[E]) => void): this {
    for (const client of this.#clients) client.on(event, listener);
    return this;
  }

  close(): void {
    for (const client of this.#clients) client.close();
  }

  /** Whether at least one connection is open. */
  isConnected(): boolean {
    return this.#clients.some((client) => client.isConnected());
  }

  getStats(): { size: number; connected: number; pendingRequests: number; clients: ConnectionStats[] } {
    const clients = this.#clients.map((client) => client.getStats());
    return {
      size: clients.length,
      connected: clients.filter((client) => client.connected).length,
      pendingRequests: clients.reduce((sum, client) => sum + client.pendingRequests, 0),
      clients,
    };
  }
}
