package generation

import (
	"context"
	"errors"
	"time"

	"github.com/fsnotify/fsnotify"
)

// poll is how often the manifest is read when the file system sends no events,
// as over network mounts, and how long a lost event can matter.
const poll = 250 * time.Millisecond

// Watch calls found with every manifest of dir that is newer than the last one
// it gave, the present one first, until ctx ends. Generations may be skipped; the newest never
// is. Errors of a manifest, ErrNone among them, go to failed, once for each change of their text.
func Watch(ctx context.Context, dir string, found func(*Manifest), failed func(error)) error {
	return Follow(ctx, dir, found, func(*Manifest) {}, failed)
}

// Follow is Watch, and calls refreshed with each later manifest of the
// generation that found was called with last: the same rows, but a newer
// SourceTime, possibly a newer Position where the source committed nothing that shows, or another Waiting.
func Follow(ctx context.Context, dir string, found, refreshed func(*Manifest), failed func(error)) error {
	var events chan fsnotify.Event
	watcher, err := fsnotify.NewWatcher()
	if err == nil {
		defer watcher.Close()
	}
	watching := false
	tick := time.NewTicker(poll)
	defer tick.Stop()
	var last uint64
	var lastTime time.Time
	var waiting bool
	var lastError string
	for {
		if watcher != nil && !watching && watcher.Add(dir) == nil {
			watching, events = true, watcher.Events
		}
		m, err := Read(dir)
		switch {
		case err != nil:
			if text := err.Error(); text != lastError {
				lastError = text
				failed(err)
			}
		case m.Generation != last:
			last, lastTime, waiting, lastError = m.Generation, m.SourceTime, m.Waiting, ""
			found(m)
		case m.SourceTime.After(lastTime), m.Waiting != waiting:
			lastTime, waiting, lastError = m.SourceTime, m.Waiting, ""
			refreshed(m)
		}
		if err := waitForChange(ctx, events, tick.C); err != nil {
			return err
		}
	}
}

var errStopped = errors.New("watch ended")

// waitForChange returns at the next rename to the manifest or tick.
func waitForChange(ctx context.Context, events chan fsnotify.Event, tick <-chan time.Time) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick:
			return nil
		case e, ok := <-events:
			if !ok {
				return errStopped
			}
			if e.Has(fsnotify.Create) && len(e.Name) >= len(manifestName) && e.Name[len(e.Name)-len(manifestName):] == manifestName {
				return nil
			}
		}
	}
}
