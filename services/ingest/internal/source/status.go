package source

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/chittihq/duckling/services/ingest/internal/binlog"
	"github.com/chittihq/duckling/services/ingest/internal/server"
)

// current is how long after the source's last sign that there is nothing more to read that still holds. It gives
// a sign every second.
const current = 3 * time.Second

// statusBoard is what others may ask about a source while it runs.
type statusBoard struct {
	mu sync.Mutex
	// connected: a run is reading the binlog.
	connected bool
	lastError string
	serverID  string
	version   string
	at        binlog.Position
	gtids     string
	// offset is the source's clock less ours, in microseconds.
	offset int64
	// heard is when the source last said that there is nothing more to read, by our clock.
	heard time.Time
	// unsettled counts the tables that are not streaming.
	unsettled int
}

// begin notes which server a run reads, and how its clock differs from ours.
func (b *statusBoard) begin(ctx context.Context, s *server.Server) error {
	before := time.Now()
	var theirs float64
	if err := s.DB.QueryRowContext(ctx, "SELECT UNIX_TIMESTAMP(NOW(6)) * 1000000").Scan(&theirs); err != nil {
		return fmt.Errorf("reading the source's clock: %w", err)
	}
	ours := before.Add(time.Since(before) / 2).UnixMicro()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.serverID, b.version, b.offset = s.ID, s.Version, int64(theirs)-ours
	return nil
}

// position notes that a run reads on from p.
func (b *statusBoard) position(p binlog.Position) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.connected, b.lastError = true, ""
	b.set(p)
}

// reached notes the end of a transaction. It is called for each, so it does as little as possible.
func (b *statusBoard) reached(p binlog.Position) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.at.File, b.at.Offset, b.at.CommitTime = p.File, p.Offset, p.CommitTime
}

func (b *statusBoard) set(p binlog.Position) {
	b.at, b.gtids = p, p.GTIDs.String()
	b.at.GTIDs = nil
}

// idle notes that the source has nothing more to read at this moment.
func (b *statusBoard) idle(p binlog.Position) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.heard = time.Now()
	b.set(p)
}

func (b *statusBoard) failed(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.connected, b.lastError = false, err.Error()
}

// sourceTime is until when, by the source's clock, nothing was committed beyond the position.
func (b *statusBoard) sourceTime() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.heard.IsZero() {
		return b.at.CommitTime
	}
	return max(b.heard.UnixMicro()+b.offset, b.at.CommitTime)
}

// lag is how old what the source committed last and was not read yet may be.
func (b *statusBoard) lag() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lagAt(time.Now())
}

// lagAt is lag at a time of our clock. What is known is that everything up to known, by the source's clock, was read.
func (b *statusBoard) lagAt(now time.Time) time.Duration {
	known := b.at.CommitTime
	if !b.heard.IsZero() && b.heard.UnixMicro()+b.offset >= known {
		if b.connected && now.Sub(b.heard) < current {
			return 0
		}
		known = b.heard.UnixMicro() + b.offset
	}
	if known == 0 {
		return 0
	}
	return max(0, time.Duration(now.UnixMicro()+b.offset-known)*time.Microsecond)
}

// settle notes how many tables are not streaming.
func (b *statusBoard) settle(unsettled int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.unsettled = unsettled
}
