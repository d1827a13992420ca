// Package shop is a generated online shop in MySQL or MariaDB: four tables with two years
// of orders, and live traffic against them. The same seed makes the same rows.
package shop

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// ErrTablesExist means that the database already has a table of the shop's names, which
// Load leaves untouched.
var ErrTablesExist = errors.New("the database already has tables of the shop's names; load into another database, or drop them")

type table struct {
	name    string
	columns string // in the order in which rows are written
	create  string
}

// The tables refer to each other by id without foreign keys, as large shops do.
var (
	userTable = table{
		name:    "User",
		columns: "id, name, email, country, region, segment, revenue, newsletter, birthday, createdAt, updatedAt",
		create: `CREATE TABLE User (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT,
  name VARCHAR(100) NOT NULL,
  email VARCHAR(120) NOT NULL,
  country CHAR(2) NOT NULL,
  region VARCHAR(60) NULL,
  segment ENUM('consumer', 'business', 'reseller') NOT NULL DEFAULT 'consumer',
  revenue DECIMAL(12,2) NOT NULL DEFAULT 0.00 COMMENT 'sum of the totals of all orders',
  newsletter TINYINT(1) NOT NULL DEFAULT 0,
  birthday DATE NULL,
  createdAt DATETIME(3) NOT NULL,
  updatedAt TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
  PRIMARY KEY (id),
  UNIQUE KEY email (email)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4`,
	}
	productTable = table{
		name:    "Product",
		columns: "id, sku, name, category, price, stock, weightKg, attributes, active, createdAt, updatedAt",
		create: `CREATE TABLE Product (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT,
  sku CHAR(12) NOT NULL,
  name VARCHAR(120) NOT NULL,
  category VARCHAR(30) NOT NULL,
  price DECIMAL(10,2) NOT NULL,
  stock INT NOT NULL,
  weightKg DOUBLE NULL,
  attributes JSON NULL,
  active TINYINT(1) NOT NULL DEFAULT 1,
  createdAt DATETIME(3) NOT NULL,
  updatedAt TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
  PRIMARY KEY (id),
  UNIQUE KEY sku (sku)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4`,
	}
	orderTable = table{
		name:    "Order",
		columns: "id, userId, status, total, channel, note, createdAt, shippedAt, updatedAt",
		create: "CREATE TABLE `Order` (" + `
  id BIGINT NOT NULL AUTO_INCREMENT,
  userId INT UNSIGNED NOT NULL,
  status ENUM('pending', 'paid', 'shipped', 'delivered', 'returned') NOT NULL DEFAULT 'pending',
  total DECIMAL(12,2) NOT NULL COMMENT 'sum of quantity * price of the items',
  channel ENUM('web', 'app', 'phone') NOT NULL DEFAULT 'web',
  note VARCHAR(200) NULL,
  createdAt DATETIME(3) NOT NULL,
  shippedAt DATETIME(3) NULL,
  updatedAt TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
  PRIMARY KEY (id),
  KEY userId (userId)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4`,
	}
	itemTable = table{
		name:    "OrderItem",
		columns: "id, orderId, productId, quantity, price",
		create: `CREATE TABLE OrderItem (
  id BIGINT NOT NULL AUTO_INCREMENT,
  orderId BIGINT NOT NULL,
  productId INT UNSIGNED NOT NULL,
  quantity SMALLINT UNSIGNED NOT NULL,
  price DECIMAL(10,2) NOT NULL COMMENT 'of one piece, when it was ordered',
  PRIMARY KEY (id),
  KEY orderId (orderId)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4`,
	}
)

func createTables(ctx context.Context, db *sql.DB) error {
	var existing int
	err := db.QueryRowContext(ctx, `SELECT COUNT(*) FROM information_schema.tables
		WHERE table_schema = DATABASE() AND table_name IN ('User', 'Product', 'Order', 'OrderItem')`).Scan(&existing)
	if err != nil {
		return fmt.Errorf("looking for the shop's tables: %w", err)
	}
	if existing > 0 {
		return ErrTablesExist
	}
	for _, t := range []table{userTable, productTable, orderTable, itemTable} {
		if _, err := db.ExecContext(ctx, t.create); err != nil {
			return fmt.Errorf("creating table %s: %w", t.name, err)
		}
	}
	return nil
}

// Invariant is a statement about the shop that holds after every transaction, in the
// source and in any faithful copy of it.
type Invariant struct {
	Name string
	// SQL counts the violations; it runs on MySQL, MariaDB and, quoted its way, DuckDB.
	SQL string
}

// Invariants hold for loaded rows and under Traffic.
func Invariants() []Invariant {
	return []Invariant{
		{"an order's total is the sum of its items", "SELECT COUNT(*) FROM (SELECT o.id FROM `Order` o LEFT JOIN OrderItem i ON i.orderId = o.id " +
			"GROUP BY o.id, o.total HAVING o.total <> COALESCE(SUM(i.quantity * i.price), 0)) wrong"},
		{"a user's revenue is the sum of their orders", "SELECT COUNT(*) FROM (SELECT u.id FROM User u LEFT JOIN `Order` o ON o.userId = u.id " +
			"GROUP BY u.id, u.revenue HAVING u.revenue <> COALESCE(SUM(o.total), 0)) wrong"},
		{"every item has its order", "SELECT COUNT(*) FROM OrderItem i LEFT JOIN `Order` o ON o.id = i.orderId WHERE o.id IS NULL"},
		{"every order has its user", "SELECT COUNT(*) FROM `Order` o LEFT JOIN User u ON u.id = o.userId WHERE u.id IS NULL"},
		{"every item has its product", "SELECT COUNT(*) FROM OrderItem i LEFT JOIN Product p ON p.id = i.productId WHERE p.id IS NULL"},
	}
}
