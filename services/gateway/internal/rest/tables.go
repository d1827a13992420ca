package rest

import (
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/services/gateway/internal/dialect"
	"github.com/chittihq/duckling/services/gateway/internal/encode"
	"github.com/chittihq/duckling/services/gateway/internal/query"
	"github.com/chittihq/duckling/services/gateway/internal/sandbox"
)

// snapshot pins the database that a request means.
func (s *Server) snapshot(c *fiber.Ctx) (*query.Snapshot, error) {
	id, err := s.database(c)
	if err != nil {
		return nil, err
	}
	snapshot, err := s.Queries.Snapshot(id)
	if err != nil {
		return nil, err
	}
	setFreshness(c, snapshot.Manifest())
	return snapshot, nil
}

func (s *Server) listTables(c *fiber.Ctx) error {
	snapshot, err := s.snapshot(c)
	if err != nil {
		return err
	}
	defer snapshot.Release()
	names := []string{}
	for _, t := range snapshot.Manifest().Tables {
		names = append(names, t.Name)
	}
	return c.JSON(names)
}

func (s *Server) tableSchema(c *fiber.Ctx) error {
	return s.withTable(c, func(snapshot *query.Snapshot, table string) error {
		const sql = `SELECT column_name, data_type AS column_type, is_nullable AS "null", NULL AS key, column_default AS default_value, NULL AS extra, column_comment AS comment
			FROM information_schema.columns WHERE table_name = ? ORDER BY ordinal_position`
		return s.sendTable(c, snapshot, `{"columns":`, sql, []any{table}, "}")
	})
}

func (s *Server) tableData(c *fiber.Ctx) error {
	offset, limit, err := window(c, 100, 10000)
	if err != nil {
		return err
	}
	return s.withTable(c, func(snapshot *query.Snapshot, table string) error {
		sql := "SELECT * FROM " + duck.Identifier(snapshot.Manifest().Database) + ".main." + duck.Identifier(table) + " LIMIT ? OFFSET ?"
		return s.sendTable(c, snapshot, "", sql, []any{limit, offset}, "")
	})
}

func (s *Server) tableCount(c *fiber.Ctx) error {
	return s.withTable(c, func(snapshot *query.Snapshot, table string) error {
		for _, t := range snapshot.Manifest().Tables {
			if t.Name == table {
				return c.JSON(fiber.Map{"count": t.Rows})
			}
		}
		return nil
	})
}

// withTable runs fn on the route's table, under the name that the source gave it.
func (s *Server) withTable(c *fiber.Ctx, fn func(*query.Snapshot, string) error) error {
	snapshot, err := s.snapshot(c)
	if err != nil {
		return err
	}
	defer snapshot.Release()
	wanted := param(c, "table")
	for _, t := range snapshot.Manifest().Tables {
		if strings.EqualFold(t.Name, wanted) && !sandbox.Hidden("", strings.ToLower(t.Name)) {
			return fn(snapshot, t.Name)
		}
	}
	return fiber.NewError(fiber.StatusNotFound, "table '"+wanted+"' does not exist")
}

// sendTable sends a statement's rows between before and after.
func (s *Server) sendTable(c *fiber.Ctx, snapshot *query.Snapshot, before, sql string, params []any, after string) error {
	statement := query.Statement{SQL: sql, Params: params, Dialect: dialect.DuckDB, Key: identity(c).Name, Parent: parent(c)}
	if err := s.Queries.Spend(statement.Key, 1); err != nil {
		return err
	}
	body, err := snapshot.AppendJSON(c.UserContext(), []byte(before), statement, encode.Options{})
	if err != nil {
		return err
	}
	return s.sendJSON(c, append(body, after...))
}
