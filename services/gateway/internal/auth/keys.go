package auth

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Store keeps the records where every gateway finds them.
type Store interface {
	// Run tells keys what is stored, now and after each change, until ctx ends.
	Run(ctx context.Context, keys *Keys) error
	Put(ctx context.Context, r Record) error
	Delete(ctx context.Context, id string) error
}

// Errors of changes to the keys.
var (
	ErrNoStore = errors.New("there is no place for keys: set API_KEYS_FILE, or NATS_URL")
	ErrNoKey   = errors.New("there is no such key")
)

// Keys are the database keys. It is safe for concurrent use.
type Keys struct {
	store Store

	mu     sync.RWMutex // guards the fields below
	loaded bool
	byID   map[string]Record
	bySum  map[string]string // the hash, in hexadecimal, to the id
}

// NewKeys makes Keys. Without a store, which may be nil, there are none and none can be made.
func NewKeys(store Store) *Keys {
	return &Keys{store: store, loaded: store == nil, byID: map[string]Record{}, bySum: map[string]string{}}
}

// Run follows the store until ctx ends.
func (k *Keys) Run(ctx context.Context) error {
	if k.store == nil {
		<-ctx.Done()
		return nil
	}
	return k.store.Run(ctx, k)
}

func (k *Keys) set(r Record) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.remove(r.ID)
	k.byID[r.ID], k.bySum[r.SHA256] = r, r.ID
}

func (k *Keys) unset(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.remove(id)
}

func (k *Keys) remove(id string) {
	if old, ok := k.byID[id]; ok {
		delete(k.bySum, old.SHA256)
		delete(k.byID, id)
	}
}

func (k *Keys) replace(all []Record) {
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.byID)
	clear(k.bySum)
	for _, r := range all {
		k.byID[r.ID], k.bySum[r.SHA256] = r, r.ID
	}
	k.loaded = true
}

func (k *Keys) ready() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.loaded = true
}

// Loaded tells whether the stored keys are known.
func (k *Keys) Loaded() bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.loaded
}

func (k *Keys) identify(presented string) (*Identity, error) {
	sum := sha256.Sum256([]byte(presented))
	text := hex.EncodeToString(sum[:])
	k.mu.RLock()
	defer k.mu.RUnlock()
	// The time that the look-up takes says something of the hash of what was presented, and nothing of a key.
	r, ok := k.byID[k.bySum[text]]
	switch {
	case !ok && !k.loaded:
		return nil, ErrUnknown
	case !ok || subtle.ConstantTimeCompare([]byte(r.SHA256), []byte(text)) != 1 || !r.usable(time.Now()):
		return nil, ErrInvalid
	}
	i := &Identity{Name: r.ID, databases: []string{r.Database}, keyID: r.ID}
	return i, nil
}

func (k *Keys) usable(id string) bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	r, ok := k.byID[id]
	return ok && r.usable(time.Now())
}

// List returns the keys of a database, the oldest first.
func (k *Keys) List(database string) ([]Record, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if !k.loaded {
		return nil, ErrUnknown
	}
	all := []Record{}
	for _, r := range k.byID {
		if r.Database == database {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b Record) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return all, nil
}

// Create makes a key for a database. This is the only time that the key itself is known.
func (k *Keys) Create(ctx context.Context, database, name string, expires *time.Time) (Record, string, error) {
	if k.store == nil {
		return Record{}, "", ErrNoStore
	}
	r, key := newRecord(database, name, expires)
	if err := k.store.Put(ctx, r); err != nil {
		return Record{}, "", fmt.Errorf("keeping a new key: %w", err)
	}
	k.set(r)
	return r, key, nil
}

// Change alters a key of a database by change. It returns ErrNoKey when there is none.
func (k *Keys) Change(ctx context.Context, database, id string, change func(*Record)) (Record, error) {
	r, err := k.find(database, id)
	if err != nil {
		return Record{}, err
	}
	change(&r)
	if err := k.store.Put(ctx, r); err != nil {
		return Record{}, fmt.Errorf("changing key %s: %w", id, err)
	}
	k.set(r)
	return r, nil
}

// Revoke ends a key of a database for good. It returns ErrNoKey when there is none.
func (k *Keys) Revoke(ctx context.Context, database, id string) error {
	if _, err := k.find(database, id); err != nil {
		return err
	}
	if err := k.store.Delete(ctx, id); err != nil {
		return fmt.Errorf("revoking key %s: %w", id, err)
	}
	k.unset(id)
	return nil
}

func (k *Keys) find(database, id string) (Record, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	r, ok := k.byID[id]
	switch {
	case ok && r.Database == database:
		return r, nil
	case !k.loaded:
		return Record{}, ErrUnknown
	}
	return Record{}, ErrNoKey
}
