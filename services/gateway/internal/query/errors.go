package query

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/services/gateway/internal/encode"
	"github.com/chittihq/duckling/services/gateway/internal/reader"
	"github.com/chittihq/duckling/services/gateway/internal/sandbox"
)

// Code is the stable name of a kind of error. Clients decide by it.
type Code string

// The codes, as schemas/ws/PROTOCOL.md lists them.
const (
	CodeAuthRequired      Code = "AUTH_REQUIRED"       // no key yet
	CodeUnauthorized      Code = "AUTH_INVALID"        // a wrong key
	CodeForbidden         Code = "FORBIDDEN"           // a good key, but not for this
	CodeInvalidRequest    Code = "BAD_REQUEST"         // what was sent around the SQL is wrong
	CodeUnknownType       Code = "UNKNOWN_TYPE"        // no such message
	CodeSyntax            Code = "SQL_SYNTAX"          // the SQL cannot be read
	CodeNotAllowed        Code = "SQL_FORBIDDEN"       // the SQL does what clients may not
	CodeParams            Code = "SQL_PARAMS"          // parameters do not fit the statement
	CodeInvalid           Code = "SQL_ERROR"           // the SQL makes no sense, or a value in it does not
	CodeUnsupportedType   Code = CodeInvalid           // a column cannot be sent
	CodeUnknownName       Code = "NOT_FOUND"           // a table, column or function does not exist
	CodeUnknownDatabase   Code = "DATABASE_NOT_FOUND"  // no such database
	CodeStatementNotFound Code = "STATEMENT_NOT_FOUND" // no such prepared statement
	CodeTimeout           Code = "TIMEOUT"             // the statement took longer than it may
	CodeCancelled         Code = "CANCELLED"           // the client gave up
	CodeBusy              Code = "QUEUE_FULL"          // too many statements wait; try again
	CodeRateLimited       Code = "RATE_LIMITED"        // too many requests for this key
	CodeLimit             Code = "LIMIT_EXCEEDED"      // too much is open on a connection
	CodeTooLarge          Code = "RESULT_TOO_LARGE"    // more rows or bytes than a result may have
	CodeOutOfMemory       Code = "OUT_OF_MEMORY"       // the statement needs more memory than there is
	CodeSlowConsumer      Code = "SLOW_CONSUMER"       // a stream waited too long for its client
	CodeNotReady          Code = "UNAVAILABLE"         // the database has no data yet, or the service stops
	CodeInternal          Code = "INTERNAL"            // a fault of the gateway
)

// Retryable tells whether the same request may succeed later, unchanged.
func (c Code) Retryable() bool {
	return c == CodeBusy || c == CodeRateLimited || c == CodeNotReady
}

// Error is what a client is told.
type Error struct {
	Code    Code
	Message string
	// Line and Column, from 1, are where in the client's SQL the error is, and 0 when that is not known. The column counts bytes.
	Line, Column int
	// Position is the same place from 0 in code points from the start. It counts only when Line is known.
	Position int
	// RetryAfter is when a retryable request may be sent again at the earliest, or 0.
	RetryAfter time.Duration
}

func (e *Error) Error() string { return e.Message }

func cancelled() *Error { return &Error{Code: CodeCancelled, Message: "Query cancelled"} }

func timedOut(limit time.Duration) *Error {
	return &Error{Code: CodeTimeout, Message: fmt.Sprintf("the query took longer than %v (QUERY_TIMEOUT) and was stopped", limit)}
}

func overstayed(held time.Duration) *Error {
	return &Error{Code: CodeSlowConsumer, Message: fmt.Sprintf("the result was read so slowly that it kept an old state of the database for %v, "+
		"while newer ones waited for room on the disk; read faster, or have a job write it", held.Round(time.Second))}
}

// patience is what a client is told to wait when there is no place for its statement.
const patience = 250 * time.Millisecond

func queueFull(waiting int) *Error {
	return &Error{Code: CodeBusy, Message: fmt.Sprintf("queue full: %d queries are waiting", waiting), RetryAfter: patience}
}

// Explain turns any error into one that is fit for clients.
func Explain(err error) *Error {
	var (
		known    *Error
		unknown  *reader.UnknownError
		notReady *reader.NotReadyError
		refused  *sandbox.RefusedError
		params   *duck.ParamsError
		param    *duck.ParamError
		column   *encode.UnsupportedTypeError
		failed   *duck.Error
	)
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{Code: CodeTimeout, Message: "the request took longer than it may"}
	case errors.Is(err, context.Canceled):
		return cancelled()
	case errors.As(err, &unknown):
		return &Error{Code: CodeUnknownDatabase, Message: unknown.Error()}
	case errors.As(err, &notReady):
		return &Error{Code: CodeNotReady, Message: fmt.Sprintf("database '%s' has no data yet; the first copy is still under way", notReady.Database), RetryAfter: time.Second}
	case errors.As(err, &refused):
		return refusal(refused)
	case errors.As(err, &params):
		return &Error{Code: CodeParams, Message: params.Error()}
	case errors.As(err, &param):
		return &Error{Code: CodeParams, Message: param.Error()}
	case errors.As(err, &column):
		return &Error{Code: CodeUnsupportedType, Message: column.Error()}
	case errors.Is(err, duck.ErrNotOneStatement):
		return &Error{Code: CodeSyntax, Message: duck.ErrNotOneStatement.Error()}
	case errors.As(err, &failed):
		return &Error{Code: codeOf(failed), Message: tidy(failed)}
	default:
		return &Error{Code: CodeInternal, Message: "the query failed inside the gateway: " + withoutPaths(err.Error())}
	}
}

