package backup

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// abandoned is how long a backup without its description may be under way.
const abandoned = 24 * time.Hour

// names returns the names of the whole backups, oldest first, and the keys of everything that belongs to each name, whole or not.
func (s *Set) names(ctx context.Context) (whole []string, keys map[string][]string, err error) {
	all, err := s.store.List(ctx, s.database)
	if err != nil {
		return nil, nil, fmt.Errorf("listing the backups of database %s: %w", s.database, err)
	}
	keys = map[string][]string{}
	for _, key := range all {
		name, file, ok := strings.Cut(strings.TrimPrefix(key, s.database+"/"), "/")
		if _, known := created(name); !ok || !known {
			continue // not a backup's
		}
		// The description goes first, so that a removal that is interrupted leaves no backup that looks whole.
		if file == infoName {
			whole = append(whole, name)
			keys[name] = slices.Insert(keys[name], 0, key)
		} else {
			keys[name] = append(keys[name], key)
		}
	}
	slices.Sort(whole)
	return whole, keys, nil
}

// created is when a backup of that name was begun.
func created(name string) (time.Time, bool) {
	head, _, _ := strings.Cut(name, "-")
	at, err := time.Parse(stamp, head)
	return at, err == nil
}

// prune removes what is not to be kept: whole backups by number and age, the newest never, and what interrupted ones left.
func (s *Set) prune(ctx context.Context) error {
	whole, keys, err := s.names(ctx)
	if err != nil {
		return err
	}
	for name, of := range keys {
		at, _ := created(name)
		age := s.now().Sub(at)
		newer := len(whole) - 1 - slices.Index(whole, name)
		switch {
		case !slices.Contains(whole, name):
			if age < abandoned {
				continue
			}
		case newer == 0, newer < s.cfg.Keep && (s.cfg.MaxAge == 0 || age <= s.cfg.MaxAge):
			continue
		}
		for _, key := range of {
			if err := s.store.Remove(ctx, key); err != nil {
				return fmt.Errorf("removing backup %s: %w", name, err)
			}
		}
	}
	return nil
}
