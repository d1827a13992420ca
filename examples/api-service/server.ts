// The guide's API service: its samples behind an Express application.
import { setTimeout as pause } from 'node:timers/promises';
import express from 'express';
import analytics from '../generated/api-service/routes/analytics';
import multiDatabaseRoutes from '../generated/api-service/routes/multi-db.fixed';
import duckdb from '../generated/api-service/services/duckdb.service';
import pool from '../generated/api-service/services/duckdb-pool.service';
import multiDB from '../generated/api-service/services/multi-db.service';
import { queryWithCircuitBreaker } from '../generated/api-service/utils/circuit-breaker';
import { queryWithCircuitBreaker as queryWithFixedBreaker } from '../generated/api-service/utils/circuit-breaker.fixed';
import { listen } from '../scripts/listen';

const countOrders = 'SELECT COUNT(*) AS orders FROM `Order`';
const app = express();
app.use(analytics);
app.use(multiDatabaseRoutes);

for (const [path, query] of [
  ['/breaker/orders', queryWithCircuitBreaker],
  ['/breaker/orders/fixed', queryWithFixedBreaker],
] as const) {
  app.get(path, async (_req, res) => {
    try {
      res.json(await query(countOrders));
    } catch (error) {
      res.status(503).json({ error: (error as Error).message });
    }
  });
}

app.get('/pool/orders', async (_req, res) => {
  res.json(await pool.query(`${countOrders} WHERE id > ?`, [0]));
});

// Another query on each connection, which is how the sample's pool runs a batch.
app.get('/pool/batch', async (_req, res) => {
  res.json(await pool.queryBatch([0, 1, 2, 3, 4].map((n) => `${countOrders} WHERE userId % 5 = ${n}`)));
});

// The sample queries as soon as it is imported.
app.get('/customers/revenue', async (_req, res) => {
  res.json((await import('../generated/api-service/routes/top-customers.fixed')).users);
});

// Compose starts this beside Duckling, which may take longer than a connection's attempt; the pool has one for each.
while (await duckdb.query('SELECT 1').then(() => false, () => true)) await pause(500);
await pool.initialize();
listen(app, 4000, () => {
  duckdb.close();
  pool.close();
  multiDB.close();
});
