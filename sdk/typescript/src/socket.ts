import { WebSocket as PackagedWebSocket } from 'ws';

/** What the client uses of a WebSocket: the part the platform's and the ws package's have in common. */
export interface Socket {
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  send(text: string): void;
  close(code?: number, reason?: string): void;
  /** Drops the connection without the closing handshake. The platform's WebSocket has no such thing. */
  terminate?(): void;
}

/** Opens with the platform's WebSocket (browsers, Node 22 and later), else with the ws package. */
export function openSocket(url: string): Socket {
  if (globalThis.WebSocket) return new globalThis.WebSocket(url);
  // Between services in one network, compressing costs more time than it saves.
  return new PackagedWebSocket(url, { perMessageDeflate: false });
}
