export type EventMap = Record<string, unknown[]>;

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- listeners of all events share one table
type AnyListener = (...args: any[]) => void;

/** The part of Node's EventEmitter that the client needs, for the browser too. */
export class Emitter<Events extends EventMap> {
  readonly #listeners = new Map<keyof Events, AnyListener[]>();

  on<E extends keyof Events>(event: E, listener: (...args: Events[E]) => void): this {
    // A new array each time, so that an emit under way is not disturbed.
    this.#listeners.set(event, [...(this.#listeners.get(event) ?? []), listener]);
    return this;
  }

  once<E extends keyof Events>(event: E, listener: (...args: Events[E]) => void): this {
    const once = (...args: Events[E]) => {
      this.off(event, once);
      listener(...args);
    };
    return this.on(event, once);
  }

  off<E extends keyof Events>(event: E, listener: (...args: Events[E]) => void): this {
    this.#listeners.set(
      event,
      (this.#listeners.get(event) ?? []).filter((other) => other !== listener),
    );
    return this;
  }

  /**
   * Calls the listeners; tells whether there were any. What a listener throws is thrown again outside the
   * caller, as an uncaught exception: it is not lost, and it cannot upset the connection.
   */
  emit<E extends keyof Events>(event: E, ...args: Events[E]): boolean {
    const listeners = this.#listeners.get(event);
    if (!listeners?.length) return false;
    for (const listener of listeners) {
      try {
        listener(...args);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
    return true;
  }
}
