// Package plot draws line charts with logarithmic axes as plain SVG.
package plot

import (
	"fmt"
	"math"
	"os"
	"strings"
)

// Line is one curve; X and Y have the same length and are greater than 0.
type Line struct {
	Name string
	X, Y []float64
}

// Chart is a page with curves. Both axes are logarithmic.
type Chart struct {
	Title, X, Y string
	Lines       []Line
}

const (
	width, height            = 720.0, 420.0
	left, right, top, bottom = 70.0, 190.0, 50.0, 60.0
)

var colours = []string{"#1f77b4", "#d62728", "#2ca02c", "#9467bd"}

// axis maps values to places between from and to.
type axis struct{ low, high, from, to float64 }

// newAxis covers all values and ends at powers of ten.
func newAxis(values []float64, from, to float64) axis {
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		low, high = min(low, math.Floor(math.Log10(v))), max(high, math.Ceil(math.Log10(v)))
	}
	return axis{low, max(high, low+1), from, to}
}

func (a axis) at(v float64) float64 {
	return a.from + (math.Log10(v)-a.low)/(a.high-a.low)*(a.to-a.from)
}

func (a axis) ticks() []float64 {
	var out []float64
	for e := a.low; e <= a.high; e++ {
		out = append(out, math.Pow(10, e))
	}
	return out
}

// Save draws the chart into a file.
func (c Chart) Save(path string) error {
	if err := os.WriteFile(path, []byte(c.svg()), 0o644); err != nil {
		return fmt.Errorf("saving plot: %w", err)
	}
	return nil
}

func (c Chart) svg() string {
	var xs, ys []float64
	for _, l := range c.Lines {
		xs, ys = append(xs, l.X...), append(ys, l.Y...)
	}
	x, y := newAxis(xs, left, width-right), newAxis(ys, height-bottom, top)
	var out strings.Builder
	add := func(format string, args ...any) { fmt.Fprintf(&out, format+"\n", args...) }
	add(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" font-family="sans-serif" font-size="12">`, width, height)
	add(`<rect width="%.0f" height="%.0f" fill="#fff"/>`, width, height)
	add(`<text x="%.0f" y="28" font-size="15">%s</text>`, left, escape(c.Title))
	for _, v := range x.ticks() {
		add(`<path d="M%.1f %.1fV%.1f" stroke="#ddd"/><text x="%.1f" y="%.1f" text-anchor="middle">%s</text>`, x.at(v), top, height-bottom, x.at(v), height-bottom+18, short(v))
	}
	for _, v := range y.ticks() {
		add(`<path d="M%.1f %.1fH%.1f" stroke="#ddd"/><text x="%.1f" y="%.1f" text-anchor="end">%s</text>`, left, y.at(v), width-right, left-8, y.at(v)+4, short(v))
	}
	add(`<text x="%.1f" y="%.1f" text-anchor="middle">%s</text>`, (left+width-right)/2, height-16, escape(c.X))
	add(`<text transform="translate(18 %.1f) rotate(-90)" text-anchor="middle">%s</text>`, (top+height-bottom)/2, escape(c.Y))
	for i, l := range c.Lines {
		colour := colours[i%len(colours)]
		points := make([]string, len(l.X))
		for j := range l.X {
			points[j] = fmt.Sprintf("%.1f,%.1f", x.at(l.X[j]), y.at(l.Y[j]))
			add(`<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`, x.at(l.X[j]), y.at(l.Y[j]), colour)
		}
		add(`<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`, strings.Join(points, " "), colour)
		last := len(l.X) - 1
		add(`<text x="%.1f" y="%.1f" fill="%s">%s</text>`, x.at(l.X[last])+8, y.at(l.Y[last])+4, colour, escape(l.Name))
	}
	add(`</svg>`)
	return out.String()
}

func short(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%gM", v/1e6)
	case v >= 1e3:
		return fmt.Sprintf("%gk", v/1e3)
	default:
		return fmt.Sprintf("%g", v)
	}
}

func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}
