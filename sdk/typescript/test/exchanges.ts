/**
 * Plays one exchange of testkit/contract/exchanges.json, whose README says what each step means. It uses nothing of
 * Node's, so that it runs in a browser too.
 */
import { DucklingClient, DuckDBError, type PreparedStatement, type Update } from '@chittihq/duckling';

export interface Server {
  url: string;
  key: string;
  control: string;
}

interface Expected {
  rows?: Row[];
  count?: number;
  sum?: Record<string, number>;
  length?: Record<string, number>;
  each?: Row;
  error?: string;
  text?: string;
  results?: Expected[];
}

interface Step extends Expected {
  [verb: string]: unknown;
  as?: string;
  params?: unknown[];
  retry?: boolean;
  timeoutMs?: number;
  chunkRows?: number;
  window?: number;
}

export interface Exchange {
  name: string;
  client?: { reconnect?: boolean; pingMs?: number; connectMs?: number };
  steps: Step[];
}

type Row = Record<string, unknown>;
type Outcome = { rows: Row[] } | { results: Outcome[] } | { error: string; text: string };

/** Rejects with what went otherwise than the exchange says, and at which step. `onFrame` sees every frame of the server. */
export async function play(exchange: Exchange, server: Server, onFrame: (frame: unknown) => void = () => {}): Promise<void> {
  const player = new Player(exchange, server, onFrame);
  try {
    for (const [i, step] of exchange.steps.entries()) {
      await player.take(step).catch((error: Error) => {
        throw new Error(`step ${i + 1}, ${JSON.stringify(step).slice(0, 200)}: ${error.message}`);
      });
    }
  } finally {
    player.close();
  }
}

class Player {
  readonly #server: Server;
  readonly #client: DucklingClient;
  readonly #begun = new Map<string, { outcome: Promise<Outcome>; controller: AbortController }>();
  readonly #statements = new Map<string, PreparedStatement<Row>>();
  readonly #streams = new Map<string, AsyncIterator<Row, void, void>>();
  readonly #subscriptions = new Map<string, AsyncGenerator<Update<Row>, void, void>>();
  readonly #events: string[] = [];
  #news = () => {};

  constructor({ client = {} }: Exchange, server: Server, onFrame: (frame: unknown) => void) {
    this.#server = server;
    this.#client = new DucklingClient({
      url: server.url,
      apiKey: server.key,
      autoConnect: false,
      autoReconnect: client.reconnect ?? true,
      maxReconnectAttempts: Infinity,
      reconnectDelay: 20,
      connectionTimeout: client.connectMs ?? 30_000,
      requestTimeout: 60_000,
      pingInterval: client.pingMs ?? 30_000,
    });
    this.#client.on('error', () => {}).on('message', onFrame);
    for (const name of ['connected', 'disconnected', 'reconnecting'] as const) {
      this.#client.on(name, () => {
        this.#events.push(name);
        this.#news();
      });
    }
  }

  close(): void {
    this.#client.close();
  }

  async take(step: Step): Promise<void> {
    const client = this.#client;
    const name = step.as ?? '';
    const of = (verb: string) => String(step[verb]);
    if ('server' in step) return this.#control(of('server'), String(step.body ?? ''));
    if ('connect' in step) return check(step, await this.#connect(step.connect as Row));
    if ('query' in step) return this.#request(step, async (options) => ({ rows: await client.query(of('query'), step.params, options) }));
    if ('batch' in step) {
      return this.#request(step, async (options) => ({
        results: (await client.queryBatchDetailed(step.batch as string[], options)).map(({ data, error }) =>
          error ? failed(error) : { rows: data ?? [] },
        ),
      }));
    }
    if ('until' in step) return this.#until(step);
    if ('await' in step) return check(step, await this.#of(this.#begun, of('await')).outcome);
    if ('abort' in step) {
      const { outcome, controller } = this.#of(this.#begun, of('abort'));
      controller.abort();
      return check({ error: 'ABORTED' }, await outcome);
    }
    if ('prepare' in step) {
      const statement = await client.prepare<Row>(of('prepare'));
      this.#statements.set(name, statement);
      return equal('parameters', statement.parameters, step.parameters);
    }
    if ('execute' in step) {
      const statement = this.#of(this.#statements, of('execute'));
      return this.#request(step, async (options) => ({ rows: await statement.execute(step.params, options) }));
    }
    if ('stream' in step) {
      const { chunkRows, window } = step;
      return void this.#streams.set(name, client.stream<Row>(of('stream'), step.params, { chunkRows, window })[Symbol.asyncIterator]());
    }
    if ('read' in step) return check(step, await read(this.#of(this.#streams, of('read')), step.count as number));
    if ('rest' in step) return check(step, await read(this.#of(this.#streams, of('rest')), Infinity));
    if ('subscribe' in step) return void this.#subscriptions.set(name, client.subscribe<Row>(of('subscribe'), step.params));
    if ('next' in step) {
      const { value } = await this.#of(this.#subscriptions, of('next')).next();
      return check(step, { rows: value?.rows ?? [] });
    }
    if ('leave' in step) return this.#leave(of('leave'));
    if ('event' in step) return this.#event(of('event'));
    if ('ping' in step) return equal('ping', await client.ping(), step.ping);
    throw new Error('no such step');
  }

  async #control(action: string, body: string): Promise<void> {
    const answer = await fetch(`${this.#server.control}/${action}`, { method: 'POST', body });
    if (!answer.ok) throw new Error(await answer.text());
  }

  async #connect({ key = this.#server.key, database }: Row): Promise<Outcome> {
    const other = new DucklingClient({
      url: this.#server.url,
      apiKey: key as string,
      databaseName: database as string | undefined,
      autoConnect: false,
    });
    other.on('error', () => {});
    try {
      return await outcomeOf(other.connect().then(() => ({ rows: [] })));
    } finally {
      other.close();
    }
  }

  async #request(step: Step, send: (options: object) => Promise<Outcome>): Promise<void> {
    const controller = new AbortController();
    const { retry, timeoutMs: timeout } = step;
    const outcome = outcomeOf(send({ retry, timeout, signal: controller.signal }));
    if (step.as === undefined) return check(step, await outcome);
    this.#begun.set(step.as, { outcome, controller });
  }

  /** Asks again until the answer is as expected, for at most a minute. */
  async #until(step: Step): Promise<void> {
    for (const end = Date.now() + 60_000; ; await new Promise((resolve) => setTimeout(resolve, 20))) {
      try {
        return check(step, await outcomeOf(this.#client.query(step.until as string).then((rows) => ({ rows }))));
      } catch (error) {
        if (Date.now() > end) throw error;
      }
    }
  }

  async #leave(name: string): Promise<void> {
    await this.#statements.get(name)?.close();
    await this.#streams.get(name)?.return?.();
    await this.#subscriptions.get(name)?.return();
  }

  /** Waits for an event; it and those before it are then past. */
  async #event(name: string): Promise<void> {
    while (!this.#events.includes(name)) await new Promise<void>((resolve) => (this.#news = resolve));
    this.#events.splice(0, this.#events.indexOf(name) + 1);
  }

  #of<T>(kept: Map<string, T>, name: string): T {
    const found = kept.get(name);
    if (found === undefined) throw new Error(`nothing is called ${name}`);
    return found;
  }
}

