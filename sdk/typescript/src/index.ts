export {
  ConnectionState,
  DucklingClient,
  type BatchQueryRequest,
  type BatchQueryResult,
  type ConnectionStats,
  type DetailedResult,
  type PaginatedResult,
  type PaginationOptions,
} from './client.js';
export { DuckDBError, DuckDBErrorType, isServerFault, type DuckDBErrorDetails } from './errors.js';
export { DuckDBError as DucklingError } from './errors.js';
export type { DucklingClientEventName, DucklingClientEvents } from './events.js';
export type { LogLevel } from './logging.js';
export type { DucklingClientOptions, DucklingClientOptions as DuckDBSDKConfig } from './options.js';
export type { PreparedStatement } from './prepared.js';
export type { ColumnSchema, ErrorCode, MessageType, QueryResponse, QueryRow, ResultMeta, ReadingOptions } from './protocol.js';
export type { RequestOptions } from './session.js';
export type { RowStream, StreamOptions } from './stream.js';
export type { SubscribeOptions, Update } from './subscription.js';
export { DucklingPool, type DucklingPoolOptions } from './pool.js';
export { CircuitBreaker, type CircuitBreakerOptions, type CircuitState } from './circuit-breaker.js';
export { redisFallback, withFallback, type Fallback, type RedisLike } from './fallback.js';
