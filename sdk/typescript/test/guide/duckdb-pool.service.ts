// The integration guide's pool as a user types it. It must compile under `strict`.
import { DucklingClient } from '@chittihq/duckling';

class DuckDBPoolService {
  private clients: DucklingClient[] = [];
  private currentIndex = 0;
  private poolSize: number;
  constructor(poolSize: number = 5) {
    this.poolSize = poolSize;
  }
  async initialize(): Promise<void> {
    const connectionPromises = Array.from({ length: this.poolSize }, async (_, i) => {
      const client = new DucklingClient({
        url: process.env.DUCKLING_WS_URL || 'ws://duckling-server:3001/ws',
        apiKey: process.env.DUCKLING_API_KEY,
        autoReconnect: true
      });
      await client.connect();
      this.clients.push(client);
      console.log(`Connection ${i + 1}/${this.poolSize} established`);
    });
    await Promise.all(connectionPromises);
  }
  private getNextClient(): DucklingClient {
    const client = this.clients[this.currentIndex];
    this.currentIndex = (this.currentIndex + 1) % this.clients.length;
    return client;
  }
  async query<T>(sql: string, params?: any[]): Promise<T[]> {
    const client = this.getNextClient();
    return client.query<T>(sql, params);
  }
  async queryBatch<T>(queries: string[]): Promise<T[][]> {
    return Promise.all(
      queries.map((sql, index) => {
        const client = this.clients[index % this.clients.length];
        return client.query<T>(sql);
      })
    );
  }
  close(): void {
    this.clients.forEach(client => client.close());
    this.clients = [];
  }
}
export default new DuckDBPoolService(5);
