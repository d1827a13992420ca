package replica

import (
	"errors"
	"time"
)

// measureEvery is how often the loader looks at the file: its size, and how much of it is free.
const measureEvery = 10 * time.Second

// errWasteful ends a session whose file is mostly free blocks. Everything that was whole is committed and published.
var errWasteful = errors.New("the file is mostly free blocks")

// compactDue returns errWasteful when the file is to be compacted: at the end of a batch, and not while tables are compared or copied, for
// copies will need the room.
func (l *loop) compactDue() error {
	if time.Since(l.measured) < measureEvery || l.applier.Open() || l.pub.busy() || l.sync.stage != resting {
		return nil
	}
	l.measured = time.Now()
	if err := l.measure(); err != nil {
		return err
	}
	for _, t := range l.book.Tables() {
		if t.Copy != nil || t.Ask != "" {
			return nil
		}
	}
	yes, err := l.file.Wasteful()
	if err != nil || !yes {
		return err
	}
	if err := l.finish(); err != nil {
		return err
	}
	return errWasteful
}

func (l *loop) measure() error {
	file, err := l.file.Size()
	if err != nil {
		return err
	}
	memory, err := l.file.Memory()
	if err != nil {
		return err
	}
	l.metrics.size(l.cfg.Database, file, memory)
	return nil
}
