package bus

import (
	"errors"
	"fmt"
)

var (
	// ErrFenced says that the stream's end is not where the publisher left it:
	// another writer is at work, or the stream lost its tail. Whoever holds the
	// publisher closes it, reads Tail and starts again from there.
	ErrFenced = errors.New("the stream was written by someone else")
	// ErrStreamFull says that the stream has reached its size limit and takes no
	// more until its reader has purged it.
	ErrStreamFull = errors.New("the stream is full")
	// ErrDisconnected says that there is no connection to NATS at the moment.
	ErrDisconnected = errors.New("no connection to NATS")
	// ErrNoStream says that the database has no stream yet; EnsureStream makes it.
	ErrNoStream = errors.New("the stream does not exist")
	// ErrNoMessage says that no message ends at the sequence asked for.
	ErrNoMessage = errors.New("no message at this sequence")
	// ErrClosed says that a publisher or consumer was used after Close.
	ErrClosed = errors.New("closed")
	// ErrNoResponders says that nobody serves the subject a request was sent to.
	ErrNoResponders = errors.New("nobody answers")
)

// GapError says that messages a consumer needs are no longer in the stream.
type GapError struct {
	// Want is the first sequence that is missing, Got the next that exists.
	Want, Got uint64
}

func (e *GapError) Error() string {
	return fmt.Sprintf("messages %d to %d are no longer in the stream", e.Want, e.Got-1)
}

// RegressedError says that the stream ends before the place a consumer is to
// read from, or was made anew: what the reader has seen is not in it.
type RegressedError struct {
	// Want is the sequence to read next, Last the stream's last.
	Want, Last uint64
	// Recreated is true when the stream was made anew while it was being read.
	Recreated bool
}

func (e *RegressedError) Error() string {
	if e.Recreated {
		return fmt.Sprintf("the stream was made anew (its last message is %d); message %d of the old one cannot be read", e.Last, e.Want)
	}
	return fmt.Sprintf("the stream ends at %d and lost what came after; message %d cannot follow", e.Last, e.Want)
}

// DivergedError says that a message was written after another predecessor
// than the one the consumer has seen: the stream lost its tail and was written
// on from there.
type DivergedError struct {
	// Seq is the message that does not follow.
	Seq uint64
	// Want is the id of the message seen before it, Got the id it was written after.
	Want, Got string
}

func (e *DivergedError) Error() string {
	return fmt.Sprintf("message %d was written after %q, but %q was read before it: the stream lost its tail and was written anew", e.Seq, e.Got, e.Want)
}

// ConfigError says that an existing stream cannot serve as a source's stream.
type ConfigError struct {
	Stream string
	// Problems are complete phrases, one for each setting.
	Problems []string
}

func (e *ConfigError) Error() string {
	text := "stream " + e.Stream + " exists with settings that lose data or do not fit:"
	for i, problem := range e.Problems {
		if i > 0 {
			text += ";"
		}
		text += " " + problem
	}
	return text + ". Correct them with the nats tool, or delete the stream to have it made anew"
}

// ControlError is an error that a control handler answered with.
type ControlError struct {
	// Code is stable and meant for programs, Message is for people.
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (e *ControlError) Error() string { return e.Message }
