import { Connection } from './connection.js';
import { field, modeFields } from './encode.js';
import { DuckDBError, DuckDBErrorType, mayReconnectAfter } from './errors.js';
import type { Emitter } from './emitter.js';
import type { DucklingClientEvents } from './events.js';
import type { ResolvedOptions } from './options.js';
import type { MessageType, ReadingOptions } from './protocol.js';
import { within } from './waiting.js';

const LONGEST_DELAY_MS = 30_000;

/** Options of one request. */
export interface RequestOptions extends ReadingOptions {
  /** Calls the request off, here and at the server. It rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Milliseconds, in place of the client's requestTimeout. */
  timeout?: number | undefined;
  /** Send again when the connection is lost before the answer, in place of the client's setting. */
  retry?: boolean | undefined;
}

/** Keeps one connection: opens it when needed, watches it, opens another when it is lost. */
export class Session {
  readonly options: ResolvedOptions;
  /** Requests, streams and subscriptions begun and not ended. */
  active = 0;
  reconnectAttempts = 0;

  readonly #events: Emitter<DucklingClientEvents>;
  readonly #modes: string;
  #connection: Connection | undefined;
  #attempt: { connection: Connection; done: Promise<Connection> } | undefined;
  #reconnecting: Promise<void> | undefined;
  #endPause: (() => void) | undefined;
  #pings: ReturnType<typeof setInterval> | undefined;
  #lastId = 0;
  #closed = false;

  constructor(options: ResolvedOptions, events: Emitter<DucklingClientEvents>) {
    this.options = options;
    this.#events = events;
    this.#modes = modeFields(options);
  }

  get isConnected(): boolean {
    return this.#connection !== undefined;
  }

  get isConnecting(): boolean {
    return this.#attempt !== undefined;
  }

