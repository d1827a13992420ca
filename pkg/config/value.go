package config

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"strconv"
	"strings"
)

// Secret is text that no log, error or JSON shows. Reveal it where it is used.
type Secret string

const hidden = "***"

// Reveal returns the text.
func (s Secret) Reveal() string { return string(s) }

// String hides the text, as does every other way to print it.
func (s Secret) String() string { return hidden }

// Format implements fmt.Formatter: verbs that know no String method, like %d, would print the text.
func (s Secret) Format(f fmt.State, _ rune) {
	// A State reports a failure to write to the caller of Fprintf itself.
	_, _ = io.WriteString(f, hidden)
}

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText implements encoding.TextMarshaler.
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = Secret(text)
	return nil
}

// Bytes is a size. It is written as a number with B, KB, MB, GB, TB (powers of
// 1000) or KiB, MiB, GiB, TiB (powers of 1024), as DuckDB writes them; nothing needs no unit: 0.
type Bytes int64

var units = []struct {
	suffix string
	size   float64
}{
	{"KIB", 1 << 10}, {"MIB", 1 << 20}, {"GIB", 1 << 30}, {"TIB", 1 << 40},
	{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1},
}

var errBytes = errors.New("must be a size such as 512MB or 4GiB")

// UnmarshalText implements encoding.TextUnmarshaler.
func (b *Bytes) UnmarshalText(text []byte) error {
	s := strings.ToUpper(strings.TrimSpace(string(text)))
	if s == "0" {
		*b = 0
		return nil
	}
	for _, u := range units {
		number, ok := strings.CutSuffix(s, u.suffix)
		if !ok {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || v < 0 || v*u.size >= math.MaxInt64 || math.IsNaN(v) {
			return errBytes
		}
		*b = Bytes(v * u.size)
		return nil
	}
	return errBytes
}

// String writes the size so that DuckDB reads the same number.
func (b Bytes) String() string { return fmt.Sprintf("%dB", int64(b)) }
