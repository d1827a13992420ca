package backup

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chittihq/duckling/services/loader/internal/live"
)

// What is restored is what was published, whatever has become of the file since.
func TestRestoreBringsTheGenerationBack(t *testing.T) {
	onBoth(t, func(b *bed) {
		b.Publish()
		want := b.Sum()
		info := b.create()
		if info.Generation.Position.GTIDSet != "g:1-7" || info.Generation.Generation != 1 {
			b.t.Fatalf("the backup says %+v", info)
		}
		b.Exec("DELETE FROM t WHERE id % 3 = 0; INSERT INTO t SELECT 1, 'x' FROM range(1000)")
		b.Close() // what was deleted is in the log only
		name, err := b.set().Newest(b.t.Context())
		if err != nil {
			b.t.Fatal(err)
		}
		if _, err := b.set().Restore(b.t.Context(), name); err != nil {
			b.t.Fatal(err)
		}
		b.Open()
		if got := b.Sum(); got != want {
			b.t.Fatalf("restored rows have sum %d, backed up ones %d", got, want)
		}
		b.Exec("DELETE FROM t WHERE id % 5 = 0")
		b.Publish()
	})
}

// The loader goes on publishing while a backup is under way, and does not touch what is being backed up.
func TestBackupBesidePublications(t *testing.T) {
	b := newBed(t, &Config{To: t.TempDir(), Keep: 7})
	b.Publish()
	want := b.Sum()
	set := b.set()
	lease, m, err := set.lease()
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		b.Exec("UPDATE t SET s = s || '+' WHERE id % 7 = 0")
		b.Publish()
	}
	info := &Info{Format: Format, Database: database, Name: "20260101T000000Z-1", Generation: *m}
	if err := set.upload(t.Context(), lease, info); err != nil {
		t.Fatal(err)
	}
	lease.Close()
	b.Close()
	if _, err := set.Restore(t.Context(), info.Name); err != nil {
		t.Fatal(err)
	}
	b.Open()
	if got := b.Sum(); got != want {
		t.Fatalf("restored rows have sum %d, those of the backup's generation %d", got, want)
	}
}

func TestRetention(t *testing.T) {
	onBoth(t, func(b *bed) {
		b.cfg.Keep = 3
		b.Publish()
		var made []string
		for range 5 {
			b.now = b.now.Add(time.Hour)
			made = append(made, b.create().Name)
		}
		if got := b.list(); !slices.Equal(got, made[2:]) {
			b.t.Fatalf("of %v there are %v", made, got)
		}
		b.cfg.MaxAge = 90 * time.Minute
		b.now = b.now.Add(time.Hour)
		made = append(made, b.create().Name)
		if got := b.list(); !slices.Equal(got, made[4:]) {
			b.t.Fatalf("of %v there are %v", made, got)
		}
		b.now = b.now.Add(1000 * time.Hour)
		if err := b.set().prune(b.t.Context()); err != nil {
			b.t.Fatal(err)
		}
		if got := b.list(); !slices.Equal(got, made[5:]) {
			b.t.Fatalf("the newest backup must stay however old it is; there are %v", got)
		}
	})
}

// What an interrupted backup left is no backup, and goes after a day.
func TestInterruptedBackup(t *testing.T) {
	onBoth(t, func(b *bed) {
		b.Publish()
		set := b.set()
		left := set.key(b.now.Format(stamp)+"-1", dataName)
		if err := set.store.Put(b.t.Context(), left, strings.NewReader("half"), 4); err != nil {
			b.t.Fatal(err)
		}
		if names := b.list(); len(names) > 0 {
			b.t.Fatalf("there are backups %v", names)
		}
		for _, after := range []struct {
			hours int
			left  int
		}{{1, 3}, {24, 4}} { // the leftover and one backup; two backups
			b.now = b.now.Add(time.Duration(after.hours) * time.Hour)
			b.create()
			keys, err := set.store.List(b.t.Context(), database)
			if err != nil || len(keys) != after.left {
				b.t.Fatalf("there are %v, %v", keys, err)
			}
		}
	})
}

