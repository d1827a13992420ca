import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Exchange, Server } from './exchanges.js';

const root = new URL('../../../', import.meta.url);

/** The one list of exchanges that all clients play. */
export const exchanges = JSON.parse(readFileSync(new URL('testkit/contract/exchanges.json', root), 'utf8')) as Exchange[];

/** A real gateway that exchanges may have killed, frozen and restarted. It needs Go, and the gateway in bin/ (`make build`). */
export async function startContractServer(): Promise<Server & { stop(): Promise<void> }> {
  const child = spawn('go', ['run', './testkit/contract'], { cwd: fileURLToPath(root), stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  const [line] = (await Promise.race([once(createInterface(child.stdout), 'line'), ended])) as [string | number | null];
  if (typeof line !== 'string') throw new Error('the contract server did not start; what it says is above');
  return {
    ...(JSON.parse(line) as Server),
    stop: async () => {
      child.stdin.end();
      await ended;
    },
  };
}
