package shop

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

type category struct {
	name     string
	typical  float64 // price of a typical product
	products []string
}

var categories = []category{
	{"Kitchen", 28, []string{"Crème brûlée dishes", "Kettle", "Bread knife", "Cast iron pan", "Rice cooker"}},
	{"Garden", 35, []string{"Watering can", "Pruning shears", "Jardinière", "Rake", "Hammock"}},
	{"Books", 16, []string{"Cookbook", "Novel", "Atlas", "Children's book", "Field guide"}},
	{"Toys", 19, []string{"Wooden train", "Puzzle, 1000 pieces", "Kite", "Building blocks", "Matryoshka матрёшка"}},
	{"Electronics", 140, []string{"Headphones", `24" monitor`, "Keyboard", "Camera", "Power bank"}},
	{"Clothing", 42, []string{"Linen shirt", "Wool socks", "Raincoat", "Kimono 着物", "Jeans"}},
	{"Sports", 55, []string{"Yoga mat", "Football", "Tent", "Badminton set", "Running shoes"}},
	{"Beauty", 14, []string{"Soap", "Rosé cream", "Shampoo", "Comb", "Perfume"}},
	{"Office", 11, []string{"Notebook", "Fountain pen", "Stapler", "Desk lamp", "Paper, 500 sheets"}},
	{"Grocery", 7, []string{"Assam tea", "Olive oil", "Masala chai", "Jalapeño sauce", "Honey"}},
}

var (
	makers = []string{"Ahorn", "Blåbær", "Chitti", "Dvořák", "Étoile", "Fjord", "Gül", "Hoshi 星", "Île", "Júpiter", "Kaveri", "Łabędź"}
	colors = []string{"black", "white", "crème", "indigo", "rouge", "grün", "saffron"}
)

// products writes the catalogue and returns the price of each product, in cents.
func (g *generator) products(f format) (rows, []int64) {
	out := rows{format: f}
	prices := make([]int64, g.scale.Products)
	r := g.random(productStream, 0)
	for i := range prices {
		c := pick(r, categories)
		prices[i] = price(r, c.typical)
		age := time.Duration(r.Int64N(int64(365 * 24 * time.Hour)))
		created := g.end.Add(-usersSpan - age).Truncate(time.Millisecond)

		out.integer(int64(i + 1))
		out.string(fmt.Sprintf("%.3s-%06d", c.name, i+1))
		out.string(pick(r, makers) + " " + pick(r, c.products))
		out.string(c.name)
		out.money(prices[i])
		out.integer(r.Int64N(500) - 5) // a few are sold that are not there
		if r.IntN(10) == 0 {
			out.null()
		} else {
			out.double(math.Round(r.ExpFloat64()*2000+20) / 1000)
		}
		if r.IntN(5) == 0 {
			out.null()
		} else {
			out.string(attributes(r))
		}
		out.boolean(r.IntN(20) > 0)
		out.time(created)
		out.time(created)
		out.end()
	}
	return out, prices
}

// price is log-normal around the typical one and ends as prices do.
func price(r *rand.Rand, typical float64) int64 {
	whole := int64(math.Max(1, typical*math.Exp(r.NormFloat64()*0.6)))
	return whole*100 + pick(r, []int64{0, 49, 90, 95, 99, 99})
}

// attributes is a JSON object as MySQL would print it (keys by length, then by name), so
// that MySQL, which parses it, and MariaDB, which keeps the text, hold the same.
func attributes(r *rand.Rand) string {
	return fmt.Sprintf(`{"color": "%s", "rating": %d, "dimensions": {"depth": %d, "width": %d}, "warrantyMonths": %d}`,
		pick(r, colors), 1+r.IntN(5), 1+r.IntN(60), 1+r.IntN(90), 12*r.IntN(4))
}
