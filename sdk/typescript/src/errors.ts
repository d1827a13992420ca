import type { ErrorCode, Failure } from './protocol.js';

export const DuckDBErrorType = {
  CONNECTION_ERROR: 'CONNECTION_ERROR',
  AUTH_ERROR: 'AUTH_ERROR',
  QUERY_ERROR: 'QUERY_ERROR',
  TIMEOUT_ERROR: 'TIMEOUT_ERROR',
  CONFIG_ERROR: 'CONFIG_ERROR',
  UNKNOWN_ERROR: 'UNKNOWN_ERROR',
} as const;
export type DuckDBErrorType = (typeof DuckDBErrorType)[keyof typeof DuckDBErrorType];

export interface DuckDBErrorDetails {
  /** The server's code, when the server answered. */
  code?: ErrorCode | undefined;
  /** The same request may succeed later, unchanged. */
  retryable?: boolean | undefined;
  /** Do not retry sooner than this many milliseconds. */
  retryAfterMs?: number | undefined;
  /** Where in the SQL: zero-based, in Unicode code points. */
  position?: number | undefined;
  /** The WebSocket close code, when the connection was lost. */
  closeCode?: number | undefined;
}

/** Every failure of this package, but for an abort: that rejects with the signal's reason, as elsewhere on the platform. */
export class DuckDBError extends Error {
  override readonly name = 'DuckDBError';
  readonly type: DuckDBErrorType;
  readonly context: DuckDBErrorDetails;

  constructor(message: string, type: DuckDBErrorType, context: DuckDBErrorDetails = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.type = type;
    this.context = context;
  }

  /** The server's stable code; undefined when the server did not answer. */
  get code(): ErrorCode | undefined {
    return this.context.code;
  }

  /** Whether the same request may succeed later, unchanged. */
  get retryable(): boolean {
    return this.context.retryable ?? false;
  }
}

/** @internal */
export function failureToError(failure: Failure, prefix = 'Query failed'): DuckDBError {
  const { error, code, retryable, retryAfterMs, position } = failure;
  return new DuckDBError(`${prefix}: ${error}`, typeOf(code), { code, retryable, retryAfterMs, position });
}

function typeOf(code: ErrorCode | undefined): DuckDBErrorType {
  switch (code) {
    case 'AUTH_REQUIRED':
    case 'AUTH_INVALID':
      return DuckDBErrorType.AUTH_ERROR;
    case 'TIMEOUT':
      return DuckDBErrorType.TIMEOUT_ERROR;
    default:
      return DuckDBErrorType.QUERY_ERROR;
  }
}

/** @internal */
export function connectionClosed(code: number, reason: string): DuckDBError {
  const message = `Connection closed (code ${code})${reason ? `: ${reason}` : ''}`;
  if (code === 1008) return new DuckDBError(message, DuckDBErrorType.AUTH_ERROR, { closeCode: code });
  return new DuckDBError(message, DuckDBErrorType.CONNECTION_ERROR, {
    code: code === 1011 && reason.startsWith('Database ') ? 'DATABASE_NOT_FOUND' : undefined,
    retryable: code !== 1011,
    closeCode: code,
  });
}

/**
 * Whether connecting again could help: not after a rejected key (1008) or an unknown database (1011).
 * @internal
 */
export function mayReconnectAfter(error: unknown): boolean {
  return error instanceof DuckDBError && error.type !== DuckDBErrorType.AUTH_ERROR && error.context.closeCode !== 1011;
}

const CALLERS_FAULT: ReadonlySet<ErrorCode | undefined> = new Set<ErrorCode>([
  'BAD_REQUEST',
  'SQL_SYNTAX',
  'SQL_FORBIDDEN',
  'SQL_PARAMS',
  'SQL_ERROR',
  'NOT_FOUND',
  'STATEMENT_NOT_FOUND',
  'CANCELLED',
  'RESULT_TOO_LARGE',
]);

/**
 * Whether an error says that the server is unwell or out of reach, as against a request that is wrong in itself
 * or was called off. Errors of other origin count: this package cannot tell.
 */
export function isServerFault(error: unknown): boolean {
  if (error instanceof DuckDBError) return error.type !== DuckDBErrorType.CONFIG_ERROR && !CALLERS_FAULT.has(error.code);
  return (error as { name?: unknown } | null)?.name !== 'AbortError';
}
