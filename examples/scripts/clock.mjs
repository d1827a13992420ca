// Preloaded by a test that does not want to wait for the circuit breaker: SIGUSR2 puts this process's clock on by a minute.
const now = Date.now;
let ahead = 0;
Date.now = () => now() + ahead;
process.on('SIGUSR2', () => {
  ahead += 61_000;
  console.log('the clock was put on');
});
