import type { Emitter } from './emitter.js';
import type { DucklingClientEvents } from './events.js';

const LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LEVELS)[number];

/** Writes the connection's life to the console, from the given level up. Errors are logged anyway: see the client. */
export function logEvents(events: Emitter<DucklingClientEvents>, least: LogLevel): void {
  const log = (level: LogLevel, text: string) => {
    if (LEVELS.indexOf(level) >= LEVELS.indexOf(least)) console[level](`[duckling] ${text}`);
  };
  events
    .on('connected', () => log('info', 'connected'))
    .on('disconnected', (code, reason) => log('warn', `disconnected (code ${code}) ${reason}`))
    .on('reconnecting', (attempt) => log('info', `reconnecting, attempt ${attempt}`))
    .on('reconnectExhausted', (attempts) => log('error', `gave up after ${attempts} attempts`))
    .on('message', (message) => log('debug', `frame for ${message.id}`));
}
