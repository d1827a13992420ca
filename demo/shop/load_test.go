package shop_test

import (
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/chittihq/duckling/demo/shop"
	"github.com/chittihq/duckling/testkit/mysqltest"
)

var (
	end   = time.Date(2026, time.March, 18, 21, 30, 0, 0, time.UTC)
	small = shop.Scale{Users: 300, Orders: 12_000, Items: 31_000, Products: 40}
)

func eachFlavor(t *testing.T, test func(t *testing.T, flavor mysqltest.Flavor)) {
	for _, flavor := range []mysqltest.Flavor{mysqltest.MySQL, mysqltest.MariaDB} {
		t.Run(string(flavor), func(t *testing.T) {
			t.Parallel()
			test(t, flavor)
		})
	}
}

// database makes an empty database and opens it.
func database(t *testing.T, s *mysqltest.Server, name string) *sql.DB {
	t.Helper()
	if err := s.Exec(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	db, err := s.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func load(t *testing.T, db *sql.DB, scale shop.Scale, seed uint64) {
	t.Helper()
	if err := shop.Load(t.Context(), db, shop.Options{Scale: scale, Seed: seed, End: end}); err != nil {
		t.Fatal(err)
	}
}

func count(t *testing.T, db *sql.DB, query string, args ...any) int {
	t.Helper()
	var n int
	if err := db.QueryRowContext(t.Context(), query, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

func checkInvariants(t *testing.T, db *sql.DB) {
	t.Helper()
	for _, invariant := range shop.Invariants() {
		if n := count(t, db, invariant.SQL); n != 0 {
			t.Errorf("%s: wrong %d times", invariant.Name, n)
		}
	}
}

// checksum reads every value of every row as text, in key order.
func checksum(t *testing.T, db *sql.DB) string {
	t.Helper()
	hash := sha256.New()
	for _, table := range []string{"User", "Product", "Order", "OrderItem"} {
		rows, err := db.QueryContext(t.Context(), "SELECT * FROM `"+table+"` ORDER BY id")
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		columns, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		values, targets := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range values {
			targets[i] = &values[i]
		}
		for rows.Next() {
			if err := rows.Scan(targets...); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(hash, "%s %#v\n", table, values)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	}
	return fmt.Sprintf("%x", hash.Sum(nil))
}

func TestLoadMakesWhatWasAskedFor(t *testing.T) {
	eachFlavor(t, func(t *testing.T, flavor mysqltest.Flavor) {
		db := database(t, mysqltest.ForTest(t, flavor), "shop")
		calls, last := 0, 0
		err := shop.Load(t.Context(), db, shop.Options{Scale: small, Seed: 1, End: end, Progress: func(loaded, total int) {
			calls++
			if loaded <= last || total != small.Rows() {
				t.Errorf("progress went from %d to %d of %d", last, loaded, total)
			}
			last = loaded
		}})
		if err != nil {
			t.Fatal(err)
		}
		if calls == 0 || last != small.Rows() {
			t.Errorf("after %d reports, progress ended at %d of %d", calls, last, small.Rows())
		}
		for table, want := range map[string]int{"User": small.Users, "Order": small.Orders, "OrderItem": small.Items, "Product": small.Products} {
			if got := count(t, db, "SELECT COUNT(*) FROM `"+table+"` WHERE id <= ?", want); got != want {
				t.Errorf("%s has %d rows with ids up to %d", table, got, want)
			}
			if got := count(t, db, "SELECT COUNT(*) FROM `"+table+"`"); got != want {
				t.Errorf("%s has %d rows, not %d", table, got, want)
			}
		}
		checkInvariants(t, db)
	})
}

func TestLoadedShopLooksReal(t *testing.T) {
	t.Parallel()
	db := database(t, mysqltest.ForTest(t, mysqltest.MySQL), "shop")
	load(t, db, small, 1)
	for what, query := range map[string]string{
		"orders on the last day":                           "SELECT COUNT(*) FROM `Order` WHERE createdAt >= '2026-03-18' AND createdAt < '2026-03-18 21:30'",
		"orders that are not done":                         "SELECT COUNT(*) FROM `Order` WHERE status IN ('pending', 'paid', 'shipped')",
		"returned orders":                                  "SELECT COUNT(*) FROM `Order` WHERE status = 'returned'",
		"names beyond ASCII":                               "SELECT COUNT(*) FROM User WHERE LENGTH(name) > CHAR_LENGTH(name)",
		"names with four bytes in a letter":                "SELECT COUNT(*) FROM User WHERE HEX(name) LIKE '%F0A0AEB7%'",
		"users without a region":                           "SELECT COUNT(*) FROM User WHERE region IS NULL",
		"users without a birthday":                         "SELECT COUNT(*) FROM User WHERE birthday IS NULL",
		"products without attributes":                      "SELECT COUNT(*) FROM Product WHERE attributes IS NULL",
		"products with attributes":                         "SELECT COUNT(*) FROM Product WHERE attributes->>'$.color' IS NOT NULL",
		"notes of two lines":                               "SELECT COUNT(*) FROM `Order` WHERE note = '2nd floor\nno lift'",
		"notes with a backslash":                           `SELECT COUNT(*) FROM ` + "`Order`" + ` WHERE note = 'C:\\parcels\\in'`,
		"notes with a quote":                               "SELECT COUNT(*) FROM `Order` WHERE note LIKE '%neighbour''s%'",
		"notes with a tab":                                 "SELECT COUNT(*) FROM `Order` WHERE note = 'Size\tL'",
		"fewer orders in the first half year":              "SELECT (SELECT COUNT(*) FROM `Order` WHERE createdAt < '2024-09-18') < (SELECT COUNT(*) FROM `Order` WHERE createdAt >= '2025-09-18')",
		"fewer orders at night":                            "SELECT (SELECT COUNT(*) FROM `Order` WHERE HOUR(createdAt) < 6) < (SELECT COUNT(*) FROM `Order` WHERE HOUR(createdAt) >= 18) / 4",
		"a best tenth of users with a third of the orders": "SELECT SUM(n) * 3 > (SELECT COUNT(*) FROM `Order`) FROM (SELECT COUNT(*) n FROM `Order` GROUP BY userId ORDER BY n DESC LIMIT 30) best",
	} {
		if count(t, db, query) == 0 {
			t.Errorf("no %s", what)
		}
	}
	for what, query := range map[string]string{
		"orders from the future":         "SELECT COUNT(*) FROM `Order` WHERE createdAt >= '2026-03-18 21:30' OR updatedAt > '2026-03-18 21:30' OR shippedAt > '2026-03-18 21:30'",
		"orders from before two years":   "SELECT COUNT(*) FROM `Order` WHERE createdAt < '2024-03-18 21:30'",
		"orders by users still to come":  "SELECT COUNT(*) FROM `Order` o JOIN User u ON u.id = o.userId WHERE o.createdAt < u.createdAt",
		"orders out of order":            "SELECT COUNT(*) FROM `Order` a JOIN `Order` b ON b.id = a.id + 1 WHERE b.createdAt < a.createdAt",
		"orders without items":           "SELECT COUNT(*) FROM `Order` WHERE id NOT IN (SELECT orderId FROM OrderItem)",
		"shipped orders without a date":  "SELECT COUNT(*) FROM `Order` WHERE (status IN ('shipped', 'delivered', 'returned')) <> (shippedAt IS NOT NULL)",
		"rows changed before they began": "SELECT (SELECT COUNT(*) FROM `Order` WHERE updatedAt < createdAt) + (SELECT COUNT(*) FROM User WHERE updatedAt < createdAt)",
	} {
		if n := count(t, db, query); n != 0 {
			t.Errorf("%d %s", n, what)
		}
	}
}

// One seed makes one shop, on any flavor and however it is loaded; another seed another.
func TestSameSeedSameShop(t *testing.T) {
	t.Parallel()
	fast := mysqltest.ForTest(t, mysqltest.MySQL)
	plain := mysqltest.ForTest(t, mysqltest.MySQL, "--local-infile=OFF")
	other := mysqltest.ForTest(t, mysqltest.MariaDB)
	sums := map[string]string{}
	for name, target := range map[string]struct {
		server *mysqltest.Server
		seed   uint64
	}{"first": {fast, 7}, "again": {fast, 7}, "inserted": {plain, 7}, "mariadb": {other, 7}, "seed8": {other, 8}} {
		db := database(t, target.server, name)
		load(t, db, small, target.seed)
		sums[name] = checksum(t, db)
	}
	for _, name := range []string{"again", "inserted", "mariadb"} {
		if sums[name] != sums["first"] {
			t.Errorf("%s: the rows differ from those of the first load", name)
		}
	}
	if sums["seed8"] == sums["first"] {
		t.Error("seeds 7 and 8 make the same rows")
	}
}

func TestTinyShops(t *testing.T) {
	t.Parallel()
	s := mysqltest.ForTest(t, mysqltest.MariaDB)
	for i, scale := range []shop.Scale{
		{Users: 1, Products: 1},
		{Users: 1, Orders: 1, Items: 1, Products: 1},
		{Users: 3, Orders: 10, Items: 10, Products: 2},
		{Users: 10_001, Orders: 10_001, Items: 10_003, Products: 3},
	} {
		db := database(t, s, fmt.Sprintf("shop%d", i))
		load(t, db, scale, 1)
		checkInvariants(t, db)
		if got := count(t, db, "SELECT COUNT(*) FROM OrderItem"); got != scale.Items {
			t.Errorf("%+v: %d items", scale, got)
		}
	}
}

func TestImpossibleScalesAreRefused(t *testing.T) {
	t.Parallel()
	for _, scale := range []shop.Scale{{}, {Users: 1, Products: 1, Orders: -1}, {Users: 1, Products: 1, Orders: 2, Items: 1}, {Users: 1, Products: 1, Items: 1}} {
		if err := shop.Load(t.Context(), nil, shop.Options{Scale: scale, End: end}); err == nil {
			t.Errorf("%+v was accepted", scale)
		}
	}
}

func TestExistingTablesStay(t *testing.T) {
	t.Parallel()
	db := database(t, mysqltest.ForTest(t, mysqltest.MariaDB), "shop")
	if _, err := db.ExecContext(t.Context(), "CREATE TABLE `Order` (id INT PRIMARY KEY)"); err != nil {
		t.Fatal(err)
	}
	err := shop.Load(t.Context(), db, shop.Options{Scale: small, End: end})
	if !errors.Is(err, shop.ErrTablesExist) {
		t.Errorf("the error is %v", err)
	}
	if n := count(t, db, "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'shop'"); n != 1 {
		t.Errorf("the database has %d tables", n)
	}
}
