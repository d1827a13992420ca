package rest

import (
	"errors"

	"github.com/gofiber/fiber/v2"

	"github.com/chittihq/duckling/pkg/bus"
	"github.com/chittihq/duckling/services/gateway/internal/control"
	"github.com/chittihq/duckling/services/gateway/internal/query"
)

// problem is the body of every failed request.
type problem struct {
	Error  string     `json:"error"`
	Code   query.Code `json:"code"`
	Line   int        `json:"line,omitempty"`
	Column int        `json:"column,omitempty"`
}

var statuses = map[query.Code]int{
	query.CodeSyntax:          fiber.StatusBadRequest,
	query.CodeNotAllowed:      fiber.StatusForbidden,
	query.CodeUnknownName:     fiber.StatusBadRequest,
	query.CodeInvalid:         fiber.StatusBadRequest,
	query.CodeParams:          fiber.StatusBadRequest,
	query.CodeInvalidRequest:  fiber.StatusBadRequest,
	query.CodeUnsupportedType: fiber.StatusBadRequest,
	query.CodeUnauthorized:    fiber.StatusUnauthorized,
	query.CodeUnknownDatabase: fiber.StatusNotFound,
	query.CodeTooLarge:        fiber.StatusRequestEntityTooLarge,
	query.CodeTimeout:         fiber.StatusGatewayTimeout,
	query.CodeCancelled:       fiber.StatusServiceUnavailable,
	query.CodeBusy:            fiber.StatusServiceUnavailable,
	query.CodeNotReady:        fiber.StatusServiceUnavailable,
	query.CodeOutOfMemory:     fiber.StatusInsufficientStorage,
	query.CodeInternal:        fiber.StatusInternalServerError,
}

// fail writes an error as JSON with the status that fits it.
func (s *Server) fail(c *fiber.Ctx, err error) error {
	var (
		known   *query.Error
		http    *fiber.Error
		refused *bus.ControlError
	)
	switch {
	case errors.As(err, &known):
	case errors.As(err, &http):
		return c.Status(http.Code).JSON(problem{Error: http.Message, Code: query.CodeInvalidRequest})
	case errors.As(err, &refused):
		status := fiber.StatusConflict
		if refused.Code == "unknown-table" {
			status = fiber.StatusNotFound
		}
		return c.Status(status).JSON(problem{Error: refused.Message, Code: query.Code(refused.Code)})
	case errors.Is(err, control.ErrUnavailable):
		known = &query.Error{Code: query.CodeNotReady, Message: err.Error()}
	default:
		known = query.Explain(err)
	}
	status := statuses[known.Code]
	switch known.Code {
	case query.CodeInternal:
		s.Log.Error("request failed", "error", err)
	case query.CodeBusy, query.CodeNotReady:
		c.Set(fiber.HeaderRetryAfter, "1")
	case query.CodeUnauthorized:
		c.Set(fiber.HeaderWWWAuthenticate, "Bearer")
	}
	return c.Status(status).JSON(problem{Error: known.Message, Code: known.Code, Line: known.Line, Column: known.Column})
}

func invalid(message string) error {
	return &query.Error{Code: query.CodeInvalidRequest, Message: message}
}
