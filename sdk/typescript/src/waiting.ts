/** What bounds a wait. */
export interface Limits {
  /** Milliseconds; none: wait for as long as it takes. */
  timeoutMs?: number;
  onTimeout: () => Error;
  signal?: AbortSignal | undefined;
}

/**
 * A promise with its settling functions, that also rejects when its limits are passed: with the timeout's error,
 * or with the signal's reason. `onLimit` runs in these two cases only.
 */
export function deferred<T>(
  limits: Limits,
  onLimit?: () => void,
): { promise: Promise<T>; resolve: (value: T) => void; reject: (error: unknown) => void } {
  const { timeoutMs, onTimeout, signal } = limits;
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((fulfil, fail) => {
    const onAbort = () => {
      reject(signal?.reason);
      onLimit?.();
    };
    const timer =
      timeoutMs === undefined
        ? undefined
        : setTimeout(() => {
            reject(onTimeout());
            onLimit?.();
          }, timeoutMs);
    const release = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    };
    resolve = (value) => {
      release();
      fulfil(value);
    };
    reject = (error) => {
      release();
      fail(error);
    };
    if (signal?.aborted) onAbort();
    else signal?.addEventListener('abort', onAbort);
  });
  return { promise, resolve, reject };
}

/** Waits for a promise within limits. The promise itself goes on. */
export function within<T>(work: Promise<T>, limits: Limits): Promise<T> {
  const { promise, resolve, reject } = deferred<T>(limits);
  work.then(resolve, reject);
  return promise;
}
