package publish_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/chittihq/duckling/services/loader/internal/filetest"
)

func TestMain(m *testing.M) {
	if data := os.Getenv(compactRole); data != "" {
		os.Exit(compactUpTo(data))
	}
	os.Exit(filetest.Main(m))
}

// bed is a file with a table whose rows change.
type bed struct {
	*filetest.Bed
	n int
}

func newBed(t *testing.T) *bed { t.Helper(); return newBedIn(t, t.TempDir()) }

func newBedIn(t *testing.T, data string) *bed {
	t.Helper()
	b := &bed{Bed: filetest.New(t, data)}
	b.Exec("CREATE TABLE t AS SELECT i AS id, i AS v, 'text ' || hash(i) AS s FROM range(200000) r(i)")
	return b
}

// change changes a few rows everywhere and commits.
func (b *bed) change() {
	b.n++
	b.Exec(fmt.Sprintf("BEGIN; DELETE FROM t WHERE id %% 20011 = %d; INSERT INTO t SELECT i, %d, 'new ' || hash(i) FROM range(%d) r(i) WHERE i %% 20011 = %d; COMMIT",
		b.n%20011, b.n, 200000, b.n%20011))
}
