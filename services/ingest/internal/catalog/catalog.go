// Package catalog reads a source's tables from information_schema: their columns as frames carry them,
// the key that tells rows apart, and how large they are.
package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/frame"
	"github.com/chittihq/duckling/services/ingest/internal/binlog"
	"github.com/chittihq/duckling/services/ingest/internal/mysqltype"
	"github.com/chittihq/duckling/services/ingest/internal/server"
)

// Table is a table as the source's schema has it at the moment of reading.
type Table struct {
	Name    string
	Comment string
	Columns []mysqltype.Column
	// Key names the columns that tell rows apart, in key order, and Index the index they belong to: the primary key or,
	// without one, the unique index that the source takes for it, and tells of as the key of each row that it logs. Both are empty for a table
	// without.
	Key   []string
	Index string
	// Transactional is false for engines whose writes are seen before they are committed.
	Transactional bool
	// Rows and RowBytes are the source's estimates.
	Rows     uint64
	RowBytes uint64
	// Unsupported says why the table cannot be followed; nil when it can.
	Unsupported error
}

// Definition is the table as frames describe it.
func (t *Table) Definition() *cdcv1.TableDefinition {
	return Define(t.Name, t.Columns, t.Key, t.Comment)
}

// Define makes a definition and its fingerprint. Every key column must be among columns.
func Define(table string, columns []mysqltype.Column, key []string, comment string) *cdcv1.TableDefinition {
	def := &cdcv1.TableDefinition{Table: table, Comment: comment}
	for i := range columns {
		def.Columns = append(def.Columns, columns[i].Frame())
	}
	for _, name := range key {
		i := slices.IndexFunc(columns, func(c mysqltype.Column) bool { return c.Name == name })
		def.Key = append(def.Key, uint32(i))
	}
	def.Fingerprint = frame.Fingerprint(def)
	return def
}

// Ordered is how many of the key's leading columns sort in DuckDB as they do at the source; 0 for a key that may not be told.
func (t *Table) Ordered() int {
	n, leading := 0, true
	for _, name := range t.Key {
		i := slices.IndexFunc(t.Columns, func(c mysqltype.Column) bool { return c.Name == name })
		if t.Columns[i].Masked() {
			return 0
		}
		if leading = leading && t.Columns[i].SameOrder(); leading {
			n++
		}
	}
	return n
}

// Apply makes columns what the rules say. A table that cannot be followed under them becomes unsupported.
func (t *Table) Apply(rules mysqltype.Rules) {
	if t.Unsupported != nil {
		return
	}
	if columns, err := rules.Apply(t.Name, t.Columns, t.Key); err != nil {
		t.Unsupported = err
	} else {
		t.Columns = columns
	}
}

// Dated says that the table has dates of which there may be some that no calendar has.
func (t *Table) Dated() bool {
	return slices.ContainsFunc(t.Columns, func(c mysqltype.Column) bool { return c.Dated() })
}

// Read returns the base tables of the server's database by name. With names it reads only those; a
// name that does not exist is left out.
func Read(ctx context.Context, s *server.Server, names ...string) (map[string]*Table, error) {
	conn, err := s.DB.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the tables of %q: %w", s.Schema, err)
	}
	defer conn.Close()
	if s.Flavor == binlog.MySQL {
		// Otherwise row counts are up to a day old. Versions before 8.0 count at once and do not know it.
		_, err := conn.ExecContext(ctx, "SET SESSION information_schema_stats_expiry = 0")
		if err != nil && !server.Is(err, 1193) {
			return nil, fmt.Errorf("reading the tables of %q: %w", s.Schema, err)
		}
	}
	r := reader{ctx: ctx, conn: conn, flavor: s.Flavor, schema: s.Schema, names: names, tables: map[string]*Table{}, identifying: map[string][]string{}}
	for _, step := range []func() error{r.readTables, r.readColumns, r.readKeys} {
		if err := step(); err != nil {
			return nil, fmt.Errorf("reading the tables of %q: %w", s.Schema, err)
		}
	}
	// Dropped after its name was read and before its columns were.
	maps.DeleteFunc(r.tables, func(_ string, t *Table) bool { return len(t.Columns) == 0 })
	return r.tables, nil
}

type reader struct {
	ctx    context.Context //nolint:containedctx // lives as long as one reading of the catalog
	conn   *sql.Conn
	flavor binlog.Flavor
	schema string
	names  []string
	tables map[string]*Table
	// identifying names the columns of each table's key as the source has them, in the table's order.
	identifying map[string][]string
}

