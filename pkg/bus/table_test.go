package bus

import (
	"context"
	"log/slog"
	"testing"
	"time"
)

type entry struct {
	key   string
	value string
	gone  bool
	ready bool
}

func follow(t *testing.T, table *Table) (told chan entry, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	told, ended := make(chan entry, 16), make(chan error, 1)
	go func() {
		ended <- table.Follow(ctx, func(key string, value []byte) { told <- entry{key: key, value: string(value), gone: value == nil} },
			func() { told <- entry{ready: true} })
	}()
	return told, func() error { cancel(); return <-ended }
}

func TestTableIsShared(t *testing.T) {
	server := startProcess(t)
	ctx := context.Background()
	open := func() (*Bus, *Table) {
		b, err := Connect(ctx, Config{URL: server.url, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(b.Close)
		table, err := b.OpenTable(ctx, "things")
		if err != nil {
			t.Fatal(err)
		}
		return b, table
	}
	_, one := open()
	_, two := open()
	if err := one.Put(ctx, "a", []byte("1")); err != nil {
		t.Fatal(err)
	}
	told, stop := follow(t, two)
	expect := func(want entry) {
		t.Helper()
		select {
		case got := <-told:
			if got != want {
				t.Fatalf("told %+v, want %+v", got, want)
			}
		case <-time.After(3 * time.Minute):
			t.Fatalf("nothing was told, want %+v", want)
		}
	}
	expect(entry{key: "a", value: "1"})
	expect(entry{ready: true})
	if err := one.Put(ctx, "b", []byte("2")); err != nil {
		t.Fatal(err)
	}
	expect(entry{key: "b", value: "2"})
	if err := one.Delete(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	expect(entry{key: "a", gone: true})
	if err := one.Delete(ctx, "never"); err != nil {
		t.Fatal(err)
	}
	expect(entry{key: "never", gone: true})
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	_, three := open()
	told, stop = follow(t, three)
	for got := range told {
		if got.ready {
			break
		}
		if !got.gone && got != (entry{key: "b", value: "2"}) {
			t.Fatalf("told %+v", got)
		}
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

func TestFollowEndsWithTheBus(t *testing.T) {
	server := startProcess(t)
	ctx := context.Background()
	b, err := Connect(ctx, Config{URL: server.url, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	table, err := b.OpenTable(ctx, "things")
	if err != nil {
		t.Fatal(err)
	}
	told, stop := follow(t, table)
	if got := <-told; !got.ready {
		t.Fatalf("told %+v", got)
	}
	b.Close()
	if err := table.Put(ctx, "a", nil); err == nil {
		t.Error("a closed bus took a value")
	}
	_ = stop()
}
