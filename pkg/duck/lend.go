package duck

// #cgo linux CFLAGS: -fexceptions
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
