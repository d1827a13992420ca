package rest

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/chittihq/duckling/pkg/bus"
	"github.com/chittihq/duckling/services/gateway/internal/auth"
	"github.com/chittihq/duckling/services/gateway/internal/control"
	"github.com/chittihq/duckling/services/gateway/internal/query"
)

// problem is the body of every failed request.
type problem struct {
	Error     string     `json:"error"`
	Code      query.Code `json:"code"`
	Retryable bool       `json:"retryable"`
	// RetryAfterMs is there when it is known; the header Retry-After has it in whole seconds.
	RetryAfterMs int64 `json:"retryAfterMs,omitempty"`
	// Position is where in the SQL the error is, in code points from 0; Line and Column are the same place from 1, the column in bytes.
	Position *int `json:"position,omitempty"`
	Line     int  `json:"line,omitempty"`
	Column   int  `json:"column,omitempty"`
}

func describe(e *query.Error) problem {
	p := problem{Error: e.Message, Code: e.Code, Retryable: e.Code.Retryable(), RetryAfterMs: e.RetryAfter.Milliseconds()}
	if e.Line > 0 {
		p.Line, p.Column, p.Position = e.Line, e.Column, &e.Position
	}
	return p
}

// statuses are as schemas/ws/PROTOCOL.md lists them.
var statuses = map[query.Code]int{
	query.CodeAuthRequired:    fiber.StatusUnauthorized,
	query.CodeUnauthorized:    fiber.StatusUnauthorized,
	query.CodeForbidden:       fiber.StatusForbidden,
	query.CodeInvalidRequest:  fiber.StatusBadRequest,
	query.CodeSyntax:          fiber.StatusBadRequest,
	query.CodeNotAllowed:      fiber.StatusForbidden,
	query.CodeParams:          fiber.StatusBadRequest,
	query.CodeInvalid:         fiber.StatusBadRequest,
	query.CodeUnknownName:     fiber.StatusNotFound,
	query.CodeUnknownDatabase: fiber.StatusNotFound,
	query.CodeTimeout:         fiber.StatusRequestTimeout,
	query.CodeCancelled:       499,
	query.CodeBusy:            fiber.StatusServiceUnavailable,
	query.CodeRateLimited:     fiber.StatusTooManyRequests,
	query.CodeLimit:           fiber.StatusTooManyRequests,
	query.CodeTooLarge:        fiber.StatusRequestEntityTooLarge,
	query.CodeOutOfMemory:     fiber.StatusServiceUnavailable,
	query.CodeNotReady:        fiber.StatusServiceUnavailable,
	query.CodeInternal:        fiber.StatusInternalServerError,
}

// fail writes an error as JSON with the status that fits it.
func (s *Server) fail(c *fiber.Ctx, err error) error {
	var (
		http    *fiber.Error
		refused *bus.ControlError
		known   *query.Error
	)
	switch {
	case errors.As(err, &http):
		code, message := query.CodeInvalidRequest, http.Message
		switch {
		case http.Code == fiber.StatusNotFound && strings.HasPrefix(http.Message, "Cannot "):
			code, message = query.CodeUnknownName, "there is no "+c.Method()+" "+strings.Clone(c.Path())+"; GET /openapi.json lists what there is"
		case http.Code == fiber.StatusNotFound:
			code = query.CodeUnknownName
		case http.Code == fiber.StatusMethodNotAllowed:
			message = strings.Clone(c.Path()) + " does not take " + c.Method()
		}
		if http.Code == fiber.StatusRequestEntityTooLarge { // of the body: a result that is too large is no fiber.Error
			s.Metrics.refused.WithLabelValues(refusedBody).Inc()
		}
		return c.Status(http.Code).JSON(problem{Error: message, Code: code})
	case errors.As(err, &refused):
		known = refusal(refused)
	case errors.Is(err, control.ErrUnavailable), errors.Is(err, auth.ErrUnknown), errors.Is(err, auth.ErrNoStore):
		known = &query.Error{Code: query.CodeNotReady, Message: err.Error(), RetryAfter: time.Second}
	case errors.Is(err, auth.ErrNoKey):
		known = &query.Error{Code: query.CodeUnknownName, Message: err.Error()}
	default:
		known = query.Explain(err)
	}
	status, ok := statuses[known.Code]
	if !ok {
		status = fiber.StatusConflict // a code of another service
	}
	switch status {
	case fiber.StatusInternalServerError:
		s.Log.Error("request failed", "error", err)
	case fiber.StatusTooManyRequests, fiber.StatusServiceUnavailable:
		c.Set(fiber.HeaderRetryAfter, strconv.Itoa(max(1, int(math.Ceil(known.RetryAfter.Seconds())))))
	case fiber.StatusUnauthorized:
		c.Set(fiber.HeaderWWWAuthenticate, "Bearer")
	}
	// What the answer would have been is not what it is.
	c.Response().Header.Del(fiber.HeaderETag)
	c.Set(fiber.HeaderCacheControl, "no-store")
	return c.Status(status).JSON(describe(known))
}

// refusal is what a client is told when another service says no.
func refusal(e *bus.ControlError) *query.Error {
	switch e.Code {
	case "unknown-table", "unknown_table":
		return &query.Error{Code: query.CodeUnknownName, Message: e.Message}
	case "bad-request", "bad_request":
		return &query.Error{Code: query.CodeInvalidRequest, Message: e.Message}
	case "unavailable":
		return &query.Error{Code: query.CodeNotReady, Message: e.Message, RetryAfter: time.Second}
	case "internal":
		return &query.Error{Code: query.CodeInternal, Message: e.Message}
	}
	return &query.Error{Code: query.Code(e.Code), Message: e.Message}
}

func invalid(message string) error {
	return &query.Error{Code: query.CodeInvalidRequest, Message: message}
}
