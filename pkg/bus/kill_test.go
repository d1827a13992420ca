package bus

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// The server process is killed again and again while a writer publishes and a
// reader reads. The writer rewinds to the tail after each failure. In the end
// the stream holds every number once and in order, and so did the reader see
// them.
func TestKilledServer(t *testing.T) {
	for range 5 {
		seed := rand.Uint64()
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			killServer(t, rand.New(rand.NewPCG(seed, 0)))
		})
	}
}

func killServer(t *testing.T, random *rand.Rand) {
	server := startProcess(t)
	b := connectTo(t, server.url)
	ensure(t, b, StreamOptions{})

	const total = 3000
	due := map[int]bool{}
	for range 1 + random.IntN(4) {
		due[1+random.IntN(total-1)] = true
	}
	inFlight := 1 + random.IntN(1<<20)
	var sizes []int
	for range 1 + random.IntN(20) {
		sizes = append(sizes, random.IntN(20_000))
	}

	read := make(chan error, 1)
	go func() { read <- readNumbers(t.Context(), b, total) }()

	rewinds := 0
	for {
		done, err := writeNumbers(t.Context(), b, total, inFlight, sizes, func(n int) {
			if due[n] {
				delete(due, n)
				server.kill()
				server.start()
			}
		})
		if done {
			break
		}
		if !errors.Is(err, ErrDisconnected) && !errors.Is(err, ErrFenced) {
			t.Fatalf("the writer failed with %v", err)
		}
		rewinds++
		waitConnected(t, b)
	}
	if rewinds == 0 {
		t.Fatal("no kill was noticed, so the test shows nothing")
	}
	if err := <-read; err != nil {
		t.Fatalf("the reader failed: %v", err)
	}
	if err := readNumbers(t.Context(), b, total); err != nil {
		t.Fatalf("reading the stream again: %v", err)
	}
	if tail := tailOf(t, b); tail.LastSeq != total {
		t.Fatalf("the stream ends at %d, want %d", tail.LastSeq, total)
	}
}

// writeNumbers publishes the numbers after the stream's tail up to total.
func writeNumbers(ctx context.Context, b *Bus, total, inFlight int, sizes []int, before func(n int)) (done bool, err error) {
	tail, err := b.Tail(ctx, "shop")
	if err != nil {
		return false, err
	}
	next := 1
	if tail.Last != nil {
		if next, err = numberOf(tail.Last); err != nil {
			return false, err
		}
		next++
	}
	p, err := b.Publisher("shop", tail, PublisherOptions{MaxInFlightBytes: inFlight})
	if err != nil {
		return false, err
	}
	defer p.Close()
	for n := next; n <= total; n++ {
		before(n)
		payload := append([]byte(strconv.Itoa(n)+" "), noise(sizes[n%len(sizes)])...)
		if _, err := p.Publish(ctx, strconv.Itoa(n), payload); err != nil {
			return false, err
		}
	}
	return true, p.Flush(ctx)
}

func numberOf(m *Message) (int, error) {
	for i, c := range m.Payload {
		if c == ' ' {
			return strconv.Atoi(string(m.Payload[:i]))
		}
	}
	return 0, errors.New("a payload without a number")
}

// readNumbers reads 1 to total from the start and fails on any other order.
func readNumbers(ctx context.Context, b *Bus, total int) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	all := errors.New("all there")
	want := 1
	err := b.Consume(ctx, "shop", 1, ConsumerOptions{}, func(m *Message) error {
		n, err := numberOf(m)
		if err != nil {
			return err
		}
		if n != want {
			return errors.New("read " + strconv.Itoa(n) + " where " + strconv.Itoa(want) + " belongs")
		}
		if want++; n == total {
			return all
		}
		return nil
	})
	if !errors.Is(err, all) {
		return err
	}
	return nil
}

func waitConnected(t testing.TB, b *Bus) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		if _, err := b.js.AccountInfo(ctx); err == nil {
			return
		}
		if ctx.Err() != nil {
			t.Fatal("the connection did not come back")
		}
	}
}

func copyDir(t testing.TB, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, name)
		if entry.IsDir() {
			return os.MkdirAll(target, 0o750)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, data, 0o640)
	})
	if err != nil {
		t.Fatal(err)
	}
}
