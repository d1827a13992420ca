package replica

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/chittihq/duckling/pkg/generation"
	"github.com/chittihq/duckling/services/loader/internal/live"
)

// recover puts the newest generation in the place of a damaged file. A generation is the file as a checkpoint left it, progress
// row included, and the stream keeps what came after, so the loader goes on from there as after any crash. DuckDB writes some blocks of
// metadata in place: a process killed amid that write leaves half of one, which nothing else can mend.
func (r *Replica) recover(damaged *live.DamagedError) error {
	began := time.Now()
	dir := generation.Dir(r.cfg.DataDir, r.cfg.Database)
	m, err := generation.Read(dir)
	if err != nil {
		return err
	}
	if err := m.Check(dir); err != nil {
		return err
	}
	from, err := os.Open(filepath.Join(dir, m.File))
	if err != nil {
		return fmt.Errorf("opening generation: %w", err)
	}
	defer from.Close()
	err = live.Replace(r.cfg.DataDir, r.cfg.Database, func(file *os.File) error {
		_, err := io.Copy(file, from)
		return err
	})
	if err != nil {
		return err
	}
	r.metrics.recovered.WithLabelValues(r.cfg.Database).Inc()
	r.log.Error("file was damaged and has been replaced by the newest generation; the stream is followed from there", "reason", damaged.Reason,
		"generation", m.Generation, "took", time.Since(began))
	return nil
}