  get isReconnecting(): boolean {
    return this.#reconnecting !== undefined;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  nextId(): string {
    return String(++this.#lastId);
  }

  /** Fields that say how SQL is read and values are written: the request's own where it has any, else the client's. */
  reading(own: ReadingOptions | undefined): string {
    return this.dialect(own) + this.modes(own);
  }

  dialect(own: ReadingOptions | undefined): string {
    const dialect = own?.dialect ?? this.options.dialect;
    return dialect === undefined ? '' : field('dialect', dialect);
  }

  modes(own: ReadingOptions | undefined): string {
    if (!own || (own.numberMode ?? own.dateMode ?? own.jsonMode) === undefined) return this.#modes;
    const { numberMode, dateMode, jsonMode } = this.options;
    return modeFields({
      numberMode: own.numberMode ?? numberMode,
      dateMode: own.dateMode ?? dateMode,
      jsonMode: own.jsonMode ?? jsonMode,
    });
  }

  /** Opens the session again if it was closed, with a fresh budget of attempts. */
  async connect(): Promise<void> {
    this.#closed = false;
    this.reconnectAttempts = 0;
    await this.connected();
  }

  /** Connects with nobody waiting: what goes wrong is an error event, and tried again if autoReconnect says so. */
  connectInBackground(): void {
    this.connect().catch((error: DuckDBError) => {
      if (this.#closed) return;
      this.report(error);
      this.#reconnectAfter(error);
    });
  }

  /** The open connection. All who wait for one share one attempt. */
  connected(): Promise<Connection> {
    if (this.#connection) return Promise.resolve(this.#connection);
    if (this.#closed) {
      return Promise.reject(new DuckDBError('Client is closed; call connect() to open it again', DuckDBErrorType.CONNECTION_ERROR));
    }
    this.#attempt ??= this.#begin();
    return this.#attempt.done;
  }

  /** Like `connected`, but with retry it waits through a reconnection that is under way. */
  async connectedWithin(id: string, timeoutMs: number, options: RequestOptions | undefined): Promise<Connection> {
    if (this.#connection) return this.#connection;
    const limits = {
      timeoutMs,
      onTimeout: () => new DuckDBError(`Request timeout: ${id}`, DuckDBErrorType.TIMEOUT_ERROR, { retryable: true }),
      signal: options?.signal,
    };
    const deadline = Date.now() + timeoutMs;
    if (this.#reconnecting && this.#retries(options)) await within(this.#reconnecting, limits);
    return within(this.connected(), { ...limits, timeoutMs: deadline - Date.now() });
  }

  /** Sends one request, connecting first where needed, and gives its reply. */
  async request<F extends { success: true }>(
    type: MessageType,
    fields: string | ((connection: Connection) => Promise<string>),
    options?: RequestOptions,
  ): Promise<F> {
    options?.signal?.throwIfAborted();
    const id = this.nextId();
    const deadline = Date.now() + (options?.timeout ?? this.options.requestTimeout);
    this.active++;
    try {
      for (;;) {
        try {
          const connection = this.#connection ?? (await this.connectedWithin(id, deadline - Date.now(), options));
          const text = typeof fields === 'string' ? fields : await fields(connection);
          return await connection.request<F>(id, type, text, { timeoutMs: deadline - Date.now(), signal: options?.signal });
        } catch (error) {
          if (!this.#retries(options) || !this.#reconnecting || !isLoss(error)) throw error;
        }
      }
    } finally {
      this.active--;
    }
  }

  /** Whether the server answers. Never rejects. */
  async ping(): Promise<boolean> {
    const connection = this.#connection;
    if (!connection) return false;
    return connection.request(this.nextId(), 'ping', '', { timeoutMs: this.options.pingInterval }).then(
      () => true,
      () => false,
    );
  }

  close(): void {
    this.#closed = true;
    this.#endPause?.();
    this.#attempt?.connection.close();
    this.#attempt = undefined; // so that a connect() right after this does not join the attempt that was ended
    this.#connection?.close();
  }

  /** Tells of a failure that no caller hears of otherwise. */
  report(error: DuckDBError): void {
    if (!this.#events.emit('error', error)) console.error(`[duckling] ${error.message}`);
  }

  #begin(): { connection: Connection; done: Promise<Connection> } {
    const connection: Connection = new Connection(this.options.url, {
      onFrame: (frame) => void this.#events.emit('message', frame),
      onProtocolError: (error) => this.report(error),
      onLost: (code, reason, error) => {
        if (this.#connection === connection) this.#onLost(code, reason, error);
      },
    });
    const done = this.#adopt(connection).finally(() => {
      if (this.#attempt?.connection === connection) this.#attempt = undefined;
    });
    return { connection, done };
  }

  async #adopt(connection: Connection): Promise<Connection> {
    await connection.authenticate(this.nextId(), this.options.apiKey, this.options.connectionTimeout);
    this.#connection = connection;
    this.reconnectAttempts = 0;
    this.#endPause?.();
    if (this.options.autoPing) this.#pings = setInterval(() => void this.#checkAlive(), this.options.pingInterval);
    this.#events.emit('connected');
    return connection;
  }

  #onLost(code: number, reason: string, error: DuckDBError): void {
    this.#connection = undefined;
    clearInterval(this.#pings);
    this.#events.emit('disconnected', code, reason);
    this.#reconnectAfter(error);
    if (!this.#closed && !mayReconnectAfter(error)) this.report(error);
  }

  async #checkAlive(): Promise<void> {
    const connection = this.#connection;
    if ((await this.ping()) || connection !== this.#connection) return;
    connection?.drop(
      new DuckDBError('Connection closed (code 1006): the server did not answer a ping', DuckDBErrorType.CONNECTION_ERROR, {
        retryable: true,
      }),
    );
  }

  #reconnectAfter(error: DuckDBError): void {
    if (this.#closed || !this.options.autoReconnect || !mayReconnectAfter(error)) return;
    this.#reconnecting ??= this.#reconnect(error).finally(() => (this.#reconnecting = undefined));
  }

  async #reconnect(cause: DuckDBError): Promise<void> {
    let error = cause;
    while (this.reconnectAttempts < this.options.maxReconnectAttempts) {
      const attempt = ++this.reconnectAttempts;
      this.#events.emit('reconnecting', attempt);
      await this.#pause(attempt);
      if (this.#closed || this.#connection) return;
      try {
        await this.connected();
        return;
      } catch (failure) {
        error = failure as DuckDBError;
        if (this.#closed) return;
        this.report(error);
        if (!mayReconnectAfter(error)) return;
      }
    }
    const tries = this.options.maxReconnectAttempts;
    const exhausted = new DuckDBError(`Reconnect attempts exhausted after ${tries} tries`, DuckDBErrorType.CONNECTION_ERROR, {}, error);
    this.#events.emit('reconnectExhausted', tries, exhausted);
    this.report(exhausted);
  }

  /** Waits before an attempt; ended early by a connection that a query opened meanwhile, or by close. */
  #pause(attempt: number): Promise<void> {
    const delay = Math.min(this.options.reconnectDelay * 2 ** (attempt - 1), LONGEST_DELAY_MS) * (1 - Math.random() / 2);
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, delay);
      this.#endPause = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #retries(options: RequestOptions | undefined): boolean {
    return options?.retry ?? this.options.retry;
  }
}

/** Lost with the connection. 1009 is left out: the same answer would be too large again. */
function isLoss(error: unknown): boolean {
  return error instanceof DuckDBError && error.type === DuckDBErrorType.CONNECTION_ERROR && error.context.closeCode !== 1009;
}
