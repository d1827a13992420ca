package duckling

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/coder/websocket"

	"github.com/chittihq/duckling/sdk/go/internal/wire"
)

// Code is the stable name of a failure. The text beside it may change, the code does not.
type Code string

// Codes the server sends.
const (
	CodeAuthRequired      Code = "AUTH_REQUIRED"
	CodeAuthInvalid       Code = "AUTH_INVALID"
	CodeForbidden         Code = "FORBIDDEN"
	CodeBadRequest        Code = "BAD_REQUEST"
	CodeUnknownType       Code = "UNKNOWN_TYPE"
	CodeSQLSyntax         Code = "SQL_SYNTAX"
	CodeSQLForbidden      Code = "SQL_FORBIDDEN"
	CodeSQLParams         Code = "SQL_PARAMS"
	CodeSQLError          Code = "SQL_ERROR"
	CodeNotFound          Code = "NOT_FOUND"
	CodeDatabaseNotFound  Code = "DATABASE_NOT_FOUND"
	CodeStatementNotFound Code = "STATEMENT_NOT_FOUND"
	CodeTimeout           Code = "TIMEOUT"
	CodeCancelled         Code = "CANCELLED"
	CodeQueueFull         Code = "QUEUE_FULL"
	CodeRateLimited       Code = "RATE_LIMITED"
	CodeLimitExceeded     Code = "LIMIT_EXCEEDED"
	CodeResultTooLarge    Code = "RESULT_TOO_LARGE"
	CodeOutOfMemory       Code = "OUT_OF_MEMORY"
	CodeSlowConsumer      Code = "SLOW_CONSUMER"
	CodeUnavailable       Code = "UNAVAILABLE"
	CodeInternal          Code = "INTERNAL"
)

// Codes this client adds.
const (
	// CodeConfig: the Config cannot work; nothing was sent.
	CodeConfig Code = "CONFIG"
	// CodeConnect: no connection could be made.
	CodeConnect Code = "CONNECT_FAILED"
	// CodeConnectionLost: the connection ended while the request was in flight. The server may
	// or may not have run it; since every statement only reads, sending it again does no harm.
	CodeConnectionLost Code = "CONNECTION_LOST"
	// CodeRequestTimeout: no answer within Config.RequestTimeout. The server was told to stop.
	CodeRequestTimeout Code = "REQUEST_TIMEOUT"
	// CodeProtocol: the server sent something this client cannot read.
	CodeProtocol Code = "PROTOCOL"
	// CodeClosed: the client was closed.
	CodeClosed Code = "CLOSED"
	// CodeBreakerOpen: a Breaker did not let the request through.
	CodeBreakerOpen Code = "BREAKER_OPEN"
)

// Error is every failure that is not the caller's own context ending. Use errors.As, or CodeOf.
type Error struct {
	Code    Code
	Message string // for people
	// Retryable says that the same request may succeed later, unchanged.
	Retryable bool
	// RetryAfter is the least time to wait before that; zero when the server named none.
	RetryAfter time.Duration
	// Position is where in the SQL the failure is, in Unicode code points from zero. It means
	// something only when HasPosition is set.
	Position    int
	HasPosition bool
	// CloseCode is the WebSocket close code where the end of the connection is the cause, else zero.
	CloseCode int
	// Err is the cause below, if there is one.
	Err error
}

// Error is the code's text for people; server messages are given as they came.
func (e *Error) Error() string {
	if e.Err != nil {
		return e.Message + ": " + e.Err.Error()
	}
	return e.Message
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Timeout reports whether time ran out, on either side, as net.Error has it.
func (e *Error) Timeout() bool { return e.Code == CodeTimeout || e.Code == CodeRequestTimeout }

// CodeOf returns the code of the first *Error in err's chain, or "" when there is none.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// ErrClosed answers every request after Close, and those in flight when it is called.
var ErrClosed error = &Error{Code: CodeClosed, Message: "the client is closed"}

// ErrNoRows is what Get returns when the statement had no row.
var ErrNoRows = errors.New("the statement returned no row")

func failure(f wire.Failure) *Error {
	e := &Error{
		Code:       Code(f.Code),
		Message:    f.Error,
		Retryable:  f.Retryable,
		RetryAfter: time.Duration(f.RetryAfterMs * float64(time.Millisecond)),
	}
	if e.Message == "" {
		e.Message = "the server reported a failure without a text"
	}
	if f.Position != nil {
		e.Position, e.HasPosition = *f.Position, true
	}
	return e
}

func protocolError(err error) *Error {
	return &Error{Code: CodeProtocol, Message: "the server's answer cannot be read", Err: err}
}

func timedOut(after time.Duration) *Error {
	return &Error{
		Code:      CodeRequestTimeout,
		Message:   fmt.Sprintf("no answer within %v", after),
		Retryable: true,
		Err:       context.DeadlineExceeded,
	}
}

// lost describes the end of a connection that requests were waiting on.
func lost(cause error) *Error {
	return closedBy(cause, &Error{Code: CodeConnectionLost, Message: "connection lost", Retryable: true, Err: cause})
}

// closedBy adds what a close frame says. Its codes 1008 and 1011 are the server's final word.
func closedBy(cause error, e *Error) *Error {
	var frame websocket.CloseError
	if !errors.As(cause, &frame) {
		return e
	}
	e.CloseCode = int(frame.Code)
	if frame.Reason != "" {
		e.Message, e.Err = frame.Reason, nil
	}
	switch frame.Code {
	case websocket.StatusPolicyViolation:
		e.Code, e.Retryable = CodeAuthInvalid, false
	case websocket.StatusInternalError:
		e.Code, e.Retryable = CodeInternal, false
		if strings.HasPrefix(frame.Reason, "Database ") {
			e.Code = CodeDatabaseNotFound
		}
	}
	return e
}

// final reports whether connecting again with the same configuration is pointless.
func final(err error) bool {
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.CloseCode {
	case int(websocket.StatusPolicyViolation), int(websocket.StatusInternalError):
		return true
	}
	switch e.Code {
	case CodeAuthInvalid, CodeAuthRequired, CodeForbidden, CodeDatabaseNotFound, CodeConfig:
		return true
	}
	return false
}
