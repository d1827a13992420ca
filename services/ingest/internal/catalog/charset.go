package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/chittihq/duckling/services/ingest/internal/mysqltype"
	"github.com/chittihq/duckling/services/ingest/internal/server"
)

// Charsets finds a column's character set by the collation number that the binlog gives. The conversion tables
// come from the server itself, so that the stream reads as the copy does. Not safe for concurrent use.
type Charsets struct {
	db          *sql.DB
	byCollation map[uint64]string
	singleByte  map[string]bool
	loaded      map[string]*mysqltype.Charset
}

// ReadCharsets asks the server which collations it has.
func ReadCharsets(ctx context.Context, s *server.Server) (*Charsets, error) {
	c := &Charsets{db: s.DB, byCollation: map[uint64]string{}, singleByte: map[string]bool{}, loaded: map[string]*mysqltype.Charset{}}
	if err := c.read(ctx); err != nil {
		return nil, fmt.Errorf("reading the server's character sets: %w", err)
	}
	return c, nil
}

func (c *Charsets) read(ctx context.Context) error {
	widths, err := c.db.QueryContext(ctx, "SELECT CHARACTER_SET_NAME, MAXLEN FROM information_schema.CHARACTER_SETS")
	if err != nil {
		return err
	}
	defer widths.Close()
	for widths.Next() {
		var name string
		var width int
		if err := widths.Scan(&name, &width); err != nil {
			return err
		}
		c.singleByte[name] = width == 1
	}
	if err := widths.Err(); err != nil {
		return err
	}
	// MariaDB 10.10 and later list collations that fit several character sets there once for each.
	for _, statement := range []string{
		"SELECT ID, CHARACTER_SET_NAME FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY",
		"SELECT ID, CHARACTER_SET_NAME FROM information_schema.COLLATIONS",
	} {
		if err = c.readCollations(ctx, statement); err == nil || !server.Is(err, 1054) {
			return err
		}
	}
	return err
}

func (c *Charsets) readCollations(ctx context.Context, statement string) error {
	rows, err := c.db.QueryContext(ctx, statement)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id sql.NullInt64
		var name sql.NullString
		if err := rows.Scan(&id, &name); err != nil {
			return err
		}
		if id.Valid && name.Valid {
			c.byCollation[uint64(id.Int64)] = name.String
		}
	}
	return rows.Err()
}

// Find returns the character set of a collation. The first use of one asks the server.
func (c *Charsets) Find(ctx context.Context, collation uint64) (*mysqltype.Charset, error) {
	name, ok := c.byCollation[collation]
	if !ok {
		return nil, fmt.Errorf("collation %d is unknown to the server", collation)
	}
	if charset, ok := c.loaded[name]; ok {
		return charset, nil
	}
	charset, ok := mysqltype.Algorithmic(name)
	if !ok {
		load := c.loadMultibyte
		if c.singleByte[name] {
			load = c.load
		}
		var err error
		if charset, err = load(ctx, name); err != nil {
			return nil, fmt.Errorf("reading character set %s from the server: %w", name, err)
		}
	}
	c.loaded[name] = charset
	return charset, nil
}

// load asks the server what each byte means.
func (c *Charsets) load(ctx context.Context, name string) (*mysqltype.Charset, error) {
	var table [256]string
	var statement strings.Builder
	pointers := make([]any, len(table))
	for b := range table {
		separator := ", "
		if b == 0 {
			separator = "SELECT "
		}
		fmt.Fprintf(&statement, "%sCONVERT(_%s x'%02x' USING utf8mb4)", separator, name, b)
		pointers[b] = &table[b]
	}
	if err := c.db.QueryRowContext(ctx, statement.String()).Scan(pointers...); err != nil {
		return nil, err
	}
	return mysqltype.SingleByte(name, table), nil
}

// loadMultibyte asks the server what each run of bytes means that may be a character. That is tens of thousands of
// questions, put a few hundred at a time; it takes about a second.
func (c *Charsets) loadMultibyte(ctx context.Context, name string) (*mysqltype.Charset, error) {
	set, ok := mysqltype.NewMultibyte(name)
	if !ok {
		return nil, errors.New("it is not supported by this release")
	}
	var codes [][]byte
	var failed error
	set.Codes(func(code []byte) bool {
		codes = append(codes, code)
		if len(codes) == 512 {
			failed = c.ask(ctx, name, set, codes)
			codes = codes[:0]
		}
		return failed == nil
	})
	if failed == nil && len(codes) > 0 {
		failed = c.ask(ctx, name, set, codes)
	}
	if failed != nil {
		return nil, failed
	}
	return set.Charset(), nil
}

// ask leaves out what the server would not convert: null, or more than one character.
func (c *Charsets) ask(ctx context.Context, name string, set *mysqltype.Multibyte, codes [][]byte) error {
	var statement strings.Builder
	answers, pointers := make([]sql.NullString, len(codes)), make([]any, len(codes))
	for i, code := range codes {
		separator := ", "
		if i == 0 {
			separator = "SELECT "
		}
		fmt.Fprintf(&statement, "%sCONVERT(CONVERT(x'%x' USING %s) USING utf8mb4)", separator, code, name)
		pointers[i] = &answers[i]
	}
	if err := c.db.QueryRowContext(ctx, statement.String()).Scan(pointers...); err != nil {
		return err
	}
	for i, answer := range answers {
		if answer.Valid {
			set.Set(codes[i], answer.String)
		}
	}
	return nil
}
