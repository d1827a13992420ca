-- A small shop for the guide's services: 20 users, 600 orders from 2025-04-01 on and three of today.
CREATE TABLE User (id INT PRIMARY KEY, name VARCHAR(40) NOT NULL, email VARCHAR(60) NOT NULL, revenue DECIMAL(12,2) NOT NULL);
CREATE TABLE Product (id INT PRIMARY KEY, name VARCHAR(40) NOT NULL, price DECIMAL(10,2) NOT NULL);
CREATE TABLE `Order` (id INT PRIMARY KEY, userId INT NOT NULL, total DECIMAL(12,2) NOT NULL, createdAt DATETIME(3) NOT NULL);
CREATE TABLE OrderItem (id INT PRIMARY KEY, orderId INT NOT NULL, productId INT NOT NULL, quantity INT NOT NULL, price DECIMAL(10,2) NOT NULL);

INSERT INTO User WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20)
  SELECT i, CONCAT('User ', i), CONCAT('user', i, '@example.com'), 0 FROM n;
INSERT INTO Product WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12)
  SELECT i, CONCAT('Product ', i), i * 3.35 + 0.01 FROM n;
INSERT INTO `Order` WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 600)
  SELECT i, 1 + i * i % 19, 0, '2025-04-01' + INTERVAL i * 73 MINUTE FROM n;
INSERT INTO `Order` SELECT 600 + id, id, 0, UTC_TIMESTAMP(3) FROM User WHERE id <= 3;
INSERT INTO OrderItem SELECT o.id * 100 + p.id, o.id, p.id, 1 + (o.id + p.id) % 4, p.price
  FROM `Order` o JOIN Product p ON (o.id * 7 + p.id * 5) % 6 < 2;
UPDATE `Order` o SET total = (SELECT SUM(quantity * price) FROM OrderItem i WHERE i.orderId = o.id);
UPDATE User u SET revenue = COALESCE((SELECT SUM(total) FROM `Order` o WHERE o.userId = u.id), 0);
