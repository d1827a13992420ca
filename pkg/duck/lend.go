package duck

// #include "lend.h"
import "C"

import (
	"errors"
	"time"

	"github.com/duckdb/duckdb-go/v2/mapping"
)

// crew is the threads that help the statements of one DB which take long.
type crew struct{ c *C.crew }

func newCrew(db mapping.Database, threads int) (*crew, error) {
	c := C.crew_open(db.Ptr, C.int(threads))
	if c == nil {
		return nil, errors.New("the system gives no more threads to DuckDB")
	}
	return &crew{c}, nil
}

func (c *crew) close() { C.crew_close(c.c) }

func (c *crew) invite() { C.crew_invite(c.c) }

// long is what a statement takes that is helped from its start when it runs again.
const long = 4 * time.Millisecond

// execute runs a statement up to its first rows.
func (c *crew) execute(s *Stmt, res *mapping.Result) error {
	began := time.Now()
	var pending mapping.PendingResult
	state := C.crew_begin(c.c, s.stmt.Ptr, C.bool(s.long), &pending.Ptr) //nolint:gocritic // what cgo makes of it compares a pointer with itself
	defer mapping.DestroyPending(&pending)
	defer C.crew_begun(c.c, state)
	if state == C.CREW_FAILED {
		return newError(mapping.PendingError(pending))
	}
	if err := resultError(mapping.ExecutePending(pending, res), res); err != nil {
		return err
	}
	s.long = time.Since(began) > long
	return nil
}
