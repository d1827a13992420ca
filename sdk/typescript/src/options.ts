import { DuckDBError, DuckDBErrorType } from './errors.js';
import type { LogLevel } from './logging.js';
import type { ReadingOptions } from './protocol.js';

export interface DucklingClientOptions extends ReadingOptions {
  /** `ws://` or `wss://` address of the server's /ws. */
  url: string;
  apiKey: string | undefined;
  /** Which database to query. Default: the url's `db` parameter, else `default`. */
  databaseName?: string | undefined;
  /** Start to connect as soon as the client is constructed. Queries connect in any case. Default true. */
  autoConnect?: boolean | undefined;
  /** Connect again when the connection is lost. Default true. */
  autoReconnect?: boolean | undefined;
  /** Attempts in a row before giving up until the next query or connect(). Default 5. */
  maxReconnectAttempts?: number | undefined;
  /** Milliseconds before the first attempt; doubles with each, to 30 s at most, less up to half at random. Default 1000. */
  reconnectDelay?: number | undefined;
  /** Milliseconds for connecting and authenticating. Default 5000. */
  connectionTimeout?: number | undefined;
  /** Milliseconds for a request. The server is told to stop a request that ran out of time. Default 30000. */
  requestTimeout?: number | undefined;
  /** Ping now and then, and reconnect when no answer comes. Default true. */
  autoPing?: boolean | undefined;
  /** Milliseconds between pings, and for the answer. Default 30000. */
  pingInterval?: number | undefined;
  /** Send queries again when the connection is lost before the answer. Default false. */
  retry?: boolean | undefined;
  /** Log the connection's life to the console. Default false. */
  enableLogging?: boolean | undefined;
  /** Least level that enableLogging logs. Default info. */
  logLevel?: LogLevel | undefined;
}

/** Options with every default filled in; `url` carries the database as its `db` parameter. */
export type ResolvedOptions = Required<{
  [K in Exclude<keyof DucklingClientOptions, keyof ReadingOptions>]: NonNullable<DucklingClientOptions[K]>;
}> &
  ReadingOptions;

const POSITIVE = ['reconnectDelay', 'connectionTimeout', 'requestTimeout', 'pingInterval'] as const;

/** Fills in the defaults. Throws one CONFIG_ERROR that names everything wrong. */
export function resolveOptions(options: DucklingClientOptions): ResolvedOptions {
  const problems: string[] = [];
  const url = parseUrl(options.url, problems);
  if (options.databaseName !== undefined) url?.searchParams.set('db', options.databaseName);
  else if (url && !url.searchParams.has('db')) url.searchParams.set('db', 'default');
  if (!options.apiKey) problems.push('apiKey is missing');

  const resolved: ResolvedOptions = {
    ...options,
    url: url?.href ?? '',
    apiKey: options.apiKey ?? '',
    databaseName: url?.searchParams.get('db') ?? '',
    autoConnect: options.autoConnect ?? true,
    autoReconnect: options.autoReconnect ?? true,
    maxReconnectAttempts: options.maxReconnectAttempts ?? 5,
    reconnectDelay: options.reconnectDelay ?? 1000,
    connectionTimeout: options.connectionTimeout ?? 5000,
    requestTimeout: options.requestTimeout ?? 30_000,
    autoPing: options.autoPing ?? true,
    pingInterval: options.pingInterval ?? 30_000,
    retry: options.retry ?? false,
    enableLogging: options.enableLogging ?? false,
    logLevel: options.logLevel ?? 'info',
  };
  for (const name of POSITIVE) {
    if (!(resolved[name] > 0)) problems.push(`${name} must be a positive number of milliseconds, not ${resolved[name]}`);
  }
  if (!(resolved.maxReconnectAttempts >= 0)) {
    problems.push(`maxReconnectAttempts must be 0 or more, not ${resolved.maxReconnectAttempts}`);
  }
  if (problems.length > 0) {
    throw new DuckDBError(`Invalid DucklingClient options: ${problems.join('; ')}`, DuckDBErrorType.CONFIG_ERROR);
  }
  return resolved;
}

function parseUrl(text: string, problems: string[]): URL | undefined {
  try {
    const url = new URL(text);
    if (url.protocol === 'ws:' || url.protocol === 'wss:') return url;
  } catch {
    // Reported below: the reason the parser gives ("Invalid URL") says no more.
  }
  problems.push(`url must be a ws:// or wss:// address, not ${JSON.stringify(text)}`);
  return undefined;
}
