package rest

import (
	"encoding/json"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/chittihq/duckling/services/gateway/internal/dialect"
	"github.com/chittihq/duckling/services/gateway/internal/encode"
	"github.com/chittihq/duckling/services/gateway/internal/query"
	"github.com/chittihq/duckling/services/gateway/internal/tracing"
)

// queryRequest is the body of POST /api/query and POST /api/jobs.
type queryRequest struct {
	SQL        string          `json:"sql"`
	Params     query.Params    `json:"params"`
	Database   string          `json:"database"`
	Dialect    string          `json:"dialect"`
	Format     string          `json:"format"`
	BOM        bool            `json:"bom"`
	NumberMode encode.Numbers  `json:"numberMode"`
	DateMode   encode.Times    `json:"dateMode"`
	JSONMode   encode.JSONMode `json:"jsonMode"`
}

// query answers GET and POST /api/query.
func (s *Server) query(c *fiber.Ctx) error {
	r, err := readQuery(c)
	if err != nil {
		return err
	}
	t, err := s.task(c, r)
	if err != nil {
		return err
	}
	return s.answer(c, t)
}

// readQuery reads a request's body, or for GET its parameters, of which those in the URL have the last word on the format.
func readQuery(c *fiber.Ctx) (*queryRequest, error) {
	r := new(queryRequest)
	if c.Method() == fiber.MethodPost {
		if err := json.Unmarshal(c.Request().Body(), r); err != nil {
			return nil, query.Unreadable(err)
		}
	} else {
		r.SQL, r.Dialect = strings.Clone(c.Query("sql")), strings.Clone(c.Query("dialect"))
		r.NumberMode, r.DateMode = encode.Numbers(strings.Clone(c.Query("numberMode"))), encode.Times(strings.Clone(c.Query("dateMode")))
		r.JSONMode = encode.JSONMode(strings.Clone(c.Query("jsonMode")))
		if text := c.Query("params"); text != "" {
			if err := json.Unmarshal([]byte(text), &r.Params); err != nil {
				return nil, query.Unreadable(err)
			}
		}
	}
	if format := c.Query("format"); format != "" {
		r.Format = strings.Clone(format)
	}
	r.BOM = c.QueryBool("bom", r.BOM)
	return r, nil
}

// parent is the client's span, as far as it tells of one.
func parent(c *fiber.Ctx) tracing.Parent {
	return tracing.Parent{TraceParent: strings.Clone(c.Get("Traceparent")), TraceState: strings.Clone(c.Get("Tracestate"))}
}

// task checks what was asked.
func (s *Server) task(c *fiber.Ctx, r *queryRequest) (*task, error) {
	if r.SQL == "" {
		return nil, invalid("SQL query is required: \"sql\" in the JSON of the body, or ?sql=")
	}
	mode, err := dialect.ParseMode(r.Dialect)
	if err != nil {
		return nil, invalid(err.Error())
	}
	options := encode.Options{Numbers: r.NumberMode, Times: r.DateMode, JSON: r.JSONMode}
	if err := options.Validate(); err != nil {
		return nil, invalid(err.Error())
	}
	format, err := negotiate(r.Format, c.Get(fiber.HeaderAccept))
	if err != nil {
		return nil, err
	}
	id := c.Query("db")
	// Clients of the first Duckling name the engine here, and mean the database of ?db=.
	if r.Database != "" && r.Database != "duckdb" {
		id = r.Database
	}
	if id, err = s.allowed(c, strings.Clone(id)); err != nil {
		return nil, err
	}
	if err := s.Queries.Spend(identity(c).Name, 1); err != nil {
		return nil, err
	}
	return &task{
		database: id, statement: query.Statement{SQL: r.SQL, Params: r.Params, Dialect: mode, Key: identity(c).Name, Parent: parent(c)},
		format: format, options: options, bom: r.BOM,
	}, nil
}
