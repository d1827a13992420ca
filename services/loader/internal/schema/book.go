// Package schema holds what the loader keeps in DuckDB beside the rows: how far
// it got, which tables there are and how their rows are read, which copies are
// under way. It also turns table definitions into DuckDB's DDL.
//
// Everything it keeps is in the schema _duckling and changes in the same
// transaction as the rows it speaks of.
package schema

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/duck"
)

// Version of the bookkeeping tables. A loader refuses a file of another version.
const Version = 1

// Progress is how far the stream has been applied.
type Progress struct {
	// Source is the database id in the frames.
	Source string
	// Epoch and Seq name the last frame applied, MessageID its place in the stream's history.
	Epoch     uint64
	Seq       uint64
	MessageID string
	Position  *cdcv1.Position
	// SourceTimeUS is the latest time at the source up to which nothing was committed after Position.
	SourceTimeUS int64
	// CopyAll says why every table has to be copied again, until ingest has been told; else it is empty.
	CopyAll string
}

// Table is one table of the source.
type Table struct {
	// Source is its name there, Name its name in DuckDB.
	Source, Name string
	// Live is what the rows that readers see follow, nil when there are none.
	Live *cdcv1.TableDefinition
	Rows int64
	// Frozen keeps the stream's changes from the rows that readers see.
	Frozen bool
	// Stale says why the rows may be older than Progress, or is empty.
	Stale string
	// Ask says why ingest is to copy the table, until it does; else it is empty.
	Ask string
	// Copy is the copy under way, or nil.
	Copy *Copy
	// Kept are columns that readers see beside those of Live: the source has dropped them.
	Kept []*cdcv1.Column
	// Gone is true for a table that the source has dropped and that readers still see.
	Gone bool
	// Cancelled is when a copy of it was given up that it did without; zero where none was since the last.
	Cancelled time.Time
}

// Follows is the definition that the stream's rows of the table have now, nil
// while there is none.
func (t *Table) Follows() *cdcv1.TableDefinition {
	if t.Copy != nil {
		return t.Copy.Definition
	}
	return t.Live
}

// At and Op are the columns of a table of changes before the source's own: the
// place of the change in the stream, and the frame's operation.
const (
	At            = Reserved + "at"
	Op            = Reserved + "op"
	ChangeColumns = At + " UBIGINT, " + Op + " UTINYINT, "
)

// Book is the bookkeeping of one file, in memory and on disk. Its changes are
// made within the caller's transaction; after a rollback the book is stale and Load must be called.
type Book struct {
	conn        *duck.Conn
	Progress    Progress
	tables      map[string]*Table
	definitions map[uint64]*cdcv1.TableDefinition
}

const create = `
CREATE SCHEMA _duckling;
CREATE TABLE _duckling.format (version INTEGER, duckdb VARCHAR);
CREATE TABLE _duckling.progress (
	source VARCHAR, epoch UBIGINT, seq UBIGINT, message_id VARCHAR, gtid_set VARCHAR, binlog_file VARCHAR, binlog_offset UBIGINT,
	server VARCHAR, commit_time_us BIGINT, source_time_us BIGINT, copy_all VARCHAR);
CREATE TABLE _duckling.definitions (fingerprint UBIGINT, source VARCHAR, definition BLOB);
CREATE TABLE _duckling.tables (source VARCHAR, name VARCHAR, fingerprint UBIGINT, row_count BIGINT, frozen BOOLEAN, stale VARCHAR, ask VARCHAR);
CREATE TABLE _duckling.copies (
	source VARCHAR, copy_id UBIGINT, fingerprint UBIGINT, received BIGINT, row_count BIGINT, sent BIGINT, estimated BIGINT, cut BOOLEAN, emptied BOOLEAN);
INSERT INTO _duckling.progress VALUES (%s, 0, 0, '', '', '', 0, '', 0, 0, '');
INSERT INTO _duckling.format VALUES (%d, %s);`

// ErrForeign says that the file was written for something else.
var ErrForeign = errors.New("the file is not this loader's")

// Open reads the book of conn's file, or starts one in a new file. A file of
// another source or of a version it does not know is an error that wraps ErrForeign.
func Open(conn *duck.Conn, source string) (*Book, error) {
	b := &Book{conn: conn}
	known, err := b.rows("SELECT 1 FROM duckdb_schemas() WHERE schema_name = '_duckling' AND NOT internal")
	if err != nil {
		return nil, fmt.Errorf("reading the file's schemas: %w", err)
	}
	if len(known) == 0 {
		if err := conn.Transaction(func() error {
			return conn.Exec(fmt.Sprintf(create, duck.Literal(source), Version, duck.Literal(duck.Version())))
		}); err != nil {
			return nil, fmt.Errorf("creating the loader's own tables: %w", err)
		}
	}
	formats, err := b.rows("SELECT version::UBIGINT, duckdb FROM _duckling.format")
	if err != nil {
		return nil, fmt.Errorf("reading the version of the loader's own tables: %w", err)
	}
	if v := formats[0].uint(0); v != Version {
		return nil, fmt.Errorf("%w: it has bookkeeping version %d and this release has %d: run the release that wrote it, or move the file away to have everything copied again", ErrForeign, v, Version)
	}
	if err := conn.Exec(createResync + "; " + createKept + "; " + createCancelled); err != nil {
		return nil, fmt.Errorf("creating the loader's own tables: %w", err)
	}
	if err := b.Load(); err != nil {
		return nil, err
	}
	if b.Progress.Source != source {
		return nil, fmt.Errorf("%w: it holds database %q and not %q: correct DATA_DIR or the database's id", ErrForeign, b.Progress.Source, source)
	}
	return b, nil
}

