package publish_test

import (
	"errors"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"github.com/chittihq/duckling/pkg/generation"
	"github.com/chittihq/duckling/services/loader/internal/filetest"
	"github.com/chittihq/duckling/services/loader/internal/publish"
)

// crowd is a reader in another process and what it holds: each generation with its sum when it was opened.
type crowd struct {
	*bed
	reader *filetest.Reader
	held   map[string]string
}

func newCrowd(t *testing.T, b *bed) *crowd {
	return &crowd{bed: b, reader: filetest.NewReader(t), held: map[string]string{}}
}

func (c *crowd) newest() *generation.Manifest {
	c.T.Helper()
	m, err := generation.Read(c.Dir())
	if err != nil {
		c.T.Fatal(err)
	}
	return m
}

// hold opens the newest generation.
func (c *crowd) hold() {
	c.T.Helper()
	path := filepath.Join(c.Dir(), c.newest().File)
	if _, ok := c.held[path]; !ok {
		c.reader.Open(path)
		c.held[path] = c.reader.Sum(path)
	}
}

func (c *crowd) letGo(path string) {
	c.T.Helper()
	c.unchanged(path)
	c.reader.Close(path)
	delete(c.held, path)
}

func (c *crowd) unchanged(path string) {
	c.T.Helper()
	if got := c.reader.Sum(path); got != c.held[path] {
		c.T.Fatalf("%s had sum %s when it was opened and has %s now", path, c.held[path], got)
	}
}

func (c *crowd) oldest() string { return slices.MinFunc(slices.Collect(maps.Keys(c.held)), byNumber) }

func byNumber(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return slices.Compare([]byte(a), []byte(b))
}

// generations is how many there are on disk.
func (c *crowd) generations() int { return len(c.Files()) - 1 }

// fill publishes and holds each generation until there is no room for another.
func (c *crowd) fill() {
	c.T.Helper()
	for {
		c.change()
		_, err := c.Try()
		var crowded *publish.CrowdedError
		if errors.As(err, &crowded) {
			break
		}
		if err != nil {
			c.T.Fatal(err)
		}
		c.hold()
	}
	if n := c.generations(); n != publish.Most || c.Pub.Generations() != n || c.Pub.Room() {
		c.T.Fatalf("publishing waits with %d generations on disk, %d known", n, c.Pub.Generations())
	}
}

// Readers that hold generations cannot make their number grow beyond Most: publishing waits, the newest generation stays what it is, and one that is let go makes
// room for the next, in a loader that has been started anew too.
func TestNumberOfGenerationsIsBounded(t *testing.T) {
	c := newCrowd(t, newBed(t))
	c.fill()
	last := c.newest()
	if err := c.Pub.Wait(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		c.change()
		var crowded *publish.CrowdedError
		if _, err := c.Try(); !errors.As(err, &crowded) {
			t.Fatalf("publishing gave %v", err)
		}
	}
	if m := c.newest(); !m.Waiting || m.Generation != last.Generation || m.Check(c.Dir()) != nil {
		t.Fatalf("while publishing waits the manifest is %+v", m)
	}
	c.letGo(c.oldest())
	if !c.Pub.Room() {
		t.Fatal("a generation was let go, and there is no room")
	}
	if r := c.Publish(); r.Full || c.newest().Waiting {
		t.Fatalf("after the wait: %+v, %+v", r, c.newest())
	}
	c.Same()

	c.fill()
	c.Close()
	c.Open()
	c.change()
	if _, err := c.Try(); err == nil || c.generations() != publish.Most {
		t.Fatalf("a new loader publishes although readers hold everything: %v, %v", err, c.Files())
	}
	if err := c.Pub.Wait(); err != nil || !c.newest().Waiting || c.newest().Check(c.Dir()) != nil {
		t.Fatalf("a new loader cannot say that it waits: %v, %+v", err, c.newest())
	}
	c.letGo(c.oldest())
	if !c.Pub.Room() || c.generations() != publish.Most-1 {
		t.Fatalf("a generation was let go, and there are %v", c.Files())
	}
	c.Publish()
	c.Same()
	for len(c.held) > 0 {
		c.letGo(c.oldest())
	}
	for range 3 {
		c.change()
		c.Publish()
	}
	if n := c.generations(); n > publish.Keep {
		t.Fatalf("with no readers there are %d generations", n)
	}
	c.Same()
}

// Whatever readers open and let go, there are never more generations than there may be, and publishing waits only when all of them but the newest two are held.
func TestRandomReadersAndPublications(t *testing.T) {
	c := newCrowd(t, newBed(t))
	c.Publish()
	r := rand.New(rand.NewPCG(3, 3)) //nolint:gosec // repeatable on purpose
	waited := 0
	for n := range 100 {
		switch {
		case r.IntN(5) > 1:
			c.hold()
		case len(c.held) > 0:
			paths := slices.SortedFunc(maps.Keys(c.held), byNumber)
			c.letGo(paths[r.IntN(len(paths))])
		}
		if n%60 == 59 {
			c.Close()
			c.Open()
		}
		c.change()
		_, err := c.Try()
		var crowded *publish.CrowdedError
		switch {
		case errors.As(err, &crowded):
			waited++
			if len(c.held) < publish.Most-2 || c.generations() != publish.Most {
				t.Fatalf("publishing waits with %d of %d generations held", len(c.held), c.generations())
			}
		case err != nil:
			t.Fatal(err)
		}
		if c.generations() > publish.Most {
			t.Fatalf("there are %v", c.Files())
		}
	}
	for path := range c.held {
		c.unchanged(path)
	}
	if waited == 0 {
		t.Error("publishing never had to wait, which shows nothing")
	}
	c.reader.End()
	c.Publish()
	c.Same()
	t.Logf("publishing waited %d times", waited)
}
