// The guide's dashboard service: GET /metrics, and GET /metrics/fallback, which answers from Redis when Duckling is away.
import express from 'express';
import { getDashboardMetrics } from '../generated/dashboard-service/controllers/metrics';
import { trackQueryPerformance } from '../generated/dashboard-service/middleware/performance';
import duckdb from '../generated/dashboard-service/services/duckdb.service';
import { getMetricsWithFallback } from '../generated/dashboard-service/utils/metrics-fallback.fixed';
import { listen } from '../scripts/listen';

const app = express();

for (const [path, get] of [
  ['/metrics', getDashboardMetrics],
  ['/metrics/fallback', getMetricsWithFallback],
] as const) {
  app.get(path, async (_req, res) => {
    try {
      res.json(await trackQueryPerformance('dashboard_metrics', get));
    } catch (error) {
      res.status(503).json({ error: (error as Error).message });
    }
  });
}

// The fallback's Redis client is the sample's own and offers no way to close it, so the process does not end by itself.
listen(app, 4002, () => {
  duckdb.close();
  process.exit(0);
});