// Load reads everything again from the file.
func (b *Book) Load() error {
	if err := b.loadProgress(); err != nil {
		return fmt.Errorf("reading progress: %w", err)
	}
	if err := b.loadDefinitions(); err != nil {
		return fmt.Errorf("reading table definitions: %w", err)
	}
	if err := b.loadTables(); err != nil {
		return fmt.Errorf("reading tables: %w", err)
	}
	if err := b.loadKept(); err != nil {
		return fmt.Errorf("reading kept columns: %w", err)
	}
	if err := b.loadCancelled(); err != nil {
		return fmt.Errorf("reading which copies were cancelled: %w", err)
	}
	return nil
}

func (b *Book) loadProgress() error {
	rows, err := b.rows(`SELECT source, epoch, seq, message_id, gtid_set, binlog_file, binlog_offset, server, commit_time_us, source_time_us, copy_all FROM _duckling.progress`)
	if err != nil {
		return err
	}
	if len(rows) != 1 {
		return fmt.Errorf("there are %d rows and must be one", len(rows))
	}
	r := rows[0]
	b.Progress = Progress{
		Source: r.text(0), Epoch: r.uint(1), Seq: r.uint(2), MessageID: r.text(3),
		Position:     &cdcv1.Position{GtidSet: r.text(4), File: r.text(5), Offset: r.uint(6), Server: r.text(7), CommitTimeUs: r.int(8)},
		SourceTimeUS: r.int(9), CopyAll: r.text(10),
	}
	return nil
}

func (b *Book) loadDefinitions() error {
	rows, err := b.rows("SELECT definition FROM _duckling.definitions")
	if err != nil {
		return err
	}
	b.definitions = make(map[uint64]*cdcv1.TableDefinition, len(rows))
	for _, r := range rows {
		def := new(cdcv1.TableDefinition)
		if err := proto.Unmarshal([]byte(r.text(0)), def); err != nil {
			return err
		}
		b.definitions[def.GetFingerprint()] = def
	}
	return nil
}

func (b *Book) loadTables() error {
	rows, err := b.rows("SELECT source, name, fingerprint, row_count, frozen, stale, ask FROM _duckling.tables")
	if err != nil {
		return err
	}
	b.tables = make(map[string]*Table, len(rows))
	for _, r := range rows {
		t := &Table{Source: r.text(0), Name: r.text(1), Rows: r.int(3), Frozen: r.bool(4), Stale: r.text(5), Ask: r.text(6)}
		if fp := r.uint(2); fp != 0 {
			if t.Live = b.definitions[fp]; t.Live == nil {
				return fmt.Errorf("the definition of table %q is missing", t.Source)
			}
		}
		b.tables[t.Source] = t
	}
	rows, err = b.rows("SELECT source, copy_id, fingerprint, received, row_count, sent, estimated, cut, emptied FROM _duckling.copies")
	if err != nil {
		return err
	}
	for _, r := range rows {
		t := b.tables[r.text(0)]
		if t == nil || b.definitions[r.uint(2)] == nil {
			return fmt.Errorf("the copy of table %q belongs to no table", r.text(0))
		}
		t.Copy = &Copy{
			ID: r.uint(1), Definition: b.definitions[r.uint(2)], Received: r.int(3), Rows: r.int(4), Sent: r.int(5), Estimated: r.int(6),
			Cut: r.bool(7), Emptied: r.bool(8),
		}
	}
	return nil
}

// Table returns the table of that name at the source, or nil.
func (b *Book) Table(source string) *Table { return b.tables[source] }

// Tables returns all tables in the order of their names.
func (b *Book) Tables() []*Table {
	out := slices.Collect(maps.Values(b.tables))
	slices.SortFunc(out, func(x, y *Table) int { return strings.Compare(x.Source, y.Source) })
	return out
}

// ByCopy returns the table that the copy belongs to, or nil for one that is void or was never begun.
func (b *Book) ByCopy(id uint64) *Table {
	for _, t := range b.tables {
		if t.Copy != nil && t.Copy.ID == id {
			return t
		}
	}
	return nil
}

