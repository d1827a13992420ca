package gentest

// Shop makes the tables of the integration guide with a few rows.
func (p *Publisher) Shop() {
	p.t.Helper()
	p.Exec(`
CREATE TABLE "User" (id INTEGER NOT NULL, name VARCHAR, email VARCHAR, createdAt TIMESTAMP);
CREATE TABLE "Order" (id INTEGER NOT NULL, userId INTEGER, total DECIMAL(12,2), status VARCHAR, createdAt TIMESTAMP);
CREATE TABLE "Product" (id INTEGER NOT NULL, name VARCHAR, price DECIMAL(10,2));
CREATE TABLE "OrderItem" (id BIGINT NOT NULL, orderId INTEGER, productId INTEGER, quantity INTEGER, price DECIMAL(10,2));
INSERT INTO "User" SELECT i, 'user ' || i, 'user' || i || '@example.com', TIMESTAMP '2024-01-01 08:00:00' + INTERVAL (i) DAY FROM range(1, 101) t(i);
INSERT INTO "Product" SELECT i, 'product ' || i, (i * 1.25)::DECIMAL(10,2) FROM range(1, 21) t(i);
INSERT INTO "Order" SELECT i, (i * 7) % 100 + 1, (i % 50 + 0.25)::DECIMAL(12,2), ['paid', 'open', 'sent'][i % 3 + 1],
	CASE WHEN i % 10 = 0 THEN current_date::TIMESTAMP + INTERVAL 1 HOUR ELSE TIMESTAMP '2025-01-01 12:00:00' + INTERVAL (i % 30) DAY END FROM range(1, 1001) t(i);
INSERT INTO "OrderItem" SELECT i, (i - 1) // 3 + 1, i % 20 + 1, i % 4 + 1, (i % 20 * 1.25 + 1)::DECIMAL(10,2) FROM range(1, 3001) t(i)`)
}