// SameNames says that two lists hold the same names, each once, in whichever order.
func SameNames(a, b []string) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(name string) bool { return !slices.Contains(b, name) })
}

// query runs a statement on an information_schema view for the tables asked for.
func (r *reader) query(statement, order string) (*sql.Rows, error) {
	args := []any{r.schema}
	statement += " WHERE TABLE_SCHEMA = ?"
	if len(r.names) > 0 {
		statement += " AND TABLE_NAME IN (?" + strings.Repeat(", ?", len(r.names)-1) + ")"
		for _, name := range r.names {
			args = append(args, name)
		}
	}
	return r.conn.QueryContext(r.ctx, statement+order, args...)
}

func (r *reader) readTables() error {
	rows, err := r.query(`SELECT TABLE_NAME, TABLE_TYPE, COALESCE(ENGINE, ''), COALESCE(TABLE_ROWS, 0),
		COALESCE(AVG_ROW_LENGTH, 0), TABLE_COMMENT FROM information_schema.TABLES`, "")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var t Table
		var kind, engine string
		if err := rows.Scan(&t.Name, &kind, &engine, &t.Rows, &t.RowBytes, &t.Comment); err != nil {
			return err
		}
		switch kind {
		case "BASE TABLE":
		case "SYSTEM VERSIONED":
			t.Unsupported = errors.New("system-versioned tables are not supported: their history is part of the table")
		default:
			continue
		}
		t.Transactional = strings.EqualFold(engine, "InnoDB")
		r.tables[t.Name] = &t
	}
	return rows.Err()
}

func (r *reader) readColumns() error {
	rows, err := r.query(`SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, COALESCE(NUMERIC_PRECISION, 0),
		COALESCE(NUMERIC_SCALE, 0), COALESCE(CHARACTER_MAXIMUM_LENGTH, 0), COALESCE(CHARACTER_SET_NAME, ''),
		IS_NULLABLE, COLUMN_COMMENT, COLUMN_DEFAULT, EXTRA, COLUMN_KEY = 'PRI' FROM information_schema.COLUMNS`, " ORDER BY TABLE_NAME, ORDINAL_POSITION")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var table, nullable, extra string
		var s mysqltype.SchemaColumn
		var value sql.NullString
		var identifies bool
		err := rows.Scan(&table, &s.Name, &s.DataType, &s.ColumnType, &s.Precision, &s.Scale, &s.Length, &s.Charset, &nullable, &s.Comment, &value, &extra, &identifies)
		if err != nil {
			return err
		}
		t, ok := r.tables[table]
		if !ok {
			continue
		}
		s.Nullable = nullable == "YES"
		column, err := mysqltype.Describe(s)
		if err != nil && t.Unsupported == nil {
			t.Unsupported = err
		}
		if value.Valid && !strings.Contains(extra, "DEFAULT_GENERATED") {
			column.SetDefault(value.String, r.flavor == binlog.MariaDB)
		}
		t.Columns = append(t.Columns, column)
		if identifies {
			r.identifying[table] = append(r.identifying[table], s.Name)
		}
	}
	return rows.Err()
}

// readKeys finds each table's key, the index on the columns that its rows are told apart by.
func (r *reader) readKeys() error {
	rows, err := r.query(`SELECT TABLE_NAME, INDEX_NAME, COALESCE(COLUMN_NAME, ''), SUB_PART IS NOT NULL
		FROM information_schema.STATISTICS`, ` AND NON_UNIQUE = 0
		ORDER BY TABLE_NAME, INDEX_NAME <> 'PRIMARY', INDEX_NAME, SEQ_IN_INDEX`)
	if err != nil {
		return err
	}
	defer rows.Close()
	type candidate struct {
		index string
		key   []string
		// prefix: on a part of a column, which only a primary key may be.
		prefix bool
	}
	found := map[string][]*candidate{}
	for rows.Next() {
		var table, index, column string
		var prefix bool
		if err := rows.Scan(&table, &index, &column, &prefix); err != nil {
			return err
		}
		list := found[table]
		if len(list) == 0 || list[len(list)-1].index != index {
			list = append(list, &candidate{index: index})
			found[table] = list
		}
		c := list[len(list)-1]
		c.key = append(c.key, column)
		c.prefix = c.prefix || prefix && index != "PRIMARY"
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for name, list := range found {
		t, ok := r.tables[name]
		if !ok {
			continue
		}
		if i := slices.IndexFunc(list, func(c *candidate) bool { return !c.prefix && SameNames(c.key, r.identifying[name]) }); i >= 0 {
			t.Key, t.Index = list[i].key, list[i].index
		}
	}
	return nil
}
