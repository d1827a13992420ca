package reader_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/chittihq/duckling/pkg/generation"
	"github.com/chittihq/duckling/services/gateway/internal/gentest"
	"github.com/chittihq/duckling/services/gateway/internal/reader"
)

func pin(t *testing.T, g *gentest.Gateway) *reader.Generation {
	t.Helper()
	d, err := g.Databases.Get("default")
	if err != nil {
		t.Fatal(err)
	}
	one, err := d.Pin()
	if err != nil {
		t.Fatal(err)
	}
	return one
}

// The loader may take a generation's file back only when nobody reads it any more.
func TestOpenGenerationIsLeased(t *testing.T) {
	data := t.TempDir()
	dir := generation.Dir(data, "default")
	p := gentest.New(t, data, "default")
	p.Publish()
	g := gentest.Serve(t, data, gentest.Limits)
	g.Await(t, "default", 1)
	first := pin(t, g)
	p.Publish()
	g.Await(t, "default", 2)
	// One probe for each file: closing its descriptor gives up the locks that this process, which is the reader too, has on it.
	if claim, err := generation.TakeClaim(filepath.Join(dir, "gen-1.duckdb"), false); !errors.Is(err, generation.ErrHeld) {
		t.Errorf("a pinned generation could be claimed: %v, %v", claim, err)
	}
	first.Release()
	p.Publish()
	g.Await(t, "default", 3)
	gentest.Eventually(t, func() bool {
		claim, err := generation.TakeClaim(filepath.Join(dir, "gen-2.duckdb"), false)
		if err != nil {
			return false
		}
		claim.Close()
		return true
	})
}

// A file that the loader has claimed, or taken away, is left alone, and the next generation is served.
func TestGenerationTakenBackIsSkipped(t *testing.T) {
	data := t.TempDir()
	dir := generation.Dir(data, "default")
	p := gentest.New(t, data, "default")
	p.Publish()
	g := gentest.Serve(t, data, gentest.Limits)
	g.Await(t, "default", 1)

	claim, err := generation.TakeClaim(filepath.Join(dir, "gen-2.duckdb"), true)
	if err != nil {
		t.Fatal(err)
	}
	p.Publish()
	d, err := g.Databases.Get("default")
	if err != nil {
		t.Fatal(err)
	}
	gentest.Eventually(t, func() bool { return d.Failure() != nil })
	claim.Close()
	g.Await(t, "default", 2)
	if err := os.Remove(filepath.Join(dir, "gen-2.duckdb")); err != nil {
		t.Fatal(err)
	}
	p.Keep = 100
	p.Publish()
	g.Await(t, "default", 3)
	gentest.Eventually(t, func() bool { return d.Failure() == nil })
}

// The engine refuses by itself what the sandbox refuses before it.
func TestInstanceIsLockedDown(t *testing.T) {
	data := t.TempDir()
	p := gentest.New(t, data, "default")
	p.Exec("CREATE TABLE t AS SELECT 1 AS a")
	p.Publish()
	g := gentest.Serve(t, data, gentest.Limits)
	g.Await(t, "default", 1)
	one := pin(t, g)
	defer one.Release()
	secret := filepath.Join(t.TempDir(), "secret.csv")
	if err := os.WriteFile(secret, []byte("a\n1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	live := generation.LivePath(data, "default")
	for _, sql := range []string{
		"SELECT * FROM read_csv('" + secret + "')", "SELECT * FROM '" + secret + "'", "SELECT * FROM read_text('/etc/passwd')", "SELECT * FROM glob('/*')",
		"COPY t TO '" + secret + "'", "ATTACH '" + live + "' AS x (READ_ONLY)", "ATTACH '" + secret + ".duckdb' AS x", "EXPORT DATABASE '" + data + "/x'",
		"INSTALL httpfs", "LOAD httpfs", "SET enable_external_access = true", "SET lock_configuration = false", "SET memory_limit = '1TB'", "SET threads = 64", "SET temp_directory = '/'",
		"SET allowed_directories = ['/']", "RESET enable_external_access", "CREATE TABLE x (a INTEGER)", "CREATE TABLE companion.main.x (a INTEGER)", "INSERT INTO t VALUES (2)", "DROP TABLE t", "CREATE SECRET s (TYPE s3)",
	} {
		conn, err := one.Conn()
		if err != nil {
			t.Fatal(err)
		}
		if stmt, err := conn.Prepare(sql); err == nil {
			if res, err := stmt.Query(context.Background()); err == nil {
				res.Close()
				t.Errorf("%s was taken", sql)
			}
		}
		one.Put(conn, true)
	}
}
