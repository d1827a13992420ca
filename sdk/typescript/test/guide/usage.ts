// What the integration guide's services do with the shared client, and the one-line forms this package offers.
import { CircuitBreaker, DucklingClient, DucklingPool, redisFallback, withFallback } from '@chittihq/duckling';
import duckdb from './duckdb.service.js';

interface UserStats {
  userId: number;
  name: string;
}
interface DashboardMetrics {
  totalUsers: number;
}

export async function topCustomer(userId: number): Promise<UserStats | undefined> {
  const stats = await duckdb.query<UserStats>('SELECT 1 WHERE id = ?', [userId]);
  return stats.length === 0 ? undefined : stats[0];
}

export async function dailySales(queries: string[]) {
  const [dailyStats, topProducts] = await duckdb.queryBatch(queries);
  return (dailyStats as any[]).map((day: any, index: number) => ({
    date: day.date,
    topProduct: (topProducts as any[])[index]?.topProduct || 'N/A'
  }));
}

export async function getDashboardMetrics(): Promise<DashboardMetrics> {
  const results = await duckdb.queryBatch(['SELECT COUNT(*) as count FROM User']);
  return { totalUsers: (results[0][0] as any).count };
}

class MultiDatabaseService {
  private clients: Map<string, DucklingClient> = new Map();
  constructor(databases: Array<{ id: string; name: string }>) {
    databases.forEach(db => {
      const client = new DucklingClient({
        url: process.env.DUCKLING_WS_URL || 'ws://duckling-server:3001/ws',
        apiKey: process.env.DUCKLING_API_KEY,
        databaseName: db.id,
        autoReconnect: true
      });
      this.clients.set(db.id, client);
    });
  }
  async query<T>(databaseId: string, sql: string, params?: any[]): Promise<T[]> {
    const client = this.clients.get(databaseId);
    if (!client) {
      throw new Error(`Database ${databaseId} not found`);
    }
    return client.query<T>(sql, params);
  }
}
export const multiDB = new MultiDatabaseService([{ id: 'lms', name: 'Learning Management System' }]);
export const users = () => multiDB.query('lms', 'SELECT * FROM User LIMIT 10');

// The same patterns, one line each. `redis` stands for an ioredis client.
declare const redis: {
  get(key: string): Promise<string | null>;
  setex(key: string | Buffer, seconds: number | string, value: string | Buffer | number): Promise<'OK'>;
};
const pool = new DucklingPool({ url: 'ws://x', apiKey: 'k', size: 5 });
const breaker = new CircuitBreaker();
export const pooled = () => pool.query<UserStats>('SELECT 1');
export const guarded = () => breaker.execute(() => duckdb.query<UserStats>('SELECT 1'));
export const cached = (): Promise<DashboardMetrics> => withFallback(getDashboardMetrics, redisFallback(redis, 'dashboard:metrics', 300));

// Everything the types promise beyond the guide.
export async function beyond(client: DucklingClient, signal: AbortSignal): Promise<void> {
  const untyped = await client.query('SELECT COUNT(*) AS n FROM User');
  const n: number = untyped[0].n;
  const [first, second]: UserStats[][] = await client.queryBatch<UserStats>(['a', { sql: 'b', params: [n] }], { signal, retry: true });
  for await (const row of client.stream<UserStats>('SELECT 1', [1], { signal })) row.name.toUpperCase();
  for await (const { rows, added } of client.subscribe<UserStats>('SELECT 1')) (rows ?? added)[0]?.name.toUpperCase();
  const statement = await client.prepare<UserStats>('SELECT ?');
  const prepared: UserStats[] = await statement.execute([first.length + second.length]);
  // @ts-expect-error a row has the type that was asked for
  prepared[0].nothing;
  // @ts-expect-error there is no such event
  client.on('conected', () => {});
}
