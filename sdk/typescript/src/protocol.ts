/**
 * Frames of the WebSocket protocol, as schemas/ws/protocol.schema.json defines them.
 * The tests check every frame that is sent against that schema.
 */

/** Stable codes of server errors. A newer server may know more. */
export type ErrorCode =
  | 'AUTH_REQUIRED'
  | 'AUTH_INVALID'
  | 'FORBIDDEN'
  | 'BAD_REQUEST'
  | 'UNKNOWN_TYPE'
  | 'SQL_SYNTAX'
  | 'SQL_FORBIDDEN'
  | 'SQL_PARAMS'
  | 'SQL_ERROR'
  | 'NOT_FOUND'
  | 'DATABASE_NOT_FOUND'
  | 'STATEMENT_NOT_FOUND'
  | 'TIMEOUT'
  | 'CANCELLED'
  | 'QUEUE_FULL'
  | 'RATE_LIMITED'
  | 'LIMIT_EXCEEDED'
  | 'RESULT_TOO_LARGE'
  | 'OUT_OF_MEMORY'
  | 'SLOW_CONSUMER'
  | 'UNAVAILABLE'
  | 'INTERNAL';

export type MessageType =
  'auth' | 'query' | 'ping' | 'batch' | 'prepare' | 'execute' | 'deallocate' | 'cancel' | 'stream' | 'credit' | 'subscribe' | 'unsubscribe';

/** One row: column name to value. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- callers name the row type they expect
export type QueryRow = Record<string, any>;

export interface ColumnSchema {
  name: string;
  /** DuckDB's name of the type, as in `DECIMAL(18,2)`. */
  type: string;
}

/** What a result is and how fresh it is. */
export interface ResultMeta {
  columns: ColumnSchema[];
  /** The generation the statement ran on. */
  generation: number;
  /** Commit time at the source of the newest transaction in the generation, RFC 3339 in UTC; null before the first. */
  asOf: string | null;
  /** How far the generation is behind the source, in milliseconds; null when not known. */
  lagMs: number | null;
  /** Where in the source's log the generation stands: it holds every transaction up to here and none after. */
  position?: { gtidSet?: string; file?: string; offset?: number };
}

export interface Failure {
  success: false;
  error: string;
  /** Not sent by servers older than the protocol's error codes. */
  code?: ErrorCode;
  retryable?: boolean;
  retryAfterMs?: number;
  position?: number;
  duration?: number;
}

export interface Rows<T> {
  success: true;
  result: T[];
  duration: number;
  meta?: ResultMeta;
}

export type ErrorReply = Failure & { id: string };
export type RowsReply<T = QueryRow> = Rows<T> & { id: string };
export type BatchReply<T = QueryRow> = {
  id: string;
  success: true;
  results: (Rows<T> | Failure)[];
  duration: number;
};

/** Reply to auth, ping, prepare, deallocate, cancel and unsubscribe. */
export type Acknowledgement<R> = { id: string; success: true; result: [R] };
export type Prepared = { statement: string; parameters: number; columns: ColumnSchema[] };

export type StreamStart = { id: string; success: true; type: 'start'; meta: ResultMeta };
export type StreamChunk<T = QueryRow> = { id: string; success: true; type: 'chunk'; seq: number; result: T[] };
export type StreamEnd = { id: string; success: true; type: 'end'; chunks: number; rows: number; duration: number };
export type StreamFrame<T = QueryRow> = StreamStart | StreamChunk<T> | StreamEnd;

export type UpdateFrame<T = QueryRow> = {
  id: string;
  success: true;
  type: 'update';
  seq: number;
  result?: T[];
  added?: T[];
  removed?: T[];
  meta: ResultMeta;
  duration: number;
};

/** Any frame the server sends, the welcome included. */
export type QueryResponse = ErrorReply | RowsReply | BatchReply | Acknowledgement<QueryRow> | StreamFrame | UpdateFrame;

/** How SQL is read and how values are written in results. */
export interface ReadingOptions {
  /** Integers and decimals. auto (default): numbers when a double holds them exactly, else strings. */
  numberMode?: 'auto' | 'number' | 'string' | undefined;
  /** Timestamps. sql (default): `2025-01-31 10:00:00.123456`; iso: `2025-01-31T10:00:00.123456`. */
  dateMode?: 'sql' | 'iso' | undefined;
  /** JSON columns. text (default): a string holding JSON; value: nested. */
  jsonMode?: 'text' | 'value' | undefined;
  /** auto (default): DuckDB's SQL with MySQL's spellings; mysql: quotes and backslashes as in MySQL; duckdb: as it is. */
  dialect?: 'auto' | 'mysql' | 'duckdb' | undefined;
}