function outcomeOf(work: Promise<Outcome>): Promise<Outcome> {
  return work.then((outcome) => {
    // A batch that failed as a whole has the same error for each of its queries.
    const errors = 'results' in outcome ? outcome.results.map((item) => ('error' in item ? item.error : '')) : [];
    const whole = ['CONNECTION_LOST', 'CONNECT_FAILED', 'REQUEST_TIMEOUT', 'ABORTED'].find(
      (code) => errors.length > 0 && errors.every((e) => e === code),
    );
    return whole === undefined ? outcome : { error: whole, text: '' };
  }, failed);
}

/** The client's error by the name that exchanges use for it. */
function failed(error: unknown): { error: string; text: string } {
  if (!(error instanceof DuckDBError))
    return { error: (error as Error).name === 'AbortError' ? 'ABORTED' : String(error), text: String(error) };
  const text = error.message;
  if (error.code !== undefined) return { error: error.code, text };
  if (error.type === 'TIMEOUT_ERROR') return { error: 'REQUEST_TIMEOUT', text };
  if (error.type !== 'CONNECTION_ERROR') return { error: error.type, text };
  return { error: text.startsWith('Connection failed') ? 'CONNECT_FAILED' : 'CONNECTION_LOST', text };
}

async function read(rows: AsyncIterator<Row, void, void>, count: number): Promise<Outcome> {
  const taken: Row[] = [];
  return outcomeOf(
    (async () => {
      while (taken.length < count) {
        const { done, value } = await rows.next();
        if (done) break;
        taken.push(value);
      }
      return { rows: taken };
    })(),
  );
}

function check(expected: Expected, got: Outcome): void {
  if (expected.error !== undefined || 'error' in got) {
    const { error, text } = 'error' in got ? got : { error: 'no error', text: JSON.stringify(got).slice(0, 500) };
    if (error !== expected.error) throw new Error(`the outcome is ${error} (${text}), not ${expected.error ?? 'an answer'}`);
    if (!text.includes(expected.text ?? '')) throw new Error(`the error says ${text}`);
    return;
  }
  if (expected.results) {
    const results = 'results' in got ? got.results : [];
    equal('results', results.length, expected.results.length);
    return expected.results.forEach((item, i) => check(item, results[i] as Outcome));
  }
  const rows = 'rows' in got ? got.rows : [];
  if (expected.rows) equal('rows', rows.map(plain), expected.rows.map(plain));
  if (expected.count !== undefined) equal('count', rows.length, expected.count);
  for (const [column, sum] of Object.entries(expected.sum ?? {})) {
    equal(
      `sum of ${column}`,
      rows.reduce((total, row) => total + Number(row[column]), 0),
      sum,
    );
  }
  for (const [column, length] of Object.entries(expected.length ?? {})) {
    equal(
      `length of ${column}`,
      rows.reduce((total, row) => total + String(row[column]).length, 0),
      length,
    );
  }
  for (const [column, value] of Object.entries(expected.each ?? {})) {
    const other = rows.find((row) => String(row[column]) !== String(value));
    if (other) throw new Error(`${column} is ${String(other[column])} in a row, not ${String(value)}`);
  }
}

/** Numbers as text, since a client may give those that a double does not hold as either. */
function plain(row: Row): Row {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, typeof value === 'number' ? String(value) : value]));
}

function equal(what: string, got: unknown, want: unknown): void {
  const [a, b] = [JSON.stringify(got), JSON.stringify(want)];
  if (a !== b) throw new Error(`${what}: ${a?.slice(0, 500)}, not ${b?.slice(0, 500)}`);
}