// Definition returns the definition with that fingerprint, or nil.
func (b *Book) Definition(fingerprint uint64) *cdcv1.TableDefinition {
	return b.definitions[fingerprint]
}

// Ensure returns the table of that name at the source, made and named if it is new.
func (b *Book) Ensure(source string) (*Table, error) {
	if t := b.tables[source]; t != nil {
		return t, nil
	}
	t := &Table{Source: source, Name: b.freeName(source)}
	if err := b.insert(t); err != nil {
		return nil, err
	}
	b.tables[source] = t
	return t, nil
}

// freeName chooses a table's name in DuckDB: its name at the source, unless
// another table has that name but for case (DuckDB does not tell these apart)
// or it is reserved. Then the first of name__2, name__3, ... that is free.
func (b *Book) freeName(source string) string {
	taken := func(name string) bool {
		if strings.HasPrefix(strings.ToLower(name), Reserved) {
			return true
		}
		for _, t := range b.tables {
			if strings.EqualFold(t.Name, name) {
				return true
			}
		}
		return false
	}
	if !taken(source) {
		return source
	}
	base := source
	if strings.HasPrefix(strings.ToLower(source), Reserved) {
		base = "source" + source
	}
	for n := 2; ; n++ {
		if name := fmt.Sprintf("%s__%d", base, n); !taken(name) {
			return name
		}
	}
}

// Rename gives a table its new name at the source and the name in DuckDB that
// goes with it. The caller renames the table itself.
func (b *Book) Rename(t *Table, source string) error {
	if err := b.forget(t); err != nil {
		return err
	}
	t.Source, t.Name = source, b.freeName(source)
	b.tables[source] = t
	if err := b.insert(t); err != nil {
		return err
	}
	if err := errors.Join(b.SaveKept(t), b.SaveCancelled(t)); err != nil {
		return err
	}
	if t.Copy != nil {
		return b.SaveCopy(t)
	}
	return nil
}

// Forget removes a table.
func (b *Book) Forget(t *Table) error {
	t.Copy = nil
	return b.forget(t)
}

func (b *Book) forget(t *Table) error {
	delete(b.tables, t.Source)
	name := duck.Literal(t.Source)
	return b.conn.Exec("DELETE FROM _duckling.tables WHERE source = " + name + "; DELETE FROM _duckling.copies WHERE source = " + name +
		"; DELETE FROM _duckling.kept WHERE source = " + name + "; DELETE FROM _duckling.cancelled WHERE source = " + name)
}

func (b *Book) insert(t *Table) error {
	return b.conn.Run(duck.Uncancelled, "INSERT INTO _duckling.tables VALUES (?, ?, ?, ?, ?, ?, ?)",
		t.Source, t.Name, t.Live.GetFingerprint(), t.Rows, t.Frozen, t.Stale, t.Ask)
}

// SaveTable stores what has changed in t. Not by UPDATE: DuckDB keeps a transaction with one, and with it the lock that a checkpoint needs, until every
// snapshot taken before has ended, and a comparison's lasts long.
func (b *Book) SaveTable(t *Table) error {
	if err := b.conn.Exec("DELETE FROM _duckling.tables WHERE source = " + duck.Literal(t.Source)); err != nil {
		return err
	}
	return b.insert(t)
}

// AddDefinition stores a definition that passed frame.CheckDefinition, in place of one with other defaults and comments.
func (b *Book) AddDefinition(def *cdcv1.TableDefinition) error {
	known := b.definitions[def.GetFingerprint()]
	if proto.Equal(known, def) {
		return nil
	}
	data, err := proto.Marshal(def)
	if err != nil {
		return fmt.Errorf("encoding definition: %w", err)
	}
	if known != nil {
		if err := b.conn.Exec(fmt.Sprintf("DELETE FROM _duckling.definitions WHERE fingerprint = %d", def.GetFingerprint())); err != nil {
			return err
		}
	}
	if err := b.conn.Run(duck.Uncancelled, "INSERT INTO _duckling.definitions VALUES (?, ?, ?)", def.GetFingerprint(), def.GetTable(), data); err != nil {
		return err
	}
	b.definitions[def.GetFingerprint()] = def
	return nil
}

// SaveProgress stores p, as SaveTable does a table.
func (b *Book) SaveProgress(p Progress) error {
	err := b.conn.Exec("DELETE FROM _duckling.progress")
	if err == nil {
		err = b.conn.Run(duck.Uncancelled, "INSERT INTO _duckling.progress VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
			p.Source, p.Epoch, p.Seq, p.MessageID, p.Position.GetGtidSet(), p.Position.GetFile(), p.Position.GetOffset(),
			p.Position.GetServer(), p.Position.GetCommitTimeUs(), p.SourceTimeUS, p.CopyAll)
	}
	if err != nil {
		return fmt.Errorf("storing progress: %w", err)
	}
	b.Progress = p
	return nil
}
