import type { Connection } from './connection.js';
import { field, paramsField } from './encode.js';
import type { Acknowledgement, ColumnSchema, Prepared, RowsReply } from './protocol.js';
import type { RequestOptions, Session } from './session.js';

/** A statement the server keeps ready. It survives reconnects: it is prepared again on the connection it runs on. */
export class PreparedStatement<T> {
  readonly sql: string;
  readonly #session: Session;
  readonly #fields: string;
  #prepared: { connection: Connection; reply: Promise<Prepared> } | undefined;
  #latest!: Prepared;

  private constructor(session: Session, sql: string, options: RequestOptions | undefined) {
    this.#session = session;
    this.#fields = field('sql', sql) + session.dialect(options);
    this.sql = sql;
  }

  /** @internal */
  static async create<T>(session: Session, sql: string, options?: RequestOptions): Promise<PreparedStatement<T>> {
    const statement = new PreparedStatement<T>(session, sql, options);
    const connection = await session.connectedWithin(session.nextId(), options?.timeout ?? session.options.requestTimeout, options);
    await statement.#handle(connection, options);
    return statement;
  }

  /** How many values `execute` needs. */
  get parameters(): number {
    return this.#latest.parameters;
  }

  get columns(): readonly ColumnSchema[] {
    return this.#latest.columns;
  }

  async execute(params?: readonly unknown[], options?: RequestOptions): Promise<T[]> {
    const values = paramsField(params) + this.#session.modes(options);
    const reply = await this.#session.request<RowsReply<T>>(
      'execute',
      async (connection) => field('statement', await this.#handle(connection, options)) + values,
      options,
    );
    return reply.result;
  }

  /** Lets the server forget the statement. A later execute prepares it again. */
  async close(): Promise<void> {
    const prepared = this.#prepared;
    this.#prepared = undefined;
    if (!prepared || prepared.connection.isLost) return;
    const { statement } = await prepared.reply;
    await prepared.connection.request(this.#session.nextId(), 'deallocate', field('statement', statement), {
      timeoutMs: this.#session.options.requestTimeout,
    });
  }

  /** The statement's handle on this connection. Executions that start together share one prepare. */
  async #handle(connection: Connection, options: RequestOptions | undefined): Promise<string> {
    if (this.#prepared?.connection !== connection) {
      this.#prepared = { connection, reply: this.#prepare(connection, options) };
    }
    const mine = this.#prepared;
    try {
      this.#latest = await mine.reply;
    } catch (error) {
      if (this.#prepared === mine) this.#prepared = undefined;
      throw error;
    }
    return this.#latest.statement;
  }

  async #prepare(connection: Connection, options: RequestOptions | undefined): Promise<Prepared> {
    const timeoutMs = options?.timeout ?? this.#session.options.requestTimeout;
    const reply = await connection.request<Acknowledgement<Prepared>>(this.#session.nextId(), 'prepare', this.#fields, {
      timeoutMs,
    });
    return reply.result[0];
  }
}
