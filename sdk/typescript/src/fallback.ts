import { isServerFault } from './errors.js';

/** Where a value is kept for the time the server is away. */
export interface Fallback<T> {
  /** The kept value; null or undefined when there is none. */
  read(error: unknown): Promise<T | null | undefined> | T | null | undefined;
  /** Keeps a fresh value. A failure to keep it is logged to the console and the fresh value returned all the same. */
  write?(value: T): Promise<unknown> | unknown;
}

/**
 * A fresh value, or the kept one when the server is unwell or out of reach. Rejects with the fresh value's error
 * when none is kept, and when the request is wrong in itself: an old value would hide the mistake.
 */
export async function withFallback<T>(fresh: () => Promise<T>, fallback: Fallback<T>): Promise<T> {
  let value: T;
  try {
    value = await fresh();
  } catch (error) {
    if (!isServerFault(error)) throw error;
    const kept = await fallback.read(error);
    if (kept === null || kept === undefined) throw error;
    return kept;
  }
  try {
    await fallback.write?.(value);
  } catch (error) {
    console.error('[duckling] keeping a fallback value:', error);
  }
  return value;
}

/** The part of a Redis client (ioredis, and node-redis in legacy mode) that `redisFallback` needs. */
export interface RedisLike {
  get(key: string): Promise<string | null>;
  setex(key: string, seconds: number, value: string): Promise<unknown>;
}

/** Keeps a value as JSON in Redis for some seconds. */
export function redisFallback<T>(redis: RedisLike, key: string, seconds: number): Fallback<T> {
  return {
    read: async () => {
      const text = await redis.get(key);
      return text === null ? null : (JSON.parse(text) as T);
    },
    write: (value) => redis.setex(key, seconds, JSON.stringify(value)),
  };
}
