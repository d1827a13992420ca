// The integration guide's shared client as a user types it. It must compile under `strict`.
import { DucklingClient } from '@chittihq/duckling';

class DuckDBService {
  private static instance: DuckDBService;
  private client: DucklingClient;
  private constructor() {
    this.client = new DucklingClient({
      url: process.env.DUCKLING_WS_URL || 'ws://duckling-server:3001/ws',
      apiKey: process.env.DUCKLING_API_KEY,
      databaseName: 'default',
      autoReconnect: true,
      maxReconnectAttempts: 5
    });
    // Event handlers
    this.client.on('connected', () => {
      console.log('Connected to DuckDB server');
    });
    this.client.on('error', (error: Error) => {
      console.error('DuckDB connection error:', error.message);
    });
  }
  public static getInstance(): DuckDBService {
    if (!DuckDBService.instance) {
      DuckDBService.instance = new DuckDBService();
    }
    return DuckDBService.instance;
  }
  public async query<T>(sql: string, params?: any[]): Promise<T[]> {
    return this.client.query<T>(sql, params);
  }
  public async queryBatch<T>(queries: string[]): Promise<T[][]> {
    return this.client.queryBatch(queries);
  }
  public close(): void {
    this.client.close();
  }
}
export default DuckDBService.getInstance();
