// A server in a process of its own that answers every query with the same prepared rows. Prints its port.
import { WebSocketServer } from 'ws';

const results = {
  small: JSON.stringify([{ n: 1 }]),
  large: JSON.stringify(
    Array.from({ length: 100_000 }, (_, i) => ({
      id: i,
      customer: `customer ${i % 977}`,
      status: ['new', 'paid', 'shipped'][i % 3],
      total: ((i * 37) % 10_000) / 100,
      quantity: i % 9,
      createdAt: '2025-01-31 10:00:00.000000',
    })),
  ),
};

const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
server.on('listening', () => console.log(server.address().port));
server.on('connection', (socket) => {
  socket.on('message', (data) => {
    const { id, type, sql } = JSON.parse(data);
    if (type === 'query') socket.send(`{"id":"${id}","success":true,"result":${results[sql]},"duration":0.1}`);
    else socket.send(`{"id":"${id}","success":true,"result":[{"authenticated":true,"message":""}]}`);
  });
});
process.on('disconnect', () => process.exit());
