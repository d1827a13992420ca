import type { FrameHandler } from './connection.js';
import type { QueryResponse } from './protocol.js';
import { deferred, type Limits } from './waiting.js';

/** Frames of one stream or subscription, kept in order until the consumer takes them. One consumer at a time. */
export class Inbox<F extends { success: boolean }> implements FrameHandler {
  #frames: F[] = [];
  #lost: Error | undefined;
  #waiting: { resolve: (frame: F) => void; reject: (error: unknown) => void } | undefined;
  readonly #replaces: (frame: F) => boolean;

  /** `replaces`: whether a frame makes those not yet taken pointless. */
  constructor(replaces: (frame: F) => boolean = () => false) {
    this.#replaces = replaces;
  }

  onFrame(frame: QueryResponse): void {
    const mine = frame as unknown as F;
    if (this.#waiting) {
      this.#waiting.resolve(mine);
      this.#waiting = undefined;
      return;
    }
    if (this.#replaces(mine)) this.#frames = [];
    this.#frames.push(mine);
  }

  onLost(error: Error): void {
    this.#lost = error;
    this.#waiting?.reject(error);
    this.#waiting = undefined;
  }

  /** The next frame. Frames that came before the connection was lost are delivered first. */
  async take(limits: Limits): Promise<F> {
    limits.signal?.throwIfAborted();
    const next = this.#frames.shift();
    if (next) return next;
    if (this.#lost) throw this.#lost;
    const { promise, resolve, reject } = deferred<F>(limits, () => {
      this.#waiting = undefined;
    });
    this.#waiting = { resolve, reject };
    return promise;
  }
}
