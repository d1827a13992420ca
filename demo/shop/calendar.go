package shop

import (
	"sort"
	"time"
)

const (
	ordersSpan = 730 * 24 * time.Hour      // orders reach back this far from the end
	usersSpan  = ordersSpan + ordersSpan/2 // the first users came a year before the first orders
)

// calendar says when the shop's orders were made: twice as many at the end as at the
// start, few at night, most on Sundays and before Christmas.
type calendar struct {
	start time.Time
	cells []float64 // cells[h] is the part of all orders made before hour h, rising to 1
}

func newCalendar(end time.Time) calendar {
	c := calendar{start: end.Add(-ordersSpan)}
	hours := int(ordersSpan / time.Hour)
	c.cells = make([]float64, hours+1)
	for h := range hours {
		growth := 1 + float64(h)/float64(hours)
		c.cells[h+1] = c.cells[h] + growth*seasonality(c.start.Add(time.Duration(h)*time.Hour))
	}
	total := c.cells[hours]
	for h := range c.cells {
		c.cells[h] /= total
	}
	return c
}

func seasonality(t time.Time) float64 {
	hourly := [24]float64{4, 2, 1, 1, 1, 2, 4, 7, 10, 12, 12, 13, 14, 12, 11, 11, 12, 14, 17, 20, 22, 20, 14, 8}
	weekly := [7]float64{time.Sunday: 1.4, time.Monday: 1.1, time.Tuesday: 0.9, time.Wednesday: 0.9, time.Thursday: 0.95, time.Friday: 0.85, time.Saturday: 1.0}
	yearly := 1.0
	if day := t.YearDay(); day > 325 && day < 358 {
		yearly = 1.7
	}
	return hourly[t.Hour()] * weekly[t.Weekday()] * yearly
}

// at returns the moment before which a part p of all orders, in [0, 1), was made.
func (c calendar) at(p float64) time.Time {
	last := len(c.cells) - 2
	h := min(last, sort.Search(len(c.cells), func(h int) bool { return c.cells[h] > p })-1)
	inHour := (p - c.cells[h]) / (c.cells[h+1] - c.cells[h])
	return c.start.Add(time.Duration((float64(h) + inHour) * float64(time.Hour))).Truncate(time.Millisecond)
}
