package publish_test

import "testing"

// The live file and with it the generations become smaller when a table has. Free blocks at the file's end go with the next
// checkpoint; others once they are most of the file.
func TestSpaceIsGivenBack(t *testing.T) {
	for name, shrink := range map[string]string{
		"most rows deleted":  "DELETE FROM t WHERE hash(id) % 10 <> 0",
		"the oldest deleted": "DELETE FROM t WHERE id < 2700000",
		"truncated":          "TRUNCATE t",
		"replaced by a copy": "CREATE TABLE u AS SELECT * FROM t WHERE id % 10 = 0; DROP TABLE t; ALTER TABLE u RENAME TO t",
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			b.Exec(`CREATE OR REPLACE TABLE t AS SELECT i AS id, i AS v, 'text ' || hash(i) AS s FROM range(3000000) r(i);
				COMMENT ON TABLE t IS 'it''s kept'; COMMENT ON COLUMN t.v IS 'this too'; CREATE SCHEMA _duckling; CREATE TABLE _duckling.progress AS SELECT 7 AS seq`)
			b.Publish()
			full := b.size()
			b.Exec(shrink)
			for range 3 {
				b.Publish()
				b.Exec("UPDATE t SET v = v + 1 WHERE id % 200003 = 0")
			}
			b.Publish()
			if yes, err := b.File.Wasteful(); err != nil {
				t.Fatal(err)
			} else if yes {
				want := b.Sum()
				b.Conn.Close()
				if err := b.File.Compact(); err != nil {
					t.Fatal(err)
				}
				b.File.Close()
				b.Open()
				if got := b.Sum(); got != want {
					t.Fatalf("compacting changed the rows: sum %d became %d", want, got)
				}
				b.Publish()
			}
			b.Same()
			if left := b.size(); left > full*35/100 {
				t.Fatalf("of %d bytes %d are left with a tenth of the rows", full, left)
			}
			if name != "replaced by a copy" {
				b.Exec(`SELECT CASE WHEN count(*) <> 2 THEN error('comments or the other schema are lost') END FROM (
					SELECT comment FROM duckdb_tables() WHERE table_name = 't' AND comment = 'it''s kept' UNION ALL
					SELECT comment FROM duckdb_columns() WHERE table_name = 't' AND comment = 'this too')`)
			}
			b.Exec("UPDATE _duckling.progress SET seq = 8")
		})
	}
}

func (b *bed) size() int64 {
	b.T.Helper()
	size, err := b.File.Size()
	if err != nil {
		b.T.Fatal(err)
	}
	return size
}
