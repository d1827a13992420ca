/** What a client may rely on, played against the real gateway. Every frame of the server is checked against the schema. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { exchanges, startContractServer } from './contract-server.js';
import { play } from './exchanges.js';
import { violation } from './schema.js';

let server: Awaited<ReturnType<typeof startContractServer>>;
before(async () => (server = await startContractServer()));
after(() => server.stop());

for (const exchange of exchanges) {
  test(exchange.name, async () => {
    const violations = new Set<string>();
    await play(exchange, server, (frame) => {
      const problem = violation('serverMessage', frame);
      if (problem) violations.add(problem);
    });
    assert.deepEqual([...violations], []);
  });
}
