package publish_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/chittihq/duckling/pkg/generation"
	"github.com/chittihq/duckling/services/loader/internal/filetest"
	"github.com/chittihq/duckling/services/loader/internal/live"
)

// compactRole has the test binary compact the file below the directory that it names, in a process that may write to no file behind compactLimit.
const (
	compactRole  = "DUCKLING_TEST_COMPACT"
	compactLimit = "DUCKLING_TEST_COMPACT_LIMIT"
)

func compactUpTo(data string) int {
	file, err := live.Open(data, filetest.Database, live.Options{Threads: 2})
	if err == nil {
		defer file.Close()
		err = filetest.DieAtLimit()
	}
	if err == nil {
		var limit uint64
		if limit, err = strconv.ParseUint(os.Getenv(compactLimit), 10, 64); err == nil {
			err = unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: limit, Max: limit})
		}
	}
	if err == nil {
		err = file.Compact()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// A process that compacts a file is ended by the kernel at a write, the next one a little later, until one gets through. Each time the file, its progress and the newest
// generation are what they were, and the next attempt begins anew. The one that gets through loses nothing either.
func TestKilledAtEachWriteOfACompaction(t *testing.T) {
	b := newBed(t)
	b.Exec(`CREATE SCHEMA _duckling; CREATE TABLE _duckling.progress AS SELECT 7 AS seq; CREATE TABLE large AS SELECT uuid() AS u FROM range(400000)`)
	b.Publish()
	b.Exec("DROP TABLE large")
	for range 3 {
		b.change()
		b.Publish()
	}
	before, want := b.size(), b.Sum()
	manifest, err := generation.Read(b.Dir())
	if err != nil {
		t.Fatal(err)
	}
	killed := 0
	for limit := int64(4 << 10); ; limit += limit/8 + 64<<10 {
		b.Close()
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), compactRole+"="+b.Data, fmt.Sprintf("%s=%d", compactLimit, limit))
		out, err := cmd.CombinedOutput()
		b.Open()
		if got := b.Sum(); got != want {
			t.Fatalf("a compaction that ended at byte %d left sum %d of %d", limit, got, want)
		}
		b.Exec("SELECT CASE WHEN count(*) <> 1 THEN error('progress is lost') END FROM _duckling.progress WHERE seq = 7")
		if now, err := generation.Read(b.Dir()); err != nil || now.Generation != manifest.Generation || now.Check(b.Dir()) != nil || b.NewestSum() != want {
			t.Fatalf("a compaction that ended at byte %d left the manifest %+v, %v", limit, now, err)
		}
		if err == nil {
			break
		}
		if limit > before || !filetest.DiedAtLimit(cmd) {
			t.Fatalf("a compaction that may write up to byte %d of %d failed: %v\n%s", limit, before, err, out)
		}
		if size := b.size(); size != before {
			t.Fatalf("a compaction that ended at byte %d left %d bytes of %d", limit, size, before)
		}
		killed++
	}
	if size := b.size(); size > before/2 || killed < 5 {
		t.Fatalf("after %d kills the file has %d bytes, and had %d", killed, size, before)
	}
	if left, err := filepath.Glob(filepath.Join(b.Data, filetest.Database, "*.compact*")); err != nil || len(left) > 0 {
		t.Fatalf("there is left %v, %v", left, err)
	}
	b.change()
	b.Publish()
	b.Same()
	t.Logf("killed %d times", killed)
}
