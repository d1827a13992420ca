package binlog

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"
	"golang.org/x/sync/semaphore"
)

const (
	// heartbeatEvery is how often the source says that it is alive while nothing happens. It also
	// moves the position of a source that is idle.
	heartbeatEvery = time.Second
	// silence is after how long without a word the connection counts as dead.
	silence = 15 * time.Second
	// maxQueued bounds the bytes of events read ahead. Beyond it the socket is the brake.
	maxQueued = 16 << 20
	// maxOffset is the last place in a file that the protocol can start from.
	maxOffset = 1<<32 - 1
)

// Config says which server to read, and as whom.
type Config struct {
	Flavor         Flavor
	Host           string
	Port           uint16
	User, Password string
	TLS            *tls.Config // nil for none
	// ServerID must be unlike that of every other replica of the server.
	ServerID uint32
}

// Reader reads the binlog from a position to its end and then waits for more.
//
// A transaction is zero or more Rows and Statements, then an End. Where its End says
// RolledBack or Undone, some of its rows do not stand; tables without transactions keep theirs all the same.
type Reader struct {
	cfg    Config
	events chan *Event
	room   *semaphore.Weighted
}

// NewReader returns a reader that has not connected yet.
func NewReader(cfg Config) *Reader {
	return &Reader{cfg: cfg, events: make(chan *Event, 256), room: semaphore.NewWeighted(maxQueued)}
}

// Events is where Run sends what it reads.
func (r *Reader) Events() <-chan *Event { return r.events }

// Done lets the reader read on in place of an event. It must be called for each; a second time does nothing. Its Images
// stay valid for whoever still holds them.
func (r *Reader) Done(e *Event) {
	if e.size > 0 {
		r.room.Release(e.size)
		e.size = 0
	}
}

// Run reads from a position until ctx ends or reading fails. It returns a *PurgedError when the source
// no longer has that position, and an *IncidentError when its binlog has a hole. Run is called once.
func (r *Reader) Run(ctx context.Context, from Position) error {
	d := &decoder{flavor: r.cfg.Flavor, file: from.File, offset: from.Offset, maps: map[uint64]*cachedMap{}, send: func(e *Event) error {
		if e.size > 0 {
			if err := r.room.Acquire(ctx, e.size); err != nil {
				return err
			}
		}
		select {
		case r.events <- e:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
	if from.GTIDs == nil {
		d.skipTo = from.Offset
		if from.Offset > maxOffset {
			d.offset = 4
		}
	}
	syncer := replication.NewBinlogSyncer(r.syncerConfig(d))
	stop := context.AfterFunc(ctx, syncer.Close)
	defer func() {
		if stop() {
			syncer.Close()
		}
	}()
	streamer, err := start(syncer, from)
	if err != nil {
		return classify(fmt.Errorf("starting to read the binlog: %w", err))
	}
	if _, err = streamer.GetEvent(ctx); err == nil {
		err = errors.New("the connection ended")
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return classify(fmt.Errorf("reading the binlog: %w", err))
}

func start(syncer *replication.BinlogSyncer, from Position) (*replication.BinlogStreamer, error) {
	if from.GTIDs != nil {
		return syncer.StartSyncGTID(from.GTIDs.forSyncer())
	}
	offset := uint32(from.Offset)
	if from.Offset > maxOffset {
		offset = 4 // the protocol cannot ask for more; the decoder skips what comes before
	}
	return syncer.StartSync(mysql.Position{Name: from.File, Pos: offset})
}

func (r *Reader) syncerConfig(d *decoder) replication.BinlogSyncerConfig {
	return replication.BinlogSyncerConfig{
		ServerID:  r.cfg.ServerID,
		Flavor:    string(r.cfg.Flavor),
		Host:      r.cfg.Host,
		Port:      r.cfg.Port,
		User:      r.cfg.User,
		Password:  r.cfg.Password,
		TLSConfig: r.cfg.TLS,
		Localhost: "duckling-ingest",
		Dialer:    dial,
		// What goes wrong comes back as an error; the library would log it as well.
		Logger:          slog.New(slog.DiscardHandler),
		HeartbeatPeriod: heartbeatEvery,
		VerifyChecksum:  true,
		// Its retry would send the transaction that was cut once more, in part.
		DisableRetrySync: true,
		// It would clone the whole set for each transaction.
		DiscardGTIDSet:                 true,
		FillZeroLogPos:                 r.cfg.Flavor == MariaDB,
		PayloadDecoderConcurrency:      1,
		SynchronousEventHandler:        d,
		RowsEventDecodeFunc:            d.rowsHeader,
		TableMapOptionalMetaDecodeFunc: func([]byte) error { return nil }, // see parseTableMap
	}
}

// classify finds the errors that a caller decides on.
func classify(err error) error {
	var my *mysql.MyError
	if !errors.As(err, &my) || my.Code != mysql.ER_MASTER_FATAL_ERROR_READING_BINLOG {
		return err
	}
	// One code for many reasons.
	for _, words := range []string{"purged", "Could not find first log file", "not in the master's binlog", "not found in binlog", "> file size"} {
		if strings.Contains(my.Message, words) {
			return &PurgedError{Reason: my.Message}
		}
	}
	return err
}

// decoder turns the library's events into ours. It runs on the library's reading goroutine.
type decoder struct {
	flavor Flavor
	send   func(*Event) error

	file   string
	offset uint64
	skipTo uint64 // ignore what ends before this offset of the first file

	maps map[uint64]*cachedMap
	// bodies are the images of the rows events decoded but not yet handled: several when they came
	// in a compressed transaction.
	bodies   [][]byte
	handled  int
	checksum int // bytes of it after each event

	inside     bool // a transaction is open
	standalone bool // MariaDB: the next statement is the whole transaction
	undone     bool
	xa         bool // an XA transaction
	gtid       GTID
	commitTime int64
}

type cachedMap struct {
	body  []byte
	table *TableMap
}

// rowsHeader stands in for the library's decoder of rows: it finds where the
// images begin and leaves them alone.
func (d *decoder) rowsHeader(e *replication.RowsEvent, data []byte) error {
	at, err := e.DecodeHeader(data)
	if err != nil {
		return err
	}
	d.bodies = append(d.bodies, data[at:])
	return nil
}

// advance moves to where an event ends. The header has only 32 bits of it; the
// rest is whatever brings it nearest to where we are.
func (d *decoder) advance(h *replication.EventHeader) {
	if h.LogPos == 0 || h.Flags&replication.LOG_EVENT_ARTIFICIAL_F != 0 {
		return
	}
	const turn = 1 << 32
	next := d.offset&^(turn-1) | uint64(h.LogPos)
	switch {
	case next+turn/2 < d.offset:
		next += turn
	case next > d.offset+turn/2 && next >= turn:
		next -= turn
	}
	d.offset = next
}

func (d *decoder) rotate(e *replication.RotateEvent) {
	file := string(bytes.TrimRight(e.NextLogName, "\x00"))
	if file == d.file {
		return
	}
	if d.file != "" {
		d.skipTo = 0
	}
	d.file, d.offset = file, e.Position
}
