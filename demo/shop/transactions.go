package shop

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// errNothingToDo means that a transaction found no rows to change.
var errNothingToDo = errors.New("nothing to do")

// openOrder is an order that is still on its way through the shop.
type openOrder struct {
	id     int64
	status string
}

// liveShop is what the traffic knows of the shop. It changes only when a transaction has
// been committed.
type liveShop struct {
	db       *sql.DB
	random   *rand.Rand
	buyers   popularity
	sales    popularity
	open     []openOrder
	tag      string // keeps the email addresses of this traffic's users apart from others
	newUsers int
}

// Only the latest orders move on; the list is kept to this length.
const openOrders = 2_000

func openShop(ctx context.Context, db *sql.DB, seed uint64) (*liveShop, error) {
	var users, products int
	if err := db.QueryRowContext(ctx, "SELECT COALESCE((SELECT MAX(id) FROM User), 0), COALESCE((SELECT MAX(id) FROM Product), 0)").Scan(&users, &products); err != nil {
		return nil, err
	}
	if users == 0 || products == 0 {
		return nil, errors.New("it has no users or no products; load it first")
	}
	r := newRandom(seed, trafficStream, 0)
	s := &liveShop{db: db, random: r, buyers: newBuyers(r, users), sales: newSales(r, products), tag: fmt.Sprintf("%d-%d", users, seed)}
	found, err := db.QueryContext(ctx, "SELECT id, status FROM (SELECT id, status FROM `Order` ORDER BY id DESC LIMIT ?) latest "+
		"WHERE status IN ('pending', 'paid', 'shipped') ORDER BY id", openOrders)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	for found.Next() {
		var o openOrder
		if err := found.Scan(&o.id, &o.status); err != nil {
			return nil, err
		}
		s.open = append(s.open, o)
	}
	return s, found.Err()
}

func (s *liveShop) transact(ctx context.Context, k kind) error {
	switch k {
	case newOrder:
		return s.placeOrder(ctx)
	case statusChange:
		return s.moveOrderOn(ctx)
	case priceChange:
		return s.changePrice(ctx)
	case cancellation:
		return s.cancelOrder(ctx)
	default:
		return s.addUser(ctx)
	}
}

