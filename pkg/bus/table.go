package bus

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// Table is a small map kept by the servers, the same for all who open it. Its methods may be called from several goroutines.
type Table struct {
	bus  *Bus
	name string
	kv   jetstream.KeyValue
}

// OpenTable opens the named table and makes it when there is none. Names are of letters, digits, - and _. Of each key the newest value is kept.
func (b *Bus) OpenTable(ctx context.Context, name string) (*Table, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	kv, err := b.js.KeyValue(ctx, name)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		kv, err = b.js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: name, History: 1, Storage: jetstream.FileStorage})
		if errors.Is(err, jetstream.ErrBucketExists) { // made by another at the same moment
			kv, err = b.js.KeyValue(ctx, name)
		}
	}
	if err != nil {
		return nil, b.wrap("opening table "+name, err)
	}
	return &Table{bus: b, name: name, kv: kv}, nil
}

// Put sets a key's value. When it returns nil the value is stored.
func (t *Table) Put(ctx context.Context, key string, value []byte) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	if _, err := t.kv.Put(ctx, token(key), value); err != nil {
		return t.bus.wrap("writing to table "+t.name, err)
	}
	return nil
}

// Delete removes a key. One that is not there is no error.
func (t *Table) Delete(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	if err := t.kv.Delete(ctx, token(key)); err != nil {
		return t.bus.wrap("deleting from table "+t.name, err)
	}
	return nil
}

// Follow calls changed with every value, and with each new one as it comes, until ctx ends or the connection is closed; a nil
// value says that the entry has gone. Once those that were there at the start have been told it calls ready. While the
// connection is away nothing is told; what happened in between comes when it is back. The key is as Put got it when it is of
// letters, digits, - and _.
func (t *Table) Follow(ctx context.Context, changed func(key string, value []byte), ready func()) error {
	watcher, err := t.kv.WatchAll(ctx)
	if err != nil {
		return t.bus.wrap("following table "+t.name, err)
	}
	// It ends with ctx anyway; a failure has nothing to tell.
	defer func() { _ = watcher.Stop() }()
	for {
		select {
		case <-ctx.Done():
			return nil
		case entry, ok := <-watcher.Updates():
			switch {
			case !ok && ctx.Err() != nil:
				return nil
			case !ok:
				return fmt.Errorf("following table %s: %w", t.name, ErrDisconnected)
			case entry == nil:
				ready()
			case entry.Operation() == jetstream.KeyValuePut:
				changed(entry.Key(), entry.Value())
			default:
				changed(entry.Key(), nil)
			}
		}
	}
}
