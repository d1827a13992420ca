import type { DuckDBError } from './errors.js';
import type { QueryResponse } from './protocol.js';

/** Events of a client, with the arguments their listeners get. */
export type DucklingClientEvents = {
  /** Connected and authenticated. */
  connected: [];
  /** An open connection ended. Code and reason are the WebSocket's. */
  disconnected: [code: number, reason: string];
  /** About to wait and then connect again; counts from 1. */
  reconnecting: [attempt: number];
  /** Gave up until the next query or connect(). */
  reconnectExhausted: [attempts: number, error: DuckDBError];
  /** A failure no caller is told of otherwise. Without a listener it is logged to the console. */
  error: [error: DuckDBError];
  /** Every frame from the server, the welcome included. */
  message: [message: QueryResponse];
};
export type DucklingClientEventName = keyof DucklingClientEvents;
