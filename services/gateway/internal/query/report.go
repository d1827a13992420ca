package query

import (
	"context"
	"errors"
	"hash/fnv"
	"log/slog"
	"strconv"
	"strings"
	"time"
)

// report logs a statement that ended, if it is to be logged: all with Limits.Log, slow ones with Limits.Slow.
func (t *ticket) report(took time.Duration, err error, rows int) {
	limits := &t.service.limits
	slow := limits.Slow > 0 && took >= limits.Slow
	if !slow && !limits.Log {
		return
	}
	outcome := "ok"
	var e *Error
	if errors.As(err, &e) {
		outcome = string(e.Code)
	}
	attrs := []slog.Attr{
		slog.String("fingerprint", fingerprint(t.statement.SQL)), slog.String("kind", string(t.statement.Kind)), slog.String("key", t.statement.Key),
		slog.String("database", t.generation.Database), slog.Uint64("generation", t.generation.Number),
		slog.Float64("ms", float64(took.Microseconds())/1000), slog.Int("rows", rows), slog.String("outcome", outcome),
	}
	if id := t.span.TraceID(); id != "" {
		attrs = append(attrs, slog.String("trace", id))
	}
	if !slow {
		t.service.log.LogAttrs(context.Background(), slog.LevelInfo, "query", attrs...)
		return
	}
	t.service.metrics.slow.Inc()
	attrs = append(attrs, slog.String("sql", shortened(t.statement.SQL)))
	t.service.log.LogAttrs(context.Background(), slog.LevelWarn, "slow query", attrs...)
}

// shortened is a statement as far as lists and logs show it.
func shortened(sql string) string {
	const most = 2000
	if len(sql) <= most {
		return sql
	}
	return strings.ToValidUTF8(sql[:most], "") + " ..."
}

// fingerprint names statements that differ in their numbers, strings, spaces and letters' case only.
func fingerprint(sql string) string {
	h := fnv.New64a()
	var one [1]byte
	put := func(c byte) { one[0] = c; _, _ = h.Write(one[:]) } // a hash takes everything
	previous := byte(' ')
	for i := 0; i < len(sql); i++ {
		c := sql[i]
		switch {
		case c == '\'':
			for i++; i < len(sql) && sql[i] != '\''; i++ {
			}
			c = '?'
		case c >= '0' && c <= '9' && !wordByte(previous):
			for i+1 < len(sql) && (wordByte(sql[i+1]) || sql[i+1] == '.') {
				i++
			}
			c = '?'
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			if c = ' '; previous == ' ' {
				continue
			}
		case c >= 'A' && c <= 'Z':
			c += 'a' - 'A'
		}
		put(c)
		previous = c
	}
	return strconv.FormatUint(h.Sum64(), 16)
}

func wordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}
