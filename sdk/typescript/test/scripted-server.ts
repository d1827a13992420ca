import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { WebSocketServer, type WebSocket } from 'ws';
import { violation } from './schema.js';

export interface Frame {
  id: string;
  type: string;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- the schema says what a frame of each type holds
  [field: string]: any;
}
export type Handler = (frame: Frame, peer: Peer) => void;

export const meta = {
  columns: [{ name: 'n', type: 'BIGINT' }],
  generation: 42,
  asOf: '2025-01-31T10:00:00Z',
  lagMs: 310,
};

/** Notes that need no answer where a test does not say otherwise. */
const SILENT = new Set(['credit']);

/** One connection, seen from the server. */
export class Peer {
  readonly #server: ScriptedServer;
  readonly #socket: WebSocket;
  readonly database: string;

  constructor(server: ScriptedServer, socket: WebSocket, database: string) {
    this.#server = server;
    this.#socket = socket;
    this.database = database;
  }

  send(frame: object): void {
    this.#server.note(violation('serverMessage', frame));
    this.#socket.send(JSON.stringify(frame));
  }

  sendRaw(text: string): void {
    this.#socket.send(text);
  }

  rows(frame: Frame, result: object[], extra: object = {}): void {
    this.send({ id: frame.id, success: true, result, duration: 0.5, ...(frame.meta ? { meta } : {}), ...extra });
  }

  acknowledge(frame: Frame, result: object): void {
    this.send({ id: frame.id, success: true, result: [result] });
  }

  fail(frame: Frame, code: string, error: string, extra: object = {}): void {
    this.send({ id: frame.id, success: false, error, code, retryable: false, ...extra });
  }

  close(code: number, reason = ''): void {
    this.#socket.close(code, reason);
  }

  /** Breaks the connection as a crash would. */
  terminate(): void {
    this.#socket.terminate();
  }
}

/**
 * A server on a free port that follows a script: one handler for each type of frame. It knows how to greet,
 * authenticate (key `secret`), refuse unknown databases and answer pings. Every frame either way is checked against
 * the schema; `stop` fails when one broke it.
 */
export class ScriptedServer {
  readonly received: { frame: Frame; raw: string; peer: Peer }[] = [];
  readonly peers = new Set<Peer>();
  connections = 0;
  readonly #violations: string[] = [];
  readonly #handlers = new Map<string, Handler>();
  readonly #waiting: { type: string; resolve: (got: { frame: Frame; raw: string; peer: Peer }) => void }[] = [];
  readonly #server: WebSocketServer;

  private constructor(server: WebSocketServer) {
    this.#server = server;
    server.on('connection', (socket, request) => this.#accept(socket, new URL(request.url ?? '', 'ws://x').searchParams.get('db') ?? ''));
    this.on('auth', (frame, peer) => {
      if (frame.apiKey === 'secret') return peer.acknowledge(frame, { authenticated: true, message: 'Authentication successful' });
      peer.fail(frame, 'AUTH_INVALID', 'Invalid API key (API key mismatch)');
      peer.close(1008, 'Invalid API key (API key mismatch)');
    });
    this.on('ping', (frame, peer) => peer.acknowledge(frame, { pong: true, timestamp: '2025-01-31T10:00:00.000Z' }));
    this.on('query', (frame, peer) => peer.rows(frame, [{ n: 1 }]));
  }

  /** Port 0 picks a free one; a given port brings a stopped server back. */
  static async start(port = 0): Promise<ScriptedServer> {
    const server = new WebSocketServer({ host: '127.0.0.1', port });
    await once(server, 'listening');
    return new ScriptedServer(server);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}/ws`;
  }

  on(type: string, handler: Handler): this {
    this.#handlers.set(type, handler);
    return this;
  }

  /** The next frame of a type; its handler runs too. */
  next(type: string): Promise<{ frame: Frame; raw: string; peer: Peer }> {
    return new Promise((resolve) => this.#waiting.push({ type, resolve }));
  }

  count(type: string): number {
    return this.received.filter(({ frame }) => frame.type === type).length;
  }

  note(problem: string | undefined): void {
    if (problem) this.#violations.push(problem);
  }

  /** Ends all connections and the server, and fails if a frame broke the schema. */
  async stop(): Promise<void> {
    for (const peer of this.peers) peer.terminate();
    await new Promise((resolve) => this.#server.close(resolve));
    assert.deepEqual(this.#violations, []);
  }

  #accept(socket: WebSocket, database: string): void {
    this.connections++;
    if (database !== 'default' && database !== 'shop') {
      socket.close(1011, `Database '${database}' not found. Available databases: default, shop`);
      return;
    }
    const peer = new Peer(this, socket, database);
    this.peers.add(peer);
    socket.on('close', () => this.peers.delete(peer));
    socket.on('message', (data) => this.#receive(String(data), peer));
    peer.send({
      id: 'welcome',
      success: true,
      result: [{ message: 'Connected to Duckling WebSocket server', architecture: 'generations', version: '1.0.0' }],
    });
  }

  #receive(raw: string, peer: Peer): void {
    const frame = parse(raw);
    if (!frame) {
      peer.send({
        id: 'parse-error',
        success: false,
        error: 'Frame is not a JSON object with an id',
        code: 'BAD_REQUEST',
        retryable: false,
      });
      return;
    }
    this.note(violation('clientMessage', frame));
    this.received.push({ frame, raw, peer });
    const handler = this.#handlers.get(frame.type);
    if (handler) handler(frame, peer);
    else if (!SILENT.has(frame.type)) peer.fail(frame, 'UNKNOWN_TYPE', `Unknown message type ${frame.type}`);
    const waiting = this.#waiting.findIndex(({ type }) => type === frame.type);
    if (waiting >= 0) this.#waiting.splice(waiting, 1)[0]?.resolve({ frame, raw, peer });
  }
}

function parse(raw: string): Frame | undefined {
  try {
    return JSON.parse(raw) as Frame;
  } catch {
    return undefined;
  }
}
