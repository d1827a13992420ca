package rest

import (
	"encoding/json"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/chittihq/duckling/services/gateway/internal/dialect"
	"github.com/chittihq/duckling/services/gateway/internal/encode"
	"github.com/chittihq/duckling/services/gateway/internal/query"
)

// queryRequest is the body of POST /api/query.
type queryRequest struct {
	SQL      string          `json:"sql"`
	Params   query.Params    `json:"params"`
	Database string          `json:"database"`
	Dialect  string          `json:"dialect"`
	Numbers  encode.Numbers  `json:"numbers"`
	Times    encode.Times    `json:"times"`
	JSONMode encode.JSONMode `json:"jsonMode"`
}

func (s *Server) query(c *fiber.Ctx) error {
	var r queryRequest
	if err := json.Unmarshal(c.Body(), &r); err != nil {
		return query.Unreadable(err)
	}
	if r.SQL == "" {
		return invalid("SQL query is required")
	}
	mode, err := dialect.ParseMode(r.Dialect)
	if err != nil {
		return invalid(err.Error())
	}
	options := encode.Options{Numbers: r.Numbers, Times: r.Times, JSON: r.JSONMode}
	if err := options.Validate(); err != nil {
		return invalid(err.Error())
	}
	id := database(c)
	// Clients of the first Duckling name the engine here, and mean the database of ?db=.
	if r.Database != "" && r.Database != "duckdb" {
		id = r.Database
	}
	snapshot, err := s.Queries.Snapshot(id)
	if err != nil {
		return err
	}
	defer snapshot.Release()
	body, err := snapshot.AppendJSON(c.UserContext(), []byte(`{"result":`), query.Statement{SQL: r.SQL, Params: r.Params, Dialect: mode}, options)
	if err != nil {
		return err
	}
	freshness, err := json.Marshal(query.AsOf(snapshot.Manifest(), time.Now()))
	if err != nil {
		return err
	}
	body = append(body, ',')
	return sendJSON(c, append(body, freshness[1:]...))
}

func sendJSON(c *fiber.Ctx, body []byte) error {
	c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	c.Response().SetBodyRaw(body)
	return nil
}
