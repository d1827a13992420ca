// The guide's report service: GET /reports/daily-sales?from=2025-01-01&to=2025-01-31, as the guide has it, and
// /reports/daily-sales/fixed with each day's own top product.
import express from 'express';
import { generateDailySalesReport as asWritten } from '../generated/report-service/generators/daily-sales';
import { generateDailySalesReport as fixed } from '../generated/report-service/generators/daily-sales.fixed';
import duckdb from '../generated/report-service/services/duckdb.service';
import { listen } from '../scripts/listen';

// The generators put the dates into the SQL, so nothing else may get there.
const day = /^\d{4}-\d\d-\d\d$/;
const app = express();

for (const [path, generate] of [
  ['/reports/daily-sales', asWritten],
  ['/reports/daily-sales/fixed', fixed],
] as const) {
  app.get(path, async (req, res) => {
    const { from, to } = req.query;
    if (typeof from !== 'string' || typeof to !== 'string' || !day.test(from) || !day.test(to)) {
      res.status(400).json({ error: 'from and to must be days such as 2025-01-31' });
      return;
    }
    res.json(await generate(from, to));
  });
}

listen(app, 4001, () => duckdb.close());
