package dialect_test

import (
	"fmt"
	"strings"
)

// shopStatements make the same small shop in MySQL and in DuckDB, with the types that the loader gives MySQL's columns.
func shopStatements(mysql bool) []string {
	datetime, text, clock, doc, double := "TIMESTAMP", "VARCHAR", "INTERVAL", "JSON", "DOUBLE"
	quote := `"`
	if mysql {
		datetime, text, clock, doc, quote = "DATETIME", "VARCHAR(200)", "TIME", "JSON", "`"
	}
	table := func(name, columns string, rows []string) []string {
		name = quote + name + quote
		return []string{"CREATE TABLE " + name + " (" + columns + ")", "INSERT INTO " + name + " VALUES " + strings.Join(rows, ",\n")}
	}
	var users, orders, items, products []string
	for i := 1; i <= 12; i++ {
		city := []string{"'Oslo'", "'Bergen'", "NULL", "'Århus'"}[i%4]
		users = append(users, fmt.Sprintf("(%d, 'user %d', 'User%d@Example.com', %s, '2024-%02d-%02d 08:%02d:00', '19%d-%02d-11')", i, i, i, city, i, i*2, i*3, 70+i, 13-i))
	}
	for i := 1; i <= 60; i++ {
		status := []string{"'paid'", "'open'", "'sent'", "NULL"}[i%4]
		total := fmt.Sprintf("%d.%02d", (i*37)%200, (i*13)%100)
		if i%11 == 0 {
			total = "NULL"
		}
		orders = append(orders, fmt.Sprintf("(%d, %d, %s, %s, '2025-%02d-%02d %02d:%02d:%02d')", i, i%9+1, total, status, i%3+1, i%28+1, i%24, i%60, (i*7)%60))
	}
	for i := 1; i <= 8; i++ {
		products = append(products, fmt.Sprintf("(%d, '%s %d', %d.%d, '{\"color\": \"%s\", \"size\": %d, \"tags\": [\"a\", \"b%d\"]}')", i, []string{"Lamp", "chair", "TABLE"}[i%3], i, i*3, i%10, []string{"red", "blue"}[i%2], i, i))
	}
	for i := 1; i <= 90; i++ {
		items = append(items, fmt.Sprintf("(%d, %d, %d, %d, %d.50)", i, (i-1)/2+1, i%8+1, i%4+1, i%8*3))
	}
	samples := []string{
		"(1, 7, 2, 2.50, 1.5, 'abc', 'a,b,c', '2025-01-31', '2025-01-31 23:59:58', '10:20:30', 1)",
		"(2, -7, 2, -2.55, -1.5, 'ABC', 'b', '2024-02-29', '2024-02-29 00:00:00', '00:00:59', 0)",
		"(3, 0, 5, 0.00, 0, '', '', '2000-01-01', '2000-01-01 12:00:00', '23:59:59', 1)",
		"(4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
		"(5, 100, 3, 99.99, 1000000.25, 'héllo wörld', 'c,d', '2024-12-30', '2024-12-30 05:06:07', '01:00:00', 0)",
		"(6, 15, 4, 10.10, 3, 'It''s 50% _off_', 'x,y,abc', '2027-01-03', '2027-01-03 18:30:00', '12:00:00', 1)",
	}
	var all []string
	all = append(all, table("User", "id INTEGER NOT NULL, name "+text+", email "+text+", city "+text+", createdAt "+datetime+", born DATE", users)...)
	all = append(all, table("Order", "id INTEGER NOT NULL, userId INTEGER, total DECIMAL(12,2), status "+text+", createdAt "+datetime, orders)...)
	all = append(all, table("Product", "id INTEGER NOT NULL, name "+text+", price DECIMAL(10,2), attributes "+doc, products)...)
	all = append(all, table("OrderItem", "id BIGINT NOT NULL, orderId INTEGER, productId INTEGER, quantity INTEGER, price DECIMAL(10,2)", items)...)
	all = append(all, table("Sample", "id INTEGER NOT NULL, a INTEGER, b INTEGER, d DECIMAL(10,2), f "+double+", s "+text+", list "+text+", day DATE, "+quote+"at"+quote+" "+datetime+", clock "+clock+", flag TINYINT", samples)...)
	return all
}

// otherInMariaDB names queries whose answer in MariaDB is not MySQL's.
var otherInMariaDB = map[string]bool{
	"stddev_pop": true, "std": true, // four digits of fraction
	"json of several paths": true,                    // in the order of the document
	"json_object":           true, "json_keys": true, // JSON is text with spaces
}
