package auth

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/chittihq/duckling/pkg/bus"
	"github.com/chittihq/duckling/pkg/daemon"
)

// tableName is the table of keys in NATS.
const tableName = "duckling_api_keys"

// TableStore keeps the records in a table in NATS, where all gateways see a change at once. While NATS is away the keys that
// are known go on working, and none can be made or revoked.
type TableStore struct {
	connection func() *bus.Bus
	log        *slog.Logger
}

// NewTableStore makes a TableStore. connection returns nil while there is none.
func NewTableStore(connection func() *bus.Bus, log *slog.Logger) *TableStore {
	return &TableStore{connection: connection, log: log}
}

// Run implements Store.
func (t *TableStore) Run(ctx context.Context, keys *Keys) error {
	failing := daemon.NewRepeated(t.log)
	for ctx.Err() == nil {
		if b := t.connection(); b != nil {
			if err := t.follow(ctx, b, keys); err != nil {
				failing.Failed(ctx, "keys cannot be followed", err)
			} else {
				failing.Recovered(ctx, "keys can be followed again")
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(poll):
		}
	}
	return nil
}

func (t *TableStore) follow(ctx context.Context, b *bus.Bus, keys *Keys) error {
	table, err := b.OpenTable(ctx, tableName)
	if err != nil {
		return err
	}
	return table.Follow(ctx, func(id string, value []byte) {
		if value == nil {
			keys.unset(id)
			return
		}
		var r Record
		if err := json.Unmarshal(value, &r); err != nil || r.ID != id {
			t.log.Warn("stored key cannot be read", "id", id, "error", err)
			return
		}
		keys.set(r)
	}, keys.ready)
}

// Put implements Store.
func (t *TableStore) Put(ctx context.Context, r Record) error {
	table, err := t.open(ctx)
	if err != nil {
		return err
	}
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encoding key: %w", err)
	}
	return table.Put(ctx, r.ID, data)
}

// Delete implements Store.
func (t *TableStore) Delete(ctx context.Context, id string) error {
	table, err := t.open(ctx)
	if err != nil {
		return err
	}
	return table.Delete(ctx, id)
}

func (t *TableStore) open(ctx context.Context) (*bus.Table, error) {
	b := t.connection()
	if b == nil {
		return nil, fmt.Errorf("%w: there is no connection to NATS (NATS_URL)", ErrUnknown)
	}
	return b.OpenTable(ctx, tableName)
}
