package publish_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/chittihq/duckling/services/loader/internal/filetest"
	"github.com/chittihq/duckling/services/loader/internal/publish"
)

// used is how many bytes of a file system are taken.
func used(t *testing.T, path string) int64 {
	t.Helper()
	fd, err := unix.Open(path, unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	if err := unix.Syncfs(fd); err != nil {
		t.Fatal(err)
	}
	var s unix.Statfs_t
	if err := unix.Fstatfs(fd, &s); err != nil {
		t.Fatal(err)
	}
	return int64(s.Blocks-s.Bfree) * s.Bsize
}

// Where the file system can, a generation shares its blocks with the live file: nothing is copied, whatever is written meanwhile and after, and many of them take little more
// room than one. Readers and the bound on their number see no difference.
func TestGenerationsShareBlocks(t *testing.T) {
	data := filetest.XFS(t, true)
	empty := used(t, data)
	c := newCrowd(t, newBedIn(t, data))
	// Incompressible, so that a copy would take its size.
	c.Exec("CREATE TABLE filler AS SELECT uuid() AS a, uuid() AS b FROM range(400000)")
	for range 10 {
		c.change()
		writing := make(chan error, 1)
		if err := c.Pub.Checkpoint(); err != nil {
			t.Fatal(err)
		}
		want := c.Sum()
		conn, err := c.File.DB.Connect()
		if err != nil {
			t.Fatal(err)
		}
		go func() { writing <- conn.Exec("UPDATE t SET v = v + 1, s = s || '+' WHERE id % 7 = 0") }()
		r, err := c.Pub.Publish(publish.Content{})
		if err != nil {
			t.Fatal(err)
		}
		if err := <-writing; err != nil {
			t.Fatal(err)
		}
		conn.Close()
		if !r.Cloned || r.Full || r.Copied != 0 {
			t.Fatalf("generation %d was not cloned: %+v", r.Generation, r)
		}
		if got := c.NewestSum(); got != want {
			t.Fatalf("generation %d has sum %d and was %d when it was taken", r.Generation, got, want)
		}
	}
	c.fill()
	for path := range c.held {
		c.unchanged(path)
	}
	size, err := c.File.Size()
	if err != nil {
		t.Fatal(err)
	}
	if taken := used(t, data) - empty; taken > 5*size {
		t.Fatalf("%d generations of %d bytes take %d", c.generations(), size, taken)
	}
	c.letGo(c.oldest())
	c.Publish()
	c.Same()
}

// XFS without shared blocks is like any other file system.
func TestGenerationsWithoutSharedBlocks(t *testing.T) {
	b := newBedIn(t, filetest.XFS(t, false))
	for n := range 6 {
		b.change()
		if r := b.Publish(); r.Cloned || n > 3 && (r.Full || r.Copied == 0 || r.Copied == r.Blocks) {
			t.Fatalf("publication %d: %+v", n, r)
		}
		b.Same()
	}
}
