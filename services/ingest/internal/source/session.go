package source

import (
	"context"
	"strings"
	"unicode/utf8"

	"github.com/chittihq/duckling/services/ingest/internal/binlog"
	"github.com/chittihq/duckling/services/ingest/internal/ddl"
)

// parse reads a statement as its session meant it, and makes its text UTF-8: it was logged in the characters of whoever sent it.
func (r *run) parse(ctx context.Context, e *binlog.Event) (ddl.Statement, error) {
	if e.Collation != 0 && strings.ContainsFunc(e.SQL, func(c rune) bool { return c >= utf8.RuneSelf }) {
		charset, err := r.charsets.Find(ctx, e.Collation)
		if err != nil {
			return ddl.Statement{}, err
		}
		e.SQL, e.Collation = charset.Text(e.SQL), 0
	}
	e.SQL = strings.ToValidUTF8(e.SQL, "\uFFFD")
	return ddl.Session{Schema: e.Schema, NoEscapes: e.NoEscapes, LowerNames: r.server.LowerNames}.Parse(e.SQL), nil
}
