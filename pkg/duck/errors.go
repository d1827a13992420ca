package duck

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Error is what DuckDB said of a statement.
type Error struct {
	// Kind is DuckDB's own class, as "Parser", "Binder", "Catalog", "Conversion",
	// "Out of Range", "Out of Memory", "INTERRUPT", "IO", "Constraint", "TransactionContext".
	Kind string
	// Message is the text without the class, possibly of several lines.
	Message string
}

func (e *Error) Error() string {
	if e.Kind == "" {
		return e.Message
	}
	return e.Kind + " Error: " + e.Message
}

// Position returns where in the statement DuckDB's caret points, as a 1-based line
// and column, and false when the message carries none.
func (e *Error) Position() (line, column int, ok bool) {
	lines := strings.Split(e.Message, "\n")
	for i, l := range lines {
		m := caretLine.FindStringSubmatch(l)
		if m == nil || i+1 >= len(lines) {
			continue
		}
		caret := strings.IndexByte(lines[i+1], '^')
		if caret < len(m[0]) {
			return 0, 0, false
		}
		n := 0
		for _, d := range m[1] {
			n = n*10 + int(d-'0')
		}
		return n, caret - len(m[0]) + 1, true
	}
	return 0, 0, false
}

var (
	caretLine  = regexp.MustCompile(`^LINE (\d+): `)
	errorClass = regexp.MustCompile(`^([A-Za-z][A-Za-z ]{1,30}?) Error: `)
	lockHolder = regexp.MustCompile(`Conflicting lock is held in (.*?)\(PID (\d+)\)`)
)

func newError(message string) error {
	if m := errorClass.FindStringSubmatch(message); m != nil {
		return &Error{Kind: m[1], Message: message[len(m[0]):]}
	}
	return &Error{Message: message}
}

// Interrupted reports whether err came from a statement that was stopped.
func Interrupted(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Kind == "INTERRUPT"
}

// Failed reports whether err says that DuckDB failed inside. It may have given up its instance then, which refuses all statements from that time on.
func Failed(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.Kind == "INTERNAL" || e.Kind == "FATAL")
}

// GivenUp reports whether a statement was refused because DuckDB has given up its instance, after another one.
func GivenUp(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Kind == "FATAL" && strings.Contains(e.Message, "has been invalidated")
}

// CheckpointHeld reports whether err came from a checkpoint that transactions keep from being written: those that go on, and those that changed
// definitions or updated rows in place since a snapshot was taken that is still read.
func CheckpointHeld(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Kind == "TransactionContext" && strings.HasPrefix(e.Message, "Cannot CHECKPOINT: there are other write transactions")
}

// LockedError reports a database file that another process holds.
type LockedError struct {
	Path string
	// Holder names the other process as far as DuckDB could tell, or is empty.
	Holder string
}

func (e *LockedError) Error() string {
	by := "another process"
	if e.Holder != "" {
		by = e.Holder
	}
	return fmt.Sprintf("DuckDB file %s is held by %s; stop it or use another directory", e.Path, by)
}

func openError(path, message string) error {
	if strings.Contains(message, "Could not set lock") {
		e := &LockedError{Path: path}
		if m := lockHolder.FindStringSubmatch(message); m != nil {
			e.Holder = strings.TrimSpace(m[1]) + " (pid " + m[2] + ")"
		}
		return e
	}
	return fmt.Errorf("opening DuckDB file %s: %w", path, newError(message))
}