// inTransaction commits what work did, or rolls it back when work fails.
func (s *liveShop) inTransaction(ctx context.Context, work func(tx *sql.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("beginning a transaction: %w", err)
	}
	if err := work(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	return nil
}

type item struct {
	product int
	pieces  int64
	cents   int64 // the price of one piece
}

func (s *liveShop) drawItems() []item {
	var items []item
	for range 1 + s.random.IntN(5) {
		product, pieces := s.sales.draw()+1, quantity(s.random)
		if at := slices.IndexFunc(items, func(i item) bool { return i.product == product }); at >= 0 {
			items[at].pieces += pieces
		} else {
			items = append(items, item{product: product, pieces: pieces})
		}
	}
	return items
}

// placeOrder writes three tables in one transaction: the order, its items, and what the
// user has spent in all.
func (s *liveShop) placeOrder(ctx context.Context) error {
	user, items, channel := s.buyers.draw()+1, s.drawItems(), pick(s.random, []string{"web", "app", "phone"})
	var id int64
	err := s.inTransaction(ctx, func(tx *sql.Tx) error {
		if err := priceItems(ctx, tx, items); err != nil {
			return err
		}
		total := int64(0)
		for _, i := range items {
			total += i.pieces * i.cents
		}
		inserted, err := tx.ExecContext(ctx, "INSERT INTO `Order` (userId, total, channel, createdAt) VALUES (?, ?, ?, UTC_TIMESTAMP(3))", user, decimal(total), channel)
		if err != nil {
			return fmt.Errorf("inserting an order: %w", err)
		}
		if id, err = inserted.LastInsertId(); err != nil {
			return fmt.Errorf("inserting an order: %w", err)
		}
		if err := insertItems(ctx, tx, id, items); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "UPDATE User SET revenue = revenue + ? WHERE id = ?", decimal(total), user); err != nil {
			return fmt.Errorf("updating a user's revenue: %w", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.open = append(s.open, openOrder{id: id, status: "pending"})
	s.open = s.open[max(0, len(s.open)-openOrders):]
	return nil
}

func priceItems(ctx context.Context, tx *sql.Tx, items []item) error {
	for n, i := range items {
		row := tx.QueryRowContext(ctx, "SELECT CAST(price * 100 AS SIGNED) FROM Product WHERE id = ?", i.product)
		if err := row.Scan(&items[n].cents); err != nil {
			return fmt.Errorf("reading the price of product %d: %w", i.product, err)
		}
	}
	return nil
}

func insertItems(ctx context.Context, tx *sql.Tx, order int64, items []item) error {
	var args []any
	for _, i := range items {
		args = append(args, order, i.product, i.pieces, decimal(i.cents))
	}
	values := strings.TrimSuffix(strings.Repeat("(?, ?, ?, ?), ", len(items)), ", ")
	if _, err := tx.ExecContext(ctx, "INSERT INTO OrderItem (orderId, productId, quantity, price) VALUES "+values, args...); err != nil {
		return fmt.Errorf("inserting the items of order %d: %w", order, err)
	}
	return nil
}

// moveOrderOn takes an open order one step further; a delivered one leaves the list.
func (s *liveShop) moveOrderOn(ctx context.Context) error {
	if len(s.open) == 0 {
		return errNothingToDo
	}
	at := s.random.IntN(len(s.open))
	o := s.open[at]
	next, set := "paid", ""
	switch o.status {
	case "paid":
		next, set = "shipped", ", shippedAt = UTC_TIMESTAMP(3)"
	case "shipped":
		next = "delivered"
	}
	changed, err := s.exec(ctx, "UPDATE `Order` SET status = ?"+set+" WHERE id = ? AND status = ?", next, o.id, o.status)
	if err != nil {
		return fmt.Errorf("moving order %d on: %w", o.id, err)
	}
	if next == "delivered" || !changed {
		s.forget(at)
	} else {
		s.open[at].status = next
	}
	if !changed {
		return errNothingToDo // other traffic was there first
	}
	return nil
}

// cancelOrder deletes an order that is not paid yet, and its items.
func (s *liveShop) cancelOrder(ctx context.Context) error {
	var pending []int
	for at, o := range s.open {
		if o.status == "pending" {
			pending = append(pending, at)
		}
	}
	if len(pending) == 0 {
		return errNothingToDo
	}
	at := pick(s.random, pending)
	id := s.open[at].id
	err := s.inTransaction(ctx, func(tx *sql.Tx) error { return deleteOrder(ctx, tx, id) })
	if err == nil || errors.Is(err, errNothingToDo) {
		s.forget(at)
	}
	return err
}

func deleteOrder(ctx context.Context, tx *sql.Tx, id int64) error {
	var user int
	var total string
	err := tx.QueryRowContext(ctx, "SELECT userId, total FROM `Order` WHERE id = ? AND status = 'pending' FOR UPDATE", id).Scan(&user, &total)
	if errors.Is(err, sql.ErrNoRows) {
		return errNothingToDo
	}
	if err != nil {
		return fmt.Errorf("reading order %d: %w", id, err)
	}
	for _, step := range []struct {
		statement string
		args      []any
	}{
		{"DELETE FROM OrderItem WHERE orderId = ?", []any{id}},
		{"DELETE FROM `Order` WHERE id = ?", []any{id}},
		{"UPDATE User SET revenue = revenue - ? WHERE id = ?", []any{total, user}},
	} {
		if _, err := tx.ExecContext(ctx, step.statement, step.args...); err != nil {
			return fmt.Errorf("cancelling order %d: %w", id, err)
		}
	}
	return nil
}

// changePrice moves the price of a product by up to two, and never below a half.
func (s *liveShop) changePrice(ctx context.Context) error {
	product, by := s.sales.draw()+1, 1+s.random.Int64N(200)
	if s.random.IntN(2) == 0 {
		by = -by
	}
	changed, err := s.exec(ctx, "UPDATE Product SET price = GREATEST(0.50, price + ?) WHERE id = ?", decimal(by), product)
	if err != nil {
		return fmt.Errorf("changing the price of product %d: %w", product, err)
	}
	if !changed {
		return errNothingToDo
	}
	return nil
}

func (s *liveShop) addUser(ctx context.Context) error {
	p := newPerson(s.random, fmt.Sprintf("%s-%d", s.tag, s.newUsers+1))
	region := sql.NullString{String: p.region, Valid: p.region != ""}
	if _, err := s.exec(ctx, "INSERT INTO User (name, email, country, region, createdAt) VALUES (?, ?, ?, ?, UTC_TIMESTAMP(3))", p.name, p.email, p.country, region); err != nil {
		return fmt.Errorf("adding a user: %w", err)
	}
	s.newUsers++
	return nil
}

// exec runs one statement as a transaction of its own and tells whether it changed a row.
func (s *liveShop) exec(ctx context.Context, statement string, args ...any) (bool, error) {
	result, err := s.db.ExecContext(ctx, statement, args...)
	if err != nil {
		return false, err
	}
	changed, err := result.RowsAffected()
	return changed > 0, err
}

func (s *liveShop) forget(at int) { s.open = slices.Delete(s.open, at, at+1) }

// decimal writes cents as MySQL's DECIMAL takes them, exactly.
func decimal(cents int64) string {
	sign := ""
	if cents < 0 {
		sign, cents = "-", -cents
	}
	return fmt.Sprintf("%s%d.%02d", sign, cents/100, cents%100)
}