func refusal(e *sandbox.RefusedError) *Error {
	switch {
	case e.Syntax:
		return &Error{Code: CodeSyntax, Message: e.Reason}
	case strings.HasPrefix(e.Reason, "Catalog Error"):
		return &Error{Code: CodeUnknownName, Message: e.Reason}
	default:
		return &Error{Code: CodeNotAllowed, Message: e.Reason}
	}
}

func codeOf(e *duck.Error) Code {
	switch e.Kind {
	case "Parser":
		return CodeSyntax
	case "Catalog":
		return CodeUnknownName
	case "Binder":
		if strings.Contains(e.Message, "not found") || strings.Contains(e.Message, "does not exist") {
			return CodeUnknownName
		}
		return CodeInvalid
	case "Permission":
		return CodeNotAllowed
	case "Out of Memory":
		return CodeOutOfMemory
	case "INTERRUPT":
		return CodeCancelled
	case "IO", "INTERNAL", "FATAL", "":
		return CodeInternal
	default:
		return CodeInvalid
	}
}

// tidy is DuckDB's message on the first lines, before its picture of the SQL that it got.
func tidy(e *duck.Error) string {
	text, _, _ := strings.Cut(e.Error(), "\n\nLINE ")
	text, _, _ = strings.Cut(text, "\nStack Trace:")
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		// Suggestions may name what clients are not to know of.
		if line == "" || strings.HasPrefix(line, "Did you mean") && strings.Contains(line, "_duckling") {
			continue
		}
		lines = append(lines, line)
	}
	return withoutPaths(strings.Join(lines, "\n"))
}

var filePath = regexp.MustCompile(`(?:/[\w.@-]+){2,}`)

func withoutPaths(text string) string { return filePath.ReplaceAllString(text, "(path)") }

// explain turns the error of this plan's statement into an *Error with its position in the client's text.
func (p *plan) explain(err error) error {
	e := Explain(err)
	if e.Line > 0 {
		return e
	}
	offset := -1
	var (
		refused *sandbox.RefusedError
		failed  *duck.Error
	)
	switch {
	case errors.As(err, &refused):
		offset = refused.Offset
	case errors.As(err, &failed):
		offset = locate(p.sql, failed.Message)
	}
	if offset < 0 || offset > len(p.sql) {
		return e
	}
	before := p.key.sql[:min(p.translation.Origin(offset), len(p.key.sql))]
	e.Line = strings.Count(before, "\n") + 1
	e.Column = len(before) - strings.LastIndexByte(before, '\n')
	e.Position = utf8.RuneCountInString(before)
	return e
}

var caretLine = regexp.MustCompile(`(?m)^LINE (\d+): (.*)\n( *)\^`)

// locate finds the offset in sql at which the caret of DuckDB's message points, or -1. DuckDB shows part of a long
// line between dots, so the part is looked for in the line.
func locate(sql, message string) int {
	m := caretLine.FindStringSubmatch(message)
	if m == nil {
		return -1
	}
	lineStart := 0
	for n := 1; fmt.Sprint(n) != m[1]; n++ {
		next := strings.IndexByte(sql[lineStart:], '\n')
		if next < 0 {
			return -1
		}
		lineStart += next + 1
	}
	line, _, _ := strings.Cut(sql[lineStart:], "\n")
	column := len(m[3]) - len("LINE : ") - len(m[1])
	shown, cutFront := strings.CutPrefix(m[2], "...")
	if !cutFront || strings.HasPrefix(line, m[2]) {
		return lineStart + max(column, 0)
	}
	at := strings.Index(line, strings.TrimSuffix(shown, "..."))
	if at < 0 {
		return -1
	}
	return lineStart + at + max(column-len("..."), 0)
}

func (l Limits) check(rows, bytes int) error {
	if rows > l.Rows {
		return &Error{Code: CodeTooLarge, Message: fmt.Sprintf("the result has more than %d rows (MAX_RESULT_ROWS); add a LIMIT or stream it", l.Rows)}
	}
	if bytes > l.Bytes {
		return &Error{Code: CodeTooLarge, Message: fmt.Sprintf("the result has more than %d bytes (MAX_RESULT_BYTES); add a LIMIT or stream it", l.Bytes)}
	}
	return nil
}
