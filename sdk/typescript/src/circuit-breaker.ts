import { DuckDBError, DuckDBErrorType, isServerFault } from './errors.js';

export type CircuitState = 'CLOSED' | 'OPEN' | 'HALF_OPEN';

export interface CircuitBreakerOptions {
  /** Failures in a row that open the circuit. Default 5. */
  failureThreshold?: number;
  /** Successes in a row that close it again. Default 2. */
  successThreshold?: number;
  /** Milliseconds before a call is let through to try. Default 60000. */
  timeout?: number;
  /** Which errors count. Default: those that say the server is unwell, not wrong SQL and not an abort. */
  isFailure?: (error: unknown) => boolean;
  onStateChange?: (state: CircuitState) => void;
}

/**
 * Refuses calls for a while after several failures in a row, so that a server in trouble is left alone and callers
 * fail fast. After the timeout calls are tried one at a time until enough of them succeed.
 */
export class CircuitBreaker {
  readonly #options: Required<CircuitBreakerOptions>;
  #state: CircuitState = 'CLOSED';
  /** Failures in a row while CLOSED, successes in a row while HALF_OPEN. */
  #streak = 0;
  #openedAt = 0;
  #trying = false;

  constructor(options: CircuitBreakerOptions = {}) {
    this.#options = {
      failureThreshold: options.failureThreshold ?? 5,
      successThreshold: options.successThreshold ?? 2,
      timeout: options.timeout ?? 60_000,
      isFailure: options.isFailure ?? isServerFault,
      onStateChange: options.onStateChange ?? (() => {}),
    };
  }

  get state(): CircuitState {
    return this.#state;
  }

  /** Runs the call, or rejects with `Circuit breaker is OPEN` without running it. */
  async execute<T>(call: () => Promise<T>): Promise<T> {
    this.#admit();
    try {
      const result = await call();
      this.#succeeded();
      return result;
    } catch (error) {
      if (this.#options.isFailure(error)) this.#failed();
      throw error;
    } finally {
      this.#trying = false;
    }
  }

  #admit(): void {
    const wait = this.#openedAt + this.#options.timeout - Date.now();
    if (this.#state === 'OPEN' && wait <= 0) this.#become('HALF_OPEN');
    if (this.#state === 'OPEN' || this.#trying) {
      throw new DuckDBError('Circuit breaker is OPEN', DuckDBErrorType.CONNECTION_ERROR, {
        retryable: true,
        retryAfterMs: Math.max(wait, 0),
      });
    }
    this.#trying = this.#state === 'HALF_OPEN';
  }

  #succeeded(): void {
    if (this.#state === 'CLOSED') this.#streak = 0;
    else if (this.#state === 'HALF_OPEN' && ++this.#streak >= this.#options.successThreshold) this.#become('CLOSED');
  }

  #failed(): void {
    if (this.#state === 'HALF_OPEN' || (this.#state === 'CLOSED' && ++this.#streak >= this.#options.failureThreshold)) {
      this.#openedAt = Date.now();
      this.#become('OPEN');
    }
  }

  #become(state: CircuitState): void {
    this.#state = state;
    this.#streak = 0;
    this.#options.onStateChange(state);
  }
}
