package rest

import (
	"github.com/gofiber/fiber/v2"

	"github.com/chittihq/duckling/services/gateway/internal/query"
)

// listQueries tells of the statements that have arrived and not ended.
func (s *Server) listQueries(c *fiber.Ctx) error {
	return c.JSON(fiber.Map{"queries": s.Queries.Active()})
}

// cancelQuery stops one of them, as its client's own cancel does.
func (s *Server) cancelQuery(c *fiber.Ctx) error {
	id := param(c, "id")
	if !s.Queries.Cancel(id) {
		return &query.Error{Code: query.CodeUnknownName, Message: "no query '" + id + "' is running or waiting"}
	}
	return c.JSON(fiber.Map{"cancelled": true})
}
