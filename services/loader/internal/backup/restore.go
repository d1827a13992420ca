package backup

import (
	"context"
	"fmt"
	"os"

	"github.com/chittihq/duckling/services/loader/internal/live"
)

// Restore makes a backup the loader's file in place of the one there may be. Nothing is changed unless all of the
// backup has arrived and is what was stored. The loader must not run; from its next start on it follows the stream from
// where the backup's own progress row says, or has everything copied again where the stream does not reach back so far.
func (s *Set) Restore(ctx context.Context, name string) (*Info, error) {
	info, err := s.Info(ctx, name)
	if err != nil {
		return nil, err
	}
	if info.Database != s.database {
		return nil, fmt.Errorf("backup %s is of database %s and not of %s", name, info.Database, s.database)
	}
	err = live.Replace(s.data, s.database, func(file *os.File) error {
		return s.verified(ctx, info, file)
	})
	if err != nil {
		return nil, fmt.Errorf("restoring database %s: %w", s.database, err)
	}
	return info, nil
}
