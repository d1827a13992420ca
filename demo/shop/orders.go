package shop

import (
	"math"
	"math/rand/v2"
	"time"
)

// popularity draws from n things of which a few are drawn often (Zipf), scattered over
// the whole range: the favourites are not simply the first.
type popularity struct {
	n      uint64
	zipf   *rand.Zipf
	stride uint64 // coprime to n, so that ranks map to things one to one
}

func newPopularity(r *rand.Rand, n int, exponent, flatten float64) popularity {
	stride := uint64(float64(n)*0.618) | 1
	for gcd(stride, uint64(n)) != 1 {
		stride += 2
	}
	return popularity{n: uint64(n), zipf: rand.NewZipf(r, exponent, flatten, uint64(n-1)), stride: stride}
}

func (p popularity) draw() int { return int((p.zipf.Uint64()*p.stride + p.n/3) % p.n) }

func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// The best of 100,000 customers makes about one order in a thousand.
func newBuyers(r *rand.Rand, users int) popularity {
	return newPopularity(r, users, 1.1, 5+float64(users)/500)
}

// The best of 2,000 products is about one item in fifty.
func newSales(r *rand.Rand, products int) popularity {
	return newPopularity(r, products, 1.05, 10)
}

// firstItem is the index of the first item of order i: items are dealt out evenly to
// chunks, so that any chunk knows where its own start.
func (g *generator) firstItem(order int) int {
	if g.scale.Orders == 0 {
		return 0
	}
	whole, rest := g.scale.Items/g.scale.Orders, g.scale.Items%g.scale.Orders
	return order*whole + order*rest/g.scale.Orders
}

// orders writes one chunk of orders and their items, and adds their totals to the revenue
// of their users.
func (g *generator) orders(chunk int, f format) (orders, items rows) {
	orders.format, items.format = f, f
	r := g.random(orderStream, uint64(chunk))
	buyers, sales := newBuyers(r, g.scale.Users), newSales(r, g.scale.Products)
	first, last := chunk*chunkRows, min((chunk+1)*chunkRows, g.scale.Orders)
	item := g.firstItem(first)
	for i, itemCount := range dealItems(r, last-first, g.firstItem(last)-item) {
		id := first + i
		created := g.calendar.at((float64(id) + r.Float64()) / float64(g.scale.Orders))
		total := int64(0)
		for range itemCount {
			product, pieces := sales.draw(), quantity(r)
			paid := g.priceAt(product, created)
			total += paid * pieces
			item++
			items.integer(int64(item))
			items.integer(int64(id + 1))
			items.integer(int64(product + 1))
			items.integer(pieces)
			items.money(paid)
			items.end()
		}
		user := g.buyerAt(r, buyers, created)
		g.revenue[user].Add(total)
		g.order(&orders, r, id, user, total, created)
	}
	return orders, items
}

func (g *generator) order(out *rows, r *rand.Rand, id, user int, total int64, created time.Time) {
	status, shipped, updated := g.progress(r, created)
	out.integer(int64(id + 1))
	out.integer(int64(user + 1))
	out.string(status)
	out.money(total)
	out.string(pick(r, []string{"web", "web", "web", "app", "app", "app", "app", "phone"}))
	if r.IntN(12) == 0 {
		out.string(pick(r, notes))
	} else {
		out.null()
	}
	out.time(created)
	if shipped.IsZero() {
		out.null()
	} else {
		out.time(shipped)
	}
	out.time(updated)
	out.end()
}

var notes = []string{
	"Please ring twice", "Leave it with the neighbour's dog", "Geschenk, bitte einpacken", "À livrer après 18 h",
	"दूसरी मंज़िल", "2nd floor\nno lift", "C:\\parcels\\in", "配達前に電話してください", "Size\tL",
}

// progress is how far an order of that age has come.
func (g *generator) progress(r *rand.Rand, created time.Time) (status string, shipped, updated time.Time) {
	paid := created.Add(time.Duration(r.ExpFloat64() * float64(2*time.Hour))).Truncate(time.Millisecond)
	shipped = paid.Add(time.Duration((8 + r.Float64()*40) * float64(time.Hour))).Truncate(time.Millisecond)
	delivered := shipped.Add(time.Duration((24 + r.Float64()*96) * float64(time.Hour))).Truncate(time.Millisecond)
	returned := delivered.Add(time.Duration(r.Float64() * float64(14*24*time.Hour))).Truncate(time.Millisecond)
	switch isReturned := r.IntN(25) == 0; {
	case paid.After(g.end):
		return "pending", time.Time{}, created
	case shipped.After(g.end):
		return "paid", time.Time{}, paid
	case delivered.After(g.end):
		return "shipped", shipped, shipped
	case isReturned && returned.Before(g.end):
		return "returned", shipped, returned
	default:
		return "delivered", shipped, delivered
	}
}

// dealItems gives every order one item and the rest at random.
func dealItems(r *rand.Rand, orders, items int) []int {
	counts := make([]int, orders)
	for i := range counts {
		counts[i] = 1
	}
	for range items - orders {
		counts[r.IntN(orders)]++
	}
	return counts
}

func quantity(r *rand.Rand) int64 {
	switch p := r.IntN(100); {
	case p < 70:
		return 1
	case p < 88:
		return 2
	case p < 95:
		return 3
	default:
		return 4 + r.Int64N(9)
	}
}

// priceAt is what a product cost then: prices have risen by 4 % each half year.
func (g *generator) priceAt(product int, t time.Time) int64 {
	halfYears := math.Floor(float64(g.end.Sub(t)) / float64(ordersSpan) * 4)
	return int64(math.Round(float64(g.prices[product]) * math.Pow(1.04, -halfYears)))
}

// buyerAt draws a user who had come by t.
func (g *generator) buyerAt(r *rand.Rand, buyers popularity, t time.Time) int {
	const attempts = 4
	known := g.usersBy(t)
	for range attempts {
		if user := buyers.draw(); user < known {
			return user
		}
	}
	return r.IntN(known)
}
