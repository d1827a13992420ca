package shop

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"time"
)

// Scale is the number of rows of each table.
type Scale struct {
	Users, Orders, Items, Products int
}

// DefaultScale is a shop of some size: a million orders of 100,000 users.
func DefaultScale() Scale {
	return Scale{Users: 100_000, Orders: 1_000_000, Items: 3_000_000, Products: 2_000}
}

// Rows is the number of rows of all tables together.
func (s Scale) Rows() int { return s.Users + s.Orders + s.Items + s.Products }

func (s Scale) validate() error {
	if s.Users < 1 || s.Products < 1 || s.Orders < 0 {
		return errors.New("a shop needs at least one user and one product, and no fewer than zero orders")
	}
	if s.Items < s.Orders || (s.Orders == 0 && s.Items > 0) {
		return fmt.Errorf("%d items do not fit %d orders: every order has at least one", s.Items, s.Orders)
	}
	return nil
}

// Rows are made in chunks of this many users or orders. Each chunk has a random stream of
// its own, so that chunks can be made in any order and at the same time.
const chunkRows = 10_000

// Names of the random streams.
const (
	productStream = iota + 1
	userStream
	orderStream
	trafficStream
)

type generator struct {
	scale    Scale
	seed     uint64
	end      time.Time
	calendar calendar
	prices   []int64        // of products, in cents
	revenue  []atomic.Int64 // of users, in cents; complete once all orders are made
}

// newGenerator also returns the catalogue, which everything else refers to.
func newGenerator(scale Scale, seed uint64, end time.Time, f format) (*generator, rows) {
	end = end.UTC().Truncate(time.Millisecond)
	g := &generator{scale: scale, seed: seed, end: end, calendar: newCalendar(end), revenue: make([]atomic.Int64, scale.Users)}
	catalogue, prices := g.products(f)
	g.prices = prices
	return g, catalogue
}

func (g *generator) random(stream, chunk uint64) *rand.Rand {
	return newRandom(g.seed, stream, chunk)
}

// newRandom mixes its inputs (by the finalizer of splitmix64), for seeds and chunks are
// small neighbouring numbers and PCG starts alike from those.
func newRandom(seed, stream, chunk uint64) *rand.Rand {
	mix := func(x uint64) uint64 {
		x += 0x9e3779b97f4a7c15
		x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
		x = (x ^ x>>27) * 0x94d049bb133111eb
		return x ^ x>>31
	}
	a := mix(seed)
	b := mix(a ^ stream)
	return rand.New(rand.NewPCG(a^b, mix(b^chunk)))
}

func chunks(n int) int { return (n + chunkRows - 1) / chunkRows }

// users writes one chunk of users, with what they have spent.
func (g *generator) users(chunk int, f format) rows {
	out := rows{format: f}
	r := g.random(userStream, uint64(chunk))
	for i := chunk * chunkRows; i < min((chunk+1)*chunkRows, g.scale.Users); i++ {
		p := newPerson(r, strconv.Itoa(i+1))
		created := g.signup(i, r.Float64())
		out.integer(int64(i + 1))
		out.string(p.name)
		out.string(p.email)
		out.string(p.country)
		if p.region == "" {
			out.null()
		} else {
			out.string(p.region)
		}
		out.string(pick(r, []string{"consumer", "consumer", "consumer", "consumer", "business", "reseller"}))
		out.money(g.revenue[i].Load())
		out.boolean(r.IntN(3) == 0)
		if r.IntN(4) == 0 {
			out.null()
		} else {
			out.date(g.end.AddDate(-18, 0, -r.IntN(60*365)))
		}
		out.time(created)
		out.time(created.Add(time.Duration(r.Float64() * float64(g.end.Sub(created)))).Truncate(time.Millisecond))
		out.end()
	}
	return out
}

// signup is when user i came: ids rise with time, and more come each month. The first user
// was there from the start.
func (g *generator) signup(i int, within float64) time.Time {
	if i == 0 {
		within = 0
	}
	part := math.Pow((float64(i)+within)/float64(g.scale.Users), 1/growthPower)
	return g.end.Add(-usersSpan + time.Duration(part*float64(usersSpan))).Truncate(time.Millisecond)
}

const growthPower = 1.5

// usersBy is how many users had come by t, at least one.
func (g *generator) usersBy(t time.Time) int {
	part := 1 - float64(g.end.Sub(t))/float64(usersSpan)
	return max(1, int(math.Pow(part, growthPower)*float64(g.scale.Users)))
}