// A backup that is not what was stored is refused, and the loader's file stays as it is.
func TestDamagedBackupIsRefused(t *testing.T) {
	for name, damage := range map[string]func(data []byte) []byte{
		"a byte changed": func(data []byte) []byte { data[len(data)/2]++; return data },
		"cut off":        func(data []byte) []byte { return data[:len(data)-1] },
		"longer":         func(data []byte) []byte { return append(data, 0) },
		"empty":          func([]byte) []byte { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(b *bed) {
				b.Publish()
				info := b.create()
				set := b.set()
				key := set.key(info.Name, dataName)
				r, err := set.store.Get(b.t.Context(), key)
				if err != nil {
					b.t.Fatal(err)
				}
				data, err := io.ReadAll(r)
				if err := errors.Join(err, r.Close()); err != nil {
					b.t.Fatal(err)
				}
				data = damage(data)
				if err := set.store.Put(b.t.Context(), key, bytes.NewReader(data), int64(len(data))); err != nil {
					b.t.Fatal(err)
				}
				b.refused(info.Name)
				if err := set.store.Remove(b.t.Context(), key); err != nil {
					b.t.Fatal(err)
				}
				b.refused(info.Name)
			})
		})
	}
}

func (b *bed) refused(name string) {
	b.t.Helper()
	b.Exec("UPDATE t SET s = 'since' WHERE id = 7")
	want := b.Sum()
	b.Close()
	if _, err := b.set().Restore(b.t.Context(), name); !errors.Is(err, ErrDamaged) {
		b.t.Fatalf("restoring a damaged backup gave %v", err)
	}
	b.Open()
	if got := b.Sum(); got != want {
		b.t.Fatalf("the refused backup changed the file: sum %d became %d", want, got)
	}
}

func TestRestoreIsRefusedWhileALoaderRuns(t *testing.T) {
	b := newBed(t, &Config{To: t.TempDir(), Keep: 1})
	b.Publish()
	info := b.create()
	var held *live.HeldError
	if _, err := b.set().Restore(t.Context(), info.Name); !errors.As(err, &held) {
		t.Fatalf("restoring under a running loader gave %v", err)
	}
}

// Errors say what is missing and what to do.
func TestErrorsName(t *testing.T) {
	b := newBed(t, s3(t))
	if _, err := b.set().Create(t.Context()); err == nil || !strings.Contains(err.Error(), "no generation has been published") {
		t.Fatalf("a backup of nothing gave %v", err)
	}
	if _, err := b.set().Newest(t.Context()); err == nil || !strings.Contains(err.Error(), "no backup of database shop") {
		t.Fatalf("no backup gave %v", err)
	}
	b.Publish()
	if _, err := b.set().Restore(t.Context(), "20200101T000000Z-1"); err == nil || !strings.Contains(err.Error(), `no backup "20200101T000000Z-1"`) {
		t.Fatalf("an unknown backup gave %v", err)
	}
	b.cfg.To = "s3://elsewhere"
	if _, err := b.set().Create(t.Context()); err == nil || !strings.Contains(err.Error(), "bucket elsewhere does not exist") {
		t.Fatalf("a bucket that is not there gave %v", err)
	}
	t.Setenv("AWS_SECRET_ACCESS_KEY", "wrong")
	b.cfg.To = "s3://backups"
	if _, err := b.set().Create(t.Context()); err == nil || !strings.Contains(err.Error(), "AWS_SECRET_ACCESS_KEY") {
		t.Fatalf("a wrong key gave %v", err)
	}
	b.cfg.To = "ftp://x"
	if _, err := b.cfg.Open(b.Data, database, nil); err == nil || !strings.Contains(err.Error(), "BACKUP_TO") {
		t.Fatalf("an unknown store gave %v", err)
	}
}
