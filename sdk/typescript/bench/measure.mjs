import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** Starts the echo server; gives its address and a way to stop it. */
export async function startEchoServer() {
  const child = fork(fileURLToPath(new URL('echo-server.mjs', import.meta.url)), { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
  const [port] = await once(child.stdout, 'data');
  return { url: `ws://127.0.0.1:${String(port).trim()}/ws`, stop: () => child.disconnect() };
}

export function quantile(times, q) {
  return [...times].sort((a, b) => a - b)[Math.floor(times.length * q)];
}

const wallMs = () => performance.now();

/** Processor time of this process in ms: on a busy machine it says what code costs where the wall clock cannot. */
export const cpuMs = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

/** Runs `subjects` (functions, or { prepare, run } where `prepare` is not timed) in turn, `rounds` times, so that whatever else the machine does falls on all alike. */
export async function alternate(subjects, rounds, clock = wallMs) {
  const times = Object.fromEntries(Object.keys(subjects).map((name) => [name, []]));
  const names = Object.keys(subjects);
  for (let round = 0; round < rounds; round++) {
    // Each goes first in half of the rounds: the first after a pause is the slower one.
    for (const name of round % 2 ? names : [...names].reverse()) {
      const { prepare, run } = typeof subjects[name] === 'function' ? { run: subjects[name] } : subjects[name];
      const input = prepare?.();
      const start = clock();
      await run(input);
      times[name].push(clock() - start);
    }
  }
  return times;
}

/** Prints the result and fails the process when a goal is missed. */
export function report(title, figures, goals) {
  console.log(JSON.stringify({ bench: title, node: process.version, ...figures }));
  for (const [goal, met] of Object.entries(goals)) {
    console.log(`${met ? 'met   ' : 'MISSED'} ${goal}`);
    if (!met) process.exitCode = 1;
  }
}
