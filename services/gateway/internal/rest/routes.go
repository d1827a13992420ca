package rest

import (
	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/chittihq/duckling/services/gateway/internal/control"
	"github.com/chittihq/duckling/services/gateway/openapi"
)

// route is one method of one path.
type route struct {
	method, path string
	who          access
	handle       fiber.Handler
}

// routes are all there are, but for the WebSocket's.
func (s *Server) routes() []route {
	const get, post, patch, remove = fiber.MethodGet, fiber.MethodPost, fiber.MethodPatch, fiber.MethodDelete
	const keys = "/api/databases/:database/api-keys"
	return []route{
		{get, "/health/live", anyone, live},
		{get, "/health/ready", readers, s.ready},
		{get, "/health", readers, s.health},
		{get, "/status", readers, s.status},
		{get, "/metrics", administrators, adaptor.HTTPHandler(promhttp.HandlerFor(s.Gatherer, promhttp.HandlerOpts{}))},
		{get, "/openapi.json", readers, document},

		{get, "/api/query", readers, s.query},
		{post, "/api/query", readers, s.query},
		{get, "/api/queries", administrators, s.listQueries},
		{remove, "/api/queries/:id", administrators, s.cancelQuery},

		{get, "/api/jobs", readers, s.listJobs},
		{post, "/api/jobs", readers, s.submitJob},
		{get, "/api/jobs/:job", readers, s.jobStatus},
		{remove, "/api/jobs/:job", readers, s.deleteJob},
		{get, "/api/jobs/:job/result", readers, s.jobResult},

		{get, "/api/databases", readers, s.listDatabases},
		{get, keys, administrators, s.listKeys},
		{post, keys, administrators, s.createKey},
		{patch, keys + "/:key", administrators, s.changeKey},
		{remove, keys + "/:key", administrators, s.revokeKey},

		{get, "/api/tables", readers, s.listTables},
		{get, "/api/tables/:table/schema", readers, s.tableSchema},
		{get, "/api/tables/:table/data", readers, s.tableData},
		{get, "/api/tables/:table/count", readers, s.tableCount},

		{get, "/sync/status", readers, s.ask(control.Loader, "status")},
		{get, "/cdc/status", readers, s.ask(control.Ingest, "status")},
		{get, "/sync/validate", readers, s.ask(control.Loader, "validate")},
		{get, "/sync/events", readers, s.events},
		{post, "/sync/check", administrators, s.ask(control.Loader, "check")},
		{post, "/sync/check/:table", administrators, s.ask(control.Loader, "check")},
		{post, "/sync/cancel", administrators, s.ask(control.Loader, "cancel")},
		{post, "/sync/cancel/:table", administrators, s.ask(control.Loader, "cancel")},
		{post, "/sync/pause", administrators, s.ask(control.Ingest, "pause")},
		{post, "/sync/resume", administrators, s.ask(control.Ingest, "resume")},
		{post, "/sync/full", administrators, s.ask(control.Loader, "resync")},
		{post, "/sync/table/:table", administrators, s.ask(control.Loader, "resync")},
	}
}

func live(c *fiber.Ctx) error { return c.JSON(fiber.Map{"status": "alive"}) }

func document(c *fiber.Ctx) error {
	c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	return c.Send(openapi.JSON())
}

// ask answers with what a service says to a command about the database and, where the route has one, the table.
func (s *Server) ask(service control.Service, op string) fiber.Handler {
	return func(c *fiber.Ctx) error {
		id, err := s.database(c)
		if err != nil {
			return err
		}
		answer, err := s.Control.Ask(c.UserContext(), service, id, control.Command{Op: op, Table: param(c, "table")})
		if err != nil {
			return err
		}
		return s.sendJSON(c, answer)
	}
}

// Route is a method and a path, with parameters as ":name".
type Route struct{ Method, Path string }

// Routes are all that the server has, but for the WebSocket's.
func Routes() []Route {
	var out []Route
	for _, r := range new(Server).routes() {
		out = append(out, Route{Method: r.method, Path: r.path})
	}
	return out
}
