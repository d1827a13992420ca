package rest

import (
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/pkg/generation"
	"github.com/chittihq/duckling/services/gateway/internal/query"
)

// databaseStatus is what is told of one database.
type databaseStatus struct {
	ID          string             `json:"id"`
	DatabaseID  string             `json:"databaseId"`
	Name        string             `json:"name"`
	Status      string             `json:"status"` // healthy, or unavailable while there is nothing to serve
	*freshness                     // nil while there is nothing to serve
	PublishedAt *time.Time         `json:"publishedAt,omitempty"`
	Tables      []generation.Table `json:"tables,omitempty"`
	// Error is why the newest generation is not served; an older one may be.
	Error string `json:"error,omitempty"`
}

type freshness = query.Freshness

const (
	healthy     = "healthy"
	unavailable = "unavailable"
)

// databases tells how each database fares, with its tables if tables is set. Only those that the request may read count.
func (s *Server) databases(c *fiber.Ctx, tables bool) (all []databaseStatus, ready bool) {
	all = []databaseStatus{}
	ready = true
	for _, id := range s.Databases.IDs() {
		d, err := s.Databases.Get(id)
		if err != nil || !identity(c).May(id) {
			continue // it may have gone in between
		}
		one := databaseStatus{ID: id, DatabaseID: id, Name: id, Status: unavailable}
		if err := d.Failure(); err != nil {
			one.Error = err.Error()
		}
		if g, err := d.Pin(); err == nil {
			f := query.AsOf(g.Manifest(), time.Now())
			one.Status, one.freshness, one.PublishedAt = healthy, &f, &g.Manifest().PublishedAt
			if tables {
				one.Tables = g.Manifest().Tables
			}
			g.Release()
		}
		ready = ready && one.Status == healthy
		all = append(all, one)
	}
	return all, ready && len(all) > 0
}

func (s *Server) health(c *fiber.Ctx) error {
	databases, ready := s.databases(c, false)
	status, code := healthy, fiber.StatusOK
	if !ready {
		status, code = unavailable, fiber.StatusServiceUnavailable
	}
	return c.Status(code).JSON(fiber.Map{"status": status, "timestamp": time.Now().UTC(), "databases": databases})
}

// ready is 200 when every database has something to serve and there is at least one.
func (s *Server) ready(c *fiber.Ctx) error {
	if _, ready := s.databases(c, false); !ready {
		return c.Status(fiber.StatusServiceUnavailable).JSON(fiber.Map{"status": "not ready"})
	}
	return c.JSON(fiber.Map{"status": "ready"})
}

func (s *Server) status(c *fiber.Ctx) error {
	databases, _ := s.databases(c, true)
	return c.JSON(fiber.Map{
		"version": s.Version, "duckdb": duck.Version(), "startedAt": s.Started.UTC(), "uptime": time.Since(s.Started).Seconds(),
		"databases": databases,
	})
}

func (s *Server) listDatabases(c *fiber.Ctx) error {
	databases, _ := s.databases(c, false)
	return c.JSON(fiber.Map{"success": true, "databases": databases})
}
