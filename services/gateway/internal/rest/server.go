// Package rest serves the gateway's HTTP interface.
package rest

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"
	"github.com/gofiber/fiber/v2/middleware/recover"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/chittihq/duckling/services/gateway/internal/auth"
	"github.com/chittihq/duckling/services/gateway/internal/control"
	"github.com/chittihq/duckling/services/gateway/internal/query"
	"github.com/chittihq/duckling/services/gateway/internal/reader"
)

// Server holds what the routes need.
type Server struct {
	Queries   *query.Service
	Databases *reader.Set
	Key       auth.Key
	Control   *control.Client
	Metrics   prometheus.Gatherer
	Version   string
	Started   time.Time
	Log       *slog.Logger
}

// maxBody is the largest request body.
const maxBody = 10 << 20

// App makes the application with all routes. Queries are stopped when ctx ends.
func (s *Server) App(ctx context.Context) *fiber.App {
	app := fiber.New(fiber.Config{
		AppName:               "duckling-gateway",
		DisableStartupMessage: true,
		BodyLimit:             maxBody,
		ReadTimeout:           30 * time.Second,
		IdleTimeout:           2 * time.Minute,
		ErrorHandler:          s.fail,
	})
	app.Use(recover.New(recover.Config{EnableStackTrace: true, StackTraceHandler: func(c *fiber.Ctx, cause any) {
		s.Log.Error("request failed inside the gateway", "path", strings.Clone(c.Path()), "cause", cause)
	}}))
	app.Use(func(c *fiber.Ctx) error {
		c.SetUserContext(ctx)
		return c.Next()
	})
	app.Get("/health/live", func(c *fiber.Ctx) error { return c.JSON(fiber.Map{"status": "alive"}) })

	for _, prefix := range []string{"/api", "/health", "/status", "/sync", "/cdc", "/metrics"} {
		app.Use(prefix, s.authenticate)
	}
	app.Get("/health", s.health)
	app.Get("/health/ready", s.ready)
	app.Get("/status", s.status)
	app.Get("/metrics", adaptor.HTTPHandler(promhttp.HandlerFor(s.Metrics, promhttp.HandlerOpts{})))

	app.Post("/api/query", s.query)
	app.Get("/api/databases", s.listDatabases)
	app.Get("/api/tables", s.listTables)
	app.Get("/api/tables/:table/schema", s.tableSchema)
	app.Get("/api/tables/:table/data", s.tableData)
	app.Get("/api/tables/:table/count", s.tableCount)

	app.Get("/sync/status", s.ask(control.Loader, "status"))
	app.Get("/cdc/status", s.ask(control.Ingest, "status"))
	app.Post("/sync/full", s.ask(control.Loader, "resync"))
	app.Post("/sync/table/:table", s.ask(control.Loader, "resync"))
	return app
}

func (s *Server) authenticate(c *fiber.Ctx) error {
	presented := auth.Bearer(c.Get(fiber.HeaderAuthorization))
	if presented == "" {
		presented = c.Query("token")
	}
	switch {
	case presented == "":
		return &query.Error{Code: query.CodeUnauthorized, Message: "Authentication required. Send the API key as Authorization: Bearer <key>."}
	case !s.Key.Matches(presented):
		return &query.Error{Code: query.CodeUnauthorized, Message: "Invalid API key (API key mismatch)"}
	}
	return c.Next()
}

// database is the one that ?db= names. The text is a copy: Fiber's own is overwritten by the next request.
func database(c *fiber.Ctx) string { return strings.Clone(c.Query("db", "default")) }

// ask answers with what a service says to a command about the database and, where the route has one, the table.
func (s *Server) ask(service control.Service, op string) fiber.Handler {
	return func(c *fiber.Ctx) error {
		id := database(c)
		if _, err := s.Databases.Get(id); err != nil {
			return err
		}
		answer, err := s.Control.Ask(c.UserContext(), service, id, control.Command{Op: op, Table: strings.Clone(c.Params("table"))})
		if err != nil {
			return err
		}
		c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
		return c.Send(answer)
	}
}
