import { encodeFrame, field } from './encode.js';
import { connectionClosed, DuckDBError, DuckDBErrorType, failureToError } from './errors.js';
import type { MessageType, QueryResponse } from './protocol.js';
import { openSocket, type Socket } from './socket.js';
import { deferred } from './waiting.js';

/** The server refuses larger frames by closing the connection, which would fail all that is in flight. */
const MAX_FRAME_BYTES = 10 * 1024 * 1024;

/** Takes the frames that answer one request. After onLost nothing more comes. */
export interface FrameHandler {
  onFrame(frame: QueryResponse): void;
  onLost(error: DuckDBError): void;
}

export interface ConnectionHooks {
  onFrame(frame: QueryResponse): void;
  /** The connection is gone; called once, whether it had been open or not. */
  onLost(code: number, reason: string, error: DuckDBError): void;
  /** The server objects to something that no request stands for. */
  onProtocolError(error: DuckDBError): void;
}

export interface RequestLimits {
  timeoutMs: number;
  signal?: AbortSignal | undefined;
}

/** One WebSocket, from the handshake to its end. It does not come back: the session opens another. */
export class Connection {
  readonly #socket: Socket;
  readonly #hooks: ConnectionHooks;
  readonly #handlers = new Map<string, FrameHandler>();
  readonly #opened: Promise<void>;
  #refuse!: (error: DuckDBError) => void;
  #isOpen = false;
  #lost: DuckDBError | undefined;

  /** Starts to connect; `authenticate` tells whether that worked. */
  constructor(url: string, hooks: ConnectionHooks) {
    this.#hooks = hooks;
    this.#socket = openSocket(url);
    this.#socket.onmessage = (event: { data: unknown }) => this.#receive(event.data);
    // Some platforms send no close event after a connection that failed; once open, one always comes.
    this.#socket.onerror = (event: { message?: string }) => {
      if (!this.#isOpen) this.#end(1006, '', unreachable(url, event.message));
    };
    this.#socket.onclose = ({ code, reason }: { code: number; reason: string }) => this.#end(code, reason, connectionClosed(code, reason));
    this.#opened = new Promise((resolve, reject) => {
      this.#socket.onopen = () => {
        this.#isOpen = true;
        resolve();
      };
      this.#refuse = reject;
    });
  }

  /**
   * Waits for the connection and sends the key. Rejects with an AUTH_ERROR for a wrong key, else with a
   * CONNECTION_ERROR or TIMEOUT_ERROR; the connection is of no use then.
   */
  async authenticate(id: string, apiKey: string, timeoutMs: number): Promise<void> {
    const late = new DuckDBError(`Connection timeout after ${timeoutMs}ms`, DuckDBErrorType.TIMEOUT_ERROR, { retryable: true });
    const timer = setTimeout(() => this.drop(late), timeoutMs);
    try {
      await this.#opened;
      await this.request(id, 'auth', field('apiKey', apiKey), { timeoutMs }, 'Authentication failed');
      if (this.#lost) throw this.#lost;
    } catch (error) {
      this.drop(error as DuckDBError);
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Sends a request and waits for its one reply. A request that runs out of time or is aborted is called off at
   * the server too, when it is of a kind that can be.
   */
  request<F extends { success: true }>(
    id: string,
    type: MessageType,
    fields: string,
    limits: RequestLimits,
    errorPrefix?: string,
  ): Promise<F> {
    if (limits.signal?.aborted) return Promise.reject(limits.signal.reason);
    const onTimeout = () => new DuckDBError(`Request timeout: ${id}`, DuckDBErrorType.TIMEOUT_ERROR);
    const { promise, resolve, reject } = deferred<F>({ ...limits, onTimeout }, () => {
      this.forget(id);
      if (CANCELLABLE.has(type)) this.cancel(id);
    });
    const handler: FrameHandler = {
      onFrame: (frame) => {
        this.#handlers.delete(id);
        if (frame.success) resolve(frame as unknown as F);
        else reject(failureToError(frame, errorPrefix));
      },
      onLost: reject,
    };
    try {
      this.listen(id, type, fields, handler);
    } catch (error) {
      reject(error);
    }
    return promise;
  }

  /** Sends a request whose frames go to the handler until `forget`. Throws when it cannot be sent. */
  listen(id: string, type: MessageType, fields: string, handler: FrameHandler): void {
    if (this.#lost) throw this.#lost;
    const text = encodeFrame(id, type, fields);
    if (text.length > MAX_FRAME_BYTES) {
      throw new DuckDBError(
        `Query failed: the request has ${text.length} characters, over the limit of ${MAX_FRAME_BYTES}`,
        DuckDBErrorType.QUERY_ERROR,
        { code: 'BAD_REQUEST' },
      );
    }
    this.#handlers.set(id, handler);
    this.#socket.send(text);
  }

  /** Frames that still come for this id are dropped: the caller has turned away. */
  forget(id: string): void {
    this.#handlers.delete(id);
  }

  /** Sends a frame that needs no answer, unless the connection is gone already. */
  notify(id: string, type: MessageType, fields: string): void {
    if (!this.#lost) this.#socket.send(encodeFrame(id, type, fields));
  }

  /** Asks the server to stop a request. Nothing waits for the answer: the target's own is what counts. */
  cancel(target: string): void {
    this.notify(`cancel-${target}`, 'cancel', field('target', target));
  }

  get isLost(): boolean {
    return this.#lost !== undefined;
  }

  /** Ends the connection properly. */
  close(): void {
    this.#end(1000, 'closed by the client', connectionClosed(1000, 'closed by the client'));
    this.#socket.close(1000);
  }

  /** Ends the connection at once, because the other side does not answer or must not be used. */
  drop(error: DuckDBError): void {
    this.#end(error.context.closeCode ?? 1006, error.message, error);
    if (this.#socket.terminate) this.#socket.terminate();
    else this.#socket.close();
  }

  #receive(data: unknown): void {
    if (this.#lost) return;
    let frame: QueryResponse;
    try {
      frame = JSON.parse(data as string) as QueryResponse;
    } catch (error) {
      this.drop(new DuckDBError('The server sent a frame that is not JSON', DuckDBErrorType.UNKNOWN_ERROR, {}, error));
      return;
    }
    this.#hooks.onFrame(frame);
    if (frame.id === 'parse-error' && !frame.success) this.#hooks.onProtocolError(failureToError(frame, 'Frame refused'));
    this.#handlers.get(frame.id)?.onFrame(frame);
  }

  #end(code: number, reason: string, error: DuckDBError): void {
    if (this.#lost) return;
    this.#lost = error;
    this.#refuse(error);
    this.#hooks.onLost(code, reason, error);
    const handlers = [...this.#handlers.values()];
    this.#handlers.clear();
    for (const handler of handlers) handler.onLost(error);
  }
}

const CANCELLABLE: ReadonlySet<MessageType> = new Set<MessageType>(['query', 'batch', 'prepare', 'execute']);

function unreachable(url: string, reason: string | undefined): DuckDBError {
  const { host } = new URL(url); // not the whole address: its query may hold a key
  return new DuckDBError(`Connection failed: ${reason || 'no WebSocket answers'} (${host})`, DuckDBErrorType.CONNECTION_ERROR, {
    retryable: true,
    closeCode: 1006,
  });
}
