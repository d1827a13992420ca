import type { Express } from 'express';
import type { AddressInfo } from 'node:net';

/** Listens on PORT, or else on the guide's port, and ends on SIGTERM after close. */
export function listen(app: Express, guidePort: number, close: () => void): void {
  const server = app.listen(Number(process.env.PORT ?? guidePort), () => {
    console.log(`listening on ${(server.address() as AddressInfo).port}`);
  });
  process.on('SIGTERM', () => {
    server.close();
    server.closeAllConnections();
    close();
  });
}
